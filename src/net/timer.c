/* Timers of one duration in one list: since the clock never goes back, appending keeps it sorted. */
#include "net/timer.h"

static struct vel_timer *first(const struct vel_list *list) {
    return VEL_CONTAINER(list->next, struct vel_timer, node);
}

static void take_due(struct vel_timers *ts, uint64_t now, struct vel_list *due) {
    while (!vel_list_empty(&ts->active) && first(&ts->active)->due <= now) {
        struct vel_list *node = ts->active.next;
        vel_list_remove(node);
        vel_list_append(due, node);
    }
}

void vel_timers_init(struct vel_timers *ts, uint32_t ms, vel_timer_fn *fn) {
    vel_list_init(&ts->node);
    vel_list_init(&ts->active);
    ts->fn = fn;
    ts->ms = ms;
}

void vel_timer_init(struct vel_timer *t) {
    vel_list_init(&t->node);
    t->in = NULL;
    t->due = 0;
}

void vel_timer_start(struct vel_timer *t, struct vel_timers *ts, uint64_t now) {
    vel_timer_stop(t);
    if (ts->ms == 0)
        return;
    t->in = ts;
    t->due = now + ts->ms;
    vel_list_append(&ts->active, &t->node);
}

void vel_timer_stop(struct vel_timer *t) {
    vel_list_remove(&t->node);
    t->in = NULL;
}

/* What is due moves to a ring of this call, so that what the calls start waits for the next run; stopping one removes
 * it from whichever ring it is in. ts is not looked at after the first call: its owner may be gone. */
void vel_timers_run(struct vel_timers *ts, uint64_t now) {
    vel_timer_fn *fn = ts->fn;
    struct vel_list due;
    vel_list_init(&due);
    take_due(ts, now, &due);
    while (!vel_list_empty(&due)) {
        struct vel_timer *t = first(&due);
        vel_timer_stop(t);
        fn(t);
    }
}

uint64_t vel_timers_next(const struct vel_timers *ts) {
    return vel_list_empty(&ts->active) ? UINT64_MAX : first(&ts->active)->due;
}

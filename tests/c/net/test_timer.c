/* Tests of net/timer.c: the clock is a number that the test sets. */
#include "net/timer.h"

#include "support/test.h"

struct item {
    struct vel_timer timer;
    struct vel_timers *list;
    uint64_t now;
    struct item *other;
    int fired;
};

static void count(struct vel_timer *t) {
    struct item *item = VEL_CONTAINER(t, struct item, timer);
    CHECK(t->in == NULL);
    item->fired++;
}

static void item_start(struct item *item, struct vel_timers *ts, uint64_t now) {
    item->list = ts;
    item->now = now;
    vel_timer_init(&item->timer);
    vel_timer_start(&item->timer, ts, now);
}

static void it_fires_when_due_and_once(void) {
    struct vel_timers ts;
    struct item item = {0};
    vel_timers_init(&ts, 10, count);
    item_start(&item, &ts, 100);
    CHECK_INT(vel_timers_next(&ts), 110);
    vel_timers_run(&ts, 109);
    CHECK_INT(item.fired, 0);
    vel_timers_run(&ts, 110);
    CHECK_INT(item.fired, 1);
    vel_timers_run(&ts, 1000);
    CHECK_INT(item.fired, 1);
}

static void an_empty_list_has_no_next(void) {
    struct vel_timers ts;
    vel_timers_init(&ts, 10, count);
    CHECK(vel_timers_next(&ts) == UINT64_MAX);
    vel_timers_run(&ts, 1000);
}

static void next_is_the_soonest(void) {
    struct vel_timers ts;
    struct item a = {0}, b = {0};
    vel_timers_init(&ts, 10, count);
    item_start(&a, &ts, 100);
    item_start(&b, &ts, 105);
    CHECK_INT(vel_timers_next(&ts), 110);
    vel_timer_stop(&a.timer);
    CHECK_INT(vel_timers_next(&ts), 115);
    vel_timers_run(&ts, 115);
    CHECK_INT(a.fired, 0);
    CHECK_INT(b.fired, 1);
}

static void starting_anew_postpones(void) {
    struct vel_timers ts;
    struct item a = {0}, b = {0};
    vel_timers_init(&ts, 10, count);
    item_start(&a, &ts, 100);
    item_start(&b, &ts, 101);
    vel_timer_start(&a.timer, &ts, 105);
    CHECK_INT(vel_timers_next(&ts), 111);
    vel_timers_run(&ts, 111);
    CHECK_INT(a.fired, 0);
    CHECK_INT(b.fired, 1);
    vel_timers_run(&ts, 115);
    CHECK_INT(a.fired, 1);
}

static void starting_in_another_list_leaves_the_first(void) {
    struct vel_timers slow, fast;
    struct item item = {0};
    vel_timers_init(&slow, 1000, count);
    vel_timers_init(&fast, 10, count);
    item_start(&item, &slow, 100);
    vel_timer_start(&item.timer, &fast, 100);
    CHECK(item.timer.in == &fast);
    CHECK(vel_timers_next(&slow) == UINT64_MAX);
    CHECK_INT(vel_timers_next(&fast), 110);
}

static void zero_milliseconds_never_fire(void) {
    struct vel_timers never, ten;
    struct item item = {0};
    vel_timers_init(&never, 0, count);
    vel_timers_init(&ten, 10, count);
    item_start(&item, &ten, 100);
    vel_timer_start(&item.timer, &never, 100);
    CHECK(item.timer.in == NULL);
    vel_timers_run(&never, UINT64_MAX);
    vel_timers_run(&ten, UINT64_MAX);
    CHECK_INT(item.fired, 0);
}

static void stopping_twice_does_no_harm(void) {
    struct vel_timers ts;
    struct item a = {0}, b = {0};
    vel_timers_init(&ts, 10, count);
    item_start(&a, &ts, 100);
    item_start(&b, &ts, 100);
    vel_timer_stop(&a.timer);
    vel_timer_stop(&a.timer);
    CHECK(a.timer.in == NULL);
    vel_timers_run(&ts, 110);
    CHECK_INT(b.fired, 1);
}

/* With a clock that would make it due again at once. */
static void restart_in_the_past(struct vel_timer *t) {
    struct item *item = VEL_CONTAINER(t, struct item, timer);
    item->fired++;
    vel_timer_start(t, item->list, item->now);
}

static void a_restarted_timer_waits_for_the_next_run(void) {
    struct vel_timers ts;
    struct item item = {0};
    vel_timers_init(&ts, 10, restart_in_the_past);
    item_start(&item, &ts, 100);
    vel_timers_run(&ts, 1000);
    CHECK_INT(item.fired, 1);
    vel_timers_run(&ts, 1000);
    CHECK_INT(item.fired, 2);
}

static void stop_other(struct vel_timer *t) {
    struct item *item = VEL_CONTAINER(t, struct item, timer);
    item->fired++;
    vel_timer_stop(&item->other->timer);
}

static void a_due_timer_that_another_stops_does_not_fire(void) {
    struct vel_timers ts;
    struct item a = {0}, b = {0}, c = {0};
    a.other = &b;
    c.other = &a;
    vel_timers_init(&ts, 10, stop_other);
    item_start(&a, &ts, 100);
    item_start(&b, &ts, 100);
    item_start(&c, &ts, 100);
    vel_timers_run(&ts, 110);
    CHECK_INT(a.fired, 1);
    CHECK_INT(b.fired, 0);
    CHECK_INT(c.fired, 1);
}

static void start_other(struct vel_timer *t) {
    struct item *item = VEL_CONTAINER(t, struct item, timer);
    item->fired++;
    if (item->other)
        vel_timer_start(&item->other->timer, item->list, item->now);
}

static void a_due_timer_that_another_restarts_is_postponed(void) {
    struct vel_timers ts;
    struct item a = {0}, b = {0};
    a.other = &b;
    vel_timers_init(&ts, 10, start_other);
    item_start(&a, &ts, 100);
    item_start(&b, &ts, 100);
    a.now = 110;
    vel_timers_run(&ts, 110);
    CHECK_INT(a.fired, 1);
    CHECK_INT(b.fired, 0);
    vel_timers_run(&ts, 120);
    CHECK_INT(b.fired, 1);
}

static int freed;

static void free_both(struct vel_timer *t) {
    struct item *item = VEL_CONTAINER(t, struct item, timer);
    if (item->other) {
        vel_timer_stop(&item->other->timer);
        free(item->other);
        freed++;
    }
    free(item);
    freed++;
}

static void fn_may_free_its_timer_and_others(void) {
    struct vel_timers ts;
    struct item *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    CHECK(a && b);
    a->other = b;
    vel_timers_init(&ts, 10, free_both);
    item_start(a, &ts, 100);
    item_start(b, &ts, 100);
    freed = 0;
    vel_timers_run(&ts, 110);
    CHECK_INT(freed, 2);
    CHECK(vel_timers_next(&ts) == UINT64_MAX);
}

struct owner {
    struct vel_timers ts;
    struct item item;
};

static void free_owner(struct vel_timer *t) {
    free(VEL_CONTAINER(t, struct owner, item.timer));
    freed++;
}

static void fn_may_free_the_list(void) {
    struct owner *owner = calloc(1, sizeof *owner);
    CHECK(owner);
    vel_timers_init(&owner->ts, 10, free_owner);
    item_start(&owner->item, &owner->ts, 100);
    freed = 0;
    vel_timers_run(&owner->ts, 110);
    CHECK_INT(freed, 1);
}

int main(void) {
    RUN(it_fires_when_due_and_once);
    RUN(an_empty_list_has_no_next);
    RUN(next_is_the_soonest);
    RUN(starting_anew_postpones);
    RUN(starting_in_another_list_leaves_the_first);
    RUN(zero_milliseconds_never_fire);
    RUN(stopping_twice_does_no_harm);
    RUN(a_restarted_timer_waits_for_the_next_run);
    RUN(a_due_timer_that_another_stops_does_not_fire);
    RUN(a_due_timer_that_another_restarts_is_postponed);
    RUN(fn_may_free_its_timer_and_others);
    RUN(fn_may_free_the_list);
}

/* One turn of the event loop: wait once, deal out what happened, run the timers. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <limits.h>

#define MS_NS 1000000

/* Errors are always told and a reader is told of the peer's end, so w->io holds exactly what fn may be called with. */
static unsigned told(unsigned io) {
    return io | VEL_ERROR | (io & VEL_READ ? VEL_HUP : 0u);
}

static uint64_t next_due(const struct vel_loop *loop) {
    uint64_t due = UINT64_MAX;
    for (const struct vel_list *node = loop->timers.next; node != &loop->timers; node = node->next) {
        uint64_t next = vel_timers_next(VEL_CONTAINER(node, struct vel_timers, node));
        if (next < due)
            due = next;
    }
    return due;
}

static int64_t bounded_wait(const struct vel_loop *loop, int64_t wait_ns) {
    if (wait_ns == 0)
        return 0;
    int timeout = vel_loop_timeout(loop);
    int64_t timers = (int64_t)timeout * MS_NS;
    return timeout < 0 || (wait_ns > 0 && wait_ns < timers) ? wait_ns : timers;
}

static void look_at_the_clock(struct vel_loop *loop) {
    loop->now_ns = vel_clock_ns();
    loop->now = loop->now_ns / MS_NS;
}

static int wait_for_events(struct vel_loop *loop, int64_t ns) {
    uint64_t from = ns != 0 ? vel_clock_ms() : 0;
    if (ns != 0 && loop->on_block)
        loop->on_block(loop->hook_arg);
    int n = vel_poll_wait(&loop->poll, ns);
    int error = errno;
    if (ns != 0)
        loop->waited += vel_clock_ms() - from;
    if (ns != 0 && loop->on_unblock)
        loop->on_unblock(loop->hook_arg);
    look_at_the_clock(loop);
    errno = error;
    return n;
}

/* What an earlier call of this batch no longer asks for is left out: a watch set to VEL_READ is never told to write. */
static int deal_out(struct vel_loop *loop) {
    int told_to = 0;
    struct vel_watch *w;
    unsigned io;
    while ((w = vel_poll_next(&loop->poll, &io))) {
        io &= w->io;
        if (io == 0)
            continue;
        told_to++;
        w->fn(w, io);
    }
    return told_to;
}

/* Each list goes back to the loop before it runs, so that a call may remove any of them or add others. */
static void run_timers(struct vel_loop *loop) {
    if (next_due(loop) > loop->now)
        return;
    struct vel_list rest;
    vel_list_append(&loop->timers, &rest);
    vel_list_remove(&loop->timers);
    while (!vel_list_empty(&rest)) {
        struct vel_list *node = rest.next;
        vel_list_remove(node);
        vel_list_append(&loop->timers, node);
        vel_timers_run(VEL_CONTAINER(node, struct vel_timers, node), loop->now);
    }
}

int vel_loop_init(struct vel_loop *loop) {
    *loop = (struct vel_loop){0};
    look_at_the_clock(loop);
    vel_list_init(&loop->timers);
    return vel_poll_init(&loop->poll);
}

void vel_loop_free(struct vel_loop *loop) {
    while (!vel_list_empty(&loop->timers))
        vel_list_remove(loop->timers.next);
    vel_poll_free(&loop->poll);
}

int vel_loop_watch(struct vel_loop *loop, struct vel_watch *w, unsigned io) {
    unsigned want = told(io);
    if (w->io == want)
        return VEL_OK;
    int rc = vel_poll_set(&loop->poll, w, want, w->io != 0);
    if (rc == VEL_OK)
        w->io = want;
    return rc;
}

void vel_loop_unwatch(struct vel_loop *loop, struct vel_watch *w) {
    if (w->io == 0)
        return;
    w->io = 0;
    vel_poll_remove(&loop->poll, w);
}

int vel_loop_turn_ns(struct vel_loop *loop, int64_t wait_ns) {
    loop->cut = false;
    int n = wait_for_events(loop, bounded_wait(loop, wait_ns));
    if (n < 0)
        return n;
    n = deal_out(loop);
    if (!loop->cut)
        run_timers(loop);
    return n;
}

int vel_loop_turn(struct vel_loop *loop, int wait_ms) {
    return vel_loop_turn_ns(loop, (int64_t)wait_ms * MS_NS);
}

void vel_loop_cut_turn(struct vel_loop *loop) {
    loop->cut = true;
    vel_poll_drop(&loop->poll);
}

int vel_loop_forked(struct vel_loop *loop) {
    return vel_poll_forked(&loop->poll);
}

int vel_loop_rewatch(struct vel_loop *loop, struct vel_watch *w) {
    return w->io != 0 ? vel_poll_set(&loop->poll, w, w->io, false) : VEL_OK;
}

int vel_loop_fd(const struct vel_loop *loop) {
    return loop->poll.fd;
}

/* Asks the clock: what the last turn's calls took is no part of the wait. */
int vel_loop_timeout(const struct vel_loop *loop) {
    uint64_t due = next_due(loop);
    if (due == UINT64_MAX)
        return -1;
    uint64_t now = vel_clock_ms();
    if (due <= now)
        return 0;
    return due - now < INT_MAX ? (int)(due - now) : INT_MAX;
}

void vel_loop_add_timers(struct vel_loop *loop, struct vel_timers *ts) {
    vel_list_append(&loop->timers, &ts->node);
}

void vel_loop_remove_timers(struct vel_loop *loop, struct vel_timers *ts) {
    (void)loop;
    vel_list_remove(&ts->node);
}

/* Tests of net/loop.c. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/err.h"
#include "support/failmalloc.h"
#include "support/tcp.h"
#include "support/test.h"

#include <limits.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct end {
    struct vel_watch watch;
    struct vel_loop *loop;
    struct end *other;
    unsigned last; /* what fn was called with */
    int calls;
};

struct fixture {
    struct vel_loop loop;
    struct end a, b; /* the two ends of one connection */
};

static void note(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    end->last = io;
    end->calls++;
}

static void fixture_open(struct fixture *f, vel_watch_fn *fn) {
    int ends[2];
    *f = (struct fixture){0};
    tcp_pair(ends);
    CHECK_INT(vel_loop_init(&f->loop), VEL_OK);
    f->a = (struct end){.watch = {.fn = fn, .fd = ends[0]}, .loop = &f->loop, .other = &f->b};
    f->b = (struct end){.watch = {.fn = fn, .fd = ends[1]}, .loop = &f->loop, .other = &f->a};
}

static void end_close(struct end *end) {
    if (end->watch.fd < 0)
        return;
    vel_loop_unwatch(end->loop, &end->watch);
    close(end->watch.fd);
    end->watch.fd = -1;
}

static void fixture_close(struct fixture *f) {
    end_close(&f->a);
    end_close(&f->b);
    vel_loop_free(&f->loop);
}

static void a_readable_descriptor_is_told(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.calls, 1);
    CHECK_INT(f.a.last, VEL_READ);
    fixture_close(&f);
}

static void interest_can_change(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ | VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_WRITE);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    fixture_close(&f);
}

static void an_edge_is_told_once(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ | VEL_WRITE | VEL_EDGE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_WRITE);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    for (int i = 0; i < 2; i++) { /* the first byte is still there when the second comes */
        CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
        CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
        CHECK(f.a.last & VEL_READ);
        CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    }
    end_close(&f.b);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK(f.a.last & VEL_HUP);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    fixture_close(&f);
}

/* A poller that has gone shows whether one was made. */
static void the_same_interest_is_no_system_call(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    int poller = f.loop.poll.fd;
    f.loop.poll.fd = -1;
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_ESYS);
    f.loop.poll.fd = poller;
    CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_READ); /* the failed change left what was */
    fixture_close(&f);
}

static void a_failed_watch_is_not_registered(void) {
    struct fixture f;
    fixture_open(&f, note);
    struct vel_watch none = {.fn = note, .fd = -1};
    CHECK_INT(vel_loop_watch(&f.loop, &none, VEL_READ), VEL_ESYS);
    CHECK_INT(none.io, 0);
    vel_loop_unwatch(&f.loop, &none);
    fixture_close(&f);
}

static void a_reader_is_told_that_its_peer_has_closed(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(shutdown(f.b.watch.fd, SHUT_WR), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_READ | VEL_HUP);
    fixture_close(&f);
}

static void a_hang_up_can_be_asked_for_without_reading(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_HUP), VEL_OK);
    CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(shutdown(f.b.watch.fd, SHUT_WR), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_HUP);
    fixture_close(&f);
}

static void fill(int fd) {
    static const char bytes[65536];
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        ;
}

/* Level-triggered, it would be told for as long as the peer reads slowly. */
static void a_half_closed_peer_does_not_make_a_writer_spin(void) {
    struct fixture f;
    fixture_open(&f, note);
    fill(f.a.watch.fd);
    CHECK_INT(shutdown(f.b.watch.fd, SHUT_WR), 0);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1); /* the FIN has arrived */
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    for (int i = 0; vel_loop_turn(&f.loop, 0) > 0; i++) {
        CHECK_INT(f.a.last, VEL_WRITE); /* late acknowledgements made room */
        CHECK(i < 1000);
        fill(f.a.watch.fd);
    }
    fixture_close(&f);
}

static void no_interest_tells_errors_only(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
    CHECK_INT(shutdown(f.b.watch.fd, SHUT_WR), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, 0), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    tcp_reset(f.b.watch.fd);
    f.b.watch.fd = -1;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.last, VEL_ERROR);
    fixture_close(&f);
}

static void an_unwatched_descriptor_is_not_told(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    vel_loop_unwatch(&f.loop, &f.a.watch);
    vel_loop_unwatch(&f.loop, &f.a.watch);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    fixture_close(&f);
}

static void close_other(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    note(w, io);
    end_close(end->other);
}

static void an_event_already_fetched_is_not_told_after_removal(void) {
    struct fixture f;
    fixture_open(&f, close_other);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.b.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.calls + f.b.calls, 1);
    fixture_close(&f);
}

static void quiet_other(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    note(w, io);
    CHECK_INT(vel_loop_watch(end->loop, &end->other->watch, VEL_READ), VEL_OK);
}

static void an_event_no_longer_asked_for_is_not_told(void) {
    struct fixture f;
    fixture_open(&f, quiet_other);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.b.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.calls + f.b.calls, 1);
    fixture_close(&f);
}

static int freed;

static void free_end(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    CHECK(io & VEL_WRITE);
    end_close(end);
    free(end);
    freed++;
}

static void an_owner_may_free_itself(void) {
    struct fixture f;
    fixture_open(&f, note);
    struct end *end = malloc(sizeof *end);
    CHECK(end);
    *end = (struct end){.watch = {.fn = free_end, .fd = f.a.watch.fd}, .loop = &f.loop};
    f.a.watch.fd = -1;
    freed = 0;
    CHECK_INT(vel_loop_watch(&f.loop, &end->watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(freed, 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    fixture_close(&f);
}

static struct end *survivor;

static void free_other(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    (void)io;
    vel_loop_unwatch(end->loop, &end->watch);
    if (!end->other)
        return;
    end->other->other = NULL;
    end_close(end->other);
    free(end->other);
    end->other = NULL;
    survivor = end;
    freed++;
}

static void an_owner_may_free_one_that_is_due(void) {
    struct fixture f;
    fixture_open(&f, note);
    struct end *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    CHECK(a && b);
    *a = (struct end){.watch = {.fn = free_other, .fd = f.a.watch.fd}, .loop = &f.loop, .other = b};
    *b = (struct end){.watch = {.fn = free_other, .fd = f.b.watch.fd}, .loop = &f.loop, .other = a};
    f.a.watch.fd = f.b.watch.fd = -1;
    freed = 0;
    CHECK_INT(vel_loop_watch(&f.loop, &a->watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &b->watch, VEL_WRITE), VEL_OK);
    struct pollfd ready = {.fd = vel_loop_fd(&f.loop), .events = POLLIN};
    CHECK_INT(poll(&ready, 1, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(freed, 1);
    end_close(survivor);
    free(survivor);
    fixture_close(&f);
}

struct hooks {
    int blocked, unblocked;
    bool inside;
};

static void on_block(void *arg) {
    struct hooks *hooks = arg;
    CHECK(!hooks->inside);
    hooks->inside = true;
    hooks->blocked++;
}

static void on_unblock(void *arg) {
    struct hooks *hooks = arg;
    CHECK(hooks->inside);
    hooks->inside = false;
    hooks->unblocked++;
}

static void check_outside(struct vel_watch *w, unsigned io) {
    struct end *end = VEL_CONTAINER(w, struct end, watch);
    note(w, io);
    CHECK(!((struct hooks *)end->loop->hook_arg)->inside);
}

static void the_hooks_are_around_a_wait_that_may_block(void) {
    struct fixture f;
    struct hooks hooks = {0};
    fixture_open(&f, check_outside);
    f.loop.on_block = on_block;
    f.loop.on_unblock = on_unblock;
    f.loop.hook_arg = &hooks;
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 1);
    CHECK_INT(hooks.blocked, 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 1000), 1);
    CHECK_INT(hooks.blocked, 2);
    CHECK_INT(hooks.unblocked, 2);
    CHECK_INT(f.a.calls, 3);
    fixture_close(&f);
}

static void its_descriptor_is_readable_when_a_turn_has_work(void) {
    struct fixture f;
    fixture_open(&f, note);
    struct pollfd ready = {.fd = vel_loop_fd(&f.loop), .events = POLLIN};
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(poll(&ready, 1, 0), 0);
    CHECK_INT(send(f.b.watch.fd, "x", 1, 0), 1);
    CHECK_INT(poll(&ready, 1, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 1);
    fixture_close(&f);
}

struct tick {
    struct vel_timers ts;
    struct vel_timer timer;
    struct vel_loop *loop;
    struct tick *other;
    int fired;
};

static void on_tick(struct vel_timer *t) {
    VEL_CONTAINER(t, struct tick, timer)->fired++;
}

static void tick_open(struct tick *tick, struct vel_loop *loop, uint32_t ms, vel_timer_fn *fn) {
    *tick = (struct tick){.loop = loop};
    vel_timers_init(&tick->ts, ms, fn);
    vel_timer_init(&tick->timer);
    vel_loop_add_timers(loop, &tick->ts);
    vel_timer_start(&tick->timer, &tick->ts, loop->now);
}

static void a_timer_ends_a_wait_without_end(void) {
    struct vel_loop loop;
    struct tick tick;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    tick_open(&tick, &loop, 1, on_tick);
    uint64_t due = tick.timer.due;
    CHECK_INT(vel_loop_turn(&loop, -1), 0);
    CHECK_INT(tick.fired, 1);
    CHECK(loop.now >= due);
    vel_loop_free(&loop);
}

static void the_wait_ends_before_a_later_timer(void) {
    struct vel_loop loop;
    struct tick tick;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    tick_open(&tick, &loop, 3600000, on_tick);
    CHECK_INT(vel_loop_turn(&loop, 1), 0);
    CHECK_INT(tick.fired, 0);
    vel_loop_free(&loop);
}

static void a_due_timer_runs_also_without_a_wait(void) {
    struct vel_loop loop;
    struct tick tick;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    tick_open(&tick, &loop, 1000, on_tick);
    tick.timer.due = loop.now;
    CHECK_INT(vel_loop_turn(&loop, 0), 0);
    CHECK_INT(tick.fired, 1);
    vel_loop_free(&loop);
}

static struct tick *tick_of_order;

static void check_before_timer(struct vel_watch *w, unsigned io) {
    note(w, io);
    CHECK_INT(tick_of_order->fired, 0);
}

static void descriptors_come_before_timers(void) {
    struct fixture f;
    struct tick tick;
    fixture_open(&f, check_before_timer);
    tick_open(&tick, &f.loop, 1000, on_tick);
    tick.timer.due = f.loop.now;
    tick_of_order = &tick;
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(tick.fired, 1);
    fixture_close(&f);
}

static void the_timeout_is_that_of_the_soonest_timer(void) {
    struct vel_loop loop;
    struct tick late, soon;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    CHECK_INT(vel_loop_timeout(&loop), -1);
    tick_open(&late, &loop, UINT32_MAX, on_tick);
    CHECK_INT(vel_loop_timeout(&loop), INT_MAX);
    tick_open(&soon, &loop, 3600000, on_tick);
    CHECK(vel_loop_timeout(&loop) <= 3600000 && vel_loop_timeout(&loop) > 0);
    soon.timer.due = loop.now;
    CHECK_INT(vel_loop_timeout(&loop), 0);
    vel_loop_remove_timers(&loop, &soon.ts);
    CHECK_INT(vel_loop_timeout(&loop), INT_MAX);
    vel_loop_remove_timers(&loop, &late.ts);
    CHECK_INT(vel_loop_timeout(&loop), -1);
    vel_loop_free(&loop);
}

static void timers_without_milliseconds_do_not_bound_the_wait(void) {
    struct vel_loop loop;
    struct tick never;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    tick_open(&never, &loop, 0, on_tick);
    CHECK_INT(vel_loop_timeout(&loop), -1);
    vel_loop_free(&loop);
}

static void remove_other(struct vel_timer *t) {
    struct tick *tick = VEL_CONTAINER(t, struct tick, timer);
    tick->fired++;
    vel_loop_remove_timers(tick->loop, &tick->ts);
    if (tick->other)
        vel_loop_remove_timers(tick->loop, &tick->other->ts);
}

static void a_timer_may_remove_lists_its_own_too(void) {
    struct vel_loop loop;
    struct tick a, b, c;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    tick_open(&a, &loop, 1, remove_other);
    tick_open(&b, &loop, 1, remove_other);
    tick_open(&c, &loop, 1, remove_other);
    a.other = &b;
    c.other = &a;
    CHECK_INT(vel_loop_turn(&loop, -1), 0);
    CHECK_INT(a.fired, 1);
    CHECK_INT(b.fired, 0);
    CHECK_INT(c.fired, 1);
    CHECK_INT(vel_loop_timeout(&loop), -1);
    vel_loop_free(&loop);
}

static void add_other(struct vel_timer *t) {
    struct tick *tick = VEL_CONTAINER(t, struct tick, timer);
    tick->fired++;
    vel_loop_add_timers(tick->loop, &tick->other->ts);
    vel_timer_start(&tick->other->timer, &tick->other->ts, tick->loop->now);
}

static void a_timer_may_add_a_list(void) {
    struct vel_loop loop;
    struct tick a, b = {0};
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    vel_timers_init(&b.ts, 1, on_tick);
    vel_timer_init(&b.timer);
    tick_open(&a, &loop, 1, add_other);
    a.other = &b;
    CHECK_INT(vel_loop_turn(&loop, -1), 0);
    CHECK_INT(a.fired, 1);
    CHECK_INT(b.fired, 0);
    CHECK_INT(vel_loop_turn(&loop, -1), 0);
    CHECK_INT(b.fired, 1);
    vel_loop_free(&loop);
}

static void lists_outlive_the_loop(void) {
    struct vel_loop *loop = malloc(sizeof *loop);
    struct tick tick;
    CHECK(loop);
    CHECK_INT(vel_loop_init(loop), VEL_OK);
    tick_open(&tick, loop, 1000, on_tick);
    vel_loop_free(loop);
    free(loop);
    vel_list_remove(&tick.ts.node);
    vel_timer_stop(&tick.timer);
}

static void now_is_the_clock_after_the_wait(void) {
    struct vel_loop loop;
    uint64_t before = vel_clock_ms();
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    CHECK(loop.now >= before);
    loop.now = 0;
    CHECK_INT(vel_loop_turn(&loop, 0), 0);
    CHECK(loop.now >= before);
    vel_loop_free(&loop);
}

static void more_than_a_batch_is_told_over_turns(void) {
    enum { N = VEL_POLL_BATCH + 1 };
    struct vel_loop loop;
    static struct end ends[N];
    struct rlimit limit;
    int low[2];
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 2 * N; /* 1024 is usual */
    if (limit.rlim_max < limit.rlim_cur)
        return; /* cannot be shown here */
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    tcp_pair(low);
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    for (int i = 0; i < N; i++) {
        ends[i] = (struct end){.watch = {.fn = note, .fd = dup(low[0])}, .loop = &loop};
        CHECK(ends[i].watch.fd >= 0);
        CHECK_INT(vel_loop_watch(&loop, &ends[i].watch, VEL_WRITE), VEL_OK);
    }
    CHECK_INT(vel_loop_turn(&loop, -1), VEL_POLL_BATCH);
    CHECK_INT(vel_loop_turn(&loop, -1), VEL_POLL_BATCH);
    for (int i = 0; i < N; i++) {
        CHECK(ends[i].calls > 0);
        end_close(&ends[i]);
    }
    vel_loop_free(&loop);
    close(low[0]);
    close(low[1]);
}

static void a_wait_may_be_finer_than_a_millisecond(void) {
    struct vel_loop loop;
    uint64_t before = vel_clock_ns();
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    CHECK_INT(vel_loop_turn_ns(&loop, 50000), 0);
    CHECK(loop.now_ns >= before + 50000);
    CHECK_INT(loop.now, loop.now_ns / 1000000);
    vel_loop_free(&loop);
}

static void cut(struct vel_watch *w, unsigned io) {
    note(w, io);
    vel_loop_cut_turn(VEL_CONTAINER(w, struct end, watch)->loop);
}

static void a_cut_turn_tells_the_rest_in_the_next(void) {
    struct fixture f;
    struct tick tick;
    fixture_open(&f, cut);
    tick_open(&tick, &f.loop, 1000, on_tick);
    tick.timer.due = f.loop.now;
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.b.watch, VEL_WRITE), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.calls + f.b.calls, 1);
    CHECK_INT(tick.fired, 0);
    struct end *told = f.a.calls ? &f.a : &f.b;
    vel_loop_unwatch(&f.loop, &told->watch);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.a.calls, 1);
    CHECK_INT(f.b.calls, 1);
    told->other->watch.fn = note;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(tick.fired, 1);
    fixture_close(&f);
}

/* What the child does to its loop must not reach the parent's, which is the same one in the kernel. */
static void a_forked_child_has_a_poller_of_its_own(void) {
    struct fixture f;
    int status;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_READ), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.b.watch, VEL_WRITE), VEL_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (vel_loop_forked(&f.loop) != VEL_OK || vel_loop_rewatch(&f.loop, &f.b.watch) != VEL_OK)
            _exit(1);
        if (vel_loop_turn(&f.loop, -1) != 1 || f.b.calls != 1)
            _exit(2);
        vel_loop_unwatch(&f.loop, &f.a.watch);
        vel_loop_unwatch(&f.loop, &f.b.watch);
        _exit(vel_loop_turn(&f.loop, 0) == 0 ? 0 : 3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.b.calls, 1);
    fixture_close(&f);
}

static void a_watch_that_is_not_registered_is_not_registered_anew(void) {
    struct fixture f;
    fixture_open(&f, note);
    CHECK_INT(vel_loop_rewatch(&f.loop, &f.a.watch), VEL_OK);
    CHECK_INT(vel_loop_watch(&f.loop, &f.a.watch, VEL_WRITE), VEL_OK);
    fixture_close(&f);
}

static void it_needs_memory(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_loop loop;
        int rc = vel_loop_init(&loop);
        CHECK_INT(rc, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
        if (rc == VEL_OK)
            vel_loop_free(&loop);
    }
}

static void a_broken_poller_ends_the_turn(void) {
    struct vel_loop loop;
    struct hooks hooks = {0};
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    loop.on_block = on_block;
    loop.on_unblock = on_unblock;
    loop.hook_arg = &hooks;
    close(loop.poll.fd);
    CHECK_INT(vel_loop_turn(&loop, -1), VEL_ESYS);
    CHECK_INT(hooks.unblocked, 1);
    loop.poll.fd = -1;
    vel_loop_free(&loop);
}

int main(void) {
    RUN(a_readable_descriptor_is_told);
    RUN(interest_can_change);
    RUN(an_edge_is_told_once);
    RUN(the_same_interest_is_no_system_call);
    RUN(a_failed_watch_is_not_registered);
    RUN(a_reader_is_told_that_its_peer_has_closed);
    RUN(a_hang_up_can_be_asked_for_without_reading);
    RUN(a_half_closed_peer_does_not_make_a_writer_spin);
    RUN(no_interest_tells_errors_only);
    RUN(an_unwatched_descriptor_is_not_told);
    RUN(an_event_already_fetched_is_not_told_after_removal);
    RUN(an_event_no_longer_asked_for_is_not_told);
    RUN(an_owner_may_free_itself);
    RUN(an_owner_may_free_one_that_is_due);
    RUN(the_hooks_are_around_a_wait_that_may_block);
    RUN(its_descriptor_is_readable_when_a_turn_has_work);
    RUN(a_timer_ends_a_wait_without_end);
    RUN(the_wait_ends_before_a_later_timer);
    RUN(a_due_timer_runs_also_without_a_wait);
    RUN(descriptors_come_before_timers);
    RUN(the_timeout_is_that_of_the_soonest_timer);
    RUN(timers_without_milliseconds_do_not_bound_the_wait);
    RUN(a_timer_may_remove_lists_its_own_too);
    RUN(a_timer_may_add_a_list);
    RUN(lists_outlive_the_loop);
    RUN(now_is_the_clock_after_the_wait);
    RUN(more_than_a_batch_is_told_over_turns);
    RUN(a_wait_may_be_finer_than_a_millisecond);
    RUN(a_cut_turn_tells_the_rest_in_the_next);
    RUN(a_forked_child_has_a_poller_of_its_own);
    RUN(a_watch_that_is_not_registered_is_not_registered_anew);
    RUN(it_needs_memory);
    RUN(a_broken_poller_ends_the_turn);
}

/* Tests of net/poll_epoll.c. */
#include "net/poll.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/loop.h"
#include "support/failmalloc.h"
#include "support/tcp.h"
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#define SECOND 1000000000

struct pair {
    struct vel_poll poll;
    struct vel_watch watch;
    int peer;
};

static void pair_open(struct pair *p, unsigned io) {
    int ends[2];
    tcp_pair(ends);
    p->peer = ends[1];
    p->watch = (struct vel_watch){.fd = ends[0]};
    CHECK_INT(vel_poll_init(&p->poll), VEL_OK);
    CHECK_INT(vel_poll_set(&p->poll, &p->watch, io, false), VEL_OK);
}

static void pair_close(struct pair *p) {
    vel_poll_free(&p->poll);
    close(p->watch.fd);
    if (p->peer >= 0)
        close(p->peer);
}

/* What is told after at most a second: the loopback may need a moment. */
static unsigned told(struct pair *p) {
    unsigned io = 0;
    CHECK_INT(vel_poll_wait(&p->poll, SECOND), 1);
    CHECK(vel_poll_next(&p->poll, &io) == &p->watch);
    CHECK(vel_poll_next(&p->poll, &io) == NULL);
    return io;
}

static void readable_and_writable_are_told(void) {
    struct pair p;
    pair_open(&p, VEL_READ);
    CHECK_INT(vel_poll_wait(&p.poll, 0), 0);
    CHECK_INT(vel_poll_set(&p.poll, &p.watch, VEL_READ | VEL_WRITE, true), VEL_OK);
    CHECK_INT(told(&p), VEL_WRITE);
    CHECK_INT(send(p.peer, "x", 1, 0), 1);
    CHECK_INT(vel_poll_set(&p.poll, &p.watch, VEL_READ, true), VEL_OK);
    CHECK_INT(told(&p), VEL_READ);
    CHECK_INT(told(&p), VEL_READ); /* level-triggered */
    pair_close(&p);
}

static void a_half_closed_peer_is_a_hang_up_where_asked(void) {
    struct pair p;
    pair_open(&p, VEL_HUP);
    CHECK_INT(shutdown(p.peer, SHUT_WR), 0);
    CHECK_INT(told(&p), VEL_HUP);
    CHECK_INT(vel_poll_set(&p.poll, &p.watch, 0, true), VEL_OK);
    CHECK_INT(vel_poll_wait(&p.poll, 0), 0);
    pair_close(&p);
}

static void a_reset_is_told_without_asking(void) {
    struct pair p;
    pair_open(&p, 0);
    tcp_reset(p.peer);
    p.peer = -1;
    CHECK_INT(told(&p), VEL_ERROR);
    pair_close(&p);
}

static void both_sides_closed_is_an_error(void) {
    struct pair p;
    pair_open(&p, 0);
    CHECK_INT(shutdown(p.peer, SHUT_WR), 0);
    CHECK_INT(shutdown(p.watch.fd, SHUT_WR), 0);
    CHECK_INT(told(&p), VEL_ERROR);
    pair_close(&p);
}

static void a_removed_watch_is_left_out_of_the_batch(void) {
    struct pair p;
    struct vel_watch other;
    unsigned io;
    pair_open(&p, VEL_WRITE);
    other = (struct vel_watch){.fd = p.peer};
    CHECK_INT(vel_poll_set(&p.poll, &other, VEL_WRITE, false), VEL_OK);
    CHECK_INT(vel_poll_wait(&p.poll, SECOND), 2);
    struct vel_watch *first = vel_poll_next(&p.poll, &io);
    CHECK(first == &p.watch || first == &other);
    vel_poll_remove(&p.poll, first == &other ? &p.watch : &other);
    CHECK(vel_poll_next(&p.poll, &io) == NULL);
    CHECK_INT(vel_poll_wait(&p.poll, SECOND), 1);
    CHECK(vel_poll_next(&p.poll, &io) == first);
    pair_close(&p);
}

static void a_descriptor_that_cannot_be_polled_is_an_error(void) {
    struct vel_poll poll;
    char path[] = "/tmp/test_poll_XXXXXX";
    struct vel_watch file = {.fd = mkstemp(path)}, none = {.fd = -1};
    CHECK(file.fd >= 0);
    unlink(path);
    CHECK_INT(vel_poll_init(&poll), VEL_OK);
    CHECK_INT(vel_poll_set(&poll, &file, VEL_READ, false), VEL_ESYS);
    CHECK_INT(errno, EPERM);
    CHECK_INT(vel_poll_set(&poll, &none, VEL_READ, false), VEL_ESYS);
    CHECK_INT(errno, EBADF);
    vel_poll_remove(&poll, &none);
    vel_poll_free(&poll);
    close(file.fd);
}

static void on_alarm(int number) {
    (void)number;
}

static void a_signal_ends_the_wait_without_an_error(void) {
    struct vel_poll poll;
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000}, never = {0};
    CHECK_INT(vel_poll_init(&poll), VEL_OK);
    CHECK_INT(sigaction(SIGALRM, &action, &old), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    CHECK_INT(vel_poll_wait(&poll, -1), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_INT(sigaction(SIGALRM, &old, NULL), 0);
    vel_poll_free(&poll);
}

static void a_wait_is_not_shorter_than_asked(void) {
    for (int coarse = 0; coarse < 2; coarse++) {
        struct vel_poll poll;
        CHECK_INT(vel_poll_init(&poll), VEL_OK);
        poll.coarse = coarse;
        for (int64_t ns = 1; ns < 3000000; ns = ns * 7 + 1) {
            uint64_t from = vel_clock_ns();
            CHECK_INT(vel_poll_wait(&poll, ns), 0);
            CHECK(vel_clock_ns() - from >= (uint64_t)ns);
        }
        vel_poll_free(&poll);
    }
}

static void a_dropped_batch_is_told_again(void) {
    struct pair p;
    unsigned io;
    pair_open(&p, VEL_WRITE);
    CHECK_INT(vel_poll_wait(&p.poll, SECOND), 1);
    vel_poll_drop(&p.poll);
    CHECK(vel_poll_next(&p.poll, &io) == NULL);
    CHECK_INT(told(&p), VEL_WRITE);
    pair_close(&p);
}

static void a_child_has_an_empty_poller(void) {
    struct pair p;
    unsigned io;
    pair_open(&p, VEL_WRITE);
    int before = p.poll.fd;
    CHECK_INT(vel_poll_wait(&p.poll, SECOND), 1);
    CHECK_INT(vel_poll_forked(&p.poll), VEL_OK);
    CHECK(p.poll.fd != before);
    CHECK(vel_poll_next(&p.poll, &io) == NULL);
    CHECK_INT(vel_poll_wait(&p.poll, 0), 0);
    CHECK_INT(vel_poll_set(&p.poll, &p.watch, VEL_WRITE, false), VEL_OK);
    CHECK_INT(told(&p), VEL_WRITE);
    pair_close(&p);
}

static void a_broken_poller_is_an_error(void) {
    struct vel_poll poll;
    unsigned io;
    CHECK_INT(vel_poll_init(&poll), VEL_OK);
    close(poll.fd);
    CHECK_INT(vel_poll_wait(&poll, 0), VEL_ESYS);
    CHECK_INT(errno, EBADF);
    CHECK(vel_poll_next(&poll, &io) == NULL);
    poll.fd = -1;
    vel_poll_free(&poll);
}

static void it_needs_memory(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_poll poll;
        int rc = vel_poll_init(&poll);
        CHECK_INT(rc, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
        if (rc == VEL_OK)
            vel_poll_free(&poll);
    }
}

static void it_needs_a_descriptor(void) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        struct vel_poll poll;
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
        CHECK_INT(vel_poll_init(&poll), VEL_ESYS);
        CHECK_INT(errno, EMFILE);
        CHECK(poll.events == NULL);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

int main(void) {
    RUN(readable_and_writable_are_told);
    RUN(a_half_closed_peer_is_a_hang_up_where_asked);
    RUN(a_reset_is_told_without_asking);
    RUN(both_sides_closed_is_an_error);
    RUN(a_removed_watch_is_left_out_of_the_batch);
    RUN(a_descriptor_that_cannot_be_polled_is_an_error);
    RUN(a_signal_ends_the_wait_without_an_error);
    RUN(a_wait_is_not_shorter_than_asked);
    RUN(a_dropped_batch_is_told_again);
    RUN(a_child_has_an_empty_poller);
    RUN(a_broken_poller_is_an_error);
    RUN(it_needs_memory);
    RUN(it_needs_a_descriptor);
}

/* The event loop: descriptors, timers, wake-up; one thread. */
#pragma once

#include "net/poll.h"
#include "net/timer.h"

#include <stdbool.h>
#include <stdint.h>

enum vel_io {
    VEL_READ = 1,
    VEL_WRITE = 2,
    VEL_HUP = 4,   /* the peer has closed its side; told with VEL_READ */
    VEL_ERROR = 8, /* it failed, or both sides are closed (what came before may still be read); always told */
    VEL_EDGE = 16, /* asked for only: what is so is told once, and again when it has become so anew */
};

struct vel_watch;
typedef void vel_watch_fn(struct vel_watch *w, unsigned io);

/* Lives in its owner; all zero and fd -1 is a watch that watches nothing. */
struct vel_watch {
    vel_watch_fn *fn;
    int fd;
    unsigned io; /* what it may be told: VEL_ERROR is always in it, 0 when not registered */
};

struct vel_loop {
    struct vel_poll poll;
    struct vel_list timers; /* of struct vel_timers, every one that was added */
    uint64_t now;           /* vel_clock_ms after the last wait */
    uint64_t now_ns;        /* the same moment in vel_clock_ns */
    uint64_t waited; /* milliseconds spent waiting, in all: the time in which peers, and not this thread, were slow */
    /* Called around a wait that may block, so that a lock can be given back; each may be NULL. */
    void (*on_block)(void *arg);
    void (*on_unblock)(void *arg);
    void *hook_arg;
    bool cut; /* the present turn is over */
};

/* VEL_OK or VEL_ESYS, VEL_ENOMEM. */
int vel_loop_init(struct vel_loop *loop);

/* Watches must be gone. */
void vel_loop_free(struct vel_loop *loop);

/* Sets what is asked for of w->fd: registers it, changes it, or (io 0) only keeps errors told. No system call when
 * nothing changes. Level-triggered but for VEL_EDGE: what was told is told again in every turn until it is no longer so
 * or no longer asked for. So VEL_HUP comes only with VEL_READ or when it is asked for (VEL_HUP alone: to learn that a
 * peer left while nothing is read), and after VEL_ERROR the watch must go, or be read to its end when VEL_READ came
 * with it. VEL_OK, VEL_ESYS or VEL_ENOMEM. */
int vel_loop_watch(struct vel_loop *loop, struct vel_watch *w, unsigned io);

/* After it fn is not called, also not for an event of the present turn that was already fetched. Before the
 * descriptor is closed. Does nothing for a watch that is not registered. */
void vel_loop_unwatch(struct vel_loop *loop, struct vel_watch *w);

/* Waits at most wait_ms (-1: as long as the timers allow, 0: not at all), then calls what is due: descriptors first,
 * timers after. Returns how many descriptors were told, or VEL_ESYS. */
int vel_loop_turn(struct vel_loop *loop, int wait_ms);

/* The same in nanoseconds, for who keeps finer timers of his own; below 0 is as long as the timers allow. */
int vel_loop_turn_ns(struct vel_loop *loop, int64_t wait_ns);

/* From a call in a turn: no other is made in it. What was fetched and is still so is told in the next one. */
void vel_loop_cut_turn(struct vel_loop *loop);

/* In a child of fork(2), before anything else: the parent's poller is left alone and each watch of the loop must be
 * registered anew with vel_loop_rewatch. VEL_OK, VEL_ESYS. */
int vel_loop_forked(struct vel_loop *loop);
int vel_loop_rewatch(struct vel_loop *loop, struct vel_watch *w);

/* The descriptor that becomes readable when a turn has work, for running under another loop. */
int vel_loop_fd(const struct vel_loop *loop);

/* Milliseconds from this moment to the next timer, -1 when there is none. */
int vel_loop_timeout(const struct vel_loop *loop);

/* From now on these timers run with the loop. */
void vel_loop_add_timers(struct vel_loop *loop, struct vel_timers *ts);
void vel_loop_remove_timers(struct vel_loop *loop, struct vel_timers *ts);

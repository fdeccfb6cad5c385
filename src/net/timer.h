/* Timers of one duration each share a list in order of expiry: to start, restart and stop one is O(1). */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct vel_timer;
typedef void vel_timer_fn(struct vel_timer *t);

/* All timers of one duration. */
struct vel_timers {
    struct vel_list node;   /* in the loop */
    struct vel_list active; /* of struct vel_timer, soonest first */
    vel_timer_fn *fn;
    uint32_t ms; /* 0: these timers never fire */
};

/* Lives in its owner; vel_timer_init before anything else. */
struct vel_timer {
    struct vel_list node;
    struct vel_timers *in; /* NULL when it is not running */
    uint64_t due;          /* in the loop's milliseconds */
};

void vel_timers_init(struct vel_timers *ts, uint32_t ms, vel_timer_fn *fn);

void vel_timer_init(struct vel_timer *t);

/* Starts it, or starts it anew, in ts: due at now + ts->ms; now is never less than at an earlier start. With ts->ms 0
 * it is only stopped. */
void vel_timer_start(struct vel_timer *t, struct vel_timers *ts, uint64_t now);

void vel_timer_stop(struct vel_timer *t);

/* Calls fn for every timer that is due; each is stopped before its call, which may free it, stop others or start it
 * again (then it waits for the next run). */
void vel_timers_run(struct vel_timers *ts, uint64_t now);

/* When the first is due, or UINT64_MAX. */
uint64_t vel_timers_next(const struct vel_timers *ts);

/* Which clock a connection is under, and what its end means. */
#pragma once

#include "net/timer.h"
#include "server/config.h"

enum vel_timeout {
    VEL_TIMEOUT_HEADER,     /* the head is not complete: 408 */
    VEL_TIMEOUT_BODY,       /* no body byte for a while: 408 */
    VEL_TIMEOUT_KEEP_ALIVE, /* no next request: closed without a word */
    VEL_TIMEOUT_WRITE,      /* the peer takes nothing: cut */
    VEL_TIMEOUT_LINGER,     /* everything is said; the peer still sends: closed */
    VEL_TIMEOUT_COUNT,
    VEL_TIMEOUT_NONE = VEL_TIMEOUT_COUNT
};

/* Time to read away what a refused or closing peer still sends, so that its answer is not lost to a reset. */
#define VEL_LINGER_MS 2000

struct vel_timeouts {
    struct vel_timers kinds[VEL_TIMEOUT_COUNT];
};

void vel_timeouts_init(struct vel_timeouts *t, const struct vel_config *config, vel_timer_fn *fn);

/* Puts the timer under kind. One that is already under it goes on, unless restart. */
void vel_timeouts_set(struct vel_timeouts *t, struct vel_timer *timer, enum vel_timeout kind, bool restart,
                      uint64_t now);

/* What a worker counts: whole words that only its loop writes, and that anybody may read, also from another process. */
#pragma once

#include "server/timeout.h"

#include <stdint.h>

/* Durations: the first bucket holds up to 64 microseconds, each other one up to twice as much as the one before, the
 * last what is longer than 33.5 seconds. A power of two is found by one instruction. */
#define VEL_BUCKETS 21
#define VEL_BUCKET_FIRST_US 64

/* What a connection is doing: what its clock waits for, or one that no clock runs for. */
enum vel_conn_state {
    VEL_CONN_HEAD = VEL_TIMEOUT_HEADER,
    VEL_CONN_BODY = VEL_TIMEOUT_BODY,
    VEL_CONN_IDLE = VEL_TIMEOUT_KEEP_ALIVE,
    VEL_CONN_WRITING = VEL_TIMEOUT_WRITE,
    VEL_CONN_CLOSING = VEL_TIMEOUT_LINGER,
    VEL_CONN_APPLICATION = VEL_TIMEOUT_NONE,
    VEL_CONN_TUNNEL,
    VEL_CONN_STATES
};

/* Of a worker as others see it. 0: there is none, or it does not serve yet. */
enum vel_stats_state { VEL_STATS_ABSENT, VEL_STATS_SERVING, VEL_STATS_DRAINING };

struct vel_durations {
    uint64_t us; /* in all */
    uint64_t buckets[VEL_BUCKETS];
};

struct vel_stats {
    uint64_t accepted;
    uint64_t requests;
    uint64_t refused;    /* requests that broke a rule or a limit */
    uint64_t aborted;    /* exchanges whose client went, or was too slow */
    uint64_t shed;       /* requests beyond the limit of those at a time, answered by 503 */
    uint64_t replies[6]; /* by the first digit of their status; 0: none was sent */
    uint64_t received;   /* bytes */
    uint64_t sent;
    uint64_t log_dropped;        /* lines of the access log */
    struct vel_durations whole;  /* from the head's arrival to the end of the reply; only when timed */
    struct vel_durations queued; /* from the request's arrival to the call of the application; only when timed */
    /* From here on what is now, and not since the start. */
    uint64_t open;    /* connections */
    uint64_t running; /* requests that the application has not answered yet */
    uint64_t conns[VEL_CONN_STATES];
    uint64_t state; /* enum vel_stats_state */
};

static inline void vel_durations_add(struct vel_durations *d, uint64_t us) {
    uint64_t units = (us - (us > 0)) / VEL_BUCKET_FIRST_US;
    unsigned bucket = units == 0 ? 0 : 64 - (unsigned)__builtin_clzll(units);
    d->buckets[bucket < VEL_BUCKETS ? bucket : VEL_BUCKETS - 1]++;
    d->us += us;
}

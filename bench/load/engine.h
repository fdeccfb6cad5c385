/* One thread of the load generator: its connections, its epoll, its counts. */
#pragma once

#include <stdatomic.h>

#include "conn.h"

/* What the threads agree on. */
struct engine_shared {
    atomic_uint opening; /* threads that have connections without a first answer */
    _Atomic uint64_t go; /* when the last of them was ready: the load begins; 0 before */
    atomic_bool gave_up; /* too many errors, or no patience left */
};

struct engine {
    const struct plan *plan;
    struct engine_shared *shared;
    bool first; /* it reads the clocks */
    unsigned active, idle;
    double rate;
    struct tally *tally; /* its own */

    struct conn_host host;
    struct conn *conns; /* the active ones, then the idle ones */
    struct conn **free; /* a ring of the active ones that may start; also those to be opened at first */
    unsigned free_at, free_count;
    unsigned opened, opening; /* connections that have had a first answer; that wait for it */
    uint64_t next;            /* the train of an open loop that is due next */
    bool running, ended;
};

/* Runs until the counting has ended. False when there is no memory or no epoll. */
bool engine_run(struct engine *e);

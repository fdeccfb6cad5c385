/* What a worker is told by its user: limits, times, what it says of itself. */
#pragma once

#include "http/limits.h"

#include <stdbool.h>

struct vel_config {
    struct vel_limits limits;
    uint32_t header_ms;     /* for a whole request head, from its first byte or from accept; 0 in any of these: none */
    uint32_t body_ms;       /* between two reads of a request body */
    uint32_t keep_alive_ms; /* between two requests */
    uint32_t write_ms;      /* a reply of which the peer takes nothing */
    uint32_t drain_ms;      /* for running requests after vel_worker_drain */
    uint32_t
        drain_idle_ms;    /* after it, for the next request of an idle connection: it is told to be the last. 0: none */
    uint32_t body_rate;   /* least bytes a second of a request body, over VEL_RATE_GRACE_MS and more; 0: any */
    uint64_t body_memory; /* bytes of a collected body kept in memory; past it, a temporary file */
    const char *server;   /* of the Server field; NULL: none. Must outlive the worker. */
    bool date;            /* send Date */
    uint64_t requests_max; /* when so many have come, a newline is written to requests_fd, once; 0: never */
    int requests_fd;       /* stays the caller's */
};

/* A body may be slow for this long before its average rate is judged: one TCP retransmission or two. */
#define VEL_RATE_GRACE_MS 5000

#define VEL_CONFIG_DEFAULT                                                                                             \
    {                                                                                                                  \
        .limits = VEL_LIMITS_DEFAULT, .header_ms = 10000, .body_ms = 30000, .keep_alive_ms = 5000, .write_ms = 30000,  \
        .drain_ms = 30000, .body_rate = 240, .body_memory = 512 * 1024, .server = "velocem", .date = true              \
    }

/* What a worker is told by its user: limits, times, what it says of itself. */
#pragma once

#include "http/limits.h"
#include "net/cidr.h"

#include <stdbool.h>

/* What is read of a trusted peer's request: fields that the proxy sets, or removes when a client sends them. */
enum vel_origin_field {
    VEL_ORIGIN_FOR = 1,        /* X-Forwarded-For */
    VEL_ORIGIN_PROTO = 2,      /* X-Forwarded-Proto */
    VEL_ORIGIN_HOST = 4,       /* X-Forwarded-Host */
    VEL_ORIGIN_PORT = 8,       /* X-Forwarded-Port */
    VEL_ORIGIN_PREFIX = 16,    /* X-Forwarded-Prefix */
    VEL_ORIGIN_FORWARDED = 32, /* Forwarded (RFC 7239), and none of the above */
};

struct vel_stats;

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
    uint32_t write_rate;  /* the same of a reply that the kernel cannot take at once */
    uint64_t body_memory; /* bytes of a collected body kept in memory; past it, a temporary file */
    const char *server;   /* of the Server field; NULL: none. Must outlive the worker. */
    bool date;            /* send Date */
    uint64_t requests_max;        /* when so many have come, a newline is written to requests_fd, once; 0: never */
    int requests_fd;              /* stays the caller's */
    struct vel_trust trust;       /* peers whose word is taken for the origin of a request */
    unsigned origin_fields;       /* enum vel_origin_field */
    struct vel_trust proxy_allow; /* peers whose connections begin with a PROXY header */
    struct vel_trust uwsgi_allow; /* peers that may speak uwsgi, where it is spoken */
    struct vel_stats *stats;      /* where the worker counts, stays the caller's; NULL: in memory of its own */
    uint64_t running_max; /* requests that the application may have at a time; more are answered by 503; 0: any */
    bool timed;           /* requests are timed: two looks at the clock for each */
};

/* A body, or a reader, may be slow for this long before the average rate is judged: one TCP retransmission or two. */
#define VEL_RATE_GRACE_MS 5000

#define VEL_CONFIG_DEFAULT                                                                                             \
    {                                                                                                                  \
        .limits = VEL_LIMITS_DEFAULT, .header_ms = 10000, .body_ms = 30000, .keep_alive_ms = 5000, .write_ms = 30000,  \
        .drain_ms = 30000, .body_rate = 240, .write_rate = 240, .body_memory = 1024 * 1024, .server = "velocem",       \
        .date = true, .origin_fields = VEL_ORIGIN_FOR | VEL_ORIGIN_PROTO                                               \
    }

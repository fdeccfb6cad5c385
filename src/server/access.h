/* The access log: a line for each exchange, gathered and written behind the replies. */
#pragma once

#include "base/buf.h"
#include "server/app.h"

enum vel_access_kind { VEL_ACCESS_COMMON, VEL_ACCESS_COMBINED, VEL_ACCESS_JSON, VEL_ACCESS_CUSTOM };

/* Of so many lines all are written. */
#define VEL_ACCESS_ALL 1000000u

struct vel_access_format;

struct vel_access {
    int fd; /* -1: no log; stays the caller's */
    enum vel_access_kind format;
    const struct vel_access_format *custom; /* of VEL_ACCESS_CUSTOM; the caller's, and outlives this */
    uint32_t sample;                        /* so many of VEL_ACCESS_ALL are written, and every 5xx; 0: all */
    uint32_t due;
    struct vel_buf lines;
    uint64_t dropped; /* lines lost because the reader of the log was slow or the disk full */
};

/* A field of a reply, kept for its line. */
struct vel_access_field {
    struct vel_slice name, value;
    struct vel_access_field *next;
};

/* What one line tells. */
struct vel_access_entry {
    const union vel_addr *peer;
    const struct vel_head *head; /* NULL when the request had none that could be read */
    unsigned status;
    uint64_t bytes;    /* of the reply body */
    uint64_t us;       /* from the head's arrival to the end of the reply */
    uint64_t queue_us; /* from the request's arrival to the call of the application; 0 when that was not timed */
    const struct vel_access_field *sent; /* fields of the reply that the format wants; NULL: none */
    int64_t wall;                        /* seconds since 1970 */
};

/* Adds a line; drops it when memory is short. Bytes outside printable ASCII, quotes and backslashes are escaped, so
 * that no request can write a line of its own. A line is at most 4096 bytes, so that those of several workers do not
 * mix in one pipe: the texts of a longer one are cut, and end in three dots. */
void vel_access_add(struct vel_access *log, const struct vel_access_entry *entry);

/* Writes what the reader takes without blocking; lines that come while more than 1 MiB waits are dropped. */
void vel_access_flush(struct vel_access *log);

void vel_access_free(struct vel_access *log);

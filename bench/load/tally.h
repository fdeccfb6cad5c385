/* What was counted: by a thread for itself, then added up. */
#pragma once

#include "histogram.h"
#include "plan.h"

enum tally_error {
    TALLY_CONNECT,   /* the connection was refused */
    TALLY_RESET,     /* the system says that it broke */
    TALLY_CLOSED,    /* it ended before the answer was whole */
    TALLY_MALFORMED, /* what came is not the protocol */
    TALLY_BODY,      /* what came are not the bytes asked for */
    TALLY_STATUS,    /* another status */
    TALLY_IDLE,      /* a connection that rested was ended */
    TALLY_ERRORS,
};

enum {
    TALLY_STATUSES = 1000,
    TALLY_ERRORS_MOST = 1000, /* after so many it is of no use to go on */
};

/* CPU time in nanoseconds of the server's processes: exact in all, and what the kernel's tick saw of it. */
struct tally_clocks {
    uint64_t exact, user_ticks, all_ticks;
};

struct tally {
    uint64_t answers;        /* that came while it counted */
    uint64_t sent, received; /* bytes, while it counted */
    uint64_t opened;         /* connections, while it counted */
    uint64_t unanswered;     /* sent or due while it counted, and never answered; they count with their age */
    uint64_t statuses[TALLY_STATUSES];
    uint64_t errors[TALLY_ERRORS]; /* at any time */
    uint64_t began, ended; /* when it counted; the clocks are of these times, and only the first thread reads them */
    uint64_t own_began, own_ended; /* CPU time of this process */
    struct tally_clocks server_began, server_ended;
    uint64_t weight;          /* bytes of the server's memory, pages that are shared split among those who share them */
    struct histogram latency; /* nanoseconds */
};

uint64_t tally_now(void);

/* Reads the clocks of the processes that are watched, and our own; at the beginning their memory, if it is asked for.
 */
void tally_begin(struct tally *t, const struct plan *plan);
void tally_end(struct tally *t, const struct plan *plan);

uint64_t tally_errors(const struct tally *t);

void tally_merge(struct tally *into, const struct tally *from);

/* Prints it as one JSON object. */
void tally_print(const struct tally *t);

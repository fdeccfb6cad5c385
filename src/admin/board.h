/* What the processes of one server have to tell, in memory that they share: counters of workers, and an application's
 * own. */
#pragma once

#include "base/slice.h"
#include "server/stats.h"

#include <stdint.h>

/* Processes at a time; those that leave count too. Pages that nobody has written to take no memory. */
#define VEL_BOARD_SLOTS 1024

/* Series of an application: a name with its labels. */
#define VEL_BOARD_SERIES 4096
#define VEL_BOARD_TEXT 224
#define VEL_BOARD_HELP 128

/* Bounds of histograms, and what is counted in their buckets. */
#define VEL_BOARD_WORDS 65536
#define VEL_BOUNDS_MAX 64

/* Why a worker was replaced. */
enum vel_cause {
#define VEL_CAUSE(name) VEL_CAUSE_##name,
#include "admin/cause.def"
    VEL_CAUSE_COUNT
};

enum vel_series_taken { VEL_SERIES_FREE, VEL_SERIES_CLAIMED, VEL_SERIES_READY, VEL_SERIES_DEAD };

enum vel_series_kind { VEL_COUNTER, VEL_GAUGE, VEL_HISTOGRAM };

struct vel_series {
    uint32_t taken; /* atomic: enum vel_series_taken; dead is one that found no words */
    uint32_t kind;  /* enum vel_series_kind */
    uint64_t value; /* atomic: the bits of a double; of a histogram, the sum */
    uint64_t words; /* of a histogram, where its words begin: nbounds bounds, then nbounds + 1 numbers */
    uint32_t nbounds;
    uint32_t name_len;         /* of the name, at the start of text */
    char text[VEL_BOARD_TEXT]; /* name{labels}, without braces when there are none */
    char help[VEL_BOARD_HELP];
};

/* One process at a time. Counters go on with the next one, so that sums never fall; what is now is taken back. */
struct vel_slot {
    int64_t pid;     /* atomic: 0 is nobody */
    uint64_t number; /* of the worker, from 1 */
    _Alignas(64) struct vel_stats stats;
};

struct vel_board {
    uint32_t draining;                  /* atomic: the whole server is on its way out */
    int64_t began;                      /* by vel_clock_wall */
    uint64_t words_used;                /* atomic */
    uint64_t series_lost;               /* atomic: for which there was no room */
    uint64_t replaced[VEL_CAUSE_COUNT]; /* only one process writes them */
    uint64_t words[VEL_BOARD_WORDS];    /* atomic, of histograms */
    struct vel_slot slots[VEL_BOARD_SLOTS];
    struct vel_series series[VEL_BOARD_SERIES];
};

/* Zeroed memory that children of fork(2) share, or NULL. */
struct vel_board *vel_board_new(void);
void vel_board_free(struct vel_board *board);

/* A slot for this process, as the worker of this number; NULL: all are taken. */
struct vel_slot *vel_board_enter(struct vel_board *board, int64_t pid, uint64_t number);

/* The process is gone, however that came. Does nothing for one that has no slot. */
void vel_board_leave(struct vel_board *board, int64_t pid);

/* Whether requests should be sent here: a worker serves, and the server is not on its way out. */
bool vel_board_is_ready(const struct vel_board *board);

/* The series of this text, which begins with its name, the same for every process that asks; bounds rise, and are at
 * most VEL_BOUNDS_MAX. NULL: there is no room, text or help are too long, or it has another kind or other bounds. */
struct vel_series *vel_board_series(struct vel_board *board, enum vel_series_kind kind, struct vel_slice text,
                                    size_t name_len, struct vel_slice help, const double *bounds, size_t nbounds);

/* From any thread and process. */
void vel_series_add(struct vel_series *s, double amount);
void vel_series_set(struct vel_series *s, double value);
void vel_series_observe(struct vel_board *board, struct vel_series *s, double value);
double vel_series_value(const struct vel_series *s);

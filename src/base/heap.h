/* A heap of things that are due: the soonest on top, equal ones in the order in which they came. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vel_heap_item {
    double key;
    uint64_t order; /* of coming, so that equal keys are first in, first out */
    void *what;     /* the caller's */
};

/* All zero is an empty heap. */
struct vel_heap {
    struct vel_heap_item *items; /* owned; children of i are 4i+1 to 4i+4 */
    size_t len, cap;
    uint64_t came;
};

/* Frees the heap, not what is in it. */
void vel_heap_free(struct vel_heap *heap);

/* VEL_OK or VEL_ENOMEM. A key that is not a number comes out at any time. */
int vel_heap_push(struct vel_heap *heap, double key, void *what);

/* The soonest; it must not be empty. */
void *vel_heap_pop(struct vel_heap *heap);

/* Whether what is the last place of the heap, where most of what is pushed stays when later means later due; if it is,
 * it is taken off. Costs nothing: a cancelled timer need not wait for its time. */
bool vel_heap_drop_last(struct vel_heap *heap, const void *what);

/* Leaves only what keep(what, arg) is true for, in O(len). keep must not touch the heap. */
void vel_heap_filter(struct vel_heap *heap, bool (*keep)(void *what, void *arg), void *arg);

/* The soonest, or NULL. Good until the heap changes. */
static inline const struct vel_heap_item *vel_heap_top(const struct vel_heap *heap) {
    return heap->len > 0 ? heap->items : NULL;
}

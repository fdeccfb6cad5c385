/* Counts of times: 128 steps in each power of two, so a value is known to better than 1 %. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_STEPS = 128,
    HISTOGRAM_POWERS = 41, /* up to 2^47 ns, 39 hours */
    HISTOGRAM_SIZE = HISTOGRAM_STEPS * HISTOGRAM_POWERS,
};

struct histogram {
    uint64_t counts[HISTOGRAM_SIZE];
};

/* Larger values than it can hold count as its largest. */
void histogram_add(struct histogram *h, uint64_t value);

void histogram_merge(struct histogram *into, const struct histogram *from);

/* The middle of what falls into the index'th count. */
uint64_t histogram_value(size_t index);

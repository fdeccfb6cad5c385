/* Counts of times, by the position of their highest bit and the seven bits below it. */
#include "histogram.h"

enum {
    STEP_BITS = 7,
};

static size_t index_of(uint64_t value) {
    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - STEP_BITS;
    /* The highest bit of value >> shift is the 128 that the power counts already. */
    size_t index = (size_t)shift * HISTOGRAM_STEPS + (size_t)(value >> shift);
    return index < HISTOGRAM_SIZE ? index : HISTOGRAM_SIZE - 1;
}

void histogram_add(struct histogram *h, uint64_t value) {
    h->counts[index_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (size_t i = 0; i < HISTOGRAM_SIZE; i++)
        into->counts[i] += from->counts[i];
}

uint64_t histogram_value(size_t index) {
    if (index < 2 * (size_t)HISTOGRAM_STEPS)
        return index;
    unsigned shift = (unsigned)(index / HISTOGRAM_STEPS) - 1;
    uint64_t low = (index % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
    return low + ((uint64_t)1 << shift) / 2;
}

/* The histogram of the load generator: exact where it is small, within a hundredth everywhere. */
#include "load/histogram.h"

#include "support/test.h"

static size_t only_index(const struct histogram *h) {
    size_t found = HISTOGRAM_SIZE;
    for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
        if (h->counts[i] > 0) {
            CHECK(found == HISTOGRAM_SIZE);
            found = i;
        }
    }
    CHECK(found < HISTOGRAM_SIZE);
    return found;
}

static uint64_t value_of(uint64_t value) {
    static struct histogram h;
    h = (struct histogram){0};
    histogram_add(&h, value);
    return histogram_value(only_index(&h));
}

static void small_values_are_exact(void) {
    for (uint64_t value = 0; value < 256; value++)
        CHECK_INT(value_of(value), value);
}

static void every_value_is_within_a_hundredth(void) {
    for (uint64_t value = 256; value < (uint64_t)1 << 46; value += value / 97 + 1) {
        uint64_t found = value_of(value), off = found > value ? found - value : value - found;
        CHECK(off * 100 <= value);
    }
}

static void values_keep_their_order(void) {
    for (size_t i = 1; i < HISTOGRAM_SIZE; i++)
        CHECK(histogram_value(i) > histogram_value(i - 1));
}

static void what_is_too_large_counts_as_the_largest(void) {
    CHECK_INT(value_of(UINT64_MAX), histogram_value(HISTOGRAM_SIZE - 1));
}

static void merging_adds_up(void) {
    static struct histogram a, b;
    histogram_add(&a, 1000);
    histogram_add(&b, 1000);
    histogram_add(&b, 1000);
    histogram_merge(&a, &b);
    CHECK_INT(a.counts[only_index(&a)], 3);
}

int main(void) {
    RUN(small_values_are_exact);
    RUN(every_value_is_within_a_hundredth);
    RUN(values_keep_their_order);
    RUN(what_is_too_large_counts_as_the_largest);
    RUN(merging_adds_up);
    return 0;
}

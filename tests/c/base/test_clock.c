/* Tests of src/base/clock.c. */
#include "base/clock.h"

#include "support/test.h"

#include <time.h>

static void monotonic_clock_never_goes_back(void) {
    uint64_t ms = vel_clock_ms(), us = vel_clock_us(), ns = vel_clock_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t next_ms = vel_clock_ms(), next_us = vel_clock_us(), next_ns = vel_clock_ns();
        CHECK(next_ms >= ms && next_us >= us && next_ns >= ns);
        ms = next_ms;
        us = next_us;
        ns = next_ns;
    }
}

static void monotonic_clock_counts_real_time(void) {
    uint64_t us = vel_clock_us();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    uint64_t passed = vel_clock_us() - us;
    CHECK(passed >= 20000);
    CHECK(passed < 10000000);
}

static void all_units_are_of_one_clock(void) {
    uint64_t before = vel_clock_us() / 1000, ms = vel_clock_ms(), after = vel_clock_ns() / 1000000;
    CHECK(before <= ms && ms <= after);
}

static void wall_clock_is_that_of_the_system(void) {
    int64_t have = vel_clock_wall();
    int64_t want = time(NULL);
    /* time() may read a coarser clock, up to a tick behind. */
    CHECK(have - want <= 1 && want - have <= 2);
}

int main(void) {
    RUN(monotonic_clock_never_goes_back);
    RUN(monotonic_clock_counts_real_time);
    RUN(all_units_are_of_one_clock);
    RUN(wall_clock_is_that_of_the_system);
}

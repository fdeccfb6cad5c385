/* The clocks of the system. */
#include "base/clock.h"

#include <time.h>

static struct timespec now(clockid_t clock) {
    struct timespec ts;
    /* Fails for an unknown clock only, and both are in POSIX. */
    clock_gettime(clock, &ts);
    return ts;
}

uint64_t vel_clock_ms(void) {
    struct timespec ts = now(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t vel_clock_us(void) {
    struct timespec ts = now(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t vel_clock_ns(void) {
    struct timespec ts = now(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int64_t vel_clock_wall(void) {
    return now(CLOCK_REALTIME).tv_sec;
}

/* Time: a monotonic clock for timers, a wall clock for what people read. */
#pragma once

#include <stdint.h>

/* Milliseconds, never backwards. CLOCK_MONOTONIC_COARSE would be cheaper but is up to 4 ms late. */
uint64_t vel_clock_ms(void);

/* The same clock in microseconds, for durations. */
uint64_t vel_clock_us(void);

/* The same clock as exact as it is. */
uint64_t vel_clock_ns(void);

/* Seconds since 1970 by the wall clock: it may jump. */
int64_t vel_clock_wall(void);

/* A thread that looks whether threads go on: what shows the same sign for too long is stuck. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* How often it looks while the deadline runs: by so much a stuck thread may be found late. */
#define VEL_WATCH_LOOKS 16

/* One thread that is looked at. sign is 0 while there is nothing to watch, and is another number whenever something has
 * gone on. Both are called in the watchdog's thread. */
struct vel_watched {
    uint64_t (*sign)(void *arg);
    void *arg;
    uint64_t last; /* the watchdog's own from here on */
    unsigned looks;
    uint64_t since; /* by vel_clock_ms */
    bool told;
};

struct vel_watchdog {
    struct vel_watched *all; /* owned by who makes it, who fills it before the start */
    size_t n;
    void (*on_stuck)(void *arg, size_t which); /* once for each time that one is stuck */
    void *arg;
    uint64_t deadline_ms, period_ms;
    unsigned looks; /* in a deadline */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t thread;
    bool ends, runs;
};

/* Looks from now on; deadline_ms is more than 0. Counted in looks as well as by the clock: a process that was
 * stopped, or a machine that slept, has lost no time. No signal is given to the thread. VEL_OK, VEL_ESYS (errno is
 * set). */
int vel_watchdog_start(struct vel_watchdog *dog, uint64_t deadline_ms);

/* Ends it, and waits for that. Does nothing when it does not run. */
void vel_watchdog_stop(struct vel_watchdog *dog);

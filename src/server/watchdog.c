/* The watchdog's thread. */
#include "server/watchdog.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

/* A short deadline is for tests, a long one need not be met to the millisecond. */
#define PERIOD_MIN_MS 10
#define PERIOD_MAX_MS 1000

static void look_at(struct vel_watchdog *dog, size_t which) {
    struct vel_watched *it = &dog->all[which];
    uint64_t sign = it->sign(it->arg);
    if (sign == 0 || sign != it->last) {
        it->last = sign;
        it->looks = 0;
        it->since = vel_clock_ms();
        it->told = false;
        return;
    }
    /* Both: looks that come too fast, by a wait that does not wait, are no time. */
    if (++it->looks >= dog->looks && vel_clock_ms() - it->since >= dog->deadline_ms && !it->told) {
        it->told = true;
        dog->on_stuck(dog->arg, which);
    }
}

static struct timespec next_look(const struct vel_watchdog *dog) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(dog->period_ms / 1000);
    at.tv_nsec += (long)(dog->period_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* True: it is over. */
static bool wait(struct vel_watchdog *dog) {
    struct timespec at = next_look(dog);
    int err = 0;
    pthread_mutex_lock(&dog->lock);
    while (!dog->ends && err == 0)
        err = pthread_cond_timedwait(&dog->ended, &dog->lock, &at);
    bool ends = dog->ends;
    pthread_mutex_unlock(&dog->lock);
    return ends;
}

static void *run(void *arg) {
    struct vel_watchdog *dog = arg;
    while (!wait(dog))
        for (size_t i = 0; i < dog->n; i++)
            look_at(dog, i);
    return NULL;
}

static uint64_t period_of(uint64_t deadline_ms) {
    uint64_t ms = deadline_ms / VEL_WATCH_LOOKS;
    return ms < PERIOD_MIN_MS ? PERIOD_MIN_MS : ms > PERIOD_MAX_MS ? PERIOD_MAX_MS : ms;
}

static int init_locks(struct vel_watchdog *dog) {
    pthread_condattr_t attr;
    int err = pthread_condattr_init(&attr);
    if (err != 0)
        return err;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    err = pthread_cond_init(&dog->ended, &attr);
    pthread_condattr_destroy(&attr);
    if (err != 0)
        return err;
    err = pthread_mutex_init(&dog->lock, NULL);
    if (err != 0)
        pthread_cond_destroy(&dog->ended);
    return err;
}

static int start_thread(struct vel_watchdog *dog) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&dog->thread, NULL, run, dog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static void free_locks(struct vel_watchdog *dog) {
    pthread_mutex_destroy(&dog->lock);
    pthread_cond_destroy(&dog->ended);
}

int vel_watchdog_start(struct vel_watchdog *dog, uint64_t deadline_ms) {
    dog->period_ms = period_of(deadline_ms);
    dog->deadline_ms = deadline_ms;
    dog->looks = (unsigned)((deadline_ms + dog->period_ms - 1) / dog->period_ms);
    dog->ends = false;
    errno = init_locks(dog);
    if (errno != 0)
        return VEL_ESYS;
    int err = start_thread(dog);
    dog->runs = err == 0;
    if (err == 0)
        return VEL_OK;
    free_locks(dog);
    errno = err;
    return VEL_ESYS;
}

void vel_watchdog_stop(struct vel_watchdog *dog) {
    if (!dog->runs)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->ends = true;
    pthread_cond_signal(&dog->ended);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    dog->runs = false;
    free_locks(dog);
}

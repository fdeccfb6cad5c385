/* Tests of base/park.c. */
#include "base/park.h"

#include "support/test.h"

#include <pthread.h>
#include <stdbool.h>

static void a_wake_up_before_the_sleep_is_not_lost(void) {
    struct vel_park park = {0};
    vel_park_wake(&park);
    vel_park_sleep(&park);
}

static void many_wake_ups_are_one(void) {
    struct vel_park park = {0};
    for (int i = 0; i < 1000; i++)
        vel_park_wake(&park);
    vel_park_sleep(&park);
    CHECK_INT(park.state, 0);
}

/* Two threads that take turns, each waiting for the other. */
struct pair {
    struct vel_park ping, pong;
    int turns; /* guarded by the turns themselves */
};

enum { TURNS = 20000 };

static void *answer(void *arg) {
    struct pair *p = arg;
    for (int i = 0; i < TURNS; i++) {
        vel_park_sleep(&p->ping);
        CHECK_INT(p->turns, 2 * i + 1);
        p->turns++;
        vel_park_wake(&p->pong);
    }
    return NULL;
}

static void what_the_waker_did_is_seen(void) {
    struct pair p = {0};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, answer, &p), 0);
    for (int i = 0; i < TURNS; i++) {
        p.turns++;
        vel_park_wake(&p.ping);
        vel_park_sleep(&p.pong);
        CHECK_INT(p.turns, 2 * i + 2);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
}

struct crowd {
    struct vel_park park;
    _Atomic int told;
};

static void *tell(void *arg) {
    struct crowd *c = arg;
    for (int i = 0; i < TURNS; i++) {
        c->told++;
        vel_park_wake(&c->park);
    }
    return NULL;
}

static void many_threads_wake_one(void) {
    struct crowd c = {0};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, tell, &c), 0);
    while (c.told < 4 * TURNS)
        vel_park_sleep(&c.park);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

int main(void) {
    RUN(a_wake_up_before_the_sleep_is_not_lost);
    RUN(many_wake_ups_are_one);
    RUN(what_the_waker_did_is_seen);
    RUN(many_threads_wake_one);
}

/* Tests of server/watchdog.c. */
#include "server/watchdog.h"

#include "base/err.h"
#include "support/test.h"

#include <stdatomic.h>
#include <unistd.h>

static struct vel_watched all[2];
static struct vel_watchdog dog;
static _Atomic uint64_t signs[2];
static _Atomic unsigned looks[2], stuck[2];

static uint64_t sign(void *arg) {
    size_t which = (size_t)((_Atomic uint64_t *)arg - signs);
    looks[which]++;
    return signs[which];
}

/* It goes on at every look. */
static uint64_t sign_of_busy(void *arg) {
    size_t which = (size_t)((_Atomic uint64_t *)arg - signs);
    looks[which]++;
    return ++signs[which];
}

static void on_stuck(void *arg, size_t which) {
    CHECK(arg == &dog);
    stuck[which]++;
}

static void begin(uint64_t (*first)(void *), uint64_t (*second)(void *)) {
    dog = (struct vel_watchdog){.all = all, .n = 2, .on_stuck = on_stuck, .arg = &dog};
    all[0] = (struct vel_watched){.sign = first, .arg = &signs[0]};
    all[1] = (struct vel_watched){.sign = second, .arg = &signs[1]};
    for (int i = 0; i < 2; i++) {
        signs[i] = 0;
        looks[i] = stuck[i] = 0;
    }
    CHECK_INT(vel_watchdog_start(&dog, 100), VEL_OK);
}

static void wait_for_looks(size_t which, unsigned n) {
    for (unsigned from = looks[which], tries = 0; looks[which] < from + n; tries++) {
        CHECK(tries < 10000);
        usleep(1000);
    }
}

static void what_shows_the_same_sign_is_told_once(void) {
    begin(sign, sign_of_busy);
    signs[0] = 7;
    wait_for_looks(0, 40);
    vel_watchdog_stop(&dog);
    CHECK_INT(stuck[0], 1);
    CHECK_INT(stuck[1], 0);
}

static void what_goes_on_may_be_stuck_again(void) {
    begin(sign, sign);
    signs[0] = 7;
    wait_for_looks(0, 30);
    CHECK_INT(stuck[0], 1);
    signs[0] = 8;
    wait_for_looks(0, 30);
    vel_watchdog_stop(&dog);
    CHECK_INT(stuck[0], 2);
    CHECK_INT(stuck[1], 0);
}

static void nothing_to_do_is_never_stuck(void) {
    begin(sign, sign);
    wait_for_looks(1, 40);
    vel_watchdog_stop(&dog);
    vel_watchdog_stop(&dog);
    CHECK_INT(stuck[0] + stuck[1], 0);
}

/* Not before all looks of a deadline: a process that was stopped for long has lost only one of them. */
static void it_is_counted_in_looks(void) {
    begin(sign, sign);
    signs[0] = 7;
    while (stuck[0] == 0)
        usleep(1000);
    CHECK(looks[0] >= 100 / 10);
    vel_watchdog_stop(&dog);
}

int main(void) {
    RUN(what_shows_the_same_sign_is_told_once);
    RUN(what_goes_on_may_be_stuck_again);
    RUN(nothing_to_do_is_never_stuck);
    RUN(it_is_counted_in_looks);
    return 0;
}

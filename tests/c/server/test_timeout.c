/* Tests of server/timeout.c. */
#include "server/timeout.h"

#include "support/test.h"

static int fired;

static void on_timer(struct vel_timer *t) {
    (void)t;
    fired++;
}

static const struct vel_config config = {.header_ms = 10, .body_ms = 20, .keep_alive_ms = 30, .write_ms = 40};

static void each_kind_has_its_own_time(void) {
    static const unsigned want[VEL_TIMEOUT_COUNT] = {10, 20, 30, 40, VEL_LINGER_MS};
    for (int kind = 0; kind < VEL_TIMEOUT_COUNT; kind++) {
        struct vel_timeouts t;
        struct vel_timer timer;
        vel_timeouts_init(&t, &config, on_timer);
        vel_timer_init(&timer);
        fired = 0;
        vel_timeouts_set(&t, &timer, (enum vel_timeout)kind, false, 1000);
        CHECK_INT(vel_timers_next(&t.kinds[kind]), 1000 + want[kind]);
        vel_timers_run(&t.kinds[kind], 1000 + want[kind] - 1);
        CHECK_INT(fired, 0);
        vel_timers_run(&t.kinds[kind], 1000 + want[kind]);
        CHECK_INT(fired, 1);
    }
}

static void the_same_kind_goes_on(void) {
    struct vel_timeouts t;
    struct vel_timer timer;
    vel_timeouts_init(&t, &config, on_timer);
    vel_timer_init(&timer);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_HEADER, false, 1000);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_HEADER, false, 1005);
    CHECK_INT(timer.due, 1010);
}

static void progress_starts_it_anew(void) {
    struct vel_timeouts t;
    struct vel_timer timer;
    vel_timeouts_init(&t, &config, on_timer);
    vel_timer_init(&timer);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_BODY, false, 1000);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_BODY, true, 1005);
    CHECK_INT(timer.due, 1025);
}

static void another_kind_starts_anew(void) {
    struct vel_timeouts t;
    struct vel_timer timer;
    vel_timeouts_init(&t, &config, on_timer);
    vel_timer_init(&timer);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_HEADER, false, 1000);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_WRITE, false, 1005);
    CHECK_INT(timer.due, 1045);
    CHECK(vel_list_empty(&t.kinds[VEL_TIMEOUT_HEADER].active));
}

static void none_stops_it(void) {
    struct vel_timeouts t;
    struct vel_timer timer;
    vel_timeouts_init(&t, &config, on_timer);
    vel_timer_init(&timer);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_BODY, false, 1000);
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_NONE, true, 1000);
    CHECK(timer.in == NULL);
    CHECK(vel_list_empty(&t.kinds[VEL_TIMEOUT_BODY].active));
}

static void zero_means_no_limit(void) {
    static const struct vel_config none = {0};
    struct vel_timeouts t;
    struct vel_timer timer;
    vel_timeouts_init(&t, &none, on_timer);
    vel_timer_init(&timer);
    fired = 0;
    vel_timeouts_set(&t, &timer, VEL_TIMEOUT_HEADER, false, 1000);
    vel_timers_run(&t.kinds[VEL_TIMEOUT_HEADER], UINT64_MAX);
    CHECK_INT(fired, 0);
}

int main(void) {
    RUN(each_kind_has_its_own_time);
    RUN(the_same_kind_goes_on);
    RUN(progress_starts_it_anew);
    RUN(another_kind_starts_anew);
    RUN(none_stops_it);
    RUN(zero_means_no_limit);
    return 0;
}

/* The clocks of connections. */
#include "server/timeout.h"

void vel_timeouts_init(struct vel_timeouts *t, const struct vel_config *config, vel_timer_fn *fn) {
    vel_timers_init(&t->kinds[VEL_TIMEOUT_HEADER], config->header_ms, fn);
    vel_timers_init(&t->kinds[VEL_TIMEOUT_BODY], config->body_ms, fn);
    vel_timers_init(&t->kinds[VEL_TIMEOUT_KEEP_ALIVE], config->keep_alive_ms, fn);
    vel_timers_init(&t->kinds[VEL_TIMEOUT_WRITE], config->write_ms, fn);
    vel_timers_init(&t->kinds[VEL_TIMEOUT_LINGER], VEL_LINGER_MS, fn);
}

void vel_timeouts_set(struct vel_timeouts *t, struct vel_timer *timer, enum vel_timeout kind, bool restart,
                      uint64_t now) {
    if (kind == VEL_TIMEOUT_NONE)
        vel_timer_stop(timer);
    else if (restart || timer->in != &t->kinds[kind])
        vel_timer_start(timer, &t->kinds[kind], now);
}

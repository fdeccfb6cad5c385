/* The worker: made, run, drained, freed. */
#include "server/worker.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/date.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* While log lines wait for a slow reader, the loop looks again after this long. */
#define LOG_RETRY_MS 250

/* Whoever is cut off comes again: the log is not filled by that. */
#define COMPLAINT_MS 1000

/* A worker that answers at once never has two exchanges; with threads or coroutines as many are out as are asked for.
 * With its arena one is 4.4 KiB, and costs 900 instructions to make and free. */
#define SPARE_MAX 64

/* --- exchanges and ready lines ----------------------------------------------------------------------------------- */

struct vel_exchange *vel_worker_exchange(struct vel_worker *w) {
    struct vel_exchange *x = w->spare;
    if (x == NULL)
        return vel_alloc_zero(sizeof(*x));
    struct vel_arena arena = x->arena;
    w->spare = x->app_data;
    w->nspare--;
    memset(x, 0, sizeof(*x));
    x->arena = arena;
    return x;
}

static void free_exchange(struct vel_exchange *x) {
    vel_arena_free(&x->arena);
    vel_free(x);
}

void vel_worker_exchange_free(struct vel_worker *w, struct vel_exchange *x) {
    vel_body_free(&x->body);
    if (w->nspare == SPARE_MAX) {
        free_exchange(x);
        return;
    }
    vel_arena_reset(&x->arena);
    x->app_data = w->spare;
    w->spare = x;
    w->nspare++;
}

static void free_spare(struct vel_worker *w) {
    struct vel_exchange *x;
    while ((x = w->spare) != NULL) {
        w->spare = x->app_data;
        free_exchange(x);
    }
}

static void render_date(struct vel_worker *w, int64_t wall) {
    memcpy(w->date_line, "Date: ", 6);
    vel_date_format(w->date_line + 6, wall);
    memcpy(w->date_line + 6 + VEL_DATE_LEN, "\r\n", 2);
    w->date = vel_slice(w->date_line, 6 + VEL_DATE_LEN + 2);
    w->date_at = wall;
}

static void refresh_date(struct vel_worker *w) {
    int64_t wall = vel_clock_wall();
    w->date_turn = w->loop->now;
    if (wall != w->date_at)
        render_date(w, wall);
}

/* Looked at when it is needed and not before the wait, which may have been long. */
struct vel_slice vel_worker_date(struct vel_worker *w) {
    if (w->config.date && w->date_turn != w->loop->now)
        refresh_date(w);
    return w->date;
}

static void render_server(struct vel_worker *w) {
    if (w->config.server == NULL)
        return;
    int n = snprintf(w->server_line, sizeof(w->server_line), "Server: %s\r\n", w->config.server);
    if (n > 0 && (size_t)n < sizeof(w->server_line))
        w->server = vel_slice(w->server_line, (size_t)n);
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static bool on_accept(struct vel_listener *l, int fd, const union vel_addr *peer) {
    struct vel_port *port = VEL_CONTAINER(l, struct vel_port, listener);
    vel_conn_open(port->worker, fd, peer, &port->endpoint);
    return port->worker->state != VEL_WORKER_KILLED;
}

/* Descriptors are used up: the connection that has been idle longest makes room. */
static bool on_exhausted(struct vel_listener *l) {
    struct vel_worker *w = VEL_CONTAINER(l, struct vel_port, listener)->worker;
    struct vel_list *waiting = &w->timeouts.kinds[VEL_TIMEOUT_KEEP_ALIVE].active;
    if (vel_list_empty(waiting))
        return false;
    vel_conn_close(VEL_CONTAINER(waiting->next, struct vel_conn, timer.node));
    return true;
}

/* It may have been what the end waited for. */
static void on_left(struct vel_listener *l) {
    vel_worker_set_due(VEL_CONTAINER(l, struct vel_port, listener)->worker);
}

static void stop_listening(struct vel_worker *w) {
    for (size_t i = 0; i < w->nports; i++)
        vel_listener_stop(&w->ports[i].listener);
}

static void retire_or_stop(struct vel_port *port) {
    if (port->retires)
        vel_listener_retire(&port->listener);
    else
        vel_listener_stop(&port->listener);
}

static bool is_retiring(const struct vel_worker *w) {
    for (size_t i = 0; i < w->nports; i++)
        if (vel_listener_is_retiring(&w->ports[i].listener))
            return true;
    return false;
}

static int listen_on(struct vel_worker *w, const struct vel_socket *sockets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct vel_port *port = &w->ports[i];
        port->worker = w;
        port->endpoint = (struct vel_endpoint){.name = sockets[i].name,
                                               .port = sockets[i].port,
                                               .path = sockets[i].path,
                                               .index = (unsigned)i,
                                               .protocol = sockets[i].protocol};
        port->listener.on_accept = on_accept;
        port->listener.on_exhausted = on_exhausted;
        port->listener.on_left = on_left;
        int err = vel_listener_init(&port->listener, w->loop, sockets[i].fd);
        if (err != VEL_OK)
            return err;
        w->nports++;
    }
    return VEL_OK;
}

/* --- stopping ---------------------------------------------------------------------------------------------------- */

static void on_drain_over(struct vel_timer *t) {
    struct vel_worker *w = VEL_CONTAINER(t, struct vel_worker, drain_timer);
    w->state = VEL_WORKER_KILLED;
    vel_worker_set_due(w);
}

static void shed_idle(struct vel_worker *w) {
    struct vel_list *node, *next;
    w->sheds_idle = true;
    for (node = w->conns.next; node != &w->conns; node = next) {
        next = node->next;
        vel_conn_drain(VEL_CONTAINER(node, struct vel_conn, node));
    }
}

static void on_idle_over(struct vel_timer *t) {
    shed_idle(VEL_CONTAINER(t, struct vel_worker, idle_timer));
}

/* A connection that is closed while its next request is under way loses it. One that is busy will have asked again, and
 * been told to be over, before its time is. */
static void drain(struct vel_worker *w) {
    w->state = VEL_WORKER_DRAINING;
    w->stats->state = VEL_STATS_DRAINING;
    vel_timer_start(&w->drain_timer, &w->drain_timers, w->loop->now);
    if (w->config.drain_idle_ms > 0)
        vel_timer_start(&w->idle_timer, &w->idle_timers, w->loop->now);
    else
        shed_idle(w);
    /* Last: what is accepted here is not idle, its request is on the way. */
    for (size_t i = 0; i < w->nports; i++)
        retire_or_stop(&w->ports[i]);
}

static void obey(struct vel_worker *w) {
    int asked = w->asked;
    if (asked == VEL_WORKER_KILLED)
        w->state = VEL_WORKER_KILLED;
    else if (asked == VEL_WORKER_DRAINING && w->state == VEL_WORKER_SERVING)
        drain(w);
}

static void on_wake(void *arg) {
    struct vel_worker *w = arg;
    if (w->on_wake != NULL)
        w->on_wake(w->on_wake_arg);
    vel_worker_set_due(w);
}

/* A kill is not taken back by a drain that comes later. */
static void ask(struct vel_worker *w, int state) {
    int asked = w->asked;
    while (asked < state && !atomic_compare_exchange_weak(&w->asked, &asked, state)) {
    }
    vel_wake_up(&w->wake);
}

void vel_worker_drain(struct vel_worker *w) {
    ask(w, VEL_WORKER_DRAINING);
}

void vel_worker_kill(struct vel_worker *w) {
    ask(w, VEL_WORKER_KILLED);
}

void vel_worker_retire(struct vel_worker *w, int fd) {
    for (size_t i = 0; i < w->nports; i++)
        if (w->ports[i].listener.watch.fd == fd)
            w->ports[i].retires = true;
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

void vel_worker_set_due(struct vel_worker *w) {
    if (w->on_due == NULL || w->due)
        return;
    w->due = true;
    w->on_due(w->on_due_arg);
}

void vel_worker_add_turn(struct vel_worker *w, struct vel_exchange *x) {
    vel_list_append(&w->turns, &x->turn);
    vel_worker_set_due(w);
}

/* --- complaints -------------------------------------------------------------------------------------------------- */

void vel_worker_complain(struct vel_worker *w, const union vel_addr *peer, const char *why) {
    if (w->on_complaint == NULL || (w->complained != 0 && w->loop->now - w->complained < COMPLAINT_MS)) {
        w->uncomplained++;
        return;
    }
    uint64_t more = w->uncomplained;
    w->uncomplained = 0;
    w->complained = w->loop->now;
    w->on_complaint(w->on_complaint_arg, peer, why, more);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

/* Exchanges that ask again in their turn wait for the next round. */
static void give_turns(struct vel_worker *w) {
    struct vel_list round;
    if (vel_list_empty(&w->turns))
        return;
    vel_list_init(&round);
    vel_list_append(&w->turns, &round);
    while (w->turns.next != &round) {
        struct vel_exchange *x = VEL_CONTAINER(w->turns.next, struct vel_exchange, turn);
        vel_list_remove(&x->turn);
        vel_conn_turn(x->conn);
    }
    vel_list_remove(&round);
}

static void on_log_retry(struct vel_timer *t) {
    vel_worker_set_due(VEL_CONTAINER(t, struct vel_worker, log_timer));
}

static void write_log(struct vel_worker *w) {
    vel_access_flush(&w->access);
    w->stats->log_dropped += w->access.dropped - w->log_dropped;
    w->log_dropped = w->access.dropped;
    if (w->access.lines.len > 0)
        vel_timer_start(&w->log_timer, &w->log_timers, w->loop->now);
}

static void tell_of_requests(struct vel_worker *w) {
    w->config.requests_max = 0;
    ssize_t ignored = write(w->config.requests_fd, "\n", 1);
    (void)ignored; /* whoever wanted to know is gone */
}

static bool is_over(const struct vel_worker *w) {
    if (w->state == VEL_WORKER_SERVING)
        return false;
    if (w->state == VEL_WORKER_KILLED)
        return true;
    return vel_list_empty(&w->conns) && !is_retiring(w) && (w->pool == NULL || w->pool->open == 0);
}

/* Out first: the threads work while the loop sends what they have done. */
static void exchange_with_pool(struct vel_pool *pool) {
    vel_pool_look(pool);
    vel_inbox_run(&pool->inbox);
}

static void after_turn(struct vel_worker *w) {
    if (w->pool != NULL)
        exchange_with_pool(w->pool);
    give_turns(w);
    if (w->pool != NULL)
        vel_pool_send(w->pool);
    if (w->access.lines.len > 0)
        write_log(w);
    if (w->config.requests_max > 0 && w->stats->requests >= w->config.requests_max)
        tell_of_requests(w);
    obey(w);
}

/* Not at all when there is something to do, and with a pool not longer than that can be left alone. */
static int64_t bounded_wait(const struct vel_worker *w, int wait_ms) {
    int64_t ns = (int64_t)wait_ms * 1000000;
    if (!vel_list_empty(&w->turns))
        return 0;
    return w->pool != NULL ? vel_pool_wait(w->pool, ns) : ns;
}

int vel_worker_turn(struct vel_worker *w, int wait_ms) {
    int n = vel_loop_turn_ns(w->loop, bounded_wait(w, wait_ms));
    if (n < 0)
        return VEL_ESYS;
    after_turn(w);
    return n;
}

bool vel_worker_after(struct vel_worker *w) {
    w->due = false;
    after_turn(w);
    if (!vel_list_empty(&w->turns))
        vel_worker_set_due(w);
    return !is_over(w);
}

int vel_worker_run(struct vel_worker *w) {
    obey(w);
    while (!is_over(w))
        if (vel_worker_turn(w, -1) < 0)
            return VEL_ESYS;
    stop_listening(w);
    return VEL_OK;
}

/* --- made and freed ---------------------------------------------------------------------------------------------- */

static int allocate(struct vel_worker *w, size_t nports) {
    w->in = vel_alloc(VEL_READ_MAX);
    w->out = vel_alloc(VEL_STAGE_MAX);
    w->head = vel_alloc_zero(sizeof(*w->head));
    w->ports = vel_alloc_zero((nports ? nports : 1) * sizeof(*w->ports));
    return w->in && w->out && w->head && w->ports ? VEL_OK : VEL_ENOMEM;
}

static void release(struct vel_worker *w) {
    free_spare(w);
    vel_free(w->ports);
    vel_free(w->head);
    vel_free(w->out);
    vel_free(w->in);
}

static void add_timers(struct vel_worker *w) {
    vel_timeouts_init(&w->timeouts, &w->config, vel_conn_timeout);
    for (int kind = 0; kind < VEL_TIMEOUT_COUNT; kind++)
        vel_loop_add_timers(w->loop, &w->timeouts.kinds[kind]);
    vel_timers_init(&w->drain_timers, w->config.drain_ms, on_drain_over);
    vel_timer_init(&w->drain_timer);
    vel_loop_add_timers(w->loop, &w->drain_timers);
    vel_timers_init(&w->idle_timers, w->config.drain_idle_ms, on_idle_over);
    vel_timer_init(&w->idle_timer);
    vel_loop_add_timers(w->loop, &w->idle_timers);
    vel_timers_init(&w->log_timers, LOG_RETRY_MS, on_log_retry);
    vel_timer_init(&w->log_timer);
    vel_loop_add_timers(w->loop, &w->log_timers);
}

static void remove_timers(struct vel_worker *w) {
    vel_loop_remove_timers(w->loop, &w->log_timers);
    vel_loop_remove_timers(w->loop, &w->idle_timers);
    vel_loop_remove_timers(w->loop, &w->drain_timers);
    for (int kind = VEL_TIMEOUT_COUNT - 1; kind >= 0; kind--)
        vel_loop_remove_timers(w->loop, &w->timeouts.kinds[kind]);
}

static int init_on(struct vel_worker *w, struct vel_loop *loop, struct vel_app *app, const struct vel_config *config,
                   const struct vel_socket *sockets, size_t n) {
    w->loop = loop;
    w->config = *config;
    w->app = app;
    w->scan = vel_scan_best();
    w->access.fd = -1;
    w->stats = config->stats != NULL ? config->stats : &w->own_stats;
    vel_list_init(&w->conns);
    vel_list_init(&w->turns);
    int err = allocate(w, n);
    if (err != VEL_OK)
        goto fail_allocate;
    err = vel_wake_init(&w->wake, w->loop, on_wake, w);
    if (err != VEL_OK)
        goto fail_allocate;
    add_timers(w);
    render_server(w);
    err = listen_on(w, sockets, n);
    if (err == VEL_OK) {
        w->stats->state = VEL_STATS_SERVING;
        return VEL_OK;
    }

    stop_listening(w);
    remove_timers(w);
    vel_wake_free(&w->wake, w->loop);
fail_allocate:
    release(w);
    return err;
}

int vel_worker_init(struct vel_worker *w, struct vel_app *app, const struct vel_config *config,
                    const struct vel_socket *sockets, size_t n) {
    memset(w, 0, sizeof(*w));
    int err = vel_loop_init(&w->own);
    if (err != VEL_OK)
        return err;
    err = init_on(w, &w->own, app, config, sockets, n);
    if (err != VEL_OK)
        vel_loop_free(&w->own);
    return err;
}

int vel_worker_init_on(struct vel_worker *w, struct vel_loop *loop, struct vel_app *app,
                       const struct vel_config *config, const struct vel_socket *sockets, size_t n) {
    memset(w, 0, sizeof(*w));
    return init_on(w, loop, app, config, sockets, n);
}

void vel_worker_close_all(struct vel_worker *w) {
    w->state = VEL_WORKER_KILLED;
    w->stats->state = VEL_STATS_ABSENT;
    stop_listening(w);
    while (!vel_list_empty(&w->conns))
        vel_conn_close(VEL_CONTAINER(w->conns.next, struct vel_conn, node));
}

void vel_worker_free(struct vel_worker *w) {
    vel_worker_close_all(w);
    vel_access_free(&w->access);
    remove_timers(w);
    vel_wake_free(&w->wake, w->loop);
    if (w->loop == &w->own)
        vel_loop_free(&w->own);
    release(w);
}

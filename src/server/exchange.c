/* Exchanges from the server's side. */
#include "server/exchange.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/origin.h"
#include "server/reply.h"
#include "server/worker.h"

#include <stddef.h>

/* What nginx logs when the client went before any answer. */
#define STATUS_CLIENT_GONE 499

/* RFC 9110 6.5.1: a recipient that merges trailers into the head must not be told there what the message is. */
static bool may_trail(enum vel_field_id id) {
    return (vel_field_flags(id) & (VEL_FIELD_HOP | VEL_FIELD_SINGLE)) == 0 && id != VEL_FIELD_CONTENT_ENCODING;
}

int vel_exchange_end_with(struct vel_exchange *x, const struct vel_field *trailers, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!may_trail(trailers[i].id))
            return VEL_EINVAL;
    return x->proto->end(x, trailers, n);
}

/* Not inlined: its buffers would cost every exchange a guard of the stack. */
__attribute__((noinline)) static struct vel_exchange *with_origin(struct vel_exchange *x) {
    if (vel_origin_decide(x) == VEL_OK)
        return x;
    vel_worker_exchange_free(x->conn->worker, x);
    return NULL;
}

struct vel_exchange *vel_exchange_open(struct vel_conn *c, struct vel_head *head, const struct vel_proto *proto) {
    struct vel_exchange *x = vel_worker_exchange(c->worker);
    if (x == NULL)
        return NULL;
    x->proto = proto;
    x->conn = c;
    x->app = c->worker->app;
    x->endpoint = c->endpoint;
    x->peer = &c->peer;
    x->head = head;
    if (c->worker->config.timed || c->worker->access.fd >= 0)
        x->began_us = c->worker->loop->now_ns / 1000;
    vel_list_init(&x->turn);
    return c->told && head != NULL ? with_origin(x) : x;
}

static __attribute__((cold, noinline)) void shed(struct vel_exchange *x) {
    x->conn->worker->stats->shed++;
    if (vel_reply_busy(x) == VEL_OK)
        vel_exchange_end(x);
    else
        vel_exchange_abort(x);
}

/* The loop's time of the turn is when the bytes were here; waiting behind others of the same turn counts. */
static __attribute__((noinline)) void time_start(struct vel_exchange *x) {
    x->arrived_us = x->conn->worker->loop->now_ns / 1000;
    x->started_us = vel_clock_us();
}

void vel_exchange_give(struct vel_exchange *x) {
    struct vel_worker *w = x->conn->worker;
    if (w->config.running_max != 0 && w->stats->running >= w->config.running_max) {
        shed(x);
        return;
    }
    if (w->config.timed)
        time_start(x);
    w->stats->running++;
    x->running = x->given = true;
    x->app->ops->on_request(x);
}

static struct vel_head *copy_head(struct vel_arena *arena, const struct vel_head *head) {
    size_t size = offsetof(struct vel_head, fields) + (head->nfields + head->nvars) * sizeof(head->fields[0]);
    struct vel_head *copy = vel_arena_alloc(arena, size);
    struct vel_slice bytes = vel_arena_copy(arena, head->bytes);
    if (copy == NULL || bytes.at == NULL)
        return NULL;
    memcpy(copy, head, size);
    vel_head_rebase(copy, bytes.at);
    return copy;
}

int vel_exchange_keep(struct vel_exchange *x) {
    if (!x->kept && x->head != NULL) {
        struct vel_head *head = copy_head(&x->arena, x->head);
        if (head == NULL)
            return VEL_ENOMEM;
        x->head = head;
    }
    x->kept = true;
    return vel_body_own(&x->body); /* it may have begun after the head was kept */
}

void vel_exchange_drop(struct vel_exchange *x) {
    if (x->ended)
        return;
    x->ended = x->failed = true;
    if (x->given)
        x->app->ops->on_abort(x);
}

static void log_access(struct vel_exchange *x, uint64_t us) {
    struct vel_worker *w = x->conn->worker;
    struct vel_access_entry entry = {
        .peer = x->peer,
        .head = x->head,
        .status = x->status != 0 ? x->status : STATUS_CLIENT_GONE,
        .bytes = x->sent,
        .us = us,
        .queue_us = x->started_us - x->arrived_us,
        .sent = x->logged,
        .wall = vel_clock_wall(),
    };
    vel_access_add(&w->access, &entry);
    vel_worker_set_due(w);
}

static __attribute__((noinline)) void finish_timed(struct vel_exchange *x) {
    struct vel_worker *w = x->conn->worker;
    uint64_t us = vel_clock_us() - x->began_us;
    if (w->config.timed) {
        vel_durations_add(&w->stats->whole, us);
        if (x->started_us != 0)
            vel_durations_add(&w->stats->queued, x->started_us - x->arrived_us);
    }
    if (w->access.fd >= 0)
        log_access(x, us);
}

static inline void count(const struct vel_exchange *x, struct vel_stats *stats) {
    unsigned kind = x->status / 100;
    stats->replies[kind < sizeof(stats->replies) / sizeof(stats->replies[0]) ? kind : 0]++;
    stats->running -= x->running;
    stats->aborted += x->failed;
}

void vel_exchange_close(struct vel_exchange *x) {
    count(x, x->conn->worker->stats);
    if (x->began_us != 0)
        finish_timed(x);
    vel_list_remove(&x->turn);
    if (x->held) {
        x->conn = NULL; /* which goes before it */
        return;
    }
    vel_worker_exchange_free(x->conn->worker, x);
}

void vel_exchange_free(struct vel_exchange *x) {
    vel_body_free(&x->body);
    vel_arena_free(&x->arena);
    vel_free(x);
}

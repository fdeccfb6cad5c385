/* The loop's end of a remote exchange: requests become jobs, pieces become calls. */
#include "server/remote.h"

#include "base/err.h"
#include "base/mem.h"
#include "server/exchange.h"
#include "server/remote_twin.h"
#include "server/reply.h"

/* --- pieces that are done with ----------------------------------------------------------------------------------- */

/* What was lent by Python goes back in a thread that holds its lock. */
static void return_loan(struct vel_job *job, struct vel_pool_thread *thread) {
    struct vel_piece *piece = VEL_CONTAINER(job, struct vel_piece, body.job);
    struct vel_loan loan = piece->body.loan;
    (void)thread;
    vel_free(piece);
    loan.release(loan.owner);
}

static void settle_loan(void *owner) {
    struct vel_piece *piece = owner;
    struct vel_loan loan = piece->body.loan;
    if (piece->body.pool != NULL && loan.release != NULL) {
        piece->body.job.run = return_loan;
        vel_pool_add(piece->body.pool, &piece->body.job);
        return;
    }
    vel_free(piece);
    if (loan.release != NULL)
        loan.release(loan.owner);
}

static bool is_lent(const struct vel_piece *piece) {
    return piece->kind == VEL_PIECE_FILE || (piece->kind == VEL_PIECE_DATA && piece->body.loan.release != NULL);
}

static void drop(struct vel_piece *piece) {
    if (is_lent(piece))
        settle_loan(piece);
    else if (piece->kind == VEL_PIECE_END && piece->owned)
        vel_free((void *)piece->head.fields);
    else if (piece->owned)
        vel_free(piece);
}

void vel_twin_wake(struct vel_twin *t) {
    struct vel_remote_thread *thread = atomic_load(&t->thread);
    if (thread != NULL)
        vel_pool_wake(&thread->base);
}

static void drop_arrived(struct vel_twin *t) {
    while (t->arrived != NULL) {
        struct vel_piece *piece = t->arrived;
        t->arrived = piece->next;
        drop(piece);
    }
    t->newest = &t->arrived;
}

/* --- pieces on their way to the client --------------------------------------------------------------------------- */

static void give_body(struct vel_exchange *x, struct vel_piece *piece) {
    const struct vel_piece_body *body = &piece->body;
    struct vel_loan loan = {settle_loan, piece};
    bool lent = is_lent(piece); /* the call may free it */
    int err;
    if (piece->kind == VEL_PIECE_FILE)
        err = vel_exchange_file(x, body->file, body->offset, body->size, loan);
    else
        err = vel_exchange_data(x, vel_slice(body->at, (size_t)body->size), lent ? &loan : NULL);
    if (!lent || err == VEL_ENOMEM)
        drop(piece);
}

/* What fails here has doomed the connection: on_abort comes when the dispatch is over. */
static void give(struct vel_twin *t, struct vel_piece *piece) {
    switch (piece->kind) {
    case VEL_PIECE_HEAD:
        vel_exchange_head(t->x, &piece->head);
        drop(piece);
        break;
    case VEL_PIECE_INFORM:
        vel_exchange_inform(t->x, &piece->head);
        drop(piece);
        break;
    default:
        t->unsent += piece->body.counts ? piece->body.size : 0;
        give_body(t->x, piece);
    }
}

/* The exchange is the server's again, and the twin goes with it. */
static void let_go(struct vel_twin *t) {
    t->x->held = false;
    t->remote->pool->open--;
    vel_twin_close_body(t);
}

static void finish(struct vel_twin *t) {
    const struct vel_field *trailers = t->end.kind == VEL_PIECE_END ? t->end.head.fields : NULL;
    size_t n = trailers != NULL ? t->end.head.nfields : 0;
    struct vel_exchange *x = t->x;
    let_go(t);
    if (t->end.kind == VEL_PIECE_ABORT)
        vel_exchange_abort(x);
    else if (vel_exchange_end_with(x, trailers, n) == VEL_EINVAL)
        vel_exchange_end(x);
    drop(&t->end);
}

/* Everything is with the kernel: the thread need not wait for that any more. */
static void pay(struct vel_twin *t) {
    uint64_t paid = t->unsent;
    t->unsent = 0;
    if (paid > 0 && atomic_fetch_sub(&t->owed, paid) > VEL_REMOTE_WINDOW)
        vel_twin_wake(t);
}

static void send_on(struct vel_twin *t) {
    switch (vel_exchange_flush(t->x)) {
    case VEL_OK:
        pay(t);
        break;
    case VEL_EAGAIN:
        vel_exchange_await_credit(t->x);
        break;
    default:
        break; /* the client has gone: on_abort will say so */
    }
}

static void on_turn(struct vel_exchange *x) {
    struct vel_twin *t = x->app_data;
    while (t->arrived != NULL && t->arrived != &t->end) {
        struct vel_piece *piece = t->arrived;
        t->arrived = piece->next;
        give(t, piece);
    }
    if (t->arrived != NULL) {
        finish(t);
        return;
    }
    t->newest = &t->arrived;
    send_on(t);
}

void vel_twin_arrive(struct vel_post *post) {
    struct vel_piece *piece = VEL_CONTAINER(post, struct vel_piece, post);
    struct vel_twin *t = piece->of;
    *t->newest = piece;
    while (piece->next != NULL)
        piece = piece->next;
    t->newest = &piece->next;
    t->over = piece == &t->end;
    t->x->started_us = t->own.started_us; /* its thread has written that before it posted anything */
    if (!atomic_load_explicit(&t->gone, memory_order_relaxed)) {
        vel_exchange_yield(t->x);
        return;
    }
    drop_arrived(t);
    if (t->over) {
        struct vel_exchange *x = t->x;
        let_go(t);
        vel_exchange_free(x);
    }
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void refuse(struct vel_remote *remote, struct vel_exchange *x) {
    remote->refused++;
    if (vel_reply_busy(x) == VEL_OK)
        vel_exchange_end(x);
    else
        vel_exchange_abort(x);
}

static void init_own(struct vel_twin *t, struct vel_exchange *x) {
    t->own = (struct vel_exchange){.head = x->head,
                                   .endpoint = x->endpoint,
                                   .peer = &t->peer,
                                   .origin = x->origin,
                                   .body = x->body,
                                   .received = x->received,
                                   .arrived_us = x->arrived_us,
                                   .started_us = x->started_us,
                                   .given = true};
    x->body = (struct vel_body){0};
    t->peer = *x->peer;
}

/* Its store is not zeroed. */
static void init(struct vel_twin *t, struct vel_remote *remote, struct vel_exchange *x) {
    init_own(t, x);
    t->x = x;
    t->remote = remote;
    t->job.run = vel_twin_run;
    atomic_init(&t->thread, NULL);
    atomic_init(&t->gone, VEL_GONE_NOT);
    atomic_init(&t->owed, 0);
    t->first = t->arrived = NULL;
    t->last = &t->first;
    t->newest = &t->arrived;
    t->made = t->unsent = 0;
    t->length = -1;
    t->bodiless = t->all = t->over = t->spools = false;
    t->spool = NULL;
    t->spool_max = remote->spool_max;
    t->spooled = t->packed = 0;
    t->at = t->store;
    t->end.owned = false;
    t->end.head.fields = NULL;
    t->end.head.nfields = 0;
    t->streams = !x->received && x->head->framing.kind != VEL_BODY_NONE;
    if (t->streams)
        vel_twin_open_body(t);
}

static void on_request(struct vel_exchange *x) {
    struct vel_remote *remote = VEL_CONTAINER(x->app, struct vel_remote, app);
    if (vel_pool_waiting(remote->pool) >= remote->waiting_max) {
        refuse(remote, x);
        return;
    }
    struct vel_twin *t = vel_exchange_keep(x) == VEL_OK ? vel_arena_alloc(&x->arena, sizeof(*t)) : NULL;
    if (t == NULL) {
        vel_exchange_abort(x);
        return;
    }
    init(t, remote, x);
    x->app_data = t;
    x->held = true;
    remote->pool->open++;
    vel_pool_add(remote->pool, &t->job);
}

/* A thread that has it lets go when it likes; until then nothing of it may be freed. */
static void on_abort(struct vel_exchange *x) {
    struct vel_twin *t = x->app_data;
    atomic_store(&t->gone, x->slow ? VEL_GONE_SLOW : VEL_GONE_RESET);
    drop_arrived(t);
    if (t->over) {
        let_go(t);
    } else if (vel_pool_cancel(t->remote->pool, &t->job)) {
        vel_body_free(&t->own.body);
        let_go(t);
    } else {
        vel_twin_wake(t);
    }
}

static void on_data(struct vel_exchange *x, struct vel_slice data) {
    vel_twin_add_data(x->app_data, data);
}

/* Mostly it is all here before a thread has begun: it is then as good as collected. */
static void on_end(struct vel_exchange *x) {
    struct vel_twin *t = x->app_data;
    struct vel_pool *pool = t->remote->pool;
    if (!t->streams) {
        t->own.received = true; /* no thread has it: this is the dispatch of its head */
    } else if (vel_pool_cancel(pool, &t->job)) {
        vel_twin_collect(t);
        vel_pool_add(pool, &t->job);
    } else {
        vel_twin_end_data(t);
    }
}

static const struct vel_app_ops whole_ops = {
    .whole_body = true,
    .on_request = on_request,
    .on_turn = on_turn,
    .on_abort = on_abort,
};

static const struct vel_app_ops stream_ops = {
    .asks_for_body = true,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_turn = on_turn,
    .on_abort = on_abort,
};

void vel_remote_init(struct vel_remote *remote, struct vel_pool *pool, size_t waiting_max, bool streams) {
    *remote =
        (struct vel_remote){.app.ops = streams ? &stream_ops : &whole_ops, .pool = pool, .waiting_max = waiting_max};
}

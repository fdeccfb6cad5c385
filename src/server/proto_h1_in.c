/* HTTP/1 requests: the events of the protocol, made into exchanges. */
#include "server/proto_h1.h"

#include "base/mem.h"
#include "server/exchange.h"
#include "server/output.h"
#include "server/proto_uwsgi.h"
#include "server/reply.h"
#include "server/worker.h"

#include <stddef.h>

static void drop_partial(struct vel_conn *c) {
    if (c->partial == NULL)
        return;
    vel_free(c->partial);
    c->partial = NULL;
}

static struct vel_exchange *detach(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    c->exchange = NULL;
    c->awaits_credit = false;
    return x;
}

void vel_proto_h1_drop(struct vel_conn *c) {
    struct vel_exchange *x = detach(c);
    if (x == NULL)
        return;
    if (x->status != 0 && !x->ended)
        vel_conn_unfinished(c);
    if (!x->received)
        c->unread = true;
    vel_exchange_drop(x);
    vel_exchange_close(x);
    drop_partial(c);
}

bool vel_proto_h1_next(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    if (x == NULL)
        return c->fate == VEL_FATE_OPEN;
    if (!x->ended || !x->received)
        return false;
    vel_exchange_close(detach(c));
    drop_partial(c);
    c->served = c->progress = true;
    if (c->fate == VEL_FATE_OPEN && vel_h1_conn_finish(&c->h1))
        return true;
    vel_conn_doom(c, VEL_FATE_FLUSH);
    return false;
}

/* The server answers in the application's place; the application, if it knows of the exchange, hears that it is over.
 */
static void answer(struct vel_conn *c, struct vel_exchange *x, unsigned status) {
    bool ended = x->ended;
    vel_exchange_drop(x);
    if (ended)
        return;
    if (x->status != 0) {
        vel_exchange_abort(x);
        return;
    }
    x->failed = false;
    if (vel_reply_status(x, status) != VEL_OK || vel_exchange_end(x) != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
}

void vel_proto_h1_refuse(struct vel_conn *c, unsigned status) {
    struct vel_exchange *x = detach(c);
    c->worker->stats->refused++;
    vel_h1_conn_close(&c->h1);
    c->unread = true;
    if (x == NULL)
        x = vel_exchange_open(c, NULL, &vel_proto_h1);
    if (x != NULL) {
        x->slow = status == 408;
        answer(c, x, status);
        vel_exchange_close(x);
    }
    drop_partial(c);
    vel_conn_doom(c, x != NULL ? VEL_FATE_FLUSH : VEL_FATE_CUT);
}

/* Whatever was not finished in this dispatch outlives the read buffer. */
static void keep(struct vel_conn *c) {
    if (vel_exchange_keep(c->exchange) != VEL_OK) {
        vel_proto_h1_refuse(c, 503);
        return;
    }
    drop_partial(c);
}

static bool begin(struct vel_conn *c, struct vel_head *head) {
    struct vel_exchange *x = vel_exchange_open(c, head, &vel_proto_h1);
    if (x == NULL) {
        vel_proto_h1_refuse(c, 503);
        return false;
    }
    c->exchange = x;
    /* Nothing else might have the last look of a turn taken on a loop that is another's. */
    if (++c->worker->stats->requests == c->worker->config.requests_max)
        vel_worker_set_due(c->worker);
    c->body_from = c->worker->loop->waited;
    c->body_bytes = 0;
    if (!x->app->ops->whole_body)
        vel_exchange_give(x);
    return true;
}

/* A sender below the least rate is refused, however steadily it drips (slow POST). Only the time counts in which the
 * worker waited: while it was busy, bytes lay in the kernel through no fault of the sender's. */
static bool too_slow(const struct vel_conn *c) {
    const struct vel_worker *w = c->worker;
    uint64_t ms = w->loop->waited - c->body_from;
    return ms > VEL_RATE_GRACE_MS && c->body_bytes * 1000 / ms < w->config.body_rate;
}

/* Memory may be there for the next one; a disk that is full stays so until somebody acts (RFC 4918 11.5). */
static bool collect(struct vel_conn *c, struct vel_slice data) {
    int err = vel_body_add(&c->exchange->body, data, c->worker->config.body_memory);
    if (err != VEL_OK)
        vel_proto_h1_refuse(c, err == VEL_ESYS ? 507 : 503);
    return err == VEL_OK;
}

static bool take_data(struct vel_conn *c, struct vel_slice data) {
    struct vel_exchange *x = c->exchange;
    c->progress = true;
    c->body_bytes += data.len;
    if (!x->tunnel && too_slow(c)) {
        vel_proto_h1_refuse(c, 408);
        return false;
    }
    if (x->ended)
        return true; /* the reply did not want it: read away */
    if (!x->app->ops->whole_body) {
        x->unconsumed += data.len;
        x->app->ops->on_data(x, data);
        return true;
    }
    return collect(c, data);
}

static bool complete(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    x->received = true;
    if (x->app->ops->whole_body) {
        vel_exchange_give(x);
    } else if (!x->ended) {
        x->app->ops->on_end(x);
    }
    if (vel_proto_h1_next(c))
        return true;
    if (c->exchange != NULL && c->fate != VEL_FATE_CUT)
        keep(c);
    return false;
}

/* A head that has not all arrived: what was parsed of it must not be overwritten by another connection's. */
static void save_partial(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    size_t used = offsetof(struct vel_head, fields) + w->head->nfields * sizeof(w->head->fields[0]);
    c->partial = vel_alloc(offsetof(struct vel_head, fields) + w->config.limits.fields * sizeof(w->head->fields[0]));
    if (c->partial == NULL)
        vel_conn_doom(c, VEL_FATE_CUT);
    else
        memcpy(c->partial, w->head, used);
}

static void more(struct vel_conn *c, bool head_begun) {
    if (c->exchange == NULL) {
        if (head_begun && c->partial == NULL && !c->uwsgi)
            save_partial(c);
        return;
    }
    if (!c->exchange->ended && (c->exchange->wanted || !c->exchange->app->ops->asks_for_body))
        vel_proto_h1_continue(c);
    keep(c);
}

static inline enum vel_h1_event next(struct vel_conn *c, char *in, size_t len, size_t *used, struct vel_slice *data) {
    struct vel_head *head = c->partial != NULL ? c->partial : c->worker->head;
    if (c->uwsgi && vel_h1_conn_awaits_head(&c->h1))
        return vel_proto_uwsgi_next(c, in, len, used, head);
    return vel_h1_conn_next(&c->h1, in, len, used, head, data);
}

size_t vel_proto_h1_input(struct vel_conn *c, char *in, size_t len) {
    size_t at = 0, used;
    struct vel_slice data;
    bool go_on = true;
    /* A client that sends requests and takes no answers is not served on: what it is owed stays bounded. */
    while (go_on && c->fate == VEL_FATE_OPEN && (c->owed == NULL || c->exchange != NULL)) {
        struct vel_head *head = c->partial != NULL ? c->partial : c->worker->head;
        enum vel_h1_event event = next(c, in + at, len - at, &used, &data);
        at += used;
        switch (event) {
        case VEL_H1_REQUEST:
            go_on = begin(c, head);
            break;
        case VEL_H1_DATA:
            go_on = take_data(c, data);
            break;
        case VEL_H1_END:
            go_on = complete(c);
            break;
        case VEL_H1_MORE:
            more(c, at < len);
            return at;
        case VEL_H1_REFUSED:
            vel_proto_h1_refuse(c, c->h1.status);
            return len;
        case VEL_H1_WAIT:
            return at;
        case VEL_H1_CLOSED:
            c->unread = true;
            return len;
        }
    }
    /* An exchange that ends with its connection ends here: its head may lie in the bytes that the caller now spends. */
    if (c->fate != VEL_FATE_OPEN)
        vel_proto_h1_drop(c);
    return at;
}

/* Below this a copy is cheaper than to ask. */
#define ROOM_MIN 16384

char *vel_proto_h1_room(struct vel_conn *c, size_t *len) {
    struct vel_exchange *x = c->exchange;
    uint64_t most = c->worker->config.body_memory, left = vel_h1_conn_awaits(&c->h1);
    if (x == NULL || x->ended || left < ROOM_MIN || left > most || x->body.size > most - left)
        return NULL;
    *len = (size_t)left;
    return vel_body_room(&x->body, *len);
}

void vel_proto_h1_eof(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    if (x != NULL && x->tunnel && c->fate == VEL_FATE_OPEN) {
        x->received = true;
        x->app->ops->on_end(x);
        return;
    }
    bool whole = vel_h1_conn_eof(&c->h1), answered = x != NULL && x->ended;
    if (x != NULL && x->received)
        return; /* the answer is still wanted: half-close */
    vel_proto_h1_drop(c);
    vel_conn_doom(c, whole || answered || c->owed != NULL ? VEL_FATE_FLUSH : VEL_FATE_CUT);
}

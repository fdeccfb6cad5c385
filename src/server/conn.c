/* The life of a connection: opened, served whenever the kernel says so, closed in one place (settle). */
#include "server/conn.h"

#include "base/mem.h"
#include "server/exchange.h"
#include "server/output.h"
#include "server/proto_h1.h"
#include "server/proxied.h"
#include "server/worker.h"

#include <unistd.h>

/* Behind bytes that wait, one read takes this much. */
#define READ_BEHIND 16384

/* A peer whose answer is out may go on sending this much before it is cut off. */
#define LINGER_MAX (16u << 20)

void vel_conn_doom(struct vel_conn *c, enum vel_fate fate) {
    if (c->fate < fate)
        c->fate = (uint8_t)fate;
}

void vel_conn_unfinished(struct vel_conn *c) {
    if (c->h1.ending == VEL_H1_END_CLOSE)
        c->reset = true;
}

/* Nothing may call the connection any more: detached first, then its exchange hears of it, then it is freed. */
static void destroy(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    vel_loop_unwatch(w->loop, &c->watch);
    vel_timer_stop(&c->timer);
    vel_list_remove(&c->node);
    c->fate = VEL_FATE_CUT;
    vel_output_discard(c);
    w->stats->open--;
    w->stats->conns[c->shown]--;
    vel_proto_h1_drop(c);
    vel_output_discard(c); /* the application may have said a last word */
    if (c->owed != NULL)
        vel_conn_unfinished(c);
    if (c->reset)
        vel_sock_reset_on_close(c->stream.fd);
    if (w->shared)
        vel_sock_end(c->stream.fd, c->reset);
    close(c->stream.fd);
    vel_sendq_drop(&c->owed);
    vel_buf_free(&c->in);
    vel_free(c->partial);
    vel_free(c);
    if (w->state != VEL_WORKER_SERVING)
        vel_worker_set_due(w); /* it may have been the last */
}

/* Closing with unread input makes the kernel send a reset, and the peer may lose the answer to it: so the peer is told
 * the end and read out first (RFC 9112 9.6). */
static void linger(struct vel_conn *c) {
    vel_sock_shutdown(c->stream.fd);
    c->lingering = true;
    c->body_bytes = 0;
    vel_buf_free(&c->in);
}

/* No more of the present request is read: it is complete, or the application has not taken what came. */
static bool holds_off(const struct vel_exchange *x) {
    return x->received || vel_exchange_is_full(x);
}

static enum vel_timeout clock_of(const struct vel_conn *c) {
    if (c->lingering)
        return VEL_TIMEOUT_LINGER;
    if (c->owed != NULL)
        return VEL_TIMEOUT_WRITE;
    if (c->exchange != NULL)
        return c->exchange->tunnel || holds_off(c->exchange) ? VEL_TIMEOUT_NONE : VEL_TIMEOUT_BODY;
    return c->served && !vel_h1_conn_in_request(&c->h1) ? VEL_TIMEOUT_KEEP_ALIVE : VEL_TIMEOUT_HEADER;
}

/* Input is left in the kernel while an answer is not out, or a body is not consumed: that is the back-pressure. */
static bool is_held(const struct vel_conn *c) {
    return (c->exchange != NULL ? holds_off(c->exchange) : c->owed != NULL) && !c->lingering;
}

/* An application that would be told of it. */
static bool would_hear_of_leaving(const struct vel_conn *c) {
    const struct vel_exchange *x = c->exchange;
    return x != NULL && x->given && x->received && !x->ended && !c->left && x->app->ops->on_leave != NULL;
}

/* What no input is taken of stays registered as it was, which costs no system call for the usual peer: one that waits
 * for its answer. The first event shows the other kind. */
static unsigned held_read(const struct vel_conn *c) {
    if (!c->pushed && (c->watch.io & VEL_READ))
        return VEL_READ;
    return would_hear_of_leaving(c) ? VEL_HUP : 0;
}

static unsigned wanted_io(const struct vel_conn *c) {
    unsigned read = c->eof ? 0 : is_held(c) ? held_read(c) : VEL_READ;
    return read | (c->owed != NULL ? VEL_WRITE : 0);
}

static void set_aside(struct vel_conn *c, unsigned io) {
    c->pushed = c->unread = true;
    if (!(io & VEL_HUP) || !would_hear_of_leaving(c))
        return;
    c->left = true;
    c->exchange->app->ops->on_leave(c->exchange);
}

/* The kernel has taken the rest between the exchange's last try and now: no write event will tell. */
static void grant_credit(struct vel_conn *c) {
    c->awaits_credit = false;
    vel_exchange_yield(c->exchange);
}

static void time_reader(struct vel_conn *c, size_t untaken) {
    c->reader = VEL_READER_TIMED;
    c->write_from = (uint32_t)c->worker->loop->waited;
    c->write_sent = untaken < UINT32_MAX ? (uint32_t)untaken : UINT32_MAX;
}

/* From here to the next dispatch something is owed, or it is not. A reply may be made bit by bit, so its reader's time
 * goes on when more is owed again. */
static void set_reader(struct vel_conn *c, bool owes) {
    if (owes && c->reader == VEL_READER_FREE) {
        time_reader(c, c->untaken);
    } else if (!owes && c->exchange == NULL) {
        c->reader = VEL_READER_FREE;
    } else if (owes != (c->reader == VEL_READER_TIMED)) {
        c->write_from = (uint32_t)c->worker->loop->waited - c->write_from; /* moment to time, or time to moment */
        c->reader = owes ? VEL_READER_TIMED : VEL_READER_HALTED;
    }
}

/* Kept alive between two requests it is idle again before anybody could look: nothing is written then. */
static inline void show(struct vel_conn *c, enum vel_timeout kind) {
    unsigned state = kind == VEL_TIMEOUT_NONE && c->exchange != NULL && c->exchange->tunnel ? VEL_CONN_TUNNEL : kind;
    if (state == c->shown)
        return;
    uint64_t *conns = c->worker->stats->conns;
    conns[c->shown]--;
    conns[state]++;
    c->shown = (uint8_t)state;
}

static void set_clock(struct vel_conn *c) {
    struct vel_timeouts *timeouts = &c->worker->timeouts;
    enum vel_timeout kind = clock_of(c);
    show(c, kind);
    bool owes = kind == VEL_TIMEOUT_WRITE;
    if (owes && (c->progress || c->timer.in != &timeouts->kinds[kind]))
        c->untaken = vel_sock_untaken(c->stream.fd);
    if (owes || c->reader != VEL_READER_FREE)
        set_reader(c, owes);
    vel_timeouts_set(timeouts, &c->timer, kind, c->progress, c->worker->loop->now);
    c->progress = false;
}

/* The only place where a dispatch ends: sends, then closes, or sets what is waited for and for how long. */
static void settle(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    if (c->fate != VEL_FATE_CUT && (vel_output_is_staged(c) || c->owed != NULL))
        vel_output_flush(c);
    vel_output_discard(c);
    if (c->awaits_credit && c->owed == NULL && c->fate == VEL_FATE_OPEN)
        grant_credit(c);
    if (c->fate == VEL_FATE_FLUSH && c->exchange != NULL)
        vel_proto_h1_drop(c); /* it was cut: the rest of its request is not waited for */
    if (c->fate == VEL_FATE_FLUSH && c->owed == NULL && !c->lingering) {
        if ((!c->unread && c->in.len == 0) || c->eof)
            c->fate = VEL_FATE_CUT;
        else
            linger(c);
    }
    if (!is_held(c))
        c->pushed = c->left = false;
    if (c->fate == VEL_FATE_CUT || vel_loop_watch(w->loop, &c->watch, wanted_io(c)) != VEL_OK)
        destroy(c);
    else
        set_clock(c);
    w->serving = NULL;
}

/* Returns how many bytes are spent. */
static size_t serve(struct vel_conn *c, char *in, size_t len) {
    size_t used = c->proxied ? vel_proxied_take(c, in, len) : 0;
    if (c->proxied || c->fate != VEL_FATE_OPEN)
        return used;
    return used + vel_proto_h1_input(c, in + used, len - used);
}

/* Serves what waits in the connection's own buffer. */
static void serve_kept(struct vel_conn *c) {
    size_t used = serve(c, c->in.data, c->in.len);
    vel_buf_consume(&c->in, used);
    if (c->in.len == 0)
        vel_buf_free(&c->in);
}

/* Serves the shared read buffer; what is left of it moves to the connection's own. */
static void serve_shared(struct vel_conn *c, size_t len) {
    char *in = c->worker->in;
    size_t used = serve(c, in, len);
    if (used == len)
        return;
    if (c->fate != VEL_FATE_OPEN)
        c->unread = true; /* it sends on behind its last request: more may be under way */
    else if (vel_buf_append(&c->in, in + used, len - used) != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
}

static ssize_t take_in(struct vel_conn *c, char *at, size_t len) {
    ssize_t n = c->stream.ops->read(&c->stream, at, len);
    if (n > 0)
        c->worker->stats->received += (uint64_t)n;
    return n;
}

static void read_failed(struct vel_conn *c, ssize_t err) {
    if (err == VEL_EAGAIN)
        return;
    c->eof = true;
    if (err == VEL_EOF)
        vel_proto_h1_eof(c);
    else
        vel_conn_doom(c, VEL_FATE_CUT);
}

static void read_behind(struct vel_conn *c) {
    char *at = vel_buf_reserve(&c->in, READ_BEHIND);
    if (at == NULL) {
        vel_conn_doom(c, VEL_FATE_CUT);
        return;
    }
    ssize_t n = take_in(c, at, READ_BEHIND);
    c->unread = n == READ_BEHIND;
    if (n <= 0) {
        read_failed(c, n);
        return;
    }
    c->in.len += (size_t)n;
    serve_kept(c);
}

/* The rest of a body goes to where it belongs. */
static bool read_body(struct vel_conn *c) {
    size_t len;
    char *at = vel_proto_h1_room(c, &len);
    if (at == NULL)
        return false;
    ssize_t n = take_in(c, at, len);
    c->unread = n == (ssize_t)len;
    if (n > 0)
        vel_proto_h1_input(c, at, (size_t)n);
    else
        read_failed(c, n);
    return true;
}

static void read_shared(struct vel_conn *c) {
    if (c->exchange != NULL && read_body(c))
        return;
    ssize_t n = take_in(c, c->worker->in, VEL_READ_MAX);
    c->unread = n == VEL_READ_MAX;
    if (n > 0)
        serve_shared(c, (size_t)n);
    else
        read_failed(c, n);
}

static void read_away(struct vel_conn *c) {
    ssize_t n = take_in(c, c->worker->in, VEL_READ_MAX);
    if (n == VEL_EAGAIN)
        return;
    c->body_bytes += n > 0 ? (size_t)n : 0;
    if (n < 0 || c->body_bytes > LINGER_MAX)
        vel_conn_doom(c, VEL_FATE_CUT);
}

static void receive(struct vel_conn *c) {
    if (c->lingering)
        read_away(c);
    else if (c->in.len > 0)
        read_behind(c);
    else
        read_shared(c);
}

/* A request that is already here is still answered. */
static void close_idle(struct vel_conn *c) {
    receive(c);
    if (c->exchange == NULL && c->in.len == 0)
        vel_conn_doom(c, VEL_FATE_FLUSH);
}

/* The clock may have run out while the worker was busy, and the next request be here all the same. */
static void close_if_silent(struct vel_conn *c) {
    receive(c);
    if (!c->progress && c->exchange == NULL && !vel_h1_conn_in_request(&c->h1))
        vel_conn_doom(c, VEL_FATE_FLUSH);
}

/* After the application had a turn: the next request may be waiting, or the peer may have said it is the last. */
static void go_on(struct vel_conn *c) {
    while (c->fate == VEL_FATE_OPEN && vel_proto_h1_next(c)) {
        if (c->in.len == 0) {
            if (c->eof)
                vel_conn_doom(c, VEL_FATE_FLUSH);
            else if (c->worker->sheds_idle)
                close_idle(c); /* its reply had promised to go on, before the worker was told to stop */
            return;
        }
        size_t before = c->in.len;
        serve_kept(c);
        if (c->in.len == before)
            return;
    }
}

static void give_turn(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    c->awaits_credit = false;
    x->app->ops->on_turn(x);
    go_on(c);
}

/* Nothing is owed any more: the exchange that waited for that goes on, or the requests that did. */
static void written(struct vel_conn *c) {
    if (c->awaits_credit)
        give_turn(c);
    else
        go_on(c);
}

void vel_conn_attend(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    if (w->serving != c && c->exchange != NULL && vel_list_empty(&c->exchange->turn))
        vel_worker_add_turn(w, c->exchange);
}

/* They came behind the request, before the tunnel did. */
static bool has_kept_tunnel_bytes(const struct vel_conn *c) {
    const struct vel_exchange *x = c->exchange;
    return x != NULL && x->tunnel && c->fate == VEL_FATE_OPEN && c->in.len > 0 && !holds_off(x);
}

void vel_conn_turn(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    c->worker->serving = c;
    if (x->yielded) {
        x->yielded = false;
        give_turn(c);
    } else if (x->ended) {
        go_on(c);
    }
    if (has_kept_tunnel_bytes(c))
        serve_kept(c);
    settle(c);
}

/* Both sides are closed. On a Unix socket a peer looks like that which has sent its request and left; over TCP it would
 * only have ended its side: in both cases what it sent is served, though no answer may arrive. After a reset not. */
static bool can_be_read(const struct vel_conn *c, unsigned io) {
    return (io & VEL_READ) && vel_sock_error(c->stream.fd) == 0;
}

/* By the bytes that left the kernel, whose buffer may hold megabytes. Only the time counts in which the worker waited.
 */
static bool reads_too_slowly(struct vel_conn *c) {
    uint32_t ms = (uint32_t)c->worker->loop->waited - c->write_from, rate = c->worker->config.write_rate;
    if (c->reader != VEL_READER_TIMED || rate == 0 || ms <= VEL_RATE_GRACE_MS)
        return false;
    size_t untaken = vel_sock_untaken(c->stream.fd);
    uint64_t taken = c->write_sent > untaken ? c->write_sent - untaken : 0;
    time_reader(c, untaken);
    return taken * 1000 / ms < rate;
}

static void give_up_writing(struct vel_conn *c) {
    if (c->exchange != NULL)
        c->exchange->slow = true;
    vel_conn_doom(c, VEL_FATE_CUT);
}

static void on_io(struct vel_watch *watch, unsigned io) {
    struct vel_conn *c = VEL_CONTAINER(watch, struct vel_conn, watch);
    c->worker->serving = c;
    if ((io & VEL_ERROR) && !can_be_read(c, io))
        vel_conn_doom(c, VEL_FATE_CUT);
    if ((io & VEL_WRITE) && reads_too_slowly(c))
        give_up_writing(c);
    if ((io & VEL_WRITE) && c->fate != VEL_FATE_CUT && vel_output_flush(c) == VEL_OK)
        written(c);
    if ((io & (VEL_READ | VEL_HUP)) && !c->eof && c->fate != VEL_FATE_CUT) {
        if (is_held(c))
            set_aside(c, io);
        else if (c->fate == VEL_FATE_OPEN || c->lingering)
            receive(c);
    }
    settle(c);
}

static struct vel_conn *make(struct vel_worker *w, int fd, const union vel_addr *peer,
                             const struct vel_endpoint *endpoint) {
    struct vel_conn *c = vel_alloc_zero(sizeof(*c));
    if (c == NULL)
        return NULL;
    c->watch = (struct vel_watch){.fn = on_io, .fd = fd};
    c->worker = w;
    c->endpoint = endpoint;
    c->stream = (struct vel_stream){.ops = &vel_stream_plain, .fd = fd};
    c->peer = *peer;
    c->proxied = vel_trust_has(&w->config.proxy_allow, peer);
    c->uwsgi = endpoint->protocol == VEL_PROTOCOL_UWSGI;
    c->told = c->uwsgi || vel_trust_has(&w->config.trust, peer);
    vel_timer_init(&c->timer);
    vel_h1_conn_init(&c->h1, w->scan, &w->config.limits);
    vel_h1_conn_remember(&c->h1, &w->lines);
    vel_list_append(&w->conns, &c->node);
    c->shown = VEL_CONN_APPLICATION;
    w->stats->conns[c->shown]++;
    w->stats->open++;
    w->stats->accepted++;
    return c;
}

/* A packet says who somebody is: not everybody may. */
static bool may_connect(struct vel_worker *w, const union vel_addr *peer, const struct vel_endpoint *endpoint) {
    if (endpoint->protocol != VEL_PROTOCOL_UWSGI || vel_trust_has(&w->config.uwsgi_allow, peer))
        return true;
    vel_worker_complain(w, peer, "not allowed to speak uwsgi");
    return false;
}

void vel_conn_open(struct vel_worker *w, int fd, const union vel_addr *peer, const struct vel_endpoint *endpoint) {
    struct vel_conn *c = may_connect(w, peer, endpoint) ? make(w, fd, peer, endpoint) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    w->serving = c;
    /* Its first request is mostly here already; a connection for one request is then never registered with the kernel:
     * two system calls less. */
    receive(c);
    settle(c);
}

void vel_conn_close(struct vel_conn *c) {
    destroy(c);
}

void vel_conn_drain(struct vel_conn *c) {
    struct vel_exchange *x = c->exchange;
    if (c->fate != VEL_FATE_OPEN)
        return;
    c->worker->serving = c;
    if (x == NULL && c->in.len == 0)
        close_idle(c);
    else if (x != NULL && x->given && !x->ended && x->app->ops->on_drain != NULL) {
        x->app->ops->on_drain(x);
        go_on(c);
    }
    settle(c);
}

/* The kernel calls a socket writable again only when a third of its buffer is free: a megabyte, for which a slow reader
 * may need longer than the clock allows. */
static bool takes_some(const struct vel_conn *c) {
    return vel_sock_untaken(c->stream.fd) < c->untaken;
}

void vel_conn_timeout(struct vel_timer *t) {
    struct vel_conn *c = VEL_CONTAINER(t, struct vel_conn, timer);
    bool begun = c->exchange != NULL || vel_h1_conn_in_request(&c->h1);
    c->worker->serving = c;
    /* The timer has been stopped before this call, so what it was is read off the connection. */
    switch (clock_of(c)) {
    case VEL_TIMEOUT_HEADER:
    case VEL_TIMEOUT_BODY:
        if (begun)
            vel_proto_h1_refuse(c, 408);
        else
            vel_conn_doom(c, VEL_FATE_CUT);
        break;
    case VEL_TIMEOUT_WRITE:
        if (!takes_some(c) || reads_too_slowly(c))
            give_up_writing(c);
        break;
    case VEL_TIMEOUT_KEEP_ALIVE:
        close_if_silent(c);
        break;
    default:
        vel_conn_doom(c, VEL_FATE_CUT);
        break;
    }
    settle(c);
}

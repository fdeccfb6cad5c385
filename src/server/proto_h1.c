/* HTTP/1 exchanges: events in, reply bytes out. */
#include "server/proto_h1.h"

#include "base/mem.h"
#include "server/access_format.h"
#include "server/exchange.h"
#include "server/output.h"
#include "server/reply.h"
#include "server/worker.h"

#include <stddef.h>

/* The head of a chunk has 18 bytes at most, its tail 2. */
#define CHUNK_ROOM 20

/* Mostly the exchange is in its own dispatch, which settles its connection. */
static inline void attend(struct vel_conn *c) {
    if (c->worker->serving != c)
        vel_conn_attend(c);
}

/* --- request bodies -------------------------------------------------------------------------------------------- */

/* Outside of a dispatch nobody settles the connection: a place among the turns has it done. The sender was held up: how
 * slow it is counts from here. */
static void read_on(struct vel_exchange *x) {
    struct vel_conn *c = x->conn;
    c->body_from = c->worker->loop->waited;
    c->body_bytes = 0;
    if (vel_list_empty(&x->turn))
        vel_worker_add_turn(c->worker, x);
}

static void consume(struct vel_exchange *x, size_t n) {
    bool was_full = vel_exchange_is_full(x);
    x->unconsumed -= n < x->unconsumed ? n : x->unconsumed;
    if (was_full && !vel_exchange_is_full(x))
        read_on(x);
}

void vel_proto_h1_continue(struct vel_conn *c) {
    if (!c->h1.want_continue)
        return;
    c->h1.want_continue = false;
    if (vel_output_copy(c, VEL_SLICE(VEL_H1_CONTINUE)) != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
}

static void want_body(struct vel_exchange *x) {
    x->wanted = true;
    if (x->status != 0 || x->received)
        return;
    attend(x->conn);
    vel_proto_h1_continue(x->conn);
}

/* --- replies --------------------------------------------------------------------------------------------------- */

/* The application is done with it: turns it has asked for are not given. */
static void set_ended(struct vel_exchange *x) {
    x->ended = true;
    x->yielded = false;
    x->conn->awaits_credit = false;
    consume(x, x->unconsumed);
    vel_list_remove(&x->turn);
    attend(x->conn);
}

/* A head beyond the stage: rare enough for an allocation of its own. */
static int render_large(struct vel_conn *c, const struct vel_h1_rendering *r, size_t room) {
    char *at = vel_alloc(room);
    if (at == NULL) {
        vel_conn_doom(c, VEL_FATE_CUT); /* or a body could go out without it */
        return VEL_ENOMEM;
    }
    int err = vel_output_copy(c, vel_slice(at, vel_h1_render_head(r, at)));
    vel_free(at);
    return err;
}

static int reply_head(struct vel_exchange *x, const struct vel_reply_head *head) {
    struct vel_conn *c = x->conn;
    struct vel_worker *w = c->worker;
    struct vel_h1_rendering r;
    if (x->status != 0)
        return VEL_ESTATE;
    attend(c);
    vel_h1_conn_reply(&c->h1, head, head->close || w->state != VEL_WORKER_SERVING, &r);
    r.date_line = vel_worker_date(w);
    r.server_line = w->server;
    x->status = head->status;
    if (w->access.custom != NULL)
        x->logged = vel_access_format_keep(w->access.custom, &x->arena, head);
    size_t room = vel_h1_head_room(&r);
    if (room > VEL_STAGE_MAX)
        return render_large(c, &r, room);
    char *at = vel_output_stage(c, room);
    if (at == NULL)
        return VEL_ENOMEM;
    vel_output_staged(c, vel_h1_render_head(&r, at));
    return VEL_OK;
}

static int reply_inform(struct vel_exchange *x, const struct vel_reply_head *head) {
    struct vel_conn *c = x->conn;
    if (x->status != 0)
        return VEL_ESTATE;
    if (c->h1.minor0 || c->h1.gateway)
        return VEL_OK;
    attend(c);
    char *at = vel_output_stage(c, vel_h1_inform_room(head));
    if (at == NULL)
        return VEL_ENOMEM;
    vel_output_staged(c, vel_h1_render_inform(head, at));
    return vel_output_flush(c) == VEL_ENOMEM ? VEL_ENOMEM : VEL_OK;
}

static int open_chunk(struct vel_conn *c, uint64_t len) {
    char *at = vel_output_stage(c, CHUNK_ROOM);
    if (at == NULL)
        return VEL_ENOMEM;
    vel_output_staged(c, vel_h1_render_chunk_head(at, (size_t)len));
    return VEL_OK;
}

/* Takes over the loan, unless it returns VEL_ENOMEM. */
static int put(struct vel_conn *c, struct vel_slice data, const struct vel_loan *loan) {
    if (loan != NULL && data.len > VEL_COPY_MAX)
        return vel_output_lend(c, data, *loan);
    int err = vel_output_copy(c, data);
    if (err == VEL_OK && loan != NULL && loan->release != NULL)
        loan->release(loan->owner);
    return err;
}

/* Head, data and tail in one piece of the stage: what a streamed body mostly is made of. */
static int put_small_chunk(struct vel_conn *c, struct vel_slice data, const struct vel_loan *loan) {
    char *at = vel_output_stage(c, CHUNK_ROOM + data.len);
    if (at == NULL)
        return VEL_ENOMEM;
    size_t n = vel_h1_render_chunk_head(at, data.len);
    memcpy(at + n, data.at, data.len);
    memcpy(at + n + data.len, VEL_H1_CHUNK_TAIL, sizeof(VEL_H1_CHUNK_TAIL) - 1);
    vel_output_staged(c, n + data.len + sizeof(VEL_H1_CHUNK_TAIL) - 1);
    if (loan != NULL && loan->release != NULL)
        loan->release(loan->owner);
    return VEL_OK;
}

static int put_chunk(struct vel_conn *c, struct vel_slice data, const struct vel_loan *loan) {
    if (data.len <= VEL_COPY_MAX)
        return put_small_chunk(c, data, loan);
    int err = open_chunk(c, data.len);
    if (err == VEL_OK)
        err = put(c, data, loan);
    if (err != VEL_OK)
        return err;
    if (vel_output_copy(c, VEL_SLICE(VEL_H1_CHUNK_TAIL)) != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
    return VEL_OK;
}

static int reply_data(struct vel_exchange *x, struct vel_slice data, const struct vel_loan *loan) {
    struct vel_conn *c = x->conn;
    enum vel_h1_wrap wrap = VEL_H1_PLAIN;
    uint64_t len = data.len;
    int verdict = x->status != 0 ? vel_h1_conn_data(&c->h1, &len, &wrap) : VEL_ESTATE;
    if (verdict == VEL_ESTATE)
        len = 0;
    data.len = (size_t)len;
    x->sent += len;
    attend(c);
    int err = wrap == VEL_H1_CHUNK && len > 0 ? put_chunk(c, data, loan) : put(c, data, loan);
    if (err != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
    return err != VEL_OK ? err : verdict;
}

static int put_file(struct vel_conn *c, enum vel_h1_wrap wrap, int file, int64_t offset, uint64_t len,
                    struct vel_loan loan) {
    int err = wrap == VEL_H1_CHUNK ? open_chunk(c, len) : VEL_OK;
    if (err == VEL_OK)
        err = vel_output_file(c, file, offset, len, loan);
    if (err == VEL_OK && wrap == VEL_H1_CHUNK && vel_output_copy(c, VEL_SLICE(VEL_H1_CHUNK_TAIL)) != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
    return err;
}

static int reply_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len, struct vel_loan loan) {
    struct vel_conn *c = x->conn;
    enum vel_h1_wrap wrap = VEL_H1_PLAIN;
    int verdict = x->status != 0 ? vel_h1_conn_data(&c->h1, &len, &wrap) : VEL_ESTATE;
    if (verdict == VEL_ESTATE || len == 0) {
        if (loan.release != NULL)
            loan.release(loan.owner);
        return verdict;
    }
    x->sent += len;
    attend(c);
    int err = put_file(c, wrap, file, offset, len, loan);
    if (err != VEL_OK)
        vel_conn_doom(c, VEL_FATE_CUT);
    return err != VEL_OK ? err : verdict;
}

/* A length can be missed and a last chunk can be missing: the client sees that. A body that ends with the connection
 * looks whole after a FIN, so that one gets a reset. */
static void cut(struct vel_exchange *x) {
    struct vel_conn *c = x->conn;
    x->failed = true;
    vel_conn_unfinished(c);
    vel_h1_conn_close(&c->h1);
    vel_conn_doom(c, c->reset ? VEL_FATE_CUT : VEL_FATE_FLUSH);
}

/* Rare enough for an allocation of its own. */
static int put_trailers(struct vel_conn *c, const struct vel_field *trailers, size_t n) {
    char *at = vel_alloc(vel_h1_trailers_room(trailers, n));
    if (at == NULL)
        return VEL_ENOMEM;
    int err = vel_output_copy(c, vel_slice(at, vel_h1_render_trailers(trailers, n, at)));
    vel_free(at);
    return err;
}

/* Only a chunked body has a tail, and with it a place for trailers. */
static int reply_end(struct vel_exchange *x, const struct vel_field *trailers, size_t n) {
    struct vel_conn *c = x->conn;
    struct vel_slice tail = {0};
    int err = vel_h1_conn_end(&c->h1, &tail);
    set_ended(x);
    if (err == VEL_OK && tail.len > 0)
        err = n > 0 ? put_trailers(c, trailers, n) : vel_output_copy(c, tail);
    if (err != VEL_OK)
        cut(x);
    else if (x->tunnel)
        vel_conn_doom(c, VEL_FATE_FLUSH);
    return err;
}

/* What has come behind the request is the tunnel's, and nobody reads on by himself. */
static int begin_tunnel(struct vel_exchange *x) {
    x->tunnel = true;
    x->status = 101;
    if (x->received)
        read_on(x);
    x->received = false;
    return VEL_OK;
}

static int reply_tunnel(struct vel_exchange *x, const struct vel_reply_head *head, struct vel_slice protocol) {
    struct vel_conn *c = x->conn;
    int err = x->status != 0 ? VEL_ESTATE : vel_h1_conn_tunnel(&c->h1);
    if (err != VEL_OK)
        return err;
    attend(c);
    char *at = vel_output_stage(c, vel_h1_switch_room(head, protocol));
    if (at == NULL) {
        vel_conn_doom(c, VEL_FATE_CUT);
        return VEL_ENOMEM;
    }
    vel_output_staged(c, vel_h1_render_switch(head, protocol, at));
    return begin_tunnel(x);
}

static void reply_abort(struct vel_exchange *x) {
    if (x->status == 0 && vel_reply_status(x, 500) == VEL_OK) {
        reply_end(x, NULL, 0);
        return;
    }
    set_ended(x);
    cut(x);
}

static int reply_flush(struct vel_exchange *x) {
    return x->conn->fate == VEL_FATE_CUT ? VEL_ERESET : vel_output_flush(x->conn);
}

/* A reader may take bytes for long before the kernel calls the socket writable: that is not nothing. */
static int reply_wait(struct vel_exchange *x, int ms) {
    int fd = x->conn->stream.fd;
    size_t before = vel_sock_untaken(fd);
    int err = vel_sock_wait_writable(fd, ms);
    if (err == VEL_ERESET)
        vel_conn_doom(x->conn, VEL_FATE_CUT);
    return err == VEL_EAGAIN && vel_sock_untaken(fd) < before ? VEL_OK : err;
}

static bool is_lost(const struct vel_exchange *x) {
    return x->conn->worker->asked == VEL_WORKER_KILLED || x->conn->fate == VEL_FATE_CUT;
}

static void reply_yield(struct vel_exchange *x) {
    x->yielded = true;
    vel_list_remove(&x->turn);
    vel_worker_add_turn(x->conn->worker, x);
}

static void reply_await_credit(struct vel_exchange *x) {
    if (x->conn->owed == NULL && !vel_output_is_staged(x->conn))
        reply_yield(x);
    else
        x->conn->awaits_credit = true;
}

static uint64_t reply_owed(const struct vel_exchange *x) {
    return x->conn->owed != NULL ? vel_sendq_size(x->conn->owed) : 0;
}

const struct vel_proto vel_proto_h1 = {
    .head = reply_head,
    .inform = reply_inform,
    .data = reply_data,
    .file = reply_file,
    .end = reply_end,
    .tunnel = reply_tunnel,
    .abort = reply_abort,
    .flush = reply_flush,
    .wait = reply_wait,
    .await_credit = reply_await_credit,
    .yield = reply_yield,
    .consume = consume,
    .owed = reply_owed,
    .want_body = want_body,
    .is_lost = is_lost,
};

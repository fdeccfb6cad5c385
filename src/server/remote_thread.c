/* The thread's end of a remote exchange: an exchange whose calls become pieces. */
#include "server/remote_twin.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "server/output.h"

#include <fcntl.h>
#include <unistd.h>

static void spend(const struct vel_loan *loan) {
    if (loan != NULL && loan->release != NULL)
        loan->release(loan->owner);
}

/* --- pieces ------------------------------------------------------------------------------------------------------ */

static void *room(struct vel_twin *t, size_t size, bool *owned) {
    size = (size + 15) & ~(size_t)15;
    *owned = size > (size_t)(t->store + VEL_TWIN_STORE - t->at);
    if (*owned)
        return vel_alloc(size);
    t->at += size;
    return t->at - size;
}

static void add(struct vel_twin *t, struct vel_piece *piece, enum vel_piece_kind kind) {
    piece->next = NULL;
    piece->of = t;
    piece->kind = kind;
    *t->last = piece;
    t->last = &piece->next;
}

/* With extra bytes behind it. NULL when memory is short. */
static struct vel_piece *make(struct vel_twin *t, enum vel_piece_kind kind, size_t extra) {
    bool owned;
    struct vel_piece *piece = room(t, sizeof(*piece) + extra, &owned);
    if (piece == NULL)
        return NULL;
    piece->owned = owned;
    add(t, piece, kind);
    return piece;
}

/* Takes them out of the twin, ready to be posted. */
static struct vel_post *pack(struct vel_twin *t) {
    struct vel_piece *first = t->first;
    if (t->made > 0)
        atomic_fetch_add(&t->owed, t->made);
    t->made = 0;
    t->first = NULL;
    t->last = &t->first;
    first->post.fn = vel_twin_arrive;
    return &first->post;
}

static void post(struct vel_twin *t) {
    if (t->first != NULL)
        vel_inbox_put(&t->remote->pool->inbox, pack(t));
}

/* --- heads ------------------------------------------------------------------------------------------------------- */

static size_t fields_room(const struct vel_field *fields, size_t n) {
    size_t size = n * sizeof(*fields);
    for (size_t i = 0; i < n; i++)
        size += fields[i].name.len + fields[i].value.len;
    return size;
}

static struct vel_slice copy(char **at, struct vel_slice s) {
    if (s.len > 0)
        memcpy(*at, s.at, s.len);
    *at += s.len;
    return vel_slice(*at - s.len, s.len);
}

/* Fields first, for their alignment; bytes behind them. */
static struct vel_field *copy_fields(char **at, const struct vel_field *fields, size_t n) {
    struct vel_field *to = (struct vel_field *)(void *)*at;
    *at += n * sizeof(*to);
    for (size_t i = 0; i < n; i++) {
        to[i].id = fields[i].id;
        to[i].name = copy(at, fields[i].name);
        to[i].value = copy(at, fields[i].value);
    }
    return to;
}

static int add_head(struct vel_twin *t, enum vel_piece_kind kind, const struct vel_reply_head *head) {
    struct vel_piece *piece = make(t, kind, fields_room(head->fields, head->nfields) + head->reason.len);
    if (piece == NULL)
        return VEL_ENOMEM;
    char *at = (char *)(piece + 1);
    piece->head = *head;
    piece->head.fields = copy_fields(&at, head->fields, head->nfields);
    piece->head.reason = copy(&at, head->reason);
    return VEL_OK;
}

static int send_head(struct vel_exchange *x, const struct vel_reply_head *head) {
    struct vel_twin *t = vel_twin_of(x);
    if (x->status != 0)
        return VEL_ESTATE;
    int err = add_head(t, VEL_PIECE_HEAD, head);
    if (err != VEL_OK)
        return err;
    x->status = head->status;
    t->length = head->length;
    t->bodiless = x->head->method == VEL_METHOD_HEAD || head->status == 204 || head->status == 304;
    return VEL_OK;
}

static int send_inform(struct vel_exchange *x, const struct vel_reply_head *head) {
    if (x->status != 0)
        return VEL_ESTATE;
    int err = add_head(vel_twin_of(x), VEL_PIECE_INFORM, head);
    if (err == VEL_OK)
        post(vel_twin_of(x));
    return err;
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

/* How much of len may go out. */
static int admit(struct vel_twin *t, uint64_t *len) {
    if (t->own.status == 0 || t->bodiless) {
        *len = 0;
        return t->bodiless ? VEL_OK : VEL_ESTATE;
    }
    uint64_t left = t->length < 0 ? UINT64_MAX : (uint64_t)t->length - t->own.sent;
    if (*len <= left)
        return VEL_OK;
    *len = left;
    return VEL_ELIMIT;
}

static int come_behind_spool(struct vel_twin *t) {
    return t->spooled > t->packed ? vel_twin_pack_spool(t) : VEL_OK;
}

static int add_copy(struct vel_twin *t, struct vel_slice data) {
    struct vel_piece *piece = make(t, VEL_PIECE_DATA, data.len);
    if (piece == NULL)
        return VEL_ENOMEM;
    memcpy(piece + 1, data.at, data.len);
    piece->body.at = (const char *)(piece + 1);
    piece->body.size = data.len;
    piece->body.loan = (struct vel_loan){0};
    piece->body.counts = true;
    return VEL_OK;
}

/* Not part of the twin: it lives until the last byte is with the kernel, and the exchange may end before. */
struct vel_piece *vel_twin_lent_piece(struct vel_twin *t, enum vel_piece_kind kind, struct vel_loan loan) {
    struct vel_piece *piece = vel_alloc(sizeof(*piece));
    if (piece == NULL)
        return NULL;
    piece->owned = true;
    piece->body.loan = loan;
    piece->body.pool = t->remote->pool;
    piece->body.counts = true;
    add(t, piece, kind);
    return piece;
}

static int add_lent(struct vel_twin *t, struct vel_slice data, struct vel_loan loan) {
    struct vel_piece *piece = vel_twin_lent_piece(t, VEL_PIECE_DATA, loan);
    if (piece == NULL)
        return VEL_ENOMEM;
    piece->body.at = data.at;
    piece->body.size = data.len;
    return VEL_OK;
}

/* What is small is copied here and now, so that its loan goes back in this thread and not a second time to the pool. */
static int send_data(struct vel_exchange *x, struct vel_slice data, const struct vel_loan *loan) {
    struct vel_twin *t = vel_twin_of(x);
    uint64_t len = data.len;
    int verdict = admit(t, &len), err = VEL_OK;
    bool lend = loan != NULL && len > VEL_COPY_MAX;
    data.len = (size_t)len;
    bool spooled = len > 0 && t->spools && vel_twin_spool(t, data);
    if (len > 0 && !spooled) {
        err = come_behind_spool(t);
        if (err == VEL_OK)
            err = lend ? add_lent(t, data, *loan) : add_copy(t, data);
    }
    if (err != VEL_OK)
        return err;
    x->sent += len;
    t->made += spooled ? 0 : len;
    if (spooled || !lend)
        spend(loan);
    return verdict;
}

static void close_file(void *owner) {
    close((int)(intptr_t)owner);
}

/* A descriptor of our own, so that the file's owner is done with it and the thread free at once. Without one, the
 * thread waits until the file is sent. */
static int send_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len, struct vel_loan loan) {
    struct vel_twin *t = vel_twin_of(x);
    int verdict = admit(t, &len);
    if (len == 0) {
        spend(&loan);
        return verdict;
    }
    if (come_behind_spool(t) != VEL_OK)
        return VEL_ENOMEM;
    int ours = fcntl(file, F_DUPFD_CLOEXEC, 0);
    struct vel_loan closing = {close_file, (void *)(intptr_t)ours};
    struct vel_piece *piece = vel_twin_lent_piece(t, VEL_PIECE_FILE, ours >= 0 ? closing : loan);
    if (piece == NULL) {
        if (ours >= 0)
            close(ours);
        return VEL_ENOMEM;
    }
    piece->body.file = ours >= 0 ? ours : file;
    piece->body.offset = offset;
    piece->body.size = len;
    x->sent += len;
    if (ours < 0) {
        t->made += len;
        t->all = true;
    } else {
        piece->body.pool = NULL;
        piece->body.counts = false; /* it holds up nobody */
        spend(&loan);
    }
    return verdict;
}

/* --- the flow ---------------------------------------------------------------------------------------------------- */

static bool is_ahead(struct vel_twin *t) {
    return atomic_load(&t->owed) > (t->all ? 0 : VEL_REMOTE_WINDOW) && !atomic_load(&t->gone);
}

/* Until the client has taken more; or, when others wait for the thread, until the reply goes on into a file. */
static void wait_for_client(struct vel_twin *t, struct vel_pool_thread *thread) {
    if (t->all || t->spooled >= t->spool_max)
        vel_pool_sleep(thread);
    else if (vel_pool_stall(t->remote->pool, thread))
        vel_twin_begin_spool(t);
}

/* The pool's thread sleeps here; another, which the application has started, has to find its own way to wait. */
static int flush(struct vel_exchange *x) {
    struct vel_twin *t = vel_twin_of(x);
    struct vel_remote_thread *thread = atomic_load_explicit(&t->thread, memory_order_relaxed);
    if (!is_ahead(t) && come_behind_spool(t) != VEL_OK)
        return VEL_ENOMEM;
    post(t);
    while (is_ahead(t) && !t->spools) {
        if (!vel_pool_is_self(&thread->base))
            return VEL_EAGAIN;
        wait_for_client(t, &thread->base);
    }
    return vel_twin_is_gone(t) ? VEL_ERESET : VEL_OK;
}

/* flush has waited already. */
static int wait(struct vel_exchange *x, int ms) {
    (void)ms;
    return flush(x);
}

static void yield(struct vel_exchange *x) {
    x->yielded = true;
}

static void await_credit(struct vel_exchange *x) {
    flush(x);
    yield(x);
}

static bool is_lost(const struct vel_exchange *x) {
    return atomic_load(&VEL_CONTAINER(x, struct vel_twin, own)->gone);
}

static void consume(struct vel_exchange *x, size_t n) {
    (void)x;
    (void)n;
}

static uint64_t owed(const struct vel_exchange *x) {
    const struct vel_twin *t = VEL_CONTAINER(x, struct vel_twin, own);
    return atomic_load(&t->owed) + t->made + t->spooled - t->packed;
}

/* It is all here. */
static void want_body(struct vel_exchange *x) {
    (void)x;
}

static int tunnel(struct vel_exchange *x, const struct vel_reply_head *head, struct vel_slice protocol) {
    (void)x;
    (void)head;
    (void)protocol;
    return VEL_ESTATE;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void set_end(struct vel_exchange *x, enum vel_piece_kind kind) {
    struct vel_twin *t = vel_twin_of(x);
    x->ended = true;
    t->end.kind = kind;
}

static int add_trailers(struct vel_twin *t, const struct vel_field *trailers, size_t n) {
    bool owned;
    char *at = room(t, fields_room(trailers, n), &owned);
    if (at == NULL)
        return VEL_ENOMEM;
    t->end.owned = owned; /* of the fields, here */
    t->end.head.nfields = n;
    t->end.head.fields = copy_fields(&at, trailers, n);
    return VEL_OK;
}

/* The loop finds the same, and cuts the connection. */
static int end(struct vel_exchange *x, const struct vel_field *trailers, size_t n) {
    struct vel_twin *t = vel_twin_of(x);
    int err = x->status == 0 ? VEL_ESTATE : VEL_OK;
    if (err == VEL_OK && !t->bodiless && t->length >= 0 && x->sent < (uint64_t)t->length)
        err = VEL_ELIMIT;
    if (n > 0 && add_trailers(t, trailers, n) != VEL_OK)
        err = VEL_ENOMEM;
    set_end(x, err == VEL_ENOMEM ? VEL_PIECE_ABORT : VEL_PIECE_END);
    return err;
}

static void abort_reply(struct vel_exchange *x) {
    set_end(x, VEL_PIECE_ABORT);
}

static const struct vel_proto proto = {
    .head = send_head,
    .inform = send_inform,
    .data = send_data,
    .file = send_file,
    .end = end,
    .tunnel = tunnel,
    .abort = abort_reply,
    .flush = flush,
    .wait = wait,
    .await_credit = await_credit,
    .yield = yield,
    .consume = consume,
    .owed = owed,
    .want_body = want_body,
    .is_lost = is_lost,
};

/* --- the job ----------------------------------------------------------------------------------------------------- */

static void answer(struct vel_twin *t, struct vel_remote_thread *thread) {
    struct vel_exchange *x = &t->own;
    const struct vel_app_ops *ops = thread->app->ops;
    x->proto = &proto;
    x->app = thread->app;
    x->endpoint = &thread->places[x->endpoint->index];
    if (x->arrived_us != 0)
        x->started_us = vel_clock_us();
    ops->on_request(x);
    while (!x->ended && x->yielded) {
        x->yielded = false;
        ops->on_turn(x);
    }
}

/* The end is posted when the application has let go: the loop frees the twin then. */
void vel_twin_run(struct vel_job *job, struct vel_pool_thread *base) {
    struct vel_twin *t = VEL_CONTAINER(job, struct vel_twin, job);
    struct vel_remote_thread *thread = VEL_CONTAINER(base, struct vel_remote_thread, base);
    t->end.kind = VEL_PIECE_ABORT;
    if (base != NULL && !atomic_load(&t->gone)) {
        atomic_store(&t->thread, thread);
        answer(t, thread);
    }
    vel_arena_free(&t->own.arena);
    vel_body_free(&t->own.body);
    if (vel_twin_end_spool(t) != VEL_OK)
        t->end.kind = VEL_PIECE_ABORT;
    add(t, &t->end, t->end.kind);
    struct vel_pool *pool = t->remote->pool;
    if (base != NULL)
        vel_pool_post(pool, base, pack(t));
    else
        post(t);
}

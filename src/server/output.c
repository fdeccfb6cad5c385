/* Staging and sending of a connection's output. */
#include "server/output.h"

#include "server/worker.h"

static int lost(struct vel_conn *c, int err) {
    c->worker->out_len = 0;
    vel_conn_unfinished(c);
    vel_conn_doom(c, VEL_FATE_CUT);
    return err;
}

static void spend(struct vel_loan loan) {
    if (loan.release != NULL)
        loan.release(loan.owner);
}

/* What is staged goes behind what is owed already. */
static int queue_stage(struct vel_conn *c, size_t from) {
    struct vel_worker *w = c->worker;
    int err = vel_sendq_copy(&c->owed, w->out + from, w->out_len - from);
    w->out_len = 0;
    return err == VEL_OK ? VEL_OK : lost(c, err);
}

/* The rest is for who reads slowly enough to be timed. */
static void count_sent(struct vel_conn *c, ssize_t sent) {
    if (sent <= 0)
        return;
    c->worker->stats->sent += (uint64_t)sent;
    if (c->reader == VEL_READER_FREE)
        return;
    uint64_t sum = c->write_sent + (uint64_t)sent;
    c->write_sent = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static int send_owed(struct vel_conn *c) {
    uint64_t sent = 0;
    int err = vel_sendq_flush(&c->owed, &c->stream, &sent);
    if (sent > 0)
        c->progress = true;
    count_sent(c, (ssize_t)sent);
    return err == VEL_OK || err == VEL_EAGAIN ? err : lost(c, err);
}

static int flush(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    if (c->fate == VEL_FATE_CUT)
        return lost(c, VEL_ERESET); /* something is missing before these bytes */
    if (c->owed != NULL) {
        if (w->out_len > 0 && queue_stage(c, 0) != VEL_OK)
            return VEL_ENOMEM;
        return send_owed(c);
    }
    if (w->out_len == 0)
        return VEL_OK;
    /* The last bytes wait for the end that settle() sends right behind them: data and FIN are one packet then, and the
     * client is woken once: 15 % less for a connection per request. */
    bool is_last = c->fate == VEL_FATE_FLUSH;
    ssize_t n = c->stream.ops->write(&c->stream, w->out, w->out_len, is_last);
    count_sent(c, n);
    if (n == (ssize_t)w->out_len) {
        w->out_len = 0;
        return VEL_OK;
    }
    if (n < 0 && n != VEL_EAGAIN)
        return lost(c, (int)n);
    int err = queue_stage(c, n > 0 ? (size_t)n : 0);
    return err == VEL_OK ? VEL_EAGAIN : err;
}

/* The stage is one for all. What another left there, outside of its own dispatch, goes out first; sending may run what
 * stages more, so it is looked at again. */
static __attribute__((cold, noinline)) void claim_from_other(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    while (w->out_len > 0 && w->staged != c)
        flush(w->staged);
    w->staged = c;
}

static inline void claim(struct vel_conn *c) {
    struct vel_worker *w = c->worker;
    if (w->staged == c)
        return;
    if (w->out_len > 0)
        claim_from_other(c);
    w->staged = c;
}

int vel_output_flush(struct vel_conn *c) {
    claim(c);
    return flush(c);
}

bool vel_output_is_staged(const struct vel_conn *c) {
    return c->worker->staged == c && c->worker->out_len > 0;
}

void vel_output_discard(struct vel_conn *c) {
    if (c->worker->staged == c)
        c->worker->out_len = 0;
}

static __attribute__((cold, noinline)) bool make_room(struct vel_conn *c, size_t n) {
    flush(c);
    return n <= VEL_STAGE_MAX && c->worker->out_len == 0;
}

char *vel_output_stage(struct vel_conn *c, size_t n) {
    struct vel_worker *w = c->worker;
    claim(c);
    if (w->out_len + n > VEL_STAGE_MAX && !make_room(c, n))
        return NULL;
    return w->out + w->out_len;
}

void vel_output_staged(struct vel_conn *c, size_t n) {
    c->worker->out_len += n;
}

int vel_output_copy(struct vel_conn *c, struct vel_slice bytes) {
    while (bytes.len > 0) {
        size_t n = bytes.len < VEL_STAGE_MAX ? bytes.len : VEL_STAGE_MAX;
        char *at = vel_output_stage(c, n);
        if (at == NULL)
            return VEL_ENOMEM;
        memcpy(at, bytes.at, n);
        vel_output_staged(c, n);
        bytes = vel_slice(bytes.at + n, bytes.len - n);
    }
    return VEL_OK;
}

/* Behind what is owed. */
static int lend_later(struct vel_conn *c, size_t staged_from, struct vel_slice bytes, struct vel_loan loan) {
    if (staged_from < c->worker->out_len && queue_stage(c, staged_from) != VEL_OK)
        return VEL_ENOMEM;
    c->worker->out_len = 0;
    int err = vel_sendq_lend(&c->owed, bytes.at, bytes.len, loan);
    return err == VEL_OK ? VEL_OK : lost(c, err);
}

int vel_output_lend(struct vel_conn *c, struct vel_slice bytes, struct vel_loan loan) {
    struct vel_worker *w = c->worker;
    if (c->fate == VEL_FATE_CUT) {
        spend(loan);
        return VEL_OK;
    }
    claim(c);
    if (c->owed != NULL)
        return lend_later(c, 0, bytes, loan);
    struct iovec iov[2] = {{w->out, w->out_len}, {(char *)bytes.at, bytes.len}};
    ssize_t n = c->stream.ops->writev(&c->stream, iov, 2, false);
    count_sent(c, n);
    size_t sent = n > 0 ? (size_t)n : 0, staged = w->out_len;
    if (n < 0 && n != VEL_EAGAIN)
        lost(c, (int)n); /* the loan ends here, as if sent: who sends next is told */
    else if (sent < staged + bytes.len) {
        size_t of_bytes = sent > staged ? sent - staged : 0;
        return lend_later(c, sent < staged ? sent : staged, vel_slice(bytes.at + of_bytes, bytes.len - of_bytes), loan);
    }
    w->out_len = 0;
    spend(loan);
    return VEL_OK;
}

int vel_output_file(struct vel_conn *c, int file, int64_t offset, uint64_t len, struct vel_loan loan) {
    struct vel_worker *w = c->worker;
    size_t from = 0;
    if (c->fate == VEL_FATE_CUT) {
        spend(loan);
        return VEL_OK;
    }
    claim(c);
    if (c->owed == NULL && w->out_len > 0) {
        /* MSG_MORE: the head waits for the file's first bytes instead of leaving in a packet of its own. */
        ssize_t n = c->stream.ops->write(&c->stream, w->out, w->out_len, true);
        count_sent(c, n);
        from = n > 0 ? (size_t)n : 0;
    }
    if (from < w->out_len && queue_stage(c, from) != VEL_OK)
        return VEL_ENOMEM;
    w->out_len = 0;
    int err = vel_sendq_file(&c->owed, file, offset, len, loan);
    if (err != VEL_OK)
        return lost(c, err);
    send_owed(c);
    return VEL_OK;
}

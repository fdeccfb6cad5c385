/* One HTTP/1 connection as two state machines: what the input is at, and what the reply is at. */
#include "http1/conn.h"

#include "base/err.h"
#include "http/status.h"

enum reading {
    READ_BETWEEN, /* nothing of the next request has come */
    READ_HEAD,    /* some of its head has */
    READ_LENGTH,
    READ_CHUNKED,
    READ_END, /* every byte has come, END is still to be told */
    READ_COMPLETE,
    READ_TUNNEL, /* not HTTP any more */
    READ_CLOSED,
};

enum replying { REPLY_NONE, REPLY_BODY, REPLY_COMPLETE };

/* --- input ------------------------------------------------------------------------------------------------------- */

static __attribute__((cold, noinline)) enum vel_h1_event refuse(struct vel_h1_conn *c, long status, const char *why) {
    c->status = (unsigned)-status;
    c->why = why;
    c->keep_alive = false;
    c->want_continue = false;
    c->reading = READ_CLOSED;
    return VEL_H1_REFUSED;
}

static void expect_body(struct vel_h1_conn *c, const struct vel_framing *framing) {
    switch (framing->kind) {
    case VEL_BODY_NONE:
        c->reading = READ_END;
        break;
    case VEL_BODY_LENGTH:
        c->left = framing->length;
        c->reading = framing->length > 0 ? READ_LENGTH : READ_END;
        break;
    case VEL_BODY_CHUNKED:
        vel_h1_chunked_init(&c->chunked, c->parser.scan, c->parser.limits);
        c->reading = READ_CHUNKED;
        break;
    }
}

static enum vel_h1_event next_head(struct vel_h1_conn *c, const char *in, size_t len, size_t *used,
                                   struct vel_head *head) {
    const char *why = NULL;
    long n = vel_h1_parse_head(&c->parser, head, in, len, &why);
    if (n < 0) {
        /* A HEAD gets no content, also when it is refused for its fields (RFC 9110 9.3.2). */
        c->head_method = c->parser.in_fields && head->method == VEL_METHOD_HEAD;
        return refuse(c, n, why);
    }
    if (n == 0) {
        c->reading = len > c->parser.line || c->parser.in_fields ? READ_HEAD : READ_BETWEEN;
        return VEL_H1_MORE;
    }
    *used = (size_t)n;
    c->minor0 = head->minor == 0;
    c->head_method = head->method == VEL_METHOD_HEAD;
    c->keep_alive = head->keep_alive && !c->closing;
    /* A body that is already on its way needs no 100 (RFC 9110 10.1.1). */
    c->want_continue = head->expect_continue && *used == len;
    expect_body(c, &head->framing);
    return VEL_H1_REQUEST;
}

static enum vel_h1_event next_length(struct vel_h1_conn *c, const char *in, size_t len, size_t *used,
                                     struct vel_slice *data) {
    c->want_continue = false;
    size_t n = (uint64_t)c->left < len ? (size_t)c->left : len;
    c->left -= (int64_t)n;
    if (c->left == 0)
        c->reading = READ_END;
    *data = vel_slice(in, n);
    *used = n;
    return VEL_H1_DATA;
}

static enum vel_h1_event next_chunked(struct vel_h1_conn *c, const char *in, size_t len, size_t *used,
                                      struct vel_slice *data) {
    c->want_continue = false;
    const char *why = NULL;
    long n = vel_h1_chunked_feed(&c->chunked, in, len, data, &why);
    if (n < 0)
        return refuse(c, n, why);
    *used = (size_t)n;
    if (data->len > 0)
        return VEL_H1_DATA;
    if (!vel_h1_chunked_done(&c->chunked))
        return VEL_H1_MORE;
    c->reading = READ_COMPLETE;
    return VEL_H1_END;
}

enum vel_h1_event vel_h1_conn_head(struct vel_h1_conn *c, const struct vel_head *head, long n, const char *why) {
    c->gateway = true;
    c->reading = READ_HEAD;
    if (n == 0)
        return VEL_H1_MORE;
    c->head_method = head->method == VEL_METHOD_HEAD;
    if (n < 0)
        return refuse(c, n, why);
    c->minor0 = head->minor == 0;
    expect_body(c, &head->framing);
    return VEL_H1_REQUEST;
}

bool vel_h1_conn_awaits_head(const struct vel_h1_conn *c) {
    return c->reading <= READ_HEAD;
}

void vel_h1_conn_init(struct vel_h1_conn *c, const struct vel_scan *scan, const struct vel_limits *limits) {
    *c = (struct vel_h1_conn){.reading = READ_BETWEEN, .replying = REPLY_NONE};
    vel_h1_parser_init(&c->parser, scan, limits);
}

enum vel_h1_event vel_h1_conn_next(struct vel_h1_conn *c, const char *in, size_t len, size_t *used,
                                   struct vel_head *head, struct vel_slice *data) {
    *used = 0;
    *data = vel_slice(NULL, 0);
    switch ((enum reading)c->reading) {
    case READ_BETWEEN:
    case READ_HEAD:
        return len > 0 ? next_head(c, in, len, used, head) : VEL_H1_MORE;
    case READ_LENGTH:
        return len > 0 ? next_length(c, in, len, used, data) : VEL_H1_MORE;
    case READ_CHUNKED:
        return len > 0 ? next_chunked(c, in, len, used, data) : VEL_H1_MORE;
    case READ_END:
        c->reading = READ_COMPLETE;
        return VEL_H1_END;
    case READ_COMPLETE:
        return c->keep_alive ? VEL_H1_WAIT : VEL_H1_CLOSED;
    case READ_TUNNEL:
        *data = vel_slice(in, len);
        *used = len;
        return len > 0 ? VEL_H1_DATA : VEL_H1_MORE;
    case READ_CLOSED:
        break;
    }
    return VEL_H1_CLOSED;
}

bool vel_h1_conn_eof(struct vel_h1_conn *c) {
    bool cut = vel_h1_conn_in_request(c);
    vel_h1_conn_close(c);
    if (cut)
        c->reading = READ_CLOSED;
    return !cut;
}

uint64_t vel_h1_conn_awaits(const struct vel_h1_conn *c) {
    return c->reading == READ_LENGTH ? (uint64_t)c->left : 0;
}

bool vel_h1_conn_in_request(const struct vel_h1_conn *c) {
    return c->reading >= READ_HEAD && c->reading <= READ_CHUNKED;
}

/* --- the reply --------------------------------------------------------------------------------------------------- */

static enum vel_h1_ending choose_ending(const struct vel_h1_conn *c, const struct vel_reply_head *head) {
    if (c->head_method || vel_status_has_no_body(head->status) || head->status == 205)
        return VEL_H1_END_NONE;
    if (head->length >= 0)
        return VEL_H1_END_LENGTH;
    return c->minor0 || c->gateway ? VEL_H1_END_CLOSE : VEL_H1_END_CHUNKED;
}

void vel_h1_conn_reply(struct vel_h1_conn *c, const struct vel_reply_head *head, bool will_close,
                       struct vel_h1_rendering *r) {
    enum vel_h1_ending ending = choose_ending(c, head);
    if (will_close || c->closing || c->want_continue || ending == VEL_H1_END_CLOSE)
        c->keep_alive = false;
    c->want_continue = false;
    c->ending = (uint8_t)ending;
    c->reply_left = head->length;
    c->replying = REPLY_BODY;
    r->head = head;
    r->ending = ending;
    r->close = !c->keep_alive;
    r->say_keep_alive = c->keep_alive && c->minor0;
}

int vel_h1_conn_data(struct vel_h1_conn *c, uint64_t *len, enum vel_h1_wrap *wrap) {
    *wrap = VEL_H1_PLAIN;
    if (c->replying != REPLY_BODY)
        return *len = 0, VEL_ESTATE;
    switch ((enum vel_h1_ending)c->ending) {
    case VEL_H1_END_NONE:
        *len = 0;
        return VEL_OK;
    case VEL_H1_END_CHUNKED:
        /* A chunk of no bytes would end the body. */
        if (*len > 0)
            *wrap = VEL_H1_CHUNK;
        return VEL_OK;
    case VEL_H1_END_CLOSE:
        return VEL_OK;
    case VEL_H1_END_LENGTH:
        break;
    }
    bool fits = *len <= (uint64_t)c->reply_left;
    if (!fits)
        *len = (uint64_t)c->reply_left;
    c->reply_left -= (int64_t)*len;
    return fits ? VEL_OK : VEL_ELIMIT;
}

int vel_h1_conn_end(struct vel_h1_conn *c, struct vel_slice *tail) {
    *tail = vel_slice(NULL, 0);
    if (c->replying != REPLY_BODY)
        return VEL_ESTATE;
    c->replying = REPLY_COMPLETE;
    if (c->ending == VEL_H1_END_CHUNKED)
        *tail = VEL_SLICE(VEL_H1_LAST_CHUNK);
    if (c->ending != VEL_H1_END_LENGTH || c->reply_left == 0)
        return VEL_OK;
    c->keep_alive = false;
    return VEL_ELIMIT;
}

int vel_h1_conn_tunnel(struct vel_h1_conn *c) {
    bool complete = c->reading == READ_END || c->reading == READ_COMPLETE;
    if (!complete || c->replying != REPLY_NONE || c->closing || c->minor0)
        return VEL_ESTATE;
    c->reading = READ_TUNNEL;
    c->replying = REPLY_BODY;
    c->ending = VEL_H1_END_CLOSE;
    c->keep_alive = false;
    return VEL_OK;
}

bool vel_h1_conn_finish(struct vel_h1_conn *c) {
    bool complete = c->reading == READ_END || c->reading == READ_COMPLETE;
    if (!complete || c->replying != REPLY_COMPLETE)
        return false;
    if (!c->keep_alive) {
        c->reading = READ_CLOSED;
        return false;
    }
    vel_h1_parser_reset(&c->parser);
    c->reading = READ_BETWEEN;
    c->replying = REPLY_NONE;
    c->minor0 = c->head_method = c->keep_alive = c->want_continue = false;
    return true;
}

void vel_h1_conn_close(struct vel_h1_conn *c) {
    c->closing = true;
    c->keep_alive = false;
    if (c->reading == READ_BETWEEN)
        c->reading = READ_CLOSED;
}

/* What a WebSocket client sends: frames put together to messages. */
#include "ws/receive.h"

#include "base/err.h"

/* A buffer that one large message has made larger than this is not kept for the next. */
#define KEPT 65536

static __attribute__((cold, noinline)) enum vel_ws_event fail(struct vel_ws_receiver *r, unsigned code,
                                                              const char *why) {
    r->code = (uint16_t)code;
    r->why = why;
    r->over = true;
    return VEL_WS_FAILED;
}

void vel_ws_receiver_init(struct vel_ws_receiver *r, uint64_t limit, struct vel_ws_inflater *inflater,
                          struct vel_buf *scratch) {
    *r = (struct vel_ws_receiver){.limit = limit, .inflater = inflater, .scratch = scratch};
}

void vel_ws_receiver_free(struct vel_ws_receiver *r) {
    vel_buf_free(&r->message);
}

/* --- control frames ---------------------------------------------------------------------------------------------- */

static bool is_utf8(struct vel_slice text) {
    struct vel_ws_utf8 u = {0};
    return vel_ws_utf8_feed(&u, text.at, text.len) && vel_ws_utf8_whole(&u);
}

static enum vel_ws_event take_close(struct vel_ws_receiver *r, struct vel_slice *data) {
    const unsigned char *at = (const unsigned char *)data->at;
    r->over = true;
    r->code = VEL_WS_NO_STATUS;
    if (data->len == 0)
        return VEL_WS_CLOSE_FRAME;
    if (data->len == 1)
        return fail(r, VEL_WS_PROTOCOL_ERROR, "close frame of one byte");
    unsigned code = (unsigned)at[0] << 8 | at[1];
    *data = vel_slice(data->at + 2, data->len - 2);
    if (!vel_ws_code_may_be_sent(code))
        return fail(r, VEL_WS_PROTOCOL_ERROR, "close code that may not be sent");
    if (!is_utf8(*data))
        return fail(r, VEL_WS_BAD_DATA, "close reason is not UTF-8");
    r->code = (uint16_t)code;
    return VEL_WS_CLOSE_FRAME;
}

static enum vel_ws_event take_control(struct vel_ws_receiver *r, struct vel_slice *data) {
    switch (r->frame.opcode) {
    case VEL_WS_PING:
        return VEL_WS_PING_FRAME;
    case VEL_WS_PONG:
        return VEL_WS_PONG_FRAME;
    default:
        return take_close(r, data);
    }
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* A data frame has begun: does it fit what came before, and into the limit? The length counts before its bytes are
 * here. */
static enum vel_ws_event begin_frame(struct vel_ws_receiver *r) {
    const struct vel_ws_frame *f = &r->frame;
    bool continues = f->opcode == VEL_WS_CONTINUATION;
    if (continues != (r->opcode != 0))
        return fail(r, VEL_WS_PROTOCOL_ERROR,
                    continues ? "continuation of nothing" : "new message inside of a message");
    if (continues && f->rsv1)
        return fail(r, VEL_WS_PROTOCOL_ERROR, "reserved bit set");
    if (f->len > r->limit - r->message.len)
        return fail(r, VEL_WS_TOO_BIG, "message too long");
    if (!continues) {
        r->opcode = f->opcode;
        r->compressed = f->rsv1;
        r->utf8 = (struct vel_ws_utf8){0};
        r->fragments = 0;
    }
    if (++r->fragments > VEL_WS_FRAGMENTS_MAX)
        return fail(r, VEL_WS_TOO_BIG, "too many fragments");
    r->at = 0;
    r->in_frame = true;
    return VEL_WS_MORE;
}

/* Text is looked at as it comes, so that a bad one is refused early; a compressed one when it is expanded. */
static bool text_is_bad(struct vel_ws_receiver *r, struct vel_slice part) {
    return r->opcode == VEL_WS_TEXT && !vel_ws_utf8_feed(&r->utf8, part.at, part.len);
}

static enum vel_ws_event expand(struct vel_ws_receiver *r, struct vel_slice *data) {
    if (r->scratch->cap > KEPT)
        vel_buf_free(r->scratch);
    r->scratch->len = 0;
    switch (vel_ws_inflate(r->inflater, *data, r->limit, r->scratch)) {
    case VEL_OK:
        *data = vel_slice(r->scratch->data, r->scratch->len);
        if (text_is_bad(r, *data))
            return fail(r, VEL_WS_BAD_DATA, "text is not UTF-8");
        return VEL_WS_MORE;
    case VEL_ELIMIT:
        return fail(r, VEL_WS_TOO_BIG, "message too long when expanded");
    case VEL_EINVAL:
        return fail(r, VEL_WS_BAD_DATA, "message is not compressed as agreed on");
    default:
        return fail(r, VEL_WS_INTERNAL_ERROR, "out of memory");
    }
}

/* The last byte of the last frame is here. */
static enum vel_ws_event finish(struct vel_ws_receiver *r, struct vel_slice *data) {
    if (r->compressed && expand(r, data) == VEL_WS_FAILED)
        return VEL_WS_FAILED;
    bool text = r->opcode == VEL_WS_TEXT;
    if (text && !vel_ws_utf8_whole(&r->utf8))
        return fail(r, VEL_WS_BAD_DATA, "text ends inside of a character");
    r->opcode = 0;
    return text ? VEL_WS_TEXT_MESSAGE : VEL_WS_BINARY_MESSAGE;
}

/* A run of the frame's payload. The only one of its message stays where it is; others are put together. */
static enum vel_ws_event take_payload(struct vel_ws_receiver *r, char *in, size_t len, size_t *used,
                                      struct vel_slice *data) {
    uint64_t left = r->frame.len - r->at;
    struct vel_slice part = vel_slice(in, left < len ? (size_t)left : len);
    bool alone = r->fragments == 1 && r->frame.fin && part.len == r->frame.len;
    bool ends = part.len == left;
    vel_ws_unmask(in, in, part.len, r->frame.mask, r->at);
    *used += part.len;
    r->at += part.len;
    if (!r->compressed && text_is_bad(r, part))
        return fail(r, VEL_WS_BAD_DATA, "text is not UTF-8");
    if (!alone && vel_buf_append(&r->message, part.at, part.len) != VEL_OK)
        return fail(r, VEL_WS_INTERNAL_ERROR, "out of memory");
    if (!ends)
        return VEL_WS_MORE;
    r->in_frame = false;
    if (!r->frame.fin)
        return VEL_WS_MORE;
    *data = alone ? part : vel_slice(r->message.data, r->message.len);
    return finish(r, data);
}

/* --- the machine ------------------------------------------------------------------------------------------------- */

/* The next frame's head, with a control frame's payload. False: not all of it is here, or an event is set. */
static bool take_head(struct vel_ws_receiver *r, char *in, size_t len, size_t *used, struct vel_slice *data,
                      enum vel_ws_event *event) {
    const char *why = NULL;
    int n = vel_ws_frame_read(&r->frame, in, len, r->inflater != NULL, &why);
    *event = n < 0 ? fail(r, (unsigned)-n, why) : VEL_WS_MORE;
    if (n <= 0)
        return false;
    size_t head = (size_t)n;
    if (!vel_ws_is_control(r->frame.opcode)) {
        *used += head;
        *event = begin_frame(r);
        return *event == VEL_WS_MORE;
    }
    if (len - head < r->frame.len)
        return false;
    *data = vel_slice(in + head, (size_t)r->frame.len);
    vel_ws_unmask(in + head, in + head, data->len, r->frame.mask, 0);
    *used += head + data->len;
    *event = take_control(r, data);
    return false;
}

/* What the last event showed is over. */
static void let_go(struct vel_ws_receiver *r) {
    if (r->opcode == 0 && r->message.len > 0)
        vel_buf_free(&r->message);
}

enum vel_ws_event vel_ws_receive(struct vel_ws_receiver *r, char *in, size_t len, size_t *used,
                                 struct vel_slice *data) {
    enum vel_ws_event event = VEL_WS_MORE;
    *used = 0;
    *data = vel_slice(NULL, 0);
    let_go(r);
    while (!r->over && event == VEL_WS_MORE) {
        if (!r->in_frame && !take_head(r, in + *used, len - *used, used, data, &event))
            break;
        if (r->frame.len > r->at && *used == len)
            break;
        event = take_payload(r, in + *used, len - *used, used, data);
    }
    return event;
}

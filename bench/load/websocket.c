/* The client's side of WebSocket: frames in a state of a few bytes, payloads compared as they come. */
#include "websocket.h"

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static size_t write_length(unsigned char *out, size_t size) {
    if (size < 126) {
        out[1] = (unsigned char)size;
        return 2;
    }
    int bytes = size < 1 << 16 ? 2 : 8;
    out[1] = bytes == 2 ? 126 : 127;
    for (int i = 0; i < bytes; i++)
        out[2 + i] = (unsigned char)((uint64_t)size >> (8 * (bytes - 1 - i)));
    return 2 + (size_t)bytes;
}

size_t websocket_frame(char *out, enum websocket_opcode opcode, const char *payload, size_t size) {
    unsigned char *head = (unsigned char *)out;
    head[0] = (unsigned char)(0x80 | opcode);
    size_t at = write_length(head, size);
    head[1] |= 0x80;
    memcpy(head + at, mask, sizeof mask);
    at += sizeof mask;
    for (size_t i = 0; i < size; i++)
        head[at + i] = (unsigned char)payload[i] ^ mask[i % sizeof mask];
    return at + size;
}

static unsigned head_size(const struct websocket *w) {
    if (w->have < 2)
        return 2;
    unsigned length = w->head[1] & 0x7f;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static enum websocket_opcode opcode_of(const struct websocket *w) {
    return (enum websocket_opcode)(w->head[0] & 0x0f);
}

static bool is_control(const struct websocket *w) {
    return (w->head[0] & 0x08) != 0;
}

/* The head is whole: false when a server may not send it. */
static bool begin_frame(struct websocket *w) {
    unsigned size = w->have;
    w->left = size == 2 ? w->head[1] & 0x7f : 0;
    for (unsigned i = 2; i < size; i++)
        w->left = w->left << 8 | w->head[i];
    w->have = 0;
    w->in_payload = true;
    bool masked = w->head[1] & 0x80, reserved = w->head[0] & 0x70, last = w->head[0] & 0x80;
    if (is_control(w)) {
        w->control_size = 0;
        return !masked && !reserved && last && w->left <= WEBSOCKET_CONTROL_MOST;
    }
    bool continues = w->in_message; /* then a continuation must come, and otherwise must not */
    if (!continues) {
        w->in_message = true;
        w->wrong_body = false;
        w->size = 0;
    }
    return !masked && !reserved && opcode_of(w) <= WEBSOCKET_BINARY &&
           (opcode_of(w) == WEBSOCKET_CONTINUATION) == continues;
}

static void take_payload(struct websocket *w, const struct expect *expect, const char **at, const char *end) {
    uint64_t size = (uint64_t)(end - *at);
    size = size < w->left ? size : w->left;
    if (is_control(w)) {
        memcpy(w->control + w->control_size, *at, (size_t)size);
        w->control_size += (unsigned)size;
    } else {
        if (!expect_holds(expect, w->size, *at, (size_t)size))
            w->wrong_body = true;
        w->size += size;
    }
    w->left -= size;
    *at += size;
}

static enum websocket_result end_frame(struct websocket *w, const struct expect *expect) {
    w->in_payload = false;
    switch (opcode_of(w)) {
    case WEBSOCKET_CLOSE:
        return WEBSOCKET_CLOSED;
    case WEBSOCKET_PING:
        return WEBSOCKET_PINGED;
    case WEBSOCKET_PONG:
        return WEBSOCKET_MORE;
    default:
        break;
    }
    if ((w->head[0] & 0x80) == 0)
        return WEBSOCKET_MORE;
    if (!expect_ends(expect, w->size))
        w->wrong_body = true;
    w->in_message = false;
    return WEBSOCKET_MESSAGE;
}

enum websocket_result websocket_feed(struct websocket *w, const struct expect *expect, const char **at,
                                     const char *end) {
    while (*at < end || (w->in_payload && w->left == 0)) {
        if (w->in_payload) {
            take_payload(w, expect, at, end);
            if (w->left > 0)
                continue;
            enum websocket_result result = end_frame(w, expect);
            if (result != WEBSOCKET_MORE)
                return result;
            continue;
        }
        w->head[w->have++] = (unsigned char)*(*at)++;
        if (w->have == head_size(w) && !begin_frame(w))
            return WEBSOCKET_WRONG;
    }
    return WEBSOCKET_MORE;
}

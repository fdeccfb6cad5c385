/* WebSocket frames. */
#include "ws/frame.h"

#include <string.h>

#define FIN 0x80
#define RSV1 0x40
#define RSV23 0x30
#define MASKED 0x80
#define MASK_LEN 4

static __attribute__((cold, noinline)) int refuse(const char **why, const char *text) {
    *why = text;
    return -VEL_WS_PROTOCOL_ERROR;
}

/* The first byte: everything it can be wrong about. */
static int read_first(struct vel_ws_frame *frame, unsigned byte, bool may_compress, const char **why) {
    frame->fin = (byte & FIN) != 0;
    frame->rsv1 = (byte & RSV1) != 0;
    frame->opcode = byte & 0xF;
    bool control = vel_ws_is_control(frame->opcode);
    if ((byte & RSV23) || (frame->rsv1 && (!may_compress || control)))
        return refuse(why, "reserved bit set");
    if (control ? frame->opcode > VEL_WS_PONG : frame->opcode > VEL_WS_BINARY)
        return refuse(why, "unknown opcode");
    if (control && !frame->fin)
        return refuse(why, "fragmented control frame");
    return 0;
}

static uint64_t read_number(const unsigned char *at, size_t len) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

/* Seven bits, or 126 and two bytes, or 127 and eight: the shortest that will do. Returns the bytes of the longer forms,
 * or a refusal. */
static int read_length(struct vel_ws_frame *frame, const unsigned char *at, size_t len, const char **why) {
    unsigned small = at[0] & 0x7F;
    frame->len = small;
    if (small <= VEL_WS_CONTROL_MAX)
        return 0;
    if (vel_ws_is_control(frame->opcode))
        return refuse(why, "control frame too long");
    int extra = small == 126 ? 2 : 8;
    if (len < 1 + (size_t)extra)
        return extra;
    frame->len = read_number(at + 1, (size_t)extra);
    if (frame->len >> 63)
        return refuse(why, "length with its top bit set");
    if (frame->len < (extra == 2 ? 126u : 65536u))
        return refuse(why, "length not in its shortest form");
    return extra;
}

int vel_ws_frame_read(struct vel_ws_frame *frame, const char *in, size_t len, bool may_compress, const char **why) {
    const unsigned char *at = (const unsigned char *)in;
    if (len == 0)
        return 0;
    int err = read_first(frame, at[0], may_compress, why);
    if (err < 0 || len == 1)
        return err;
    if (!(at[1] & MASKED))
        return refuse(why, "unmasked frame of a client");
    int extra = read_length(frame, at + 1, len - 1, why);
    if (extra < 0)
        return extra;
    size_t head = 2 + (size_t)extra + MASK_LEN;
    if (len < head)
        return 0;
    memcpy(frame->mask, at + head - MASK_LEN, MASK_LEN);
    return (int)head;
}

static size_t write_number(char *at, uint64_t value, size_t len) {
    for (size_t i = len; i > 0; i--, value >>= 8)
        at[i - 1] = (char)(value & 0xFF);
    return len;
}

size_t vel_ws_frame_write(char *at, enum vel_ws_opcode opcode, bool rsv1, uint64_t len) {
    at[0] = (char)(FIN | (rsv1 ? RSV1 : 0) | opcode);
    if (len <= VEL_WS_CONTROL_MAX) {
        at[1] = (char)len;
        return 2;
    }
    at[1] = len < 65536 ? 126 : 127;
    return 2 + write_number(at + 2, len, len < 65536 ? 2 : 8);
}

/* Eight bytes at a time; compilers make vectors of it. */
void vel_ws_unmask(char *to, const char *from, size_t len, const unsigned char mask[4], uint64_t offset) {
    unsigned char turned[8];
    uint64_t key, word;
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(offset + i) & 3];
    memcpy(&key, turned, sizeof(key));
    size_t i = 0;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, from + i, sizeof(word));
        word ^= key;
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        to[i] = (char)((unsigned char)from[i] ^ turned[i & 7]);
}

bool vel_ws_code_may_be_sent(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

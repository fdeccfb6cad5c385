/* WebSocket frames: heads read and written, payloads unmasked (RFC 6455 5.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vel_ws_opcode {
    VEL_WS_CONTINUATION = 0x0,
    VEL_WS_TEXT = 0x1,
    VEL_WS_BINARY = 0x2,
    VEL_WS_CLOSE = 0x8,
    VEL_WS_PING = 0x9,
    VEL_WS_PONG = 0xA,
};

/* Close codes (RFC 6455 7.4.1). NO_STATUS and ABNORMAL are only ever told, never sent. */
enum vel_ws_code {
    VEL_WS_NORMAL = 1000,
    VEL_WS_GOING_AWAY = 1001,
    VEL_WS_PROTOCOL_ERROR = 1002,
    VEL_WS_NO_STATUS = 1005,
    VEL_WS_ABNORMAL = 1006,
    VEL_WS_BAD_DATA = 1007,
    VEL_WS_TOO_BIG = 1009,
    VEL_WS_INTERNAL_ERROR = 1011,
    VEL_WS_RESTART = 1012,
    VEL_WS_TRY_LATER = 1013,
};

#define VEL_WS_CONTROL_MAX 125 /* payload of a control frame (RFC 6455 5.5) */
#define VEL_WS_HEAD_MAX 10     /* head of an unmasked frame */

struct vel_ws_frame {
    uint64_t len; /* of the payload */
    unsigned char mask[4];
    uint8_t opcode; /* one of enum vel_ws_opcode */
    bool fin;
    bool rsv1; /* compressed (RFC 7692 6) */
};

static inline bool vel_ws_is_control(unsigned opcode) {
    return (opcode & 0x8) != 0;
}

/* Reads the head of a client's frame. Returns its bytes (6 to 14), 0 when more are needed (said as soon as it is known,
 * refused as soon as it is wrong), or -VEL_WS_PROTOCOL_ERROR with *why a constant. RSV1 is let through on data frames
 * when compressed frames were agreed on. */
int vel_ws_frame_read(struct vel_ws_frame *frame, const char *in, size_t len, bool may_compress, const char **why);

/* Writes the head of a whole, unmasked message or control frame to at, which has VEL_WS_HEAD_MAX bytes. Returns its
 * bytes. */
size_t vel_ws_frame_write(char *at, enum vel_ws_opcode opcode, bool rsv1, uint64_t len);

/* Payload bytes from offset on, unmasked from `from` to `to`, which may be the same. */
void vel_ws_unmask(char *to, const char *from, size_t len, const unsigned char mask[4], uint64_t offset);

/* A code that a peer may send in a close frame (RFC 6455 7.4, IANA WebSocket close codes). */
bool vel_ws_code_may_be_sent(unsigned code);

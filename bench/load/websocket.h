/* The client's side of WebSocket (RFC 6455): the handshake, masked frames out, messages in. */
#pragma once

#include "expect.h"

#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* for that key, RFC 6455 1.3 */

enum {
    WEBSOCKET_HEAD_MOST = 14,
    WEBSOCKET_CONTROL_MOST = 125,
    WEBSOCKET_PONG_MOST = 6 + WEBSOCKET_CONTROL_MOST,
};

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum websocket_result {
    WEBSOCKET_MORE,
    WEBSOCKET_MESSAGE, /* a whole one */
    WEBSOCKET_PINGED,  /* its payload is in control */
    WEBSOCKET_CLOSED,
    WEBSOCKET_WRONG, /* a masked or malformed frame */
};

/* All zero is a connection after its handshake. */
struct websocket {
    unsigned char head[WEBSOCKET_HEAD_MOST];
    unsigned have; /* bytes of head */
    bool in_payload;
    bool in_message;
    bool wrong_body; /* of the message, known when it is whole */
    uint64_t left;   /* of the frame's payload */
    uint64_t size;   /* of the message, so far */
    unsigned char control[WEBSOCKET_CONTROL_MOST];
    unsigned control_size;
};

/* Writes a whole masked frame of one message; out has WEBSOCKET_HEAD_MOST bytes more than the payload. Returns its
 * size. */
size_t websocket_frame(char *out, enum websocket_opcode opcode, const char *payload, size_t size);

/* Takes bytes and moves *at behind them, to the end of a message or of a control frame at most. */
enum websocket_result websocket_feed(struct websocket *w, const struct expect *expect, const char **at,
                                     const char *end);

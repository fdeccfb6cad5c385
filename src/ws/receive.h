/* What a WebSocket client sends: bytes go in, whole messages and control frames come out (RFC 6455 5, 7692 6). */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "ws/deflate.h"
#include "ws/frame.h"
#include "ws/utf8.h"

enum vel_ws_event {
    VEL_WS_MORE,           /* nothing more can be told from these bytes */
    VEL_WS_TEXT_MESSAGE,   /* whole, and UTF-8 */
    VEL_WS_BINARY_MESSAGE, /* whole */
    VEL_WS_PING_FRAME,
    VEL_WS_PONG_FRAME,
    VEL_WS_CLOSE_FRAME, /* code is set, data is the reason; nothing is told after it */
    VEL_WS_FAILED,      /* the peer broke a rule or a limit: code and why are set; nothing is told after it */
};

/* Fragments of one message: more are no message but a flood. What the Autobahn suite sends has 65,536. */
#define VEL_WS_FRAGMENTS_MAX (1u << 20)

struct vel_ws_receiver {
    uint64_t limit;                   /* bytes of a message, compressed and expanded */
    struct vel_ws_inflater *inflater; /* NULL: compression was not agreed on. Not owned */
    struct vel_buf
        *scratch; /* where messages are expanded to; may be shared by the connections of a thread. Not owned */
    struct vel_buf message; /* of an unfinished message, unmasked */
    struct vel_ws_frame frame;
    uint64_t at; /* payload bytes of the frame that have come */
    struct vel_ws_utf8 utf8;
    uint32_t fragments;
    uint16_t code;   /* of CLOSE_FRAME and FAILED: enum vel_ws_code */
    uint8_t opcode;  /* of the message that has begun; 0: none has */
    bool compressed; /* the message that has begun is */
    bool in_frame;
    bool over;
    const char *why; /* of FAILED: a constant */
};

void vel_ws_receiver_init(struct vel_ws_receiver *r, uint64_t limit, struct vel_ws_inflater *inflater,
                          struct vel_buf *scratch);

/* Tells the next event in in[0..len), and in *used how many bytes from the front are spent by it. Payloads are unmasked
 * in place. data is the payload; it points into in, into r or into the scratch, and is good until the next call with
 * the same of these. Call in a loop until MORE; bytes that were not used are given again with more behind them: there
 * are at most 131 of them then. */
enum vel_ws_event vel_ws_receive(struct vel_ws_receiver *r, char *in, size_t len, size_t *used, struct vel_slice *data);

void vel_ws_receiver_free(struct vel_ws_receiver *r);

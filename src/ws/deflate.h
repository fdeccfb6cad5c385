/* permessage-deflate: what was agreed on, and messages compressed and expanded by zlib (RFC 7692). */
#pragma once

#include "base/buf.h"

#include <stdint.h>

struct z_stream_s;

/* Bytes of the longest answer to an offer. */
#define VEL_WS_DEFLATE_ANSWER_MAX 128

/* What this side wants, and then what both agreed on. */
struct vel_ws_deflate_terms {
    uint8_t server_bits; /* window of what the server sends: 9 to 15 */
    uint8_t client_bits; /* of what the client sends: 8 to 15; wanted lower than 15 only where the client can do that */
    bool server_resets;  /* server_no_context_takeover: each message stands alone, and so needs no memory of its own */
    bool client_resets;  /* client_no_context_takeover */
};

/* Looks through the members of a Sec-WebSocket-Extensions field for the first offer of permessage-deflate that can be
 * kept. Fills terms with what is agreed on and answer with the member that says so; returns its length, or 0 when no
 * offer can be kept. What is malformed is declined, not refused (RFC 7692 5.1). */
size_t vel_ws_deflate_agree(struct vel_slice offers, const struct vel_ws_deflate_terms *wanted,
                            struct vel_ws_deflate_terms *terms, char answer[VEL_WS_DEFLATE_ANSWER_MAX]);

/* One direction. All zero is a stream that holds no memory: it takes it with its first message. With resets it may be
 * shared by any number of connections of one thread and of the same terms. */
struct vel_ws_deflater {
    struct z_stream_s *z; /* owned */
    uint8_t bits;
    uint8_t memory; /* zlib's memLevel, 1 to 9; the stream takes (1 << (bits + 2)) + (1 << (memory + 9)) bytes */
    uint8_t level;  /* zlib's, 1 to 9 */
    bool resets;
};

struct vel_ws_inflater {
    struct z_stream_s *z; /* owned; it takes about (1 << bits) + 7 KiB */
    uint8_t bits;
    bool resets;
};

/* Appends the message, compressed, to out, ready for a frame with RSV1. VEL_OK or VEL_ENOMEM; after the latter the
 * stream must not be used on: the peer has lost its context. */
int vel_ws_deflate(struct vel_ws_deflater *d, struct vel_slice message, struct vel_buf *out);

/* Appends the expanded message to out. VEL_OK; VEL_ELIMIT: it is longer than limit, and not more than that was
 * expanded; VEL_EINVAL: it is no deflate stream; VEL_ENOMEM. After an error the stream must not be used on. */
int vel_ws_inflate(struct vel_ws_inflater *i, struct vel_slice message, uint64_t limit, struct vel_buf *out);

void vel_ws_deflater_free(struct vel_ws_deflater *d);
void vel_ws_inflater_free(struct vel_ws_inflater *i);

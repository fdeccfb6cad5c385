/* Chunked decoding: feed bytes, get body slices; a few words of state, no allocation (RFC 9112 7.1). */
#pragma once

#include "base/scan.h"
#include "base/slice.h"
#include "http/limits.h"

#include <stdbool.h>

struct vel_h1_chunked {
    const struct vel_scan *scan;
    const struct vel_limits *limits;
    uint64_t left;     /* bytes of the present chunk still to come */
    uint64_t total;    /* body bytes announced so far, against limits->body */
    uint32_t ext;      /* extension bytes of the whole body, against limits->chunk_ext */
    uint32_t trailers; /* trailer bytes, against limits->trailers */
    uint8_t state;
    uint8_t digits;    /* of the present chunk size: 16 at most */
    uint8_t field_len; /* of the trailer name so far, saturating */
    uint8_t suspects;  /* bit i: the trailer name so far begins as the i-th forbidden one */
};

void vel_h1_chunked_init(struct vel_h1_chunked *c, const struct vel_scan *scan, const struct vel_limits *limits);

/* Uses bytes from the front of in and returns how many (> 0 when len > 0, and never past the end of the body), or a
 * negative status (-400, -413, -431) with *why a constant. data is a run of decoded body inside in, or empty. Call
 * again while bytes are left and vel_h1_chunked_done is false. Trailers are checked by the field grammar and dropped:
 * they are not merged into the head (RFC 9110 6.5.1), and framing fields or Host among them are refused. */
long vel_h1_chunked_feed(struct vel_h1_chunked *c, const char *in, size_t len, struct vel_slice *data,
                         const char **why);

/* The last CRLF has been read. */
bool vel_h1_chunked_done(const struct vel_h1_chunked *c);

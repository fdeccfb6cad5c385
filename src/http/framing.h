/* How long a message body is: the one place that decides (RFC 9112 6.3). */
#pragma once

#include "base/slice.h"
#include "http/limits.h"

#include <stdint.h>

enum vel_body_kind {
    VEL_BODY_NONE,
    VEL_BODY_LENGTH, /* exactly length bytes, also when length is 0 */
    VEL_BODY_CHUNKED,
};

struct vel_framing {
    enum vel_body_kind kind;
    int64_t length; /* LENGTH only */
};

static inline bool vel_framing_has_body(const struct vel_framing *framing) {
    return framing->kind == VEL_BODY_CHUNKED || (framing->kind == VEL_BODY_LENGTH && framing->length > 0);
}

/* What the head says of its length. A field that was sent has a line count of 1 or more. */
struct vel_framing_fields {
    unsigned minor; /* HTTP/1.minor */
    unsigned length_lines, coding_lines;
    struct vel_slice length; /* of the first Content-Length line, trimmed of SP and HTAB */
    struct vel_slice coding; /* of the first Transfer-Encoding line, trimmed too */
};

/* Returns 0, or a negative status: -400 for anything ambiguous, -501 for a coding list that ends in chunked but has
 * more before it, -413 for a length above limits->body. */
int vel_framing_decide(const struct vel_framing_fields *in, const struct vel_limits *limits, struct vel_framing *out);

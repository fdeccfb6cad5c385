/* Parts of a representation, and the conditions that a request is under (RFC 9110 13 and 14). */
#pragma once

#include "http/message.h"

/* More in one field are answered by the whole: nobody needs them but who wants to hurt (RFC 9110 14.2). */
#define VEL_RANGES_MAX 16

struct vel_range {
    uint64_t first, count; /* count is not 0 */
};

enum vel_range_verdict {
    VEL_RANGE_WHOLE, /* the field is none that is known, or is better ignored */
    VEL_RANGE_PARTS,
    VEL_RANGE_NONE, /* of none of them there is a byte: 416 */
};

/* "bytes=..." for a representation of size bytes: PARTS fills ranges, at most VEL_RANGES_MAX, as they were asked for.
 */
enum vel_range_verdict vel_range_parse(struct vel_slice value, uint64_t size, struct vel_range *ranges, size_t *n);

/* What a representation is known by. */
struct vel_validators {
    struct vel_slice etag; /* with its quotes; empty: it has none */
    int64_t modified;      /* Unix seconds */
};

/* 200: as ever. 304 or 412: the request is to be answered so (RFC 9110 13.2.2), for a representation that exists. */
unsigned vel_condition(const struct vel_head *head, const struct vel_validators *v);

/* Whether Range counts: there is no If-Range, or it is true (RFC 9110 13.1.5). */
bool vel_if_range(const struct vel_head *head, const struct vel_validators *v);

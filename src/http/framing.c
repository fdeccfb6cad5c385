/* The length of a request body, in the order of RFC 9112 6.3. */
#include "http/framing.h"

#include "base/num.h"
#include "http/field_check.h"

#define CHUNKED VEL_SLICE("chunked")

/* Whether all is a list of coding names without parameters whose last member, and no other, is chunked. */
static bool ends_in_chunked(struct vel_slice rest) {
    for (;;) {
        const char *comma = memchr(rest.at, ',', rest.len);
        size_t len = comma != NULL ? (size_t)(comma - rest.at) : rest.len;
        struct vel_slice coding = vel_slice_trim(vel_slice(rest.at, len));
        if (!vel_check_token(coding) || vel_slice_eq_nocase(coding, CHUNKED) != (comma == NULL))
            return false;
        if (comma == NULL)
            return true;
        rest = vel_slice(comma + 1, rest.len - len - 1);
    }
}

/* Only chunked alone can be decoded here; what is not understood never counts as "no body". */
static int decide_by_coding(const struct vel_framing_fields *in, struct vel_framing *out) {
    /* A 1.0 sender does not know chunked, or some hop on the way did not (RFC 9112 6.1); the same with a length. */
    if (in->minor == 0 || in->length_lines > 0 || in->coding_lines > 1)
        return -400;
    if (vel_slice_eq_nocase(in->coding, CHUNKED)) {
        *out = (struct vel_framing){.kind = VEL_BODY_CHUNKED};
        return 0;
    }
    return in->coding.len > 0 && ends_in_chunked(in->coding) ? -501 : -400;
}

static int decide_by_length(const struct vel_framing_fields *in, uint64_t limit, struct vel_framing *out) {
    int64_t length;
    if (in->length_lines > 1 || !vel_num_parse(in->length, &length))
        return -400;
    if ((uint64_t)length > limit)
        return -413;
    *out = (struct vel_framing){.kind = VEL_BODY_LENGTH, .length = length};
    return 0;
}

int vel_framing_decide(const struct vel_framing_fields *in, const struct vel_limits *limits, struct vel_framing *out) {
    if (in->coding_lines > 0)
        return decide_by_coding(in, out);
    if (in->length_lines > 0)
        return decide_by_length(in, limits->body, out);
    *out = (struct vel_framing){.kind = VEL_BODY_NONE};
    return 0;
}

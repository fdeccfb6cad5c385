/* Names and values of a query, a form or a Cookie field: found one after another, decoded only when they are wanted. */
#pragma once

#include "base/slice.h"

struct vel_pair {
    struct vel_slice name, value; /* as they were sent */
    bool encoded;                 /* one of them has "%" or "+" */
};

/* application/x-www-form-urlencoded (WHATWG URL 5.1): takes the next pair off *rest, false at the end. Empty runs
 * between "&" are none; without "=" the value is empty. */
bool vel_form_next(struct vel_slice *rest, struct vel_pair *pair);

/* The cookie-pairs of a Cookie field (RFC 6265 4.2.1), leniently as browsers are: what has no "=" is skipped, quotes
 * around a value are left out. Nothing of them is encoded. */
bool vel_cookie_next(struct vel_slice *rest, struct vel_pair *pair);

/* "+" is a space, "%XX" a byte, a broken escape stands for itself. out needs in.len bytes and may be in.at. Returns the
 * length. */
size_t vel_form_decode(struct vel_slice in, char *out);

/* Whether in, once decoded, is text. */
bool vel_form_is(struct vel_slice in, struct vel_slice text);

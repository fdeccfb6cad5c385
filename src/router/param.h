/* Parameters of a path: what a converter is called, what it takes, and which of two is tried first. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* In the order of their narrowness: where several could take a segment, the first of these is tried first. */
enum vel_param_kind {
    VEL_PARAM_UUID,
    VEL_PARAM_INT,
    VEL_PARAM_FLOAT,
    VEL_PARAM_DATE,
    VEL_PARAM_ENUM,
    VEL_PARAM_RE,     /* asks the caller, as the next */
    VEL_PARAM_CUSTOM, /* a name that is none of ours */
    VEL_PARAM_STR,
    VEL_PARAM_PATH, /* what is left of the path, slashes too */
};

/* Asking the caller costs what it costs: longer values are not even shown to it. */
#define VEL_PARAM_ASKED_MAX 256

/* An empty name is "str". */
enum vel_param_kind vel_param_kind(struct vel_slice name);

/* NULL, or what is wrong with the arguments, as those of "int", which has none. */
const char *vel_param_check_args(enum vel_param_kind kind, struct vel_slice args);

/* Whether a value, already decoded, is one of the kind; RE and CUSTOM are not asked here. Linear in the value.
 *   int    a sign "-" is allowed, and so are leading zeros; at most 18 digits, so that it fits in 64 bits
 *   float  digits, and a fraction; no exponent, nan or inf; at most 256 bytes
 *   uuid   8-4-4-4-12 hexadecimal digits
 *   date   YYYY-MM-DD, a day that exists
 *   enum   one of the arguments, which stand between commas
 *   str, path  not empty */
bool vel_param_takes(enum vel_param_kind kind, struct vel_slice args, struct vel_slice value);

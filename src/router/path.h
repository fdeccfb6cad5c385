/* A path as a router sees it: segments between slashes, each decoded by itself. */
#pragma once

#include "router/pattern.h"

#include <stdint.h>

#define VEL_PATH_SEGMENTS (VEL_PATTERN_SEGMENTS + 2)

/* Without the slash in front and one at the end: / has no segment, /a/ one, // an empty one. */
struct vel_path {
    const char *end;    /* of the last segment, and of the slash behind it */
    unsigned nsegments; /* at most as many as were asked for; then there may be more */
    bool slash;         /* it ends in one */
    struct vel_slice segments[VEL_PATH_SEGMENTS];
    uint32_t raw[VEL_PATH_SEGMENTS]; /* where each begins in the path as it came; only when it was decoded */
    bool decoded;
};

enum vel_path_result {
    VEL_PATH_OK,
    VEL_PATH_NONE, /* it does not begin with a slash */
    VEL_PATH_BAD,  /* a NUL, or "%" without two hexadecimal digits */
};

/* Splits into at most most segments (at most VEL_PATH_SEGMENTS). encoded: "%" is decoded, into scratch, which has room
 * for raw.len bytes and is not touched when there is none; a slash that is encoded parts no segments. Linear in the
 * path. */
enum vel_path_result vel_path_split(struct vel_path *path, struct vel_slice raw, bool encoded, char *scratch,
                                    unsigned most);

/* The labels of a host from the last to the first: without its port and a dot at the end, in lower case, in scratch,
 * which has room for VEL_HOST_MAX bytes. False for what is no name: too long, an empty label, a literal of IPv6. */
#define VEL_HOST_MAX 255
bool vel_path_of_host(struct vel_path *path, struct vel_slice host, char *scratch, unsigned most);

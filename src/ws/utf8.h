/* UTF-8 checked while it arrives: cut anywhere, refused at the first byte that cannot be right (RFC 3629). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All zero is the start of a text. */
struct vel_ws_utf8 {
    unsigned char more; /* bytes of the present character still to come */
    unsigned char low;  /* the next of them is from low to high */
    unsigned char high;
};

/* False when these bytes, behind those before, are no beginning of a UTF-8 text: overlong forms, surrogates and what is
 * above U+10FFFF are none. */
bool vel_ws_utf8_feed(struct vel_ws_utf8 *u, const char *at, size_t len);

/* The text may end here: no character is unfinished. */
static inline bool vel_ws_utf8_whole(const struct vel_ws_utf8 *u) {
    return u->more == 0;
}

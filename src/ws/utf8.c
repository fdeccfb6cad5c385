/* UTF-8 checked while it arrives. */
#include "ws/utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* How far it is ASCII, by eight bytes: what most texts are. */
static size_t skip_ascii(const char *at, size_t len) {
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, at + i, sizeof(word));
        if (word & HIGH_BITS)
            break;
    }
    while (i < len && (unsigned char)at[i] < 0x80)
        i++;
    return i;
}

static bool expect(struct vel_ws_utf8 *u, unsigned char more, unsigned char low, unsigned char high) {
    *u = (struct vel_ws_utf8){more, low, high};
    return true;
}

/* The first byte of a longer character. The second byte is bounded where RFC 3629 4 bounds it: E0 and F0 would be
 * overlong, ED a surrogate, F4 above U+10FFFF. */
static bool begin(struct vel_ws_utf8 *u, unsigned char byte) {
    if (byte < 0xC2 || byte > 0xF4)
        return false;
    if (byte < 0xE0)
        return expect(u, 1, 0x80, 0xBF);
    if (byte < 0xF0)
        return expect(u, 2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF);
    return expect(u, 3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF);
}

static bool go_on(struct vel_ws_utf8 *u, unsigned char byte) {
    if (byte < u->low || byte > u->high)
        return false;
    return expect(u, u->more - 1, 0x80, 0xBF);
}

bool vel_ws_utf8_feed(struct vel_ws_utf8 *u, const char *at, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (u->more == 0 && (i += skip_ascii(at + i, len - i)) == len)
            break;
        unsigned char byte = (unsigned char)at[i];
        if (!(u->more == 0 ? begin(u, byte) : go_on(u, byte)))
            return false;
    }
    return true;
}

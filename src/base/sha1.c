/* SHA-1, one block at a time (FIPS 180-4, 6.1). */
#include "base/sha1.h"

#include <stdint.h>

#define BLOCK 64

static uint32_t rotate(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

static void load(uint32_t w[80], const unsigned char *at) {
    for (int i = 0; i < 16; i++, at += 4)
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

/* f of a round with its constant added: it changes every twenty rounds. */
static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d) {
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5A827999;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ED9EBA1;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    return (b ^ c ^ d) + 0xCA62C1D6;
}

static void add_block(uint32_t h[5], const unsigned char *at) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    load(w, at);
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* The rest of the text, a one bit, zeros, and the length in bits: one block or two. */
static void add_last(uint32_t h[5], struct vel_slice rest, uint64_t bits) {
    unsigned char tail[2 * BLOCK] = {0};
    size_t len = rest.len < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    if (rest.len > 0)
        memcpy(tail, rest.at, rest.len);
    tail[rest.len] = 0x80;
    for (int i = 0; i < 8; i++)
        tail[len - 1 - (size_t)i] = (unsigned char)(bits >> 8 * i);
    for (size_t at = 0; at < len; at += BLOCK)
        add_block(h, tail + at);
}

void vel_sha1(struct vel_slice text, unsigned char digest[VEL_SHA1_LEN]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint64_t bits = (uint64_t)text.len * 8;
    for (; text.len >= BLOCK; text = vel_slice(text.at + BLOCK, text.len - BLOCK))
        add_block(h, (const unsigned char *)text.at);
    add_last(h, text, bits);
    for (int i = 0; i < VEL_SHA1_LEN; i++)
        digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* Tests of src/base/sha1.c: the examples of FIPS 180-4 and its successor pages, and every length around a block. */
#include "base/sha1.h"

#include "support/guard.h"
#include "support/test.h"

static void check(struct vel_slice text, const char *want) {
    unsigned char digest[VEL_SHA1_LEN];
    char hex[2 * VEL_SHA1_LEN + 1];
    vel_sha1(text, digest);
    for (int i = 0; i < VEL_SHA1_LEN; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    CHECK_SLICE(vel_slice(hex, 2 * VEL_SHA1_LEN), want);
}

static void published_examples_come_out(void) {
    check(VEL_SLICE(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(VEL_SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(VEL_SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

static void a_million_letters_come_out(void) {
    char *text = malloc(1000000);
    CHECK(text != NULL);
    memset(text, 'a', 1000000);
    check(vel_slice(text, 1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(text);
}

/* The length field fits behind 55 bytes and no more; digests by another implementation (coreutils sha1sum). */
static void padding_is_right_around_a_block(void) {
    static const struct {
        size_t len;
        const char *want;
    } rows[] = {
        {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"}, {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
        {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"}, {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
        {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
    };
    char text[65];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *copy = guard_copy(text, rows[i].len);
        check(vel_slice(copy, rows[i].len), rows[i].want);
        guard_free(copy, rows[i].len);
    }
}

int main(void) {
    RUN(published_examples_come_out);
    RUN(a_million_letters_come_out);
    RUN(padding_is_right_around_a_block);
    return 0;
}

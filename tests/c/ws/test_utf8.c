/* Tests of src/ws/utf8.c: against a decoder that is slow and plain, and cut everywhere. */
#include "ws/utf8.h"

#include "support/guard.h"
#include "support/test.h"

#include <stdint.h>

/* The length of the character that at[0..len) begins with, by the definition: decode, then look whether encoding gives
 * the same. 0: none. */
static size_t plain(const unsigned char *at, size_t len) {
    size_t need = at[0] < 0x80             ? 1
                  : (at[0] & 0xE0) == 0xC0 ? 2
                  : (at[0] & 0xF0) == 0xE0 ? 3
                  : (at[0] & 0xF8) == 0xF0 ? 4
                                           : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (need == 0 || need > len)
        return 0;
    uint32_t value = need == 1 ? at[0] : at[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3F);
    }
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < least[need] || value > 0x10FFFF || surrogate ? 0 : need;
}

static bool plain_text(const unsigned char *at, size_t len) {
    for (size_t n; len > 0; at += n, len -= n)
        if ((n = plain(at, len)) == 0)
            return false;
    return true;
}

static bool text(const void *at, size_t len) {
    struct vel_ws_utf8 u = {0};
    return vel_ws_utf8_feed(&u, at, len) && vel_ws_utf8_whole(&u);
}

static void every_two_and_three_bytes_are_judged_right(void) {
    for (uint32_t value = 0; value < 1u << 24; value++) {
        unsigned char at[3] = {(unsigned char)(value >> 16), (unsigned char)(value >> 8), (unsigned char)value};
        CHECK(text(at, 3) == plain_text(at, 3));
        if (at[2] == 0)
            CHECK(text(at, 2) == plain_text(at, 2));
    }
}

static void every_four_bytes_of_the_borders_are_judged_right(void) {
    static const unsigned char border[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned first = 0xE0; first <= 0xFF; first++)
        for (size_t i = 0; i < 1000; i++) {
            unsigned char at[4] = {(unsigned char)first, border[i / 100], border[i / 10 % 10], border[i % 10]};
            CHECK(text(at, 4) == plain_text(at, 4));
        }
}

static const char sample[] = "plain ASCII for a while, \xC3\xA9t\xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x90\x99, and again";

static void a_text_may_be_cut_anywhere(void) {
    size_t len = sizeof(sample) - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        struct vel_ws_utf8 u = {0};
        char *front = guard_copy(sample, cut), *back = guard_copy(sample + cut, len - cut);
        CHECK(vel_ws_utf8_feed(&u, front, cut));
        CHECK(vel_ws_utf8_whole(&u) == plain_text((const unsigned char *)sample, cut));
        CHECK(vel_ws_utf8_feed(&u, back, len - cut));
        CHECK(vel_ws_utf8_whole(&u));
        guard_free(front, cut);
        guard_free(back, len - cut);
    }
}

/* RFC 6455 8.1 lets a receiver close at once: the Autobahn suite looks for it. */
static void what_cannot_become_right_is_refused_at_its_byte(void) {
    struct vel_ws_utf8 u = {0};
    CHECK(vel_ws_utf8_feed(&u, "\xF4", 1));
    CHECK(!vel_ws_utf8_feed(&u, "\x90", 1));
    u = (struct vel_ws_utf8){0};
    CHECK(vel_ws_utf8_feed(&u, "ok \xED", 4));
    CHECK(!vel_ws_utf8_feed(&u, "\xA0", 1));
}

static void a_bad_byte_is_found_at_every_place(void) {
    char bytes[40];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        memset(bytes, 'a', sizeof(bytes));
        bytes[i] = (char)0xFF;
        CHECK(!text(bytes, sizeof(bytes)));
    }
}

int main(void) {
    RUN(every_two_and_three_bytes_are_judged_right);
    RUN(every_four_bytes_of_the_borders_are_judged_right);
    RUN(a_text_may_be_cut_anywhere);
    RUN(what_cannot_become_right_is_refused_at_its_byte);
    RUN(a_bad_byte_is_found_at_every_place);
    return 0;
}

/* Tests of src/ws/frame.c: heads of every form, and unmasking at every alignment. */
#include "ws/frame.h"

#include "base/slice.h"
#include "support/guard.h"
#include "support/test.h"

static int read_head(struct vel_ws_frame *frame, struct vel_slice in, bool may_compress, const char **why) {
    char *copy = guard_copy(in.at, in.len);
    *why = NULL;
    int n = vel_ws_frame_read(frame, copy, in.len, may_compress, why);
    guard_free(copy, in.len);
    CHECK((n < 0) == (*why != NULL));
    return n;
}

#define GOOD(bytes) good(VEL_SLICE(bytes))
#define BAD(bytes, at, may_compress) bad(VEL_SLICE(bytes), at, may_compress)

/* Needs more until the last byte is here. */
static struct vel_ws_frame good(struct vel_slice in) {
    struct vel_ws_frame frame;
    const char *why;
    for (size_t cut = 0; cut < in.len; cut++)
        CHECK_INT(read_head(&frame, vel_slice(in.at, cut), true, &why), 0);
    CHECK_INT(read_head(&frame, in, true, &why), in.len);
    return frame;
}

/* Refused as soon as byte `at` is here, and not before. */
static void bad(struct vel_slice in, size_t at, bool may_compress) {
    struct vel_ws_frame frame;
    const char *why;
    for (size_t cut = 0; cut <= in.len; cut++)
        CHECK_INT(read_head(&frame, vel_slice(in.at, cut), may_compress, &why), cut <= at ? 0 : -VEL_WS_PROTOCOL_ERROR);
}

static void heads_of_each_length_form_are_read(void) {
    struct vel_ws_frame frame = GOOD("\x81\x85\x01\x02\x03\x04");
    CHECK(frame.fin && !frame.rsv1 && frame.opcode == VEL_WS_TEXT && frame.len == 5);
    CHECK(memcmp(frame.mask, "\x01\x02\x03\x04", 4) == 0);
    frame = GOOD("\x02\xFE\x00\x7E"
                 "abcd");
    CHECK(!frame.fin && frame.opcode == VEL_WS_BINARY && frame.len == 126);
    frame = GOOD("\x80\xFF\x00\x00\x00\x00\x00\x01\x00\x00"
                 "abcd");
    CHECK(frame.opcode == VEL_WS_CONTINUATION && frame.len == 65536);
    frame = GOOD("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                 "abcd");
    CHECK(frame.len == INT64_MAX);
    frame = GOOD("\x89\xFD"
                 "abcd");
    CHECK(frame.opcode == VEL_WS_PING && frame.len == VEL_WS_CONTROL_MAX);
}

/* RFC 6455 5.2: the minimal number of bytes must be used, the top bit must be 0. */
static void lengths_have_one_form(void) {
    BAD("\x82\xFE\x00\x7D"
        "abcd",
        3, false);
    BAD("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF"
        "abcd",
        9, false);
    BAD("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00"
        "abcd",
        9, false);
}

/* RFC 6455 5.1. */
static void unmasked_frames_of_a_client_are_refused(void) {
    BAD("\x81\x05hello", 1, false);
}

/* RFC 6455 5.2: opcodes 3 to 7 and B to F are reserved. */
static void reserved_opcodes_are_refused(void) {
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        char first = (char)(0x80 | opcode);
        struct vel_ws_frame frame;
        const char *why;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        CHECK_INT(read_head(&frame, vel_slice(&first, 1), false, &why), known ? 0 : -VEL_WS_PROTOCOL_ERROR);
    }
}

/* RFC 6455 5.2, RFC 7692 6: RSV1 on data frames only, and only when it was agreed on. */
static void reserved_bits_are_refused(void) {
    BAD("\xC1\x80mask", 0, false);
    BAD("\xA1\x80mask", 0, true);
    BAD("\x91\x80mask", 0, true);
    BAD("\xC9\x80mask", 0, true);
    CHECK(GOOD("\xC1\x80mask").rsv1);
}

/* RFC 6455 5.5. */
static void control_frames_are_whole_and_short(void) {
    BAD("\x09\x80mask", 0, false);
    BAD("\x08\x80mask", 0, false);
    BAD("\x89\xFE\x00\x7E"
        "mask",
        1, false);
    BAD("\x88\xFF\x00\x00\x00\x00\x00\x01\x00\x00mask", 1, false);
}

static void written_heads_are_read_back(void) {
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, UINT64_C(1) << 32, INT64_MAX};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char at[VEL_WS_HEAD_MAX + 4] = {0};
        struct vel_ws_frame frame;
        const char *why;
        size_t n = vel_ws_frame_write(at, VEL_WS_BINARY, i % 2 == 0, lengths[i]);
        CHECK(n <= VEL_WS_HEAD_MAX && (at[1] & 0x80) == 0);
        at[1] = (char)(at[1] | 0x80); /* as if it were a client's */
        CHECK_INT(read_head(&frame, vel_slice(at, n + 4), true, &why), n + 4);
        CHECK(frame.len == lengths[i] && frame.rsv1 == (i % 2 == 0) && frame.fin && frame.opcode == VEL_WS_BINARY);
    }
}

static void unmasking_is_right_at_every_alignment_length_and_offset(void) {
    static const unsigned char mask[4] = {0x37, 0xFA, 0x21, 0x3D};
    char plain[96], masked[96];
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (char)(i * 31);
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t i = 0; i < sizeof(plain); i++)
            masked[i] = (char)((unsigned char)plain[i] ^ mask[(offset + i) & 3]);
        for (size_t len = 0; len <= 70; len++) {
            char *from = guard_copy(masked, len), *to = guard_copy(masked, len);
            vel_ws_unmask(to, from, len, mask, offset);
            vel_ws_unmask(from, from, len, mask, offset);
            CHECK(memcmp(to, plain, len) == 0 && memcmp(from, plain, len) == 0);
            guard_free(from, len);
            guard_free(to, len);
        }
        for (size_t start = 0; start < 16; start++) {
            char at[96];
            memcpy(at + start, masked, 64);
            vel_ws_unmask(at + start, at + start, 64, mask, offset);
            CHECK(memcmp(at + start, plain, 64) == 0);
        }
    }
}

/* RFC 6455 7.4.1 and 7.4.2, with what IANA has registered since. */
static void codes_that_may_be_sent_are_the_registered_ones(void) {
    for (unsigned code = 0; code < 70000; code++) {
        bool wanted = (code >= 1000 && code < 1015 && (code < 1004 || code > 1006)) || (code >= 3000 && code < 5000);
        CHECK(vel_ws_code_may_be_sent(code) == wanted);
    }
}

int main(void) {
    RUN(heads_of_each_length_form_are_read);
    RUN(lengths_have_one_form);
    RUN(unmasked_frames_of_a_client_are_refused);
    RUN(reserved_opcodes_are_refused);
    RUN(reserved_bits_are_refused);
    RUN(control_frames_are_whole_and_short);
    RUN(written_heads_are_read_back);
    RUN(unmasking_is_right_at_every_alignment_length_and_offset);
    RUN(codes_that_may_be_sent_are_the_registered_ones);
    return 0;
}

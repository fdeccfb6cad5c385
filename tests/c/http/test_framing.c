/* Tests of src/http/framing.c. */
#include "http/framing.h"

#include "support/guard.h"
#include "support/test.h"

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

static int decide(struct vel_framing_fields in, struct vel_framing *out) {
    return vel_framing_decide(&in, &limits, out);
}

/* One Transfer-Encoding line in HTTP/1.1. */
static int coding(const char *text) {
    struct vel_framing out;
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    int status =
        decide((struct vel_framing_fields){.minor = 1, .coding_lines = 1, .coding = vel_slice(copy, len)}, &out);
    guard_free(copy, len);
    CHECK(status < 0 || out.kind == VEL_BODY_CHUNKED);
    return status;
}

/* One Content-Length line: the length, or the negative status. */
static int64_t length_within(const char *text, uint64_t body) {
    struct vel_framing out;
    struct vel_limits own = limits;
    own.body = body;
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    struct vel_framing_fields in = {.minor = 1, .length_lines = 1, .length = vel_slice(copy, len)};
    int status = vel_framing_decide(&in, &own, &out);
    guard_free(copy, len);
    CHECK(status < 0 || out.kind == VEL_BODY_LENGTH);
    return status < 0 ? status : out.length;
}

/* RFC 9112 6.3 (7). */
static void neither_field_is_no_body(void) {
    for (unsigned minor = 0; minor <= 1; minor++) {
        struct vel_framing out = {.kind = VEL_BODY_CHUNKED};
        CHECK_INT(decide((struct vel_framing_fields){.minor = minor}, &out), 0);
        CHECK_INT(out.kind, VEL_BODY_NONE);
    }
}

/* RFC 9110 8.6. */
static void length_of_digits_is_taken(void) {
    CHECK_INT(length_within("0", UINT64_MAX), 0);
    CHECK_INT(length_within("1", UINT64_MAX), 1);
    CHECK_INT(length_within("00042", UINT64_MAX), 42);
    CHECK_INT(length_within("9223372036854775807", UINT64_MAX), INT64_MAX);
}

static void length_counts_in_http_1_0_too(void) {
    struct vel_framing out;
    struct vel_framing_fields in = {.minor = 0, .length_lines = 1, .length = VEL_SLICE("5")};
    CHECK_INT(decide(in, &out), 0);
    CHECK_INT(out.kind, VEL_BODY_LENGTH);
    CHECK_INT(out.length, 5);
}

static void length_that_is_not_only_digits_is_400(void) {
    const char *const texts[] = {"",      " ",   "-1",   "+1", "1 ",  " 1",  "1,1", "1, 1", "0x10",  "1_000",
                                 "1e3",   "1.0", "five", "5;", "5\v", "\t5", "1\t", "0b1",  "5\x80", "٣",
                                 "\"5\"", "5 5", "-0",   "5a", "a5",  "5-",  "0,",  ",0",   "1 000"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK_INT(length_within(texts[i], UINT64_MAX), -400);
}

static void length_above_63_bits_is_400_and_does_not_wrap(void) {
    CHECK_INT(length_within("9223372036854775808", UINT64_MAX), -400);
    CHECK_INT(length_within("18446744073709551616", UINT64_MAX), -400);
    CHECK_INT(length_within("18446744073709551621", UINT64_MAX), -400);
    CHECK_INT(length_within("99999999999999999999999999999999", UINT64_MAX), -400);
}

static void length_above_the_limit_is_413(void) {
    CHECK_INT(length_within("10", 10), 10);
    CHECK_INT(length_within("11", 10), -413);
    CHECK_INT(length_within("9223372036854775807", 10), -413);
    CHECK_INT(length_within("1", 0), -413);
    CHECK_INT(length_within("0", 0), 0);
}

static void two_length_lines_are_400_even_if_equal(void) {
    struct vel_framing out;
    struct vel_framing_fields in = {.minor = 1, .length_lines = 2, .length = VEL_SLICE("5")};
    CHECK_INT(decide(in, &out), -400);
}

/* RFC 9112 7: coding names have no case. */
static void chunked_alone_is_chunked(void) {
    CHECK_INT(coding("chunked"), 0);
    CHECK_INT(coding("Chunked"), 0);
    CHECK_INT(coding("CHUNKED"), 0);
}

/* RFC 9112 6.1: a coding that is not understood is 501. */
static void known_shape_before_chunked_is_501(void) {
    const char *const texts[] = {"gzip, chunked",    "gzip,chunked",      "GZIP , Chunked", "deflate, gzip, chunked",
                                 "gzip\t,\tchunked", "identity, chunked", "x, chunked"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK_INT(coding(texts[i]), -501);
}

static void any_other_coding_list_is_400(void) {
    const char *const texts[] = {
        "",
        " ",
        ",",
        "chunked, chunked",
        "chunked,chunked",
        "chunked, gzip",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "chunked;q=1",
        "chunked;",
        "chunked,",
        ",chunked",
        "gzip,, chunked",
        "chunked chunked",
        "chunked gzip",
        "\vchunked",
        "chunked\v",
        "chunked\f",
        "chunked\x85",
        "\240chunked",
        "gzip, \"chunked\"",
        "chun ked",
        "chunke",
        "ch\xFCnked",
        "gzip;q=1, chunked",
        "gzip, chunked;a",
        "chunked, gzip, chunked",

        "0",
        "none",
        "gzip, chunked,",
        "gzip/1, chunked",
        "chunked\r",
        "chunked\n",
        "'chunked'",
        "chunked\x7F",
        "gzip chunked",
        "chunked, identity",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (coding(texts[i]) != -400)
            fprintf(stderr, "\"%s\"\n", texts[i]);
        CHECK_INT(coding(texts[i]), -400);
    }
}

static void nul_in_a_coding_is_400(void) {
    struct vel_framing out;
    struct vel_framing_fields in = {.minor = 1, .coding_lines = 1, .coding = VEL_SLICE("chunked\0")};
    CHECK_INT(decide(in, &out), -400);
    in.coding = (struct vel_slice){0};
    CHECK_INT(decide(in, &out), -400);
}

static void two_coding_lines_are_400(void) {
    struct vel_framing out;
    struct vel_framing_fields in = {.minor = 1, .coding_lines = 2, .coding = VEL_SLICE("chunked")};
    CHECK_INT(decide(in, &out), -400);
    in.coding = VEL_SLICE("gzip");
    CHECK_INT(decide(in, &out), -400);
}

/* RFC 9112 6.1. */
static void coding_in_http_1_0_is_400(void) {
    struct vel_framing out;
    struct vel_framing_fields in = {.minor = 0, .coding_lines = 1, .coding = VEL_SLICE("chunked")};
    CHECK_INT(decide(in, &out), -400);
    in.coding = VEL_SLICE("gzip, chunked");
    CHECK_INT(decide(in, &out), -400);
}

/* RFC 9112 6.1: the classical way to smuggle. */
static void coding_with_length_is_400(void) {
    const char *const codings[] = {"chunked", "gzip, chunked", "identity", ""};
    for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++) {
        struct vel_framing out;
        struct vel_framing_fields in = {.minor = 1, .coding_lines = 1, .length_lines = 1, .length = VEL_SLICE("5")};
        in.coding = vel_slice(codings[i], strlen(codings[i]));
        CHECK_INT(decide(in, &out), -400);
        in.length = VEL_SLICE("");
        CHECK_INT(decide(in, &out), -400);
    }
}

int main(void) {
    RUN(neither_field_is_no_body);
    RUN(length_of_digits_is_taken);
    RUN(length_counts_in_http_1_0_too);
    RUN(length_that_is_not_only_digits_is_400);
    RUN(length_above_63_bits_is_400_and_does_not_wrap);
    RUN(length_above_the_limit_is_413);
    RUN(two_length_lines_are_400_even_if_equal);
    RUN(chunked_alone_is_chunked);
    RUN(known_shape_before_chunked_is_501);
    RUN(any_other_coding_list_is_400);
    RUN(nul_in_a_coding_is_400);
    RUN(two_coding_lines_are_400);
    RUN(coding_in_http_1_0_is_400);
    RUN(coding_with_length_is_400);
}

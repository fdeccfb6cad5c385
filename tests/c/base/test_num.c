/* Tests of src/base/num.c. */
#include "base/num.h"

#include "support/guard.h"
#include "support/test.h"

#include <inttypes.h>

/* The number in text, or -1. */
static int64_t parse(const char *text) {
    int64_t value = -1;
    char *copy = guard_copy(text, strlen(text));
    bool legal = vel_num_parse(vel_slice(copy, strlen(text)), &value);
    guard_free(copy, strlen(text));
    CHECK(legal == (value >= 0));
    return value;
}

static void digits_are_a_number(void) {
    CHECK_INT(parse("0"), 0);
    CHECK_INT(parse("7"), 7);
    CHECK_INT(parse("1234567890"), 1234567890);
    CHECK_INT(parse("9223372036854775807"), INT64_MAX);
}

static void leading_zeros_are_digits_too(void) {
    CHECK_INT(parse("007"), 7);
    CHECK_INT(parse("0000000000000000000000000000000000000000009223372036854775807"), INT64_MAX);
}

static void number_above_the_maximum_is_refused_and_does_not_wrap(void) {
    const char *const texts[] = {"9223372036854775808",  "9223372036854775809",  "9223372036854775810",
                                 "18446744073709551615", "18446744073709551616", "18446744073709551621",
                                 "10000000000000000000", "99999999999999999999", "100000000000000000000000000005"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK_INT(parse(texts[i]), -1);
}

static void anything_but_digits_is_refused(void) {
    const char *const texts[] = {"",    "-1", "+1",  " 1",  "1 ",  "1\t", "0x1", "1_0", "1,1",  "1,",   "1.0",
                                 "1e3", "a",  "5\r", "5\n", "\v5", "5L",  "--1", "٣",   "\xB2", "1\xA0"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK_INT(parse(texts[i]), -1);
    int64_t value = 42;
    CHECK(!vel_num_parse(vel_slice("5\0", 2), &value));
    CHECK(!vel_num_parse((struct vel_slice){0}, &value));
    CHECK_INT(value, 42);
}

static void every_single_byte_is_judged(void) {
    for (int c = 1; c < 256; c++)
        CHECK_INT(parse((char[]){(char)c, 0}), c >= '0' && c <= '9' ? c - '0' : -1);
}

static void hex_digits_of_both_cases_have_values(void) {
    static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *low = c != 0 ? strchr(digits, c) : NULL, *high = c != 0 ? strchr(capitals, c) : NULL;
        long want = low != NULL ? low - digits : high != NULL ? high - capitals : -1;
        CHECK_INT(vel_num_hex((char)c), want);
    }
}

static void check_formats(uint64_t value) {
    char want[32], have[20];
    size_t len = vel_num_format(have, value);
    snprintf(want, sizeof(want), "%" PRIu64, value);
    CHECK_SLICE(vel_slice(have, len), want);
    len = vel_num_format_hex(have, value);
    snprintf(want, sizeof(want), "%" PRIx64, value);
    CHECK(len <= 16);
    CHECK_SLICE(vel_slice(have, len), want);
}

static void formats_agree_with_printf_at_every_border(void) {
    check_formats(0);
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
        for (uint64_t value = power - 1; value <= power + 1; value++)
            check_formats(value);
    for (int bit = 0; bit < 64; bit++)
        for (uint64_t value = ((uint64_t)1 << bit) - 1; value <= ((uint64_t)1 << bit) + 1; value++)
            check_formats(value);
    check_formats(UINT64_MAX);
    for (uint64_t value = 0; value < 100000; value++)
        check_formats(value);
}

static void format_writes_only_its_digits(void) {
    char out[20];
    memset(out, '#', sizeof(out));
    CHECK_INT(vel_num_format(out, 123), 3);
    CHECK(memcmp(out, "123#", 4) == 0);
    CHECK_INT(vel_num_format_hex(out, 0xAB), 2);
    CHECK(memcmp(out, "ab3#", 4) == 0);
}

int main(void) {
    RUN(digits_are_a_number);
    RUN(leading_zeros_are_digits_too);
    RUN(number_above_the_maximum_is_refused_and_does_not_wrap);
    RUN(anything_but_digits_is_refused);
    RUN(every_single_byte_is_judged);
    RUN(hex_digits_of_both_cases_have_values);
    RUN(formats_agree_with_printf_at_every_border);
    RUN(format_writes_only_its_digits);
}

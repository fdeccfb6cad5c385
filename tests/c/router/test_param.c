/* Tests of router/param.c. */
#include "router/param.h"

#include "support/guard.h"
#include "support/test.h"

static bool takes(const char *converter, const char *args, const char *value) {
    size_t len = strlen(value);
    char *copy = guard_copy(value, len);
    bool taken = vel_param_takes(vel_param_kind(vel_slice(converter, strlen(converter))), vel_slice(args, strlen(args)),
                                 vel_slice(copy, len));
    guard_free(copy, len);
    return taken;
}

static void check_all(const char *converter, const char *args, const char *const *yes, const char *const *no) {
    for (; *yes != NULL; yes++)
        CHECK(takes(converter, args, *yes));
    for (; *no != NULL; no++) {
        if (takes(converter, args, *no))
            fprintf(stderr, "%s takes %s\n", converter, *no);
        CHECK(!takes(converter, args, *no));
    }
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void numbers(void) {
    check_all("int", "", LIST("0", "7", "-7", "007", "999999999999999999", "-999999999999999999"),
              LIST("", "-", "+1", "1.0", "1e3", " 1", "1 ", "1_000", "1234567890123456789", "\xd9\xa1", "0x10"));
    check_all("float", "", LIST("0", "1.5", "-1.5", "10.0", "3"),
              LIST("", "-", ".5", "5.", "1.5.2", "1e3", "nan", "inf", "+1.5", "1,5", "-.5"));
}

static void a_long_float_is_none(void) {
    char text[300];
    memset(text, '1', sizeof(text));
    CHECK(vel_param_takes(VEL_PARAM_FLOAT, VEL_SLICE(""), vel_slice(text, 256)));
    CHECK(!vel_param_takes(VEL_PARAM_FLOAT, VEL_SLICE(""), vel_slice(text, 257)));
}

static void uuids_and_dates(void) {
    check_all("uuid", "", LIST("01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF"),
              LIST("", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdeg",
                   "01234567-89ab-cdef-0123-456789abcdef0", "{1234567-89ab-cdef-0123-456789abcdef",
                   "012345678-9ab-cdef-0123-456789abcdef"));
    check_all("date", "", LIST("2026-01-31", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"),
              LIST("", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-01-32", "2026-04-31",
                   "0000-01-01", "2026-1-1", "20260101", "2026/01/01", "2026-01-011"));
}

static void choices_and_text(void) {
    check_all("enum", "one, two,three", LIST("one", "two", "three"),
              LIST("", "one,two", " two", "One", "four", "thre"));
    check_all("str", "", LIST("a", " "), LIST(""));
    check_all("", "", LIST("a"), LIST(""));
    check_all("path", "", LIST("a/b"), LIST(""));
}

static void arguments_are_checked(void) {
    CHECK(vel_param_check_args(VEL_PARAM_INT, VEL_SLICE("1")) != NULL);
    CHECK(vel_param_check_args(VEL_PARAM_INT, VEL_SLICE("")) == NULL);
    CHECK(vel_param_check_args(VEL_PARAM_CUSTOM, VEL_SLICE("1")) == NULL);
    CHECK(vel_param_check_args(VEL_PARAM_ENUM, VEL_SLICE("a,b")) == NULL);
    CHECK(vel_param_check_args(VEL_PARAM_ENUM, VEL_SLICE("a,")) != NULL);
    CHECK(vel_param_check_args(VEL_PARAM_RE, VEL_SLICE("")) != NULL);
}

int main(void) {
    RUN(numbers);
    RUN(a_long_float_is_none);
    RUN(uuids_and_dates);
    RUN(choices_and_text);
    RUN(arguments_are_checked);
}

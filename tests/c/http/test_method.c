/* Tests of src/http/method.c. */
#include "http/method.h"

#include "support/guard.h"
#include "support/test.h"

static enum vel_method find(const char *text) {
    char *copy = guard_copy(text, strlen(text));
    enum vel_method method = vel_method_find(vel_slice(copy, strlen(text)));
    guard_free(copy, strlen(text));
    return method;
}

static void every_numbered_method_is_found_by_its_text(void) {
    for (int method = 0; method < VEL_METHOD_OTHER; method++) {
        struct vel_slice text = vel_method_text((enum vel_method)method);
        CHECK(text.len > 0);
        CHECK_INT(vel_method_find(text), method);
    }
    CHECK_INT(find("GET"), VEL_METHOD_GET);
    CHECK_INT(find("PATCH"), VEL_METHOD_PATCH);
    CHECK_INT(find("CONNECT"), VEL_METHOD_CONNECT);
}

/* RFC 9110 9.1. */
static void case_of_letters_matters(void) {
    CHECK_INT(find("get"), VEL_METHOD_OTHER);
    CHECK_INT(find("Get"), VEL_METHOD_OTHER);
    CHECK_INT(find("pOST"), VEL_METHOD_OTHER);
}

static void near_misses_are_other(void) {
    const char *const texts[] = {"G",     "GE",     "GETS",     "GEX",   "XET",  "POS",
                                 "POSTS", "OPTION", "OPTIONSX", "PURGE", "QUERY"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK_INT(find(texts[i]), VEL_METHOD_OTHER);
}

static void nothing_is_other(void) {
    CHECK_INT(vel_method_find((struct vel_slice){0}), VEL_METHOD_OTHER);
    CHECK_INT(vel_method_text(VEL_METHOD_OTHER).len, 0);
}

int main(void) {
    RUN(every_numbered_method_is_found_by_its_text);
    RUN(case_of_letters_matters);
    RUN(near_misses_are_other);
    RUN(nothing_is_other);
}

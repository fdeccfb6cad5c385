/* Tests of src/coding/accept.c. */
#include "coding/accept.h"

#include "support/guard.h"
#include "support/test.h"

static bool accepts(const char *text) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    bool is = vel_coding_accepted(vel_slice(copy, len), VEL_SLICE("gzip"));
    guard_free(copy, len);
    return is;
}

static void a_coding_is_accepted_by_its_name_or_by_the_star(void) {
    CHECK(accepts("gzip"));
    CHECK(accepts("GZIP"));
    CHECK(accepts("deflate, gzip;q=1.0, *;q=0.5"));
    CHECK(accepts("br,gzip"));
    CHECK(accepts(" , gzip ; q=0.001"));
    CHECK(accepts("*"));
    CHECK(accepts("*;q=0, gzip"));
    CHECK(accepts("gzip;q=x"));
}

static void what_has_no_weight_or_is_not_named_is_not(void) {
    CHECK(!accepts(""));
    CHECK(!accepts("identity"));
    CHECK(!accepts("xgzip, gzipx, g zip"));
    CHECK(!accepts("gzip;q=0"));
    CHECK(!accepts("gzip;Q=0.000, *"));
    CHECK(!accepts("*, gzip;q=0."));
    CHECK(!accepts("*;q=0"));
    CHECK(!accepts(";;;,,,q=1"));
}

int main(void) {
    RUN(a_coding_is_accepted_by_its_name_or_by_the_star);
    RUN(what_has_no_weight_or_is_not_named_is_not);
    return 0;
}

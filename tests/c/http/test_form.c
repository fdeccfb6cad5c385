/* Tests of src/http/form.c. */
#include "http/form.h"

#include "support/guard.h"
#include "support/test.h"

typedef bool next_fn(struct vel_slice *rest, struct vel_pair *pair);

/* Pairs as "name=value" with "|" between them; at the edge of a page, so that no byte beyond is looked at. */
static void check_pairs(next_fn *next, const char *text, const char *want) {
    size_t len = strlen(text), n = 0;
    char *copy = guard_copy(text, len), have[256];
    struct vel_slice rest = vel_slice(copy, len);
    struct vel_pair pair;
    have[0] = '\0';
    while (next(&rest, &pair))
        n += (size_t)snprintf(have + n, sizeof(have) - n, "%s%.*s=%.*s", n > 0 ? "|" : "", (int)pair.name.len,
                              pair.name.at, (int)pair.value.len, pair.value.at);
    CHECK_INT(rest.len, 0);
    if (strcmp(have, want) != 0)
        fprintf(stderr, "%s: %s, not %s\n", text, have, want);
    CHECK(strcmp(have, want) == 0);
    guard_free(copy, len);
}

static void pairs_of_a_query_are_between_ampersands(void) {
    check_pairs(vel_form_next, "", "");
    check_pairs(vel_form_next, "a=1", "a=1");
    check_pairs(vel_form_next, "a=1&b=2", "a=1|b=2");
    check_pairs(vel_form_next, "&&a=1&&b&", "a=1|b=");
    check_pairs(vel_form_next, "a=b=c&=d&=", "a=b=c|=d|=");
    check_pairs(vel_form_next, "a;b=1", "a;b=1");
}

static void a_pair_says_whether_it_is_encoded(void) {
    static const char *const texts[] = {"a=b", "a+=b", "a=%62", "%61=b", "a=1&b=+"};
    static const bool first[] = {false, true, true, true, false};
    for (size_t i = 0; i < 5; i++) {
        struct vel_slice rest = vel_slice(texts[i], strlen(texts[i]));
        struct vel_pair pair;
        CHECK(vel_form_next(&rest, &pair));
        CHECK(pair.encoded == first[i]);
    }
}

static void check_decode(const char *text, const char *want) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len), out[64];
    size_t n = vel_form_decode(vel_slice(copy, len), out);
    CHECK_SLICE(vel_slice(out, n), want);
    CHECK(vel_form_is(vel_slice(copy, len), vel_slice(out, n)));
    CHECK(!vel_form_is(vel_slice(copy, len), VEL_SLICE("something else")));
    CHECK_INT(vel_form_decode(vel_slice(copy, len), copy), n);
    CHECK_SLICE(vel_slice(copy, n), want);
    guard_free(copy, len);
}

static void plus_is_a_space_and_broken_escapes_stay(void) {
    check_decode("", "");
    check_decode("a+b", "a b");
    check_decode("%61%2Bb", "a+b");
    check_decode("%", "%");
    check_decode("%4", "%4");
    check_decode("%4g%41", "%4gA");
    check_decode("%C3%A9", "\xC3\xA9");
}

static void cookies_are_between_semicolons_and_may_be_quoted(void) {
    check_pairs(vel_cookie_next, "a=1; b=2", "a=1|b=2");
    check_pairs(vel_cookie_next, "a=1;b=2;", "a=1|b=2");
    check_pairs(vel_cookie_next, " a = 1 ;; c ;\tb=\"x y\"", "a=1|b=x y");
    check_pairs(vel_cookie_next, "a=\"; b=\"\"; c=%41=", "a=\"|b=|c=%41=");
    check_pairs(vel_cookie_next, "no cookie", "");
}

int main(void) {
    RUN(pairs_of_a_query_are_between_ampersands);
    RUN(a_pair_says_whether_it_is_encoded);
    RUN(plus_is_a_space_and_broken_escapes_stay);
    RUN(cookies_are_between_semicolons_and_may_be_quoted);
    return 0;
}

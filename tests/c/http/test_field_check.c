/* Tests of src/http/field_check.c. */
#include "http/field_check.h"

#include "support/guard.h"
#include "support/test.h"

static bool is_token(const char *text) {
    char *copy = guard_copy(text, strlen(text));
    bool legal = vel_check_token(vel_slice(copy, strlen(text)));
    guard_free(copy, strlen(text));
    return legal;
}

static bool has(const char *list, const char *token) {
    char *copy = guard_copy(list, strlen(list));
    bool found = vel_list_has(vel_slice(copy, strlen(list)), vel_slice(token, strlen(token)));
    guard_free(copy, strlen(list));
    return found;
}

/* RFC 9110 5.6.2: tchar. */
static void token_table_is_that_of_the_rfc(void) {
    for (int c = 0; c < 256; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool want = letter || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        CHECK(vel_is_token_char((char)c) == want);
        CHECK(vel_check_token(vel_slice(&(char){(char)c}, 1)) == want);
    }
}

static void token_has_one_byte_or_more(void) {
    CHECK(!is_token(""));
    CHECK(!vel_check_token((struct vel_slice){0}));
    CHECK(is_token("a"));
    CHECK(is_token("X-Custom_Name.1"));
}

static void any_bad_byte_anywhere_spoils_a_token(void) {
    const char *const texts[] = {" a",  "a ",  "a b", "a\t",   "a:",   ":a",  "a(",
                                 "a\"", "a,b", "a/b", "a\x7F", "\xE4", "a\r", "a\v"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        CHECK(!is_token(texts[i]));
    CHECK(!vel_check_token(VEL_SLICE("a\0b")));
}

/* RFC 9110 5.5: HTAB, SP, VCHAR and obs-text. */
static void value_has_no_control_but_tab(void) {
    for (int c = 0; c < 256; c++) {
        bool want = c == '\t' || (c >= 0x20 && c != 0x7F);
        char text[40];
        for (size_t place = 0; place < sizeof(text); place++) {
            memset(text, 'v', sizeof(text));
            text[place] = (char)c;
            CHECK(vel_check_value(vel_scan_best(), vel_slice(text, sizeof(text))) == want);
            CHECK(vel_check_value(&vel_scan_plain, vel_slice(text, sizeof(text))) == want);
        }
    }
}

static void empty_value_is_legal(void) {
    CHECK(vel_check_value(vel_scan_best(), VEL_SLICE("")));
    CHECK(vel_check_value(vel_scan_best(), (struct vel_slice){0}));
}

/* RFC 9110 5.6.1.2: empty members are ignored. */
static void list_gives_its_members_trimmed_and_never_empty(void) {
    struct vel_slice rest = VEL_SLICE(" ,, a\t,b c ,\t, d;q=1,,"), member;
    CHECK(vel_list_next(&rest, &member));
    CHECK_SLICE(member, "a");
    CHECK(vel_list_next(&rest, &member));
    CHECK_SLICE(member, "b c");
    CHECK(vel_list_next(&rest, &member));
    CHECK_SLICE(member, "d;q=1");
    CHECK(!vel_list_next(&rest, &member));
    CHECK(!vel_list_next(&rest, &member));
    CHECK_INT(rest.len, 0);
}

static void list_of_nothing_has_no_member(void) {
    const char *const texts[] = {"", " ", ",", ", ,", "\t,,,\t"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct vel_slice rest = vel_slice(texts[i], strlen(texts[i])), member;
        CHECK(!vel_list_next(&rest, &member));
    }
    struct vel_slice rest = {0}, member;
    CHECK(!vel_list_next(&rest, &member));
}

static void token_is_found_anywhere_and_in_any_case(void) {
    CHECK(has("close", "close"));
    CHECK(has("CLOSE", "close"));
    CHECK(has("keep-alive, Close", "close"));
    CHECK(has("a,b,close,d", "close"));
    CHECK(has(" , close\t", "close"));
}

static void part_of_a_member_is_not_the_token(void) {
    CHECK(!has("", "close"));
    CHECK(!has("closed", "close"));
    CHECK(!has("xclose", "close"));
    CHECK(!has("clo se", "close"));
    CHECK(!has("close;q=1", "close"));
    CHECK(!has("\"close\"", "close"));
    CHECK(!has("close\v", "close"));
    CHECK(!has("clos,e", "close"));
}

int main(void) {
    RUN(token_table_is_that_of_the_rfc);
    RUN(token_has_one_byte_or_more);
    RUN(any_bad_byte_anywhere_spoils_a_token);
    RUN(value_has_no_control_but_tab);
    RUN(empty_value_is_legal);
    RUN(list_gives_its_members_trimmed_and_never_empty);
    RUN(list_of_nothing_has_no_member);
    RUN(token_is_found_anywhere_and_in_any_case);
    RUN(part_of_a_member_is_not_the_token);
}

/* Tests of src/http/field.c. */
#include "http/field.h"

#include "support/guard.h"
#include "support/test.h"

#define LONGEST 64

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The slow and obvious way. */
static enum vel_field_id find_by_comparing(struct vel_slice name) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++)
        if (vel_slice_eq_nocase(name, vel_field_name((enum vel_field_id)id)))
            return (enum vel_field_id)id;
    return VEL_FIELD_OTHER;
}

static enum vel_field_id find_on_guard_page(const char *at, size_t len) {
    char *copy = guard_copy(at, len);
    enum vel_field_id id = vel_field_find(vel_slice(copy, len));
    guard_free(copy, len);
    return id;
}

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static void every_name_is_found_in_any_case(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        char high[LONGEST], mixed[LONGEST], other[LONGEST];
        for (size_t i = 0; i < name.len; i++) {
            high[i] = upper(name.at[i]);
            mixed[i] = i % 2 ? name.at[i] : high[i];
            other[i] = i % 2 ? high[i] : name.at[i];
        }
        CHECK_INT(find_on_guard_page(name.at, name.len), id);
        CHECK_INT(find_on_guard_page(high, name.len), id);
        CHECK_INT(find_on_guard_page(mixed, name.len), id);
        CHECK_INT(find_on_guard_page(other, name.len), id);
    }
}

static void one_other_byte_is_another_name(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        char text[LONGEST];
        for (size_t place = 0; place < name.len; place++) {
            memcpy(text, name.at, name.len);
            for (const char *c = token_chars; *c != 0; c++) {
                text[place] = *c;
                struct vel_slice miss = vel_slice(text, name.len);
                bool same = vel_ascii_lower(*c) == name.at[place];
                CHECK((vel_field_find(miss) == (enum vel_field_id)id) == same);
                CHECK_INT(vel_field_find(miss), find_by_comparing(miss));
            }
        }
    }
}

static void one_byte_more_or_less_is_another_name(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        char text[LONGEST];
        memcpy(text, name.at, name.len);
        for (const char *c = token_chars; *c != 0; c++) {
            text[name.len] = *c;
            struct vel_slice longer = vel_slice(text, name.len + 1);
            CHECK_INT(vel_field_find(longer), find_by_comparing(longer));
        }
        struct vel_slice head = vel_slice(name.at, name.len - 1), tail = vel_slice(name.at + 1, name.len - 1);
        CHECK_INT(find_on_guard_page(head.at, head.len), find_by_comparing(head));
        CHECK_INT(find_on_guard_page(tail.at, tail.len), find_by_comparing(tail));
    }
}

/* What a gateway would turn into the same CGI variable is not the same field. */
static void underscore_is_no_hyphen(void) {
    CHECK_INT(vel_field_find(VEL_SLICE("user_agent")), VEL_FIELD_OTHER);
    CHECK_INT(vel_field_find(VEL_SLICE("Content_Length")), VEL_FIELD_OTHER);
    CHECK_INT(vel_field_find(VEL_SLICE("Transfer_Encoding")), VEL_FIELD_OTHER);
    CHECK_INT(vel_field_find(VEL_SLICE("transfer-encodin^")), VEL_FIELD_OTHER);
}

static void other_lengths_are_unknown(void) {
    char text[300];
    memset(text, 'a', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++)
        CHECK_INT(find_on_guard_page(text, len), VEL_FIELD_OTHER);
    CHECK_INT(vel_field_find((struct vel_slice){0}), VEL_FIELD_OTHER);
}

static void random_tokens_agree_with_comparing(void) {
    unsigned seed = 1;
    for (int round = 0; round < 200000; round++) {
        char text[LONGEST];
        size_t len = (size_t)round % 33;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = token_chars[(seed >> 16) % (sizeof(token_chars) - 1)];
        }
        CHECK_INT(vel_field_find(vel_slice(text, len)), find_by_comparing(vel_slice(text, len)));
    }
}

/* What the folding by one bit relies on: small letters, digits and '-' have bit 0x20. */
static void listed_names_have_only_bytes_that_fold(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        CHECK(name.len > 0 && name.len < LONGEST);
        for (size_t i = 0; i < name.len; i++) {
            char c = name.at[i];
            CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
        }
    }
}

static void no_name_is_listed_twice(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++)
        CHECK_INT(find_by_comparing(vel_field_name((enum vel_field_id)id)), id);
}

/* RFC 9110 7.6.1 and 11.7, RFC 9112 7.4. */
static void fields_of_the_connection_are_the_servers(void) {
    const char *const hops[] = {"connection",
                                "keep-alive",
                                "proxy-authenticate",
                                "proxy-authorization",
                                "te",
                                "proxy-connection",
                                "trailer",
                                "transfer-encoding",
                                "upgrade"};
    unsigned count = 0;
    for (size_t i = 0; i < sizeof(hops) / sizeof(*hops); i++) {
        enum vel_field_id id = vel_field_find(vel_slice(hops[i], strlen(hops[i])));
        CHECK(id != VEL_FIELD_OTHER && (vel_field_flags(id) & VEL_FIELD_HOP) != 0);
    }
    for (int id = 1; id < VEL_FIELD_COUNT; id++)
        count += (vel_field_flags((enum vel_field_id)id) & VEL_FIELD_HOP) != 0;
    CHECK_INT(count, sizeof(hops) / sizeof(*hops));
}

static void secrets_and_single_fields_are_marked(void) {
    CHECK(vel_field_flags(VEL_FIELD_COOKIE) & VEL_FIELD_SECRET);
    CHECK(vel_field_flags(VEL_FIELD_AUTHORIZATION) & VEL_FIELD_SECRET);
    CHECK(vel_field_flags(VEL_FIELD_SET_COOKIE) & VEL_FIELD_SECRET);
    CHECK(vel_field_flags(VEL_FIELD_HOST) & VEL_FIELD_SINGLE);
    CHECK(vel_field_flags(VEL_FIELD_CONTENT_LENGTH) & VEL_FIELD_SINGLE);
    CHECK(vel_field_flags(VEL_FIELD_CONTENT_TYPE) & VEL_FIELD_SINGLE);
    CHECK_INT(vel_field_flags(VEL_FIELD_ACCEPT), 0);
}

int main(void) {
    RUN(every_name_is_found_in_any_case);
    RUN(one_other_byte_is_another_name);
    RUN(one_byte_more_or_less_is_another_name);
    RUN(underscore_is_no_hyphen);
    RUN(other_lengths_are_unknown);
    RUN(random_tokens_agree_with_comparing);
    RUN(listed_names_have_only_bytes_that_fold);
    RUN(no_name_is_listed_twice);
    RUN(fields_of_the_connection_are_the_servers);
    RUN(secrets_and_single_fields_are_marked);
}

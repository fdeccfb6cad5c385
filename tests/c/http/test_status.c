/* Tests of src/http/status.c. */
#include "http/status.h"

#include "support/test.h"

static void registered_codes_have_their_phrase(void) {
    CHECK_SLICE(vel_status_reason(100), "Continue");
    CHECK_SLICE(vel_status_reason(200), "OK");
    CHECK_SLICE(vel_status_reason(304), "Not Modified");
    CHECK_SLICE(vel_status_reason(404), "Not Found");
    CHECK_SLICE(vel_status_reason(511), "Network Authentication Required");
}

/* RFC 9110 15.5.14 and 15.5.21 renamed what older lists call otherwise. */
static void phrases_are_those_of_rfc_9110(void) {
    CHECK_SLICE(vel_status_reason(413), "Content Too Large");
    CHECK_SLICE(vel_status_reason(422), "Unprocessable Content");
    CHECK_SLICE(vel_status_reason(416), "Range Not Satisfiable");
    CHECK_SLICE(vel_status_reason(414), "URI Too Long");
}

static void codes_without_a_phrase_have_an_empty_one(void) {
    const unsigned codes[] = {0, 99, 104, 199, 299, 306, 418, 420, 430, 509, 599, 600, 999, 1000, 65736, 4294967295u};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        CHECK_INT(vel_status_reason(codes[i]).len, 0);
}

static void all_codes_of_rfc_9110_are_known(void) {
    const unsigned codes[] = {100, 101, 200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305,
                              307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412,
                              413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        CHECK(vel_status_reason(codes[i]).len > 0);
}

static void phrases_can_stand_on_a_status_line(void) {
    unsigned known = 0;
    for (unsigned code = 0; code < 1000; code++) {
        struct vel_slice reason = vel_status_reason(code);
        for (size_t i = 0; i < reason.len; i++)
            CHECK(reason.at[i] >= 0x20 && reason.at[i] <= 0x7E);
        known += reason.len > 0;
    }
    CHECK_INT(known, 61);
}

/* RFC 9112 6.3. */
static void only_informational_204_and_304_have_no_body(void) {
    for (unsigned code = 100; code < 1000; code++)
        CHECK(vel_status_has_no_body(code) == (code < 200 || code == 204 || code == 304));
}

int main(void) {
    RUN(registered_codes_have_their_phrase);
    RUN(phrases_are_those_of_rfc_9110);
    RUN(codes_without_a_phrase_have_an_empty_one);
    RUN(all_codes_of_rfc_9110_are_known);
    RUN(phrases_can_stand_on_a_status_line);
    RUN(only_informational_204_and_304_have_no_body);
}

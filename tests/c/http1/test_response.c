/* Response heads: what goes out, in which order, and never more than the room asked for. */
#include "http1/response.h"

#include "support/guard.h"
#include "support/test.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define SERVER "Server: velocem\r\n"

static const struct vel_field plain[] = {
    {{"Content-Type", 12}, {"text/plain", 10}, VEL_FIELD_CONTENT_TYPE},
    {{"x-EMPTY", 7}, {NULL, 0}, VEL_FIELD_OTHER},
};

static const struct vel_field dated[] = {
    {{"server", 6}, {"own", 3}, VEL_FIELD_SERVER},
    {{"date", 4}, {"today", 5}, VEL_FIELD_DATE},
};

static struct vel_reply_head reply(unsigned status, const char *reason, int64_t length) {
    return (struct vel_reply_head){.status = status, .reason = vel_slice(reason, strlen(reason)), .length = length};
}

static struct vel_h1_rendering rendering(const struct vel_reply_head *head, enum vel_h1_ending ending) {
    return (struct vel_h1_rendering){
        .head = head, .ending = ending, .date_line = VEL_SLICE(DATE), .server_line = VEL_SLICE(SERVER)};
}

/* Renders into memory that ends where the room does. */
static void check_head(const struct vel_h1_rendering *r, const char *want) {
    static const char fill[4096];
    size_t room = vel_h1_head_room(r);
    CHECK(room >= strlen(want) && room <= sizeof(fill));
    char *at = guard_copy(fill, room);
    size_t n = vel_h1_render_head(r, at);
    CHECK(n <= room);
    CHECK_SLICE(vel_slice(at, n), want);
    guard_free(at, room);
}

static void fields_then_date_and_server_then_framing(void) {
    struct vel_reply_head head = reply(200, "OK", 5);
    head.fields = plain;
    head.nfields = 2;
    struct vel_h1_rendering r = rendering(&head, VEL_H1_END_LENGTH);
    check_head(&r,
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nx-EMPTY: \r\n" DATE SERVER "Content-Length: 5\r\n\r\n");
    r.close = true;
    check_head(&r, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nx-EMPTY: \r\n" DATE SERVER
                   "Content-Length: 5\r\nConnection: close\r\n\r\n");
}

/* RFC 9110 6.6.1: exactly one Date. */
static void the_application_s_date_and_server_win(void) {
    struct vel_reply_head head = reply(200, "OK", 0);
    head.fields = dated;
    head.nfields = 2;
    struct vel_h1_rendering r = rendering(&head, VEL_H1_END_LENGTH);
    check_head(&r, "HTTP/1.1 200 OK\r\nserver: own\r\ndate: today\r\nContent-Length: 0\r\n\r\n");
    head.nfields = 1;
    check_head(&r, "HTTP/1.1 200 OK\r\nserver: own\r\n" DATE "Content-Length: 0\r\n\r\n");
}

/* RFC 9112 4: the SP stands before an empty reason. */
static void a_status_line_has_its_space_without_a_reason(void) {
    struct vel_reply_head head = reply(299, "", 0);
    struct vel_h1_rendering r = {.head = &head, .ending = VEL_H1_END_LENGTH};
    check_head(&r, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    head.status = 999;
    head.reason = VEL_SLICE("Odd one");
    check_head(&r, "HTTP/1.1 999 Odd one\r\nContent-Length: 0\r\n\r\n");
}

static void a_body_of_unknown_length_is_chunked_or_ends_with_the_connection(void) {
    struct vel_reply_head head = reply(200, "OK", -1);
    struct vel_h1_rendering r = {.head = &head, .ending = VEL_H1_END_CHUNKED};
    check_head(&r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    r.ending = VEL_H1_END_CLOSE;
    r.close = true;
    check_head(&r, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

static void a_head_without_body_keeps_a_known_length_and_invents_none(void) {
    static const struct {
        const char *rule;
        unsigned status;
        int64_t length;
        const char *want;
    } rows[] = {
        {"RFC 9110 8.6: HEAD", 200, 7, "HTTP/1.1 200 X\r\nContent-Length: 7\r\n\r\n"},
        {"RFC 9110 8.6: HEAD", 200, -1, "HTTP/1.1 200 X\r\n\r\n"},
        {"RFC 9110 15.4.5", 304, 7, "HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n"},
        {"RFC 9110 15.4.5", 304, -1, "HTTP/1.1 304 X\r\n\r\n"},
        {"RFC 9110 8.6: 204 has none", 204, 0, "HTTP/1.1 204 X\r\n\r\n"},
        {"RFC 9110 8.6: 204 has none", 204, 7, "HTTP/1.1 204 X\r\n\r\n"},
        {"RFC 9110 15.3.6: 205 has length 0", 205, -1, "HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n"},
        {"RFC 9110 15.3.6: 205 has length 0", 205, 7, "HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vel_reply_head head = reply(rows[i].status, "X", rows[i].length);
        struct vel_h1_rendering r = {.head = &head, .ending = VEL_H1_END_NONE};
        check_head(&r, rows[i].want);
    }
}

static void the_longest_of_each_line_fits_the_room(void) {
    struct vel_reply_head head = reply(200, "OK", INT64_MAX);
    struct vel_h1_rendering r = rendering(&head, VEL_H1_END_LENGTH);
    r.say_keep_alive = true;
    check_head(&r, "HTTP/1.1 200 OK\r\n" DATE SERVER "Content-Length: 9223372036854775807\r\nConnection: keep-alive\r\n"
                   "\r\n");
    head.length = -1;
    r.ending = VEL_H1_END_CHUNKED;
    check_head(&r, "HTTP/1.1 200 OK\r\n" DATE SERVER "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n");
}

/* RFC 9110 8.6, RFC 9112 6.1: neither length nor coding in a 1xx. */
static void an_informational_head_has_its_fields_only(void) {
    static const struct vel_field link[] = {{{"Link", 4}, {"</a>; rel=preload", 17}, VEL_FIELD_OTHER}};
    struct vel_reply_head head = reply(103, "Early Hints", -1);
    char at[128];
    head.fields = link;
    head.nfields = 1;
    CHECK(vel_h1_inform_room(&head) <= sizeof(at));
    size_t n = vel_h1_render_inform(&head, at);
    CHECK_INT(n, vel_h1_inform_room(&head));
    CHECK_SLICE(vel_slice(at, n), "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n");
}

static void a_chunk_head_is_hexadecimal(void) {
    static const struct {
        size_t len;
        const char *want;
    } rows[] = {{1, "1\r\n"}, {15, "f\r\n"}, {16, "10\r\n"}, {65536, "10000\r\n"}, {SIZE_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char at[18];
        CHECK_SLICE(vel_slice(at, vel_h1_render_chunk_head(at, rows[i].len)), rows[i].want);
    }
}

/* RFC 9112 7.1.2. The room is exact: the memory ends behind it. */
static void trailers_stand_between_the_last_chunk_and_the_empty_line(void) {
    static const char fill[64];
    static const char *const wants[] = {
        VEL_H1_LAST_CHUNK,
        "0\r\nContent-Type: text/plain\r\n\r\n",
        "0\r\nContent-Type: text/plain\r\nx-EMPTY: \r\n\r\n",
    };
    for (size_t i = 0; i < 3; i++) {
        size_t room = vel_h1_trailers_room(plain, i);
        CHECK_INT(room, strlen(wants[i]));
        char *at = guard_copy(fill, room);
        CHECK_INT(vel_h1_render_trailers(plain, i, at), room);
        CHECK_SLICE(vel_slice(at, room), wants[i]);
        guard_free(at, room);
    }
}

/* RFC 9110 7.8. The room is exact. */
static void a_switch_has_its_upgrade_and_the_fields(void) {
    static const char fill[128];
    static const char want[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Content-Type: text/plain\r\n\r\n";
    struct vel_reply_head head = {.status = 200, .fields = plain, .nfields = 1, .length = 9};
    size_t room = vel_h1_switch_room(&head, VEL_SLICE("websocket"));
    CHECK_INT(room, sizeof(want) - 1);
    char *at = guard_copy(fill, room);
    CHECK_INT(vel_h1_render_switch(&head, VEL_SLICE("websocket"), at), room);
    CHECK_SLICE(vel_slice(at, room), want);
    guard_free(at, room);
}

int main(void) {
    RUN(fields_then_date_and_server_then_framing);
    RUN(the_application_s_date_and_server_win);
    RUN(a_status_line_has_its_space_without_a_reason);
    RUN(a_body_of_unknown_length_is_chunked_or_ends_with_the_connection);
    RUN(a_head_without_body_keeps_a_known_length_and_invents_none);
    RUN(the_longest_of_each_line_fits_the_room);
    RUN(an_informational_head_has_its_fields_only);
    RUN(a_chunk_head_is_hexadecimal);
    RUN(trailers_stand_between_the_last_chunk_and_the_empty_line);
    RUN(a_switch_has_its_upgrade_and_the_fields);
    return 0;
}

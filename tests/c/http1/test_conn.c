/* Connections: the order of events, whatever the cuts, and what becomes of the connection after each exchange. */
#include "http1/conn.h"

#include "base/err.h"
#include "support/guard.h"
#include "support/test.h"

#include <stdarg.h>

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

static struct vel_h1_conn conn;
static struct vel_head head;

/* What happened, in words. */
static char story[4096];
static size_t told;
static bool in_data;

static void tell(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(story + told, sizeof(story) - told, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < sizeof(story) - told);
    told += (size_t)n;
}

static void start(void) {
    vel_h1_conn_init(&conn, vel_scan_best(), &limits);
    told = 0;
    in_data = false;
    story[0] = 0;
}

static const struct vel_reply_head ok_head = {.status = 200, .reason = {"OK", 2}, .length = 0};

static struct vel_h1_rendering begin_reply(unsigned status, int64_t length, bool will_close) {
    static struct vel_reply_head reply;
    struct vel_h1_rendering r = {0};
    reply = (struct vel_reply_head){.status = status, .length = length};
    vel_h1_conn_reply(&conn, &reply, will_close, &r);
    CHECK(r.head == &reply);
    return r;
}

static int end_reply(void) {
    struct vel_slice tail;
    return vel_h1_conn_end(&conn, &tail);
}

static bool answer(void) {
    struct vel_h1_rendering r = {0};
    vel_h1_conn_reply(&conn, &ok_head, false, &r);
    CHECK_INT(end_reply(), VEL_OK);
    return vel_h1_conn_finish(&conn);
}

/* One event; true when there may be another in the same bytes. */
static bool step(enum vel_h1_event event, struct vel_slice data) {
    bool more_data = in_data && event == VEL_H1_DATA;
    in_data = event == VEL_H1_DATA || (in_data && event == VEL_H1_MORE);
    switch (event) {
    case VEL_H1_MORE:
        return false;
    case VEL_H1_REQUEST:
        tell("%.*s %.*s ", (int)head.method_text.len, head.method_text.at, (int)head.target.raw.len,
             head.target.raw.at);
        return true;
    case VEL_H1_DATA:
        if (more_data)
            told--;
        else
            tell("[");
        tell("%.*s]", (int)data.len, data.at);
        return true;
    case VEL_H1_END:
        tell("end%s ", answer() ? "" : " last");
        return true;
    case VEL_H1_REFUSED:
        tell("refused %u ", conn.status);
        CHECK(conn.why != NULL);
        return true;
    case VEL_H1_WAIT:
        tell("wait ");
        return false;
    case VEL_H1_CLOSED:
        tell("closed");
        return false;
    }
    return false;
}

/* Gives in[0..len) from *at on, on memory of its own, as far as it is used. */
static bool give(const char *in, size_t len, size_t *at) {
    char *copy = guard_copy(in + *at, len - *at);
    size_t i = 0, used;
    bool more = true;
    struct vel_slice data;
    while (more) {
        enum vel_h1_event event = vel_h1_conn_next(&conn, copy + i, len - *at - i, &used, &head, &data);
        CHECK(used <= len - *at - i);
        i += used;
        more = step(event, data);
        if (event == VEL_H1_CLOSED)
            break;
    }
    /* An incomplete head still points into the copy; the parser must not touch it at the next call, only move on. */
    guard_free(copy, len - *at);
    *at += i;
    return strstr(story, "closed") == NULL;
}

static void run(const char *in, size_t len, size_t cut, size_t step_by) {
    size_t at = 0;
    start();
    for (size_t n = cut; n < len; n += step_by)
        if (!give(in, n, &at))
            return;
    give(in, len, &at);
}

static void check_story(const char *in, const char *want) {
    size_t len = strlen(in);
    for (size_t cut = 0; cut <= len; cut++) {
        run(in, len, cut, len);
        CHECK_SLICE(vel_slice(story, told), want);
    }
    run(in, len, 0, 1);
    CHECK_SLICE(vel_slice(story, told), want);
}

#define HOST "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static void requests_come_one_by_one_in_order(void) {
    check_story(GET("/1"), "GET /1 end ");
    check_story(GET("/1") GET("/2") "\r\n" GET("/3"), "GET /1 end GET /2 end GET /3 end ");
    check_story("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET("/2"),
                "POST /1 [hello]end GET /2 end ");
    check_story("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" GET("/2"), "POST /1 end GET /2 end ");
    check_story("POST /1 HTTP/1.1\r\n" HOST
                "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nT: u\r\n\r\n" GET("/2"),
                "POST /1 [hello]end GET /2 end ");
    check_story("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/2"),
                "POST /1 end GET /2 end ");
}

/* RFC 9112 9.3, 9.6 */
static void nothing_is_served_behind_a_last_request(void) {
    check_story("GET /1 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET("/2"), "GET /1 end last closed");
    check_story("GET /1 HTTP/1.0\r\n\r\n" GET("/2"), "GET /1 end last closed");
    check_story("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/2"), "GET /1 end GET /2 end ");
}

static void the_good_ones_before_a_bad_one_are_served(void) {
    check_story(GET("/1") "GET /2 HTTP/1.1\r\n\r\n" GET("/3"), "GET /1 end refused 400 closed");
    check_story(GET("/1") "get /2 HTTP/1.1\r\n" HOST "\r\n", "GET /1 end refused 400 closed");
    check_story("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhe llo" GET("/2"),
                "POST /1 [he]end refused 400 closed");
    check_story("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nheXX0\r\n\r\n" GET("/2"),
                "POST /1 [he]refused 400 closed");
    check_story("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n" GET("/2"), "refused 501 closed");
}

/* Feeds all of text at once up to the first event of this kind. Returns how many bytes are used. */
static size_t feed_until(const char *text, enum vel_h1_event want) {
    size_t at = 0, used, len = strlen(text);
    struct vel_slice data;
    for (int i = 0; i < 100; i++) {
        enum vel_h1_event event = vel_h1_conn_next(&conn, text + at, len - at, &used, &head, &data);
        at += used;
        if (event == want)
            return at;
        CHECK(event != VEL_H1_MORE && event != VEL_H1_REFUSED && event != VEL_H1_CLOSED);
    }
    CHECK(!"the event never came");
    return 0;
}

static enum vel_h1_event next_event(const char *text) {
    size_t used;
    struct vel_slice data;
    return vel_h1_conn_next(&conn, text, strlen(text), &used, &head, &data);
}

static void a_second_request_waits_for_the_first_reply(void) {
    start();
    feed_until(GET("/1"), VEL_H1_END);
    CHECK_INT(next_event(GET("/2")), VEL_H1_WAIT);
    CHECK_INT(next_event("\x16 not even a request"), VEL_H1_WAIT);
    begin_reply(200, 0, false);
    CHECK_INT(next_event(GET("/2")), VEL_H1_WAIT);
    CHECK(!vel_h1_conn_finish(&conn));
    CHECK_INT(end_reply(), VEL_OK);
    CHECK_INT(next_event(GET("/2")), VEL_H1_WAIT);
    CHECK(vel_h1_conn_finish(&conn));
    CHECK_INT(next_event(GET("/2")), VEL_H1_REQUEST);
}

struct keep_row {
    const char *rule;
    const char *in;
    int64_t length;
    bool will_close;
    enum vel_h1_ending ending;
    bool close, say_keep_alive;
};

static void the_reply_says_whether_the_connection_stays(void) {
    static const struct keep_row rows[] = {
        {"RFC 9112 9.3", GET("/"), 5, false, VEL_H1_END_LENGTH, false, false},
        {"RFC 9112 9.3: the server's will", GET("/"), 5, true, VEL_H1_END_LENGTH, true, false},
        {"RFC 9112 7.1", GET("/"), -1, false, VEL_H1_END_CHUNKED, false, false},
        {"RFC 9112 9.6", "GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", 5, false, VEL_H1_END_LENGTH, true,
         false},
        {"RFC 9112 9.3: 1.0", "GET / HTTP/1.0\r\n\r\n", 5, false, VEL_H1_END_LENGTH, true, false},
        {"RFC 9112 C.2.2", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 5, false, VEL_H1_END_LENGTH, false,
         true},
        {"RFC 9112 C.2.2", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 5, true, VEL_H1_END_LENGTH, true, false},
        {"RFC 9112 6.1: 1.0 is never chunked", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", -1, false,
         VEL_H1_END_CLOSE, true, false},
        {"RFC 9110 9.3.2", "HEAD / HTTP/1.1\r\n" HOST "\r\n", -1, false, VEL_H1_END_NONE, false, false},
        {"RFC 9110 2.5: a higher minor is 1.1", "GET / HTTP/1.7\r\n" HOST "\r\n", -1, false, VEL_H1_END_CHUNKED, false,
         false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start();
        feed_until(rows[i].in, VEL_H1_END);
        struct vel_h1_rendering r = begin_reply(200, rows[i].length, rows[i].will_close);
        if (r.ending != rows[i].ending || r.close != rows[i].close || r.say_keep_alive != rows[i].say_keep_alive) {
            fprintf(stderr, "%s: ending %d close %d keep %d\n", rows[i].rule, r.ending, r.close, r.say_keep_alive);
            exit(1);
        }
        uint64_t len = 5;
        enum vel_h1_wrap wrap;
        CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
        CHECK_INT(end_reply(), VEL_OK);
        CHECK_INT(vel_h1_conn_finish(&conn), !rows[i].close);
        CHECK_INT(next_event(GET("/2")), rows[i].close ? VEL_H1_CLOSED : VEL_H1_REQUEST);
    }
}

/* RFC 9110 6.4.1: whatever the application yields. */
static void replies_without_body_send_no_byte_of_it(void) {
    static const struct {
        const char *in;
        unsigned status;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\n" HOST "\r\n", 200},
        {GET("/"), 204},
        {GET("/"), 205},
        {GET("/"), 304},
    };
    static const int64_t lengths[] = {-1, 0, 5};
    for (size_t i = 0; i < 12; i++) {
        start();
        feed_until(rows[i / 3].in, VEL_H1_END);
        CHECK_INT(begin_reply(rows[i / 3].status, lengths[i % 3], false).ending, VEL_H1_END_NONE);
        uint64_t len = 1000;
        enum vel_h1_wrap wrap;
        struct vel_slice tail;
        CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
        CHECK(len == 0 && wrap == VEL_H1_PLAIN);
        CHECK_INT(vel_h1_conn_end(&conn, &tail), VEL_OK);
        CHECK_INT(tail.len, 0);
        CHECK(vel_h1_conn_finish(&conn));
    }
}

static void chunks_wrap_all_but_nothing(void) {
    start();
    feed_until(GET("/"), VEL_H1_END);
    begin_reply(200, -1, false);
    uint64_t len = 7;
    enum vel_h1_wrap wrap;
    struct vel_slice tail;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    CHECK(len == 7 && wrap == VEL_H1_CHUNK);
    len = 0;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    CHECK(len == 0 && wrap == VEL_H1_PLAIN);
    CHECK_INT(vel_h1_conn_end(&conn, &tail), VEL_OK);
    CHECK_SLICE(tail, "0\r\n\r\n");
}

static void a_body_longer_than_announced_is_cut_off(void) {
    start();
    feed_until(GET("/"), VEL_H1_END);
    begin_reply(200, 5, false);
    uint64_t len = 3;
    enum vel_h1_wrap wrap;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    len = 3;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_ELIMIT);
    CHECK_INT(len, 2);
    len = UINT64_MAX;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_ELIMIT);
    CHECK_INT(len, 0);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(vel_h1_conn_finish(&conn));
}

static void a_body_shorter_than_announced_ends_the_connection(void) {
    start();
    feed_until(GET("/"), VEL_H1_END);
    CHECK(!begin_reply(200, 5, false).close);
    uint64_t len = 4;
    enum vel_h1_wrap wrap;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    CHECK_INT(end_reply(), VEL_ELIMIT);
    CHECK(!vel_h1_conn_finish(&conn));
    CHECK_INT(next_event(GET("/2")), VEL_H1_CLOSED);
}

static void body_calls_out_of_turn_are_refused(void) {
    uint64_t len = 4;
    enum vel_h1_wrap wrap;
    start();
    feed_until(GET("/"), VEL_H1_END);
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_ESTATE);
    CHECK_INT(len, 0);
    CHECK_INT(end_reply(), VEL_ESTATE);
    begin_reply(200, -1, false);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK_INT(end_reply(), VEL_ESTATE);
    len = 4;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_ESTATE);
    CHECK_INT(len, 0);
}

#define PUT_LENGTH "PUT / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n"
#define EXPECT "Expect: 100-continue\r\n\r\n"

/* RFC 9110 10.1.1 */
static void a_client_waits_for_100_only_while_its_body_is_missing(void) {
    start();
    feed_until(PUT_LENGTH EXPECT, VEL_H1_REQUEST);
    CHECK(conn.want_continue);
    CHECK_INT(next_event(""), VEL_H1_MORE);
    CHECK(conn.want_continue);
    CHECK_INT(next_event("h"), VEL_H1_DATA);
    CHECK(!conn.want_continue);

    start();
    feed_until(PUT_LENGTH EXPECT "h", VEL_H1_REQUEST);
    CHECK(!conn.want_continue);

    start();
    feed_until("PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" EXPECT, VEL_H1_REQUEST);
    CHECK(conn.want_continue);
    CHECK_INT(next_event("5"), VEL_H1_MORE);
    CHECK(!conn.want_continue);

    start();
    feed_until("PUT / HTTP/1.0\r\nContent-Length: 5\r\n" EXPECT, VEL_H1_REQUEST);
    CHECK(!conn.want_continue);
}

/* Whether the body comes now or the next request instead cannot be known. */
static void a_reply_instead_of_100_closes(void) {
    start();
    feed_until(PUT_LENGTH EXPECT, VEL_H1_REQUEST);
    CHECK(begin_reply(401, 0, false).close);
    CHECK(!conn.want_continue);

    start();
    feed_until(PUT_LENGTH EXPECT, VEL_H1_REQUEST);
    conn.want_continue = false; /* 100 was sent */
    CHECK(!begin_reply(200, 0, false).close);
}

static void an_early_reply_leaves_the_body_to_be_drained(void) {
    start();
    feed_until(PUT_LENGTH "\r\n", VEL_H1_REQUEST);
    CHECK(!begin_reply(403, 0, false).close);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));
    CHECK(vel_h1_conn_in_request(&conn));
    CHECK_INT(next_event("GET /"), VEL_H1_DATA);
    CHECK_INT(next_event(GET("/2")), VEL_H1_END);
    CHECK(vel_h1_conn_finish(&conn));
    CHECK_INT(next_event(GET("/2")), VEL_H1_REQUEST);
}

static void a_bad_chunk_behind_an_early_reply_ends_the_connection(void) {
    start();
    feed_until("PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", VEL_H1_REQUEST);
    begin_reply(200, 0, false);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK_INT(next_event("XYZ"), VEL_H1_REFUSED);
    CHECK(!vel_h1_conn_finish(&conn));
    CHECK_INT(next_event(GET("/2")), VEL_H1_CLOSED);
}

/* RFC 9110 9.3.2 */
static void a_head_refused_for_its_fields_gets_no_body(void) {
    start();
    CHECK_INT(next_event("HEAD / HTTP/1.1\r\n" HOST "A : b\r\n\r\n"), VEL_H1_REFUSED);
    CHECK(begin_reply(conn.status, 3, false).ending == VEL_H1_END_NONE);
    start();
    CHECK_INT(next_event("GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n"), VEL_H1_REFUSED);
    CHECK(begin_reply(conn.status, 3, false).ending == VEL_H1_END_LENGTH);
}

static void a_refusal_is_answered_with_close(void) {
    start();
    CHECK_INT(next_event("GET / HTTP/2.0\r\n"), VEL_H1_REFUSED);
    CHECK_INT(conn.status, 505);
    CHECK_INT(next_event(GET("/2")), VEL_H1_CLOSED);
    struct vel_h1_rendering r = begin_reply(conn.status, 3, false);
    CHECK(r.close && r.ending == VEL_H1_END_LENGTH);
    uint64_t len = 3;
    enum vel_h1_wrap wrap;
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));
    CHECK_INT(next_event(GET("/2")), VEL_H1_CLOSED);
}

static void the_end_of_input_cuts_only_what_is_incomplete(void) {
    static const struct {
        const char *in;
        bool whole;
    } rows[] = {
        {"", true},
        {"\r\n", true},
        {"G", false},
        {"GET / HTTP/1.1\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "\r", false},
        {GET("/"), true},
        {GET("/") GET("/2"), true},
        {GET("/") "GET /2", false},
        {PUT_LENGTH "\r\n", false},
        {PUT_LENGTH "\r\nhell", false},
        {PUT_LENGTH "\r\nhello", true},
        {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n", false},
        {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t at = 0;
        start();
        give(rows[i].in, strlen(rows[i].in), &at);
        CHECK_INT(vel_h1_conn_in_request(&conn), !rows[i].whole);
        CHECK_INT(vel_h1_conn_eof(&conn), rows[i].whole);
        CHECK_INT(next_event(GET("/3")), VEL_H1_CLOSED);
    }
}

static void empty_lines_begin_no_request(void) {
    start();
    CHECK_INT(next_event("\r"), VEL_H1_MORE);
    CHECK(vel_h1_conn_in_request(&conn));
    CHECK_INT(next_event("\r\n"), VEL_H1_MORE);
    CHECK(!vel_h1_conn_in_request(&conn));
    CHECK(vel_h1_conn_eof(&conn));
}

static void a_request_before_the_end_of_input_is_answered(void) {
    start();
    feed_until(GET("/"), VEL_H1_REQUEST);
    CHECK(vel_h1_conn_eof(&conn));
    CHECK_INT(next_event(""), VEL_H1_END);
    CHECK_INT(next_event(""), VEL_H1_CLOSED);
    CHECK(begin_reply(200, 0, false).close);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));
}

static void closing_serves_the_present_request_and_no_other(void) {
    start();
    vel_h1_conn_close(&conn);
    CHECK_INT(next_event(GET("/")), VEL_H1_CLOSED);

    start();
    CHECK_INT(next_event("GET / HT"), VEL_H1_MORE);
    vel_h1_conn_close(&conn);
    CHECK_INT(feed_until(GET("/") GET("/2"), VEL_H1_END), strlen(GET("/")));
    CHECK_INT(next_event(GET("/2")), VEL_H1_CLOSED);
    CHECK(begin_reply(200, 0, false).close);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));

    start();
    feed_until(GET("/"), VEL_H1_END);
    CHECK(!begin_reply(200, 0, false).close);
    vel_h1_conn_close(&conn);
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));
}

static void nothing_of_an_exchange_is_left_for_the_next(void) {
    start();
    feed_until("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", VEL_H1_END);
    CHECK(answer());
    feed_until(GET("/"), VEL_H1_END);
    struct vel_h1_rendering r = begin_reply(200, -1, false);
    CHECK(r.ending == VEL_H1_END_CHUNKED && !r.close && !r.say_keep_alive);
}

/* Thousands of connections lie idle. */
/* RFC 9110 7.8. */
static void a_tunnel_takes_every_byte_as_data(void) {
    static const char in[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET \r\n\r\n";
    struct vel_slice data;
    size_t used, at;
    uint64_t len = 5;
    enum vel_h1_wrap wrap;
    start();
    CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_ESTATE); /* no request */
    CHECK_INT(vel_h1_conn_next(&conn, in, sizeof(in) - 1, &at, &head, &data), VEL_H1_REQUEST);
    CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_OK);
    CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_ESTATE); /* a second time */
    CHECK_INT(vel_h1_conn_next(&conn, in + at, sizeof(in) - 1 - at, &used, &head, &data), VEL_H1_DATA);
    CHECK_SLICE(data, "GET \r\n\r\n");
    CHECK_INT(used, data.len);
    CHECK_INT(vel_h1_conn_next(&conn, in, 0, &used, &head, &data), VEL_H1_MORE);
    CHECK_INT(vel_h1_conn_data(&conn, &len, &wrap), VEL_OK);
    CHECK(len == 5 && wrap == VEL_H1_PLAIN);
    CHECK(!vel_h1_conn_in_request(&conn));
    CHECK_INT(end_reply(), VEL_OK);
    CHECK(!vel_h1_conn_finish(&conn));
}

static void a_tunnel_needs_a_whole_request_of_1_1_and_a_connection_that_stays(void) {
    static const char *const rows[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    struct vel_slice data;
    size_t used;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start();
        CHECK_INT(vel_h1_conn_next(&conn, rows[i], strlen(rows[i]), &used, &head, &data), VEL_H1_REQUEST);
        CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_ESTATE);
    }
    static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    start();
    CHECK_INT(vel_h1_conn_next(&conn, good, sizeof(good) - 1, &used, &head, &data), VEL_H1_REQUEST);
    vel_h1_conn_close(&conn);
    CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_ESTATE);
    start();
    CHECK_INT(vel_h1_conn_next(&conn, good, sizeof(good) - 1, &used, &head, &data), VEL_H1_REQUEST);
    begin_reply(200, 0, false);
    CHECK_INT(vel_h1_conn_tunnel(&conn), VEL_ESTATE);
}

static void a_connection_is_small(void) {
    CHECK(sizeof(struct vel_h1_conn) <= 176);
}

/* --- heads of other protocols ------------------------------------------------------------------------------------ */

static void head_of_a_gateway_is_answered_without_chunks_and_closed(void) {
    struct vel_h1_conn c;
    struct vel_head given = {.method = VEL_METHOD_POST, .minor = 1, .framing = {.kind = VEL_BODY_LENGTH, .length = 2}};
    struct vel_reply_head reply = {.status = 200, .length = -1};
    struct vel_h1_rendering r = {0};
    struct vel_slice data;
    size_t used;
    vel_h1_conn_init(&c, vel_scan_best(), &limits);
    CHECK(vel_h1_conn_awaits_head(&c));
    CHECK_INT(vel_h1_conn_head(&c, &given, 0, NULL), VEL_H1_MORE);
    CHECK(vel_h1_conn_in_request(&c) && vel_h1_conn_awaits_head(&c));
    CHECK_INT(vel_h1_conn_head(&c, &given, 9, NULL), VEL_H1_REQUEST);
    CHECK(!vel_h1_conn_awaits_head(&c));
    CHECK_INT(vel_h1_conn_next(&c, "ab", 2, &used, &given, &data), VEL_H1_DATA);
    CHECK_SLICE(data, "ab");
    CHECK_INT(vel_h1_conn_next(&c, "", 0, &used, &given, &data), VEL_H1_END);
    vel_h1_conn_reply(&c, &reply, false, &r);
    CHECK_INT(r.ending, VEL_H1_END_CLOSE);
    CHECK(r.close && !r.say_keep_alive);
    CHECK_INT(vel_h1_conn_end(&c, &data), 0);
    CHECK(!vel_h1_conn_finish(&c));
}

static void head_of_a_gateway_may_be_refused(void) {
    struct vel_h1_conn c;
    struct vel_head given = {.method = VEL_METHOD_HEAD};
    struct vel_slice data;
    size_t used;
    vel_h1_conn_init(&c, vel_scan_best(), &limits);
    CHECK_INT(vel_h1_conn_head(&c, &given, -414, "why"), VEL_H1_REFUSED);
    CHECK_INT(c.status, 414);
    CHECK(strcmp(c.why, "why") == 0 && c.head_method);
    CHECK_INT(vel_h1_conn_next(&c, "x", 1, &used, &given, &data), VEL_H1_CLOSED);
}

int main(void) {
    RUN(requests_come_one_by_one_in_order);
    RUN(nothing_is_served_behind_a_last_request);
    RUN(the_good_ones_before_a_bad_one_are_served);
    RUN(a_second_request_waits_for_the_first_reply);
    RUN(the_reply_says_whether_the_connection_stays);
    RUN(replies_without_body_send_no_byte_of_it);
    RUN(chunks_wrap_all_but_nothing);
    RUN(a_body_longer_than_announced_is_cut_off);
    RUN(a_body_shorter_than_announced_ends_the_connection);
    RUN(body_calls_out_of_turn_are_refused);
    RUN(a_client_waits_for_100_only_while_its_body_is_missing);
    RUN(a_reply_instead_of_100_closes);
    RUN(an_early_reply_leaves_the_body_to_be_drained);
    RUN(a_bad_chunk_behind_an_early_reply_ends_the_connection);
    RUN(a_head_refused_for_its_fields_gets_no_body);
    RUN(a_refusal_is_answered_with_close);
    RUN(the_end_of_input_cuts_only_what_is_incomplete);
    RUN(empty_lines_begin_no_request);
    RUN(a_request_before_the_end_of_input_is_answered);
    RUN(closing_serves_the_present_request_and_no_other);
    RUN(nothing_of_an_exchange_is_left_for_the_next);
    RUN(a_tunnel_takes_every_byte_as_data);
    RUN(a_tunnel_needs_a_whole_request_of_1_1_and_a_connection_that_stays);
    RUN(a_connection_is_small);
    RUN(head_of_a_gateway_is_answered_without_chunks_and_closed);
    RUN(head_of_a_gateway_may_be_refused);
    return 0;
}

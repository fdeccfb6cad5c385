/* Tests of server/proto_h1_in.c: requests in, exchanges out. */
#include "server/proto_h1.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/test.h"

#include <unistd.h>

static struct host host;
static struct client client, other;

static void start(void (*on_request)(struct vel_exchange *x)) {
    host_init(&host);
    host.app.on_request = on_request;
    host_start(&host);
}

static void start_streaming(void (*on_request)(struct vel_exchange *x), void (*on_end)(struct vel_exchange *x)) {
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.on_request = on_request;
    host.app.on_end = on_end;
    host_start(&host);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

/* --- wherever the bytes are cut ---------------------------------------------------------------------------------- */

#define LENGTH_POST "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
#define CHUNKED_POST                                                                                                   \
    "POST /two?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: "   \
    "v\r\n\r\n"

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: someone\r\n\r\n",
    LENGTH_POST,
    CHUNKED_POST,
    "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
    "\r\n\r\nGET /blank HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    LENGTH_POST CHUNKED_POST "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" LENGTH_POST,
};

/* A second connection works between the parts: whatever the first left in shared memory is overwritten. */
static void disturb(void) {
    client_send(&host, &other, "PUT /other HTTP/1.1\r\nHost: bbbbbbbbbbbbbbbb\r\nContent-Length: 4\r\n\r\nzzzz");
    client_got(&other, ok_reply("PUT /other zzzz"));
}

static void serve_in_parts(const char *request, size_t first, size_t second, char *reply) {
    size_t len = strlen(request);
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, request, first);
    disturb();
    if (second > first) {
        client_send_bytes(&host, &client, request + first, second - first);
        disturb();
    }
    if (len > second)
        client_send_bytes(&host, &client, request + second, len - second);
    memcpy(reply, client.got, client.len + 1);
    client_close(&host, &client);
}

/* As echo, but only when others have had their turn: the head and the body are out of the read buffer by then. */
static void echo_later(struct vel_exchange *x) {
    host.app.on_turn = fake_echo;
    fake_yield(x);
}

static void check_same(const char *request, size_t first, const char *have, const char *want) {
    if (strcmp(have, want) != 0)
        fprintf(stderr, "%s\ncut at %zu: %s\nnot %s\n", request, first, have, want);
    CHECK(strcmp(have, want) == 0);
}

static void the_answer_does_not_depend_on_the_cuts(void (*on_request)(struct vel_exchange *x), bool whole_body) {
    static char whole[CLIENT_MAX], cut[CLIENT_MAX];
    for (size_t r = 0; r < sizeof requests / sizeof requests[0]; r++) {
        host_init(&host);
        host.app.ops.whole_body = whole_body;
        *(whole_body ? &host.app.on_request : &host.app.on_end) = on_request;
        if (!whole_body)
            host.app.on_request = NULL;
        host_start(&host);
        client_open(&host, &other, NULL);
        size_t len = strlen(requests[r]);
        serve_in_parts(requests[r], len, len, whole);
        CHECK(whole[0] != '\0');
        for (size_t first = 1; first < len; first++) {
            serve_in_parts(requests[r], first, first, cut);
            check_same(requests[r], first, cut, whole);
            serve_in_parts(requests[r], first, first + (len - first) / 2, cut);
            check_same(requests[r], first, cut, whole);
        }
        client_close(&host, &other);
        host_stop(&host);
    }
}

static void every_cut_gives_the_same_answer(void) {
    the_answer_does_not_depend_on_the_cuts(fake_echo, true);
}

static void every_cut_gives_the_same_answer_to_a_late_application(void) {
    the_answer_does_not_depend_on_the_cuts(fake_echo, true);
    the_answer_does_not_depend_on_the_cuts(echo_later, true);
}

static void every_cut_gives_the_same_answer_to_a_streaming_application(void) {
    the_answer_does_not_depend_on_the_cuts(fake_echo, false);
}

static void byte_by_byte(void) {
    start(fake_echo);
    client_open(&host, &client, NULL);
    for (const char *at = CHUNKED_POST; *at != '\0'; at++)
        client_send_bytes(&host, &client, at, 1);
    client_got(&client, ok_reply("POST /two?q hello world"));
    stop();
}

/* The head is kept at the end of its dispatch; a body that begins in a later one must be kept too. */
static void a_body_that_comes_behind_its_head_in_parts_is_whole(void) {
    start(fake_echo);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    client_send(&host, &client, "abc");
    client_send(&host, &client, "def");
    client_send(&host, &client, "ghi");
    client_got(&client, ok_reply("POST / abcdefghi"));
    stop();
}

static void a_body_that_comes_behind_its_head_lives_on_while_the_application_waits(void) {
    start(echo_later);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    int server_end;
    client_pair(&other, &server_end);
    client_send(&host, &client, "abc");
    client_got(&client, ok_reply("POST / abc"));
    close(server_end);
    close(other.fd);
    stop();
}

/* --- pipelining and back-pressure -------------------------------------------------------------------------------- */

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static ssize_t (*real_write)(struct vel_stream *s, const char *at, size_t len, bool more);
static int writes;

static ssize_t counting_write(struct vel_stream *s, const char *at, size_t len, bool more) {
    writes++;
    return real_write(s, at, len, more);
}

static void a_train_is_answered_in_order_by_one_send(void) {
    struct vel_stream_ops ops = vel_stream_plain;
    real_write = ops.write;
    ops.write = counting_write;
    start(fake_hello);
    client_open(&host, &client, NULL);
    host_conn(&host)->stream.ops = &ops;
    writes = 0;
    client_send(&host, &client, GET GET GET GET GET GET GET GET);
    CHECK_INT(writes, 1);
    CHECK_INT(client_count(&client, "hello"), 8);
    CHECK_INT(host.w.stats->requests, 8);
    stop();
}

static void the_first_of_a_long_train_does_not_wait_for_the_last(void) {
    static char train[60000], body[3001];
    size_t n = 0;
    memset(body, 'b', 3000);
    while (n + strlen(GET) < sizeof train) {
        memcpy(train + n, GET, strlen(GET));
        n += strlen(GET);
    }
    struct vel_stream_ops ops = vel_stream_plain;
    real_write = ops.write;
    ops.write = counting_write;
    start(fake_hello);
    client_open(&host, &client, NULL);
    host_conn(&host)->stream.ops = &ops;
    writes = 0;
    client_send_bytes(&host, &client, train, n);
    CHECK_INT(client_count(&client, "hello"), (int)(n / strlen(GET)));
    CHECK(writes >= 2);
    stop();
}

static void hold(struct vel_exchange *x) {
    (void)x;
}

static void nothing_is_read_while_an_exchange_waits(void) {
    start(hold);
    client_open(&host, &client, GET);
    CHECK_INT(host.app.requests, 1);
    client_send(&host, &client, GET GET);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host_conn(&host)->in.len, 0);
    CHECK_INT(host_conn(&host)->watch.io & VEL_READ, 0);
    host.app.on_request = fake_hello;
    host.app.on_turn = fake_hello;
    fake_yield(host.app.held);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "hello"), 3);
    stop();
}

static void pipelined_requests_behind_one_that_waits_are_served_after_it(void) {
    start(echo_later);
    client_open(&host, &client,
                "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP");
    client_send(&host, &client, "/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(client_count(&client, "GET /"), 4);
    const char *first = strstr(client.got, "GET /1"), *last = strstr(client.got, "GET /4");
    CHECK(first != NULL && last != NULL && first < last);
    CHECK(host_conn(&host)->in.data == NULL);
    stop();
}

static void after_connection_close_nothing_is_served(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    CHECK_INT(host.app.requests, 1);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK(client.eof);
    stop();
}

static void behind_a_late_last_reply_the_rest_is_dropped(void) {
    start(echo_later);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    CHECK_INT(host.app.requests, 1);
    CHECK(client.eof);
    CHECK_INT(client_count(&client, "Connection: close"), 1);
    CHECK(host_conn(&host) != NULL && host_conn(&host)->lingering);
    stop();
}

static void http_1_0_is_closed_unless_it_asks(void) {
    start(fake_hello);
    client_open(&host, &client, "GET / HTTP/1.0\r\n\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK(client.eof);
    client_close(&host, &client);
    client_open(&host, &client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello");
    CHECK(!client.eof);
    stop();
}

/* --- the end of the input ---------------------------------------------------------------------------------------- */

static void an_end_between_requests_closes(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, GET);
    client_shutdown(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK(client.eof);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void an_end_behind_a_request_still_gets_its_answer(void) {
    start(hold);
    client_open_tcp(&host, &client, GET);
    client_shutdown(&host, &client);
    CHECK(!client.eof);
    host.app.on_turn = fake_hello;
    fake_yield(host.app.held);
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK(client.eof);
    CHECK_INT(host.app.aborts, 0);
    stop();
}

static void an_end_in_a_head_closes_without_a_word(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHos");
    client_shutdown(&host, &client);
    CHECK(client.eof);
    CHECK_INT(client.len, 0);
    CHECK_INT(host.app.requests, 0);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void an_end_in_a_collected_body_never_reaches_the_application(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    client_shutdown(&host, &client);
    CHECK(client.eof);
    CHECK_INT(host.app.requests + host.app.aborts, 0);
    CHECK_INT(host.w.stats->aborted, 1);
    stop();
}

static void an_end_in_a_streamed_body_aborts_once(void) {
    start_streaming(NULL, fake_hello);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    client_shutdown(&host, &client);
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host.app.runs, 1);
    CHECK_INT(host.app.ends, 0);
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static char big[300000];

static void lend_big_and_end(struct vel_exchange *x) {
    fake_head(x, 200, sizeof big);
    fake_lend(x, big, sizeof big);
    fake_end(x);
}

/* It said all it wanted to hear an answer to; that the rest of its body never comes does not matter any more. */
static void an_end_in_a_body_does_not_cut_a_reply_that_was_complete(void) {
    start_streaming(lend_big_and_end, NULL);
    client_open_narrow(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    CHECK(host_conn(&host)->owed != NULL);
    client_shutdown(&host, &client);
    CHECK(client.eof);
    CHECK_INT(client.len, sizeof big + strlen("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"));
    stop();
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

static void a_refused_request_is_answered_and_nothing_is_served_after(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n" GET);
    client_got(&client, refusal(400));
    CHECK(client.eof);
    CHECK(host_conn(&host) != NULL && host_conn(&host)->lingering);
    client_send(&host, &client, GET);
    CHECK_INT(host.app.requests, 0);
    CHECK_INT(host.w.stats->refused, 1);
    client_close(&host, &client);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void what_came_before_a_refused_request_is_answered_first(void) {
    static char want[2048];
    start(fake_hello);
    client_open_tcp(&host, &client, GET "GET / HTTP/2.0\r\n\r\n");
    snprintf(want, sizeof want, "%s%s", ok_reply("hello"), refusal(505));
    client_got(&client, want);
    stop();
}

static void a_chunked_body_that_breaks_aborts_and_is_answered(void) {
    start_streaming(NULL, fake_hello);
    client_open_tcp(&host, &client,
                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n");
    client_got(&client, refusal(400));
    CHECK_INT(host.app.aborts, 1);
    CHECK(client.eof);
    stop();
}

static void a_broken_body_that_is_collected_never_reaches_the_application(void) {
    start(fake_hello);
    client_open_tcp(&host, &client,
                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n");
    client_got(&client, refusal(400));
    CHECK_INT(host.app.requests + host.app.aborts, 0);
    stop();
}

static void head_and_half_a_body(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "12345");
}

static void a_reply_that_has_begun_is_not_followed_by_a_refusal(void) {
    start_streaming(head_and_half_a_body, NULL);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    client_send(&host, &client, "zz\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    CHECK(client.eof);
    CHECK_INT(host.app.aborts, 1);
    CHECK_INT(host.w.stats->aborted, 1);
    stop();
}

static void unknown_length(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_data(x, "12345");
}

/* RFC 9112 8: a body that ends with the connection is complete when the connection is closed in order. */
static void a_refusal_behind_half_a_close_delimited_reply_is_a_reset(void) {
    start_streaming(unknown_length, NULL);
    client_open_tcp(&host, &client, "POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\nabc");
    CHECK_INT(client_count(&client, "12345"), 1);
    host_expire(&host, VEL_TIMEOUT_BODY);
    client_read(&host, &client);
    CHECK(client.reset && !client.eof);
    stop();
}

static void an_end_behind_half_a_close_delimited_reply_is_a_reset(void) {
    start_streaming(unknown_length, NULL);
    client_open_tcp(&host, &client, "POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\nabc");
    client_shutdown(&host, &client);
    CHECK(client.reset && !client.eof);
    stop();
}

static void a_large_body_is_refused_by_its_length(void) {
    host_init(&host);
    host.config.limits.body = 10;
    host_start(&host);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    client_got(&client, refusal(413));
    stop();
}

/* --- Expect: 100-continue (RFC 9110 10.1.1) ---------------------------------------------------------------------- */

#define EXPECT "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static void continue_is_sent_once(void) {
    start(fake_echo);
    client_open(&host, &client, EXPECT);
    client_got(&client, CONTINUE);
    client_send(&host, &client, "a");
    client_send(&host, &client, "b");
    client_got(&client, "");
    client_send(&host, &client, "c");
    client_got(&client, ok_reply("POST / abc"));
    CHECK(!client.eof);
    stop();
}

static void continue_is_not_sent_when_the_body_is_here(void) {
    start(fake_echo);
    client_open(&host, &client, EXPECT "a");
    client_got(&client, "");
    client_send(&host, &client, "bc");
    client_got(&client, ok_reply("POST / abc"));
    stop();
}

static void continue_is_not_sent_to_http_1_0(void) {
    start(fake_echo);
    client_open(&host, &client, "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client_got(&client, "");
    client_send(&host, &client, "abc");
    CHECK_INT(client_count(&client, "POST / abc"), 1);
    stop();
}

static void continue_is_not_sent_behind_an_early_answer(void) {
    start_streaming(fake_hello, NULL);
    client_open(&host, &client, EXPECT);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    stop();
}

/* --- streaming --------------------------------------------------------------------------------------------------- */

static void a_streaming_application_gets_head_runs_and_end(void) {
    start_streaming(NULL, fake_echo);
    client_open(&host, &client, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    CHECK_INT(host.app.requests, 1);
    client_send(&host, &client, "abc");
    CHECK_INT(host.app.runs, 1);
    CHECK_INT(host.app.ends, 0);
    client_send(&host, &client, "def" GET);
    CHECK_INT(host.app.ends, 2);
    CHECK_INT(client_count(&client, "POST /s abcdef"), 1);
    CHECK_INT(client_count(&client, "GET / "), 1);
    stop();
}

static void a_body_nobody_wants_is_read_away_and_the_connection_goes_on(void) {
    start_streaming(fake_hello, NULL);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
    client_got(&client, ok_reply("hello"));
    client_send(&host, &client, "cd");
    client_send(&host, &client, "ef" GET);
    client_got(&client, ok_reply("hello"));
    CHECK_INT(host.app.runs, 0);
    CHECK_INT(host.app.ends, 0);
    stop();
}

static void end_at_first_data(struct vel_exchange *x, struct vel_slice data) {
    (void)data;
    fake_hello(x);
}

static void an_end_inside_on_data_stops_the_data(void) {
    start_streaming(NULL, NULL);
    host.app.on_data = end_at_first_data;
    client_open(&host, &client,
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n" GET);
    CHECK_INT(host.app.runs, 1);
    CHECK_INT(host.app.ends, 1); /* of the GET, which is not answered */
    client_got(&client, ok_reply("hello"));
    client_close(&host, &client);
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static size_t portion;

static void consume_a_portion(struct vel_exchange *x) {
    vel_exchange_consume(x, portion);
    if (x->unconsumed > 0)
        fake_yield(x);
}

static void yield_for_data(struct vel_exchange *x, struct vel_slice data) {
    (void)data;
    fake_yield(x);
}

/* Sends all of it, by pieces. */
static void send_pieces(const char *at, size_t len, size_t piece) {
    while (len > 0) {
        ssize_t n = send(client.fd, at, piece < len ? piece : len, MSG_NOSIGNAL | MSG_DONTWAIT);
        CHECK(n >= 0 || vel_worker_turn(&host.w, 0) >= 0);
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        client_read(&host, &client);
    }
}

static size_t chunk_up(char *to, const char *body, size_t len, size_t chunk) {
    char *at = to + sprintf(to, "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < len; i += chunk) {
        size_t n = chunk < len - i ? chunk : len - i;
        at += sprintf(at, "%zx\r\n", n);
        memcpy(at, body + i, n);
        at += n + (size_t)sprintf(at + n, "\r\n");
    }
    return (size_t)(at + sprintf(at, "0\r\n\r\n") - to);
}

/* However it is cut, and however slowly it is consumed. */
static void a_body_of_many_windows_arrives_whole_and_in_order(void) {
    static const size_t portions[] = {9973, VEL_READ_WINDOW - 1, VEL_READ_WINDOW, SIZE_MAX};
    static const size_t pieces[] = {4099, VEL_READ_MAX, 100000};
    static char body[300000], message[400000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('a' + i * i % 23);
    for (size_t i = 0; i < 12; i++) {
        start_streaming(NULL, fake_hello);
        host.app.hoards = true;
        host.app.on_data = yield_for_data;
        host.app.on_turn = consume_a_portion;
        portion = portions[i % 4];
        size_t len = chunk_up(message, body, sizeof body, i % 2 == 0 ? 70001 : 1000);
        client_open(&host, &client, NULL);
        send_pieces(message, len, pieces[i / 4]);
        client_got(&client, ok_reply("hello"));
        CHECK(host.app.body->len == sizeof body && memcmp(host.app.body->bytes, body, sizeof body) == 0);
        stop();
    }
}

/* --- exchanges whose connection ends under them ------------------------------------------------------------------ */

/* The reader is gone before the first byte: the reply fails inside on_request. */
static void flush_into_nothing(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "12345");
    vel_exchange_flush(x);
}

/* The head lies in the connection's own buffer, which is spent when the input has been served: the application and the
 * log read it before. fake_app's on_abort reads it too. */
static void check_lost_inside_a_callback(bool whole_body, const char *first, const char *rest) {
    int server_end;
    int ends[2];
    CHECK(pipe(ends) == 0);
    host_init(&host);
    host.app.ops.whole_body = whole_body;
    host.app.on_request = flush_into_nothing;
    host_start(&host);
    host.w.access.fd = ends[1];
    client_pair(&client, &server_end);
    shutdown(client.fd, SHUT_RD); /* sending to it fails, what it sent can be read */
    host_serve(&host, server_end);
    CHECK(write(client.fd, first, strlen(first)) > 0);
    vel_worker_turn(&host.w, 0);
    if (host_conn(&host) != NULL && rest != NULL) {
        CHECK(write(client.fd, rest, strlen(rest)) > 0);
        vel_worker_turn(&host.w, 0);
    }
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host.app.aborts, 1);
    char line[1024];
    ssize_t n = read(ends[0], line, sizeof line - 1);
    CHECK(n > 0);
    line[n] = '\0';
    CHECK(strstr(line, "/the-target ") != NULL);
    close(ends[0]);
    close(ends[1]);
    stop();
}

static void a_connection_lost_inside_on_request(void) {
    check_lost_inside_a_callback(true, "GET /the-target HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    check_lost_inside_a_callback(true, "GET /the-target HTT", "P/1.1\r\nHost: a\r\n\r\n");
    check_lost_inside_a_callback(false, "POST /the-target HTT", "P/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    check_lost_inside_a_callback(false, "POST /the-target HTT", "P/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
}

static void end_without_a_head(struct vel_exchange *x) {
    fake_end(x);
}

static void end_short(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "12345");
    fake_end(x);
}

/* The request is not complete and never will be: the exchange does not outlive the dispatch, its head would not. */
static void an_exchange_cut_before_its_request_is_complete_is_closed_at_once(void) {
    void (*const ways[])(struct vel_exchange *) = {end_without_a_head, end_short};
    for (int i = 0; i < 2; i++) {
        int ends[2];
        char line[1024];
        CHECK(pipe(ends) == 0);
        start_streaming(ways[i], NULL);
        host.w.access.fd = ends[1];
        client_open_tcp(&host, &client, "POST /the-target HTT");
        client_send(&host, &client, "P/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nab");
        CHECK(client.eof);
        CHECK(host_conn(&host) == NULL || host_conn(&host)->exchange == NULL);
        CHECK(read(ends[0], line, sizeof line) > 0);
        CHECK(memmem(line, sizeof line, "/the-target ", 12) != NULL);
        close(ends[0]);
        close(ends[1]);
        stop();
    }
}

static void big_then_short(struct vel_exchange *x) {
    fake_head(x, 200, sizeof big + 1);
    fake_lend(x, big, sizeof big);
    fake_end(x);
}

/* The loop would spin on input that nobody reads. */
static void a_cut_reply_to_a_slow_reader_who_goes_on_sending(void) {
    start_streaming(big_then_short, NULL);
    client_open_narrow(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nab");
    CHECK(host_conn(&host)->owed != NULL);
    CHECK(send(client.fd, "cdef", 4, 0) == 4);
    host_step(&host);
    client_read(&host, &client);
    CHECK(client.eof);
    stop();
}

/* --- collected bodies -------------------------------------------------------------------------------------------- */

static void a_body_beyond_the_threshold_goes_through_a_file(void) {
    static char request[300000];
    host_init(&host);
    host.config.body_memory = 1000;
    host.app.on_request = fake_echo;
    host_start(&host);
    int head = sprintf(request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    for (int i = 0; i < 200000; i++)
        request[head + i] = (char)('a' + i % 23);
    client_open(&host, &client, NULL);
    for (size_t at = 0; at < (size_t)head + 200000; at += 50000) {
        size_t left = (size_t)head + 200000 - at;
        client_send_bytes(&host, &client, request + at, left < 50000 ? left : 50000);
    }
    CHECK_INT(host.app.body->len, 200000);
    CHECK(memcmp(host.app.body->bytes, request + head, 200000) == 0);
    CHECK(client.len > 200000 && memcmp(client.got + client.len - 200000, request + head, 200000) == 0);
    client.len = 0;
    client_send(&host, &client, GET);
    client_got(&client, ok_reply("GET / "));
    stop();
}

static void without_a_place_for_the_body_507_is_answered(void) {
    host_init(&host);
    host.config.body_memory = 3;
    host.app.on_request = fake_echo;
    host_start(&host);
    setenv("TMPDIR", "/nonexistent", 1);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nabc");
    client_send(&host, &client, "def");
    unsetenv("TMPDIR");
    client_got(&client, refusal(507));
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 0);
    stop();
}

static void a_body_that_drips_is_refused(void) {
    host_init(&host);
    host.config.body_rate = 240;
    host_start(&host);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    host_conn(&host)->body_from -= VEL_RATE_GRACE_MS - 1000; /* it began that long ago */
    client_send(&host, &client, "a");
    client_got(&client, "");
    host_conn(&host)->body_from -= 2000;
    client_send(&host, &client, "b");
    client_got(&client, refusal(408));
    CHECK(client.eof);
    stop();
}

static void a_body_that_lay_in_the_kernel_while_the_worker_was_busy_is_not_refused(void) {
    host_init(&host);
    host.config.body_rate = 240;
    host.app.on_request = fake_hello;
    host_start(&host);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    host.w.loop->now += 4 * VEL_RATE_GRACE_MS; /* none of it was spent waiting */
    client_send(&host, &client, "ab");
    client_got(&client, ok_reply("hello"));
    stop();
}

static void a_body_at_the_least_rate_is_not_refused(void) {
    static char run[20000];
    memset(run, 'r', sizeof run);
    host_init(&host);
    host.config.body_rate = 1000;
    host.app.on_request = fake_hello;
    host_start(&host);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
    host_conn(&host)->body_from -= 10000;
    client_send_bytes(&host, &client, run, sizeof run);
    client_got(&client, ok_reply("hello"));
    stop();
}

/* It was the application that did not take the body; and to end is to take it. */
static void a_sender_who_was_held_up_is_not_refused(void) {
    for (int ends = 0; ends < 2; ends++) {
        host_init(&host);
        host.config.body_rate = 1000;
        host.app.ops.whole_body = false;
        host.app.hoards = true;
        host.app.on_request = NULL;
        host.app.on_turn = ends ? fake_hello : NULL;
        host_start(&host);
        client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
        send_pieces(big, VEL_READ_WINDOW, VEL_READ_MAX);
        struct vel_exchange *x = host.app.held;
        CHECK_INT(x->unconsumed, VEL_READ_WINDOW);
        host_conn(&host)->body_from -= 1000 * VEL_RATE_GRACE_MS;
        vel_exchange_yield(x);
        if (!ends)
            vel_exchange_consume(x, 100);
        client_read(&host, &client);
        client_send(&host, &client, "b");
        CHECK_INT(host.app.aborts, 0);
        client_got(&client, ends ? ok_reply("hello") : "");
        CHECK(!client.eof);
        host_conn(&host)->body_from -= 2 * VEL_RATE_GRACE_MS; /* now it is slow */
        client_send(&host, &client, "b");
        CHECK_INT(host.app.aborts, !ends);
        stop();
    }
}

/* --- short memory ------------------------------------------------------------------------------------------------ */

/* Whatever fails: the replies that come are whole, or the last is cut or a refusal, and then the connection closes. */
static void check_whole_or_closed(const char *whole) {
    size_t len = strlen(whole);
    if (client.len == len && memcmp(client.got, whole, len) == 0)
        return;
    CHECK(client.eof || client.reset);
    const char *refused = memmem(client.got, client.len, "HTTP/1.1 503", 12);
    if (refused == NULL)
        refused = memmem(client.got, client.len, "HTTP/1.1 500", 12);
    size_t same = refused != NULL ? (size_t)(refused - client.got) : client.len;
    CHECK(same <= len && memcmp(client.got, whole, same) == 0);
}

static void scenario(bool whole_body, void (*on_request)(struct vel_exchange *), uint64_t body_memory,
                     const char *const *parts) {
    static char whole[CLIENT_MAX];
    bool hit = true; /* the first run, in which nothing fails, shows what the others are held against */
    for (unsigned long n = 0; n < 2 || hit; n++) {
        host_init(&host);
        host.config.body_memory = body_memory;
        host.app.ops.whole_body = whole_body;
        *(whole_body ? &host.app.on_request : &host.app.on_end) = on_request;
        if (!whole_body)
            host.app.on_request = NULL;
        host_start(&host);
        fail_malloc_at(n);
        client_open_tcp(&host, &client, NULL);
        host.wait_ms = 1;
        for (int i = 0; parts[i] != NULL; i++)
            client_send(&host, &client, parts[i]);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        if (n == 0)
            memcpy(whole, client.got, client.len + 1);
        else
            check_whole_or_closed(whole);
        stop();
    }
}

static void each_allocation_may_fail(void) {
    static const char *const train[] = {GET LENGTH_POST, CHUNKED_POST GET "GET /cut HT", "TP/1.1\r\nHost: a\r\n\r\n",
                                        NULL};
    static const char *const slow[] = {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "abc", "def",
                                       "ghi" GET, NULL};
    static const char *const expecting[] = {EXPECT, "a", "bc", NULL};
    static const char *const bad[] = {"GET / HTTP/1.1\r\nHost: a\r\n", "bad line\r\n\r\n", NULL};
    const char *const *all[] = {train, slow, expecting, bad};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        scenario(true, fake_echo, 1000, all[i]);
        scenario(true, fake_echo, 2, all[i]);
        scenario(true, echo_later, 1000, all[i]);
        scenario(false, fake_echo, 1000, all[i]);
    }
}

/* A body of two windows, consumed by turns, answered with trailers. */
static void end_with_trailer(struct vel_exchange *x) {
    static const struct vel_field trailer = {{"T", 1}, {"v", 1}, VEL_FIELD_OTHER};
    if (fake_head(x, 200, -1) != VEL_OK || fake_data(x, "hello") != VEL_OK)
        fake_abort(x);
    else
        fake_end_with(x, &trailer, 1);
}

static void each_allocation_of_a_body_consumed_by_turns_may_fail(void) {
    static const char whole[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n";
    static char message[140000];
    size_t len = chunk_up(message, big, 2 * VEL_READ_WINDOW, 50000);
    bool hit = true;
    for (unsigned long n = 1; hit; n++) {
        start_streaming(NULL, end_with_trailer);
        host.app.hoards = true;
        host.app.on_data = yield_for_data;
        host.app.on_turn = consume_a_portion;
        portion = VEL_READ_WINDOW / 3;
        client_open(&host, &client, NULL);
        fail_malloc_at(n);
        for (size_t at = 0; at < len && !client.eof && !client.reset; at += 35000)
            client_send_bytes(&host, &client, message + at, len - at < 35000 ? len - at : 35000);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        check_whole_or_closed(whole);
        stop();
    }
}

int main(void) {
    memset(big, 'B', sizeof big);
    RUN(every_cut_gives_the_same_answer);
    RUN(every_cut_gives_the_same_answer_to_a_late_application);
    RUN(every_cut_gives_the_same_answer_to_a_streaming_application);
    RUN(byte_by_byte);
    RUN(a_body_that_comes_behind_its_head_in_parts_is_whole);
    RUN(a_body_that_comes_behind_its_head_lives_on_while_the_application_waits);
    RUN(a_train_is_answered_in_order_by_one_send);
    RUN(the_first_of_a_long_train_does_not_wait_for_the_last);
    RUN(nothing_is_read_while_an_exchange_waits);
    RUN(pipelined_requests_behind_one_that_waits_are_served_after_it);
    RUN(after_connection_close_nothing_is_served);
    RUN(behind_a_late_last_reply_the_rest_is_dropped);
    RUN(http_1_0_is_closed_unless_it_asks);
    RUN(an_end_between_requests_closes);
    RUN(an_end_behind_a_request_still_gets_its_answer);
    RUN(an_end_in_a_head_closes_without_a_word);
    RUN(an_end_in_a_collected_body_never_reaches_the_application);
    RUN(an_end_in_a_streamed_body_aborts_once);
    RUN(an_end_in_a_body_does_not_cut_a_reply_that_was_complete);
    RUN(a_refused_request_is_answered_and_nothing_is_served_after);
    RUN(what_came_before_a_refused_request_is_answered_first);
    RUN(a_chunked_body_that_breaks_aborts_and_is_answered);
    RUN(a_broken_body_that_is_collected_never_reaches_the_application);
    RUN(a_reply_that_has_begun_is_not_followed_by_a_refusal);
    RUN(a_refusal_behind_half_a_close_delimited_reply_is_a_reset);
    RUN(an_end_behind_half_a_close_delimited_reply_is_a_reset);
    RUN(a_large_body_is_refused_by_its_length);
    RUN(continue_is_sent_once);
    RUN(continue_is_not_sent_when_the_body_is_here);
    RUN(continue_is_not_sent_to_http_1_0);
    RUN(continue_is_not_sent_behind_an_early_answer);
    RUN(a_streaming_application_gets_head_runs_and_end);
    RUN(a_body_nobody_wants_is_read_away_and_the_connection_goes_on);
    RUN(an_end_inside_on_data_stops_the_data);
    RUN(a_body_of_many_windows_arrives_whole_and_in_order);
    RUN(a_connection_lost_inside_on_request);
    RUN(an_exchange_cut_before_its_request_is_complete_is_closed_at_once);
    RUN(a_cut_reply_to_a_slow_reader_who_goes_on_sending);
    RUN(a_body_beyond_the_threshold_goes_through_a_file);
    RUN(without_a_place_for_the_body_507_is_answered);
    RUN(a_body_that_drips_is_refused);
    RUN(a_body_that_lay_in_the_kernel_while_the_worker_was_busy_is_not_refused);
    RUN(a_body_at_the_least_rate_is_not_refused);
    RUN(a_sender_who_was_held_up_is_not_refused);
    RUN(each_allocation_may_fail);
    RUN(each_allocation_of_a_body_consumed_by_turns_may_fail);
    return 0;
}

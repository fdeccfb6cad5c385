/* Tests of server/proto_h1.c: what an application does with its exchange, on the wire. */
#include "server/proto_h1.h"

#include "server/exchange.h"
#include "support/failmalloc.h"
#include "support/host.h"
#include "support/tcp.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_1_0 "GET / HTTP/1.0\r\n\r\n"
#define BIG 300000

static struct host host;
static struct client client;
static char big[BIG + 1];
static int file = -1;

static void start(void (*on_request)(struct vel_exchange *x)) {
    host_init(&host);
    host.app.on_request = on_request;
    host_start(&host);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

/* --- heads ------------------------------------------------------------------------------------------------------- */

static void two_heads(struct vel_exchange *x) {
    CHECK_INT(fake_head(x, 200, 0), VEL_OK);
    CHECK_INT(fake_head(x, 404, 0), VEL_ESTATE);
    fake_end(x);
}

static void a_second_head_is_refused(void) {
    start(two_heads);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply(""));
    stop();
}

static void head_beyond_the_stage(struct vel_exchange *x) {
    static const struct vel_field large = {.name = {"X", 1}, .value = {big, 70000}, .id = VEL_FIELD_OTHER};
    struct vel_reply_head head = {.status = 200, .fields = &large, .nfields = 1, .length = 2};
    int err = vel_exchange_head(x, &head);
    fake_data(x, "ok");
    if (err != VEL_OK)
        fake_abort(x);
    else
        fake_end(x);
}

static void a_head_larger_than_the_stage_goes_out_whole(void) {
    start(head_beyond_the_stage);
    client_open(&host, &client, GET GET);
    CHECK_INT(client_count(&client, "X: "), 2);
    CHECK_INT(client_count(&client, "\r\nContent-Length: 2\r\n\r\nok"), 2);
    CHECK(client.len > 140000);
    stop();
}

/* A body without its head would be read as a reply of its own. */
static void a_large_head_for_which_memory_is_short_closes(void) {
    bool hit = true;
    for (unsigned long n = 1; hit; n++) {
        start(head_beyond_the_stage);
        fail_malloc_at(n);
        client_open(&host, &client, GET);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        CHECK(client_count(&client, "ok") == client_count(&client, "HTTP/1.1 200"));
        CHECK(client.len > 70000 || client.eof || client.reset);
        stop();
    }
}

static void hints_then_hello(struct vel_exchange *x) {
    static const struct vel_field link = {.name = {"Link", 4}, .value = {"</s>", 4}, .id = VEL_FIELD_OTHER};
    struct vel_reply_head head = {.status = 103, .reason = {"Early Hints", 11}, .fields = &link, .nfields = 1};
    CHECK_INT(vel_exchange_inform(x, &head), VEL_OK);
    fake_head(x, 200, 0);
    CHECK_INT(vel_exchange_inform(x, &head), VEL_ESTATE);
    fake_end(x);
}

static void an_informational_head_goes_before_the_final_one(void) {
    char want[1000];
    start(hints_then_hello);
    client_open(&host, &client, GET);
    snprintf(want, sizeof want, "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n%s", ok_reply(""));
    client_got(&client, want);
    stop();
}

static void http_1_0_gets_no_informational_head(void) {
    start(hints_then_hello);
    client_open(&host, &client, GET_1_0);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stop();
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

static void data_before_head(struct vel_exchange *x) {
    CHECK_INT(fake_data(x, "x"), VEL_ESTATE);
    CHECK_INT(fake_lend(x, big, BIG), VEL_ESTATE);
    CHECK_INT(fake_file(x, file, 0, 10), VEL_ESTATE);
    CHECK_INT(host.app.returned, 2);
    fake_hello(x);
}

static void data_before_the_head_is_refused_and_loans_come_back(void) {
    start(data_before_head);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void chunks(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_data(x, "hello");
    fake_data(x, "");
    fake_lend(x, big, 20000);
    fake_file(x, file, 3, 4);
    fake_end(x);
}

static void an_unknown_length_goes_out_in_chunks(void) {
    start(chunks);
    client_open(&host, &client, GET);
    CHECK_INT(client_count(&client, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4e20\r\nBBB"), 1);
    CHECK_INT(client_count(&client, "BBB\r\n4\r\n3456\r\n0\r\n\r\n"), 1);
    CHECK(!client.eof);
    stop();
}

static void an_unknown_length_to_http_1_0_ends_with_the_connection(void) {
    start(chunks);
    client_open_tcp(&host, &client, GET_1_0);
    CHECK_INT(client_count(&client, "Connection: close\r\n\r\nhelloBBB"), 1);
    CHECK(memcmp(client.got + client.len - 5, "B3456", 5) == 0);
    CHECK(client.eof && !client.reset);
    stop();
}

static void head_gets_no_body(void) {
    start(chunks);
    client_open(&host, &client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    CHECK_INT(client_count(&client, "hello"), 1);
    CHECK_INT(host.app.returned, 4);
    stop();
}

static void no_content(struct vel_exchange *x) {
    fake_head(x, 204, -1);
    CHECK_INT(fake_data(x, "hello"), VEL_OK);
    fake_end(x);
}

static void bytes_that_a_reply_may_not_have_vanish(void) {
    start(no_content);
    client_open(&host, &client, GET);
    client_got(&client, "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(!client.eof);
    stop();
}

static void too_much(struct vel_exchange *x) {
    fake_head(x, 200, 3);
    CHECK_INT(fake_data(x, "abcdef"), VEL_ELIMIT);
    CHECK_INT(fake_lend(x, big, BIG), VEL_ELIMIT);
    CHECK_INT(fake_file(x, file, 0, 10), VEL_ELIMIT);
    CHECK_INT(x->sent, 3);
    CHECK_INT(fake_end(x), VEL_OK);
}

static void what_is_over_the_length_is_cut_off(void) {
    start(too_much);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("abc"));
    CHECK_INT(host.app.returned, 2);
    CHECK(!client.eof);
    stop();
}

static void part_of_a_file(struct vel_exchange *x) {
    fake_head(x, 200, 3);
    CHECK_INT(fake_file(x, file, 0, 10), VEL_ELIMIT);
    CHECK_INT(fake_end(x), VEL_OK);
}

static void a_file_over_the_length_is_cut_off(void) {
    start(part_of_a_file);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("012"));
    stop();
}

static void too_little(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "abc");
    CHECK_INT(fake_end(x), VEL_ELIMIT);
}

static void a_short_body_cuts_the_connection(void) {
    start(too_little);
    client_open_tcp(&host, &client, GET GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host.w.stats->aborted, 1);
    stop();
}

static void file_without_release(struct vel_exchange *x) {
    struct vel_loan none = {0};
    fake_head(x, 200, 4);
    CHECK_INT(vel_exchange_file(x, file, 0, 0, none), VEL_OK);
    CHECK_INT(vel_exchange_file(x, file, 0, 4, none), VEL_OK);
    CHECK_INT(vel_exchange_file(x, file, 0, 4, none), VEL_ELIMIT);
    CHECK_INT(vel_exchange_data(x, vel_slice(big, BIG), &none), VEL_ELIMIT);
    fake_end(x);
}

static void a_loan_may_have_no_release(void) {
    start(file_without_release);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("0123"));
    stop();
}

static void file_that_is_too_short(struct vel_exchange *x) {
    fake_head(x, 200, 100);
    fake_file(x, file, 0, 100);
    fake_end(x);
}

static void a_file_that_ends_before_its_range_cuts_the_connection(void) {
    start(file_that_is_too_short);
    client_open_tcp(&host, &client, GET GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
    CHECK(client.eof || client.reset);
    CHECK_INT(host.app.requests, 1);
    stop();
}

static void file_of_unknown_length_too_short(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_file(x, file, 0, 100);
    fake_end(x);
}

/* RFC 9112 8: after a FIN it would look whole. */
static void a_close_delimited_file_that_is_too_short_is_a_reset(void) {
    start(file_of_unknown_length_too_short);
    client_open_tcp(&host, &client, GET_1_0);
    CHECK(client.reset);
    stop();
}

/* --- ends and aborts --------------------------------------------------------------------------------------------- */

static void end_without_head(struct vel_exchange *x) {
    CHECK_INT(fake_end(x), VEL_ESTATE);
}

static void an_end_without_a_head_cuts_the_connection(void) {
    start(end_without_head);
    client_open_tcp(&host, &client, GET GET);
    client_got(&client, "");
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 1);
    stop();
}

static void abort_at_once(struct vel_exchange *x) {
    fake_abort(x);
}

static void an_abort_before_the_head_is_a_500_and_the_connection_goes_on(void) {
    start(abort_at_once);
    client_open(&host, &client, GET);
    client_got(&client, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: 26\r\n\r\n500 Internal Server Error\n");
    CHECK(!client.eof);
    host.app.on_request = fake_hello;
    client_send(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void abort_in_the_middle(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_data(x, "abc");
    fake_abort(x);
}

static void an_abort_behind_the_head_leaves_the_last_chunk_out(void) {
    start(abort_in_the_middle);
    client_open_tcp(&host, &client, GET GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host.app.aborts, 0);
    stop();
}

static void an_abort_of_a_close_delimited_body_is_a_reset(void) {
    start(abort_in_the_middle);
    client_open_tcp(&host, &client, GET_1_0);
    CHECK(client.reset && !client.eof);
    stop();
}

/* --- trailers ---------------------------------------------------------------------------------------------------- */

static const struct vel_field trailers[] = {
    {{"Sum", 3}, {"42", 2}, VEL_FIELD_OTHER},
    {{"Empty", 5}, {NULL, 0}, VEL_FIELD_OTHER},
};

static void hello_and_trailers(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_data(x, "hello");
    CHECK_INT(fake_end_with(x, trailers, 2), VEL_OK);
}

static void trailers_end_a_chunked_reply_and_the_connection_goes_on(void) {
    start(hello_and_trailers);
    client_open(&host, &client, GET GET);
    CHECK_INT(client_count(&client, "\r\n5\r\nhello\r\n0\r\nSum: 42\r\nEmpty: \r\n\r\n"), 2);
    CHECK(!client.eof);
    stop();
}

static void known_length_and_trailers(struct vel_exchange *x) {
    fake_head(x, 200, 5);
    fake_data(x, "hello");
    CHECK_INT(fake_end_with(x, trailers, 2), VEL_OK);
}

static void no_content_and_trailers(struct vel_exchange *x) {
    fake_head(x, 204, -1);
    CHECK_INT(fake_end_with(x, trailers, 2), VEL_OK);
}

/* RFC 9110 6.5.1: who cannot send them may drop them. */
static void where_no_chunks_are_trailers_vanish(void) {
    start(known_length_and_trailers);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    host.app.on_request = no_content_and_trailers;
    client_send(&host, &client, GET);
    client_got(&client, "HTTP/1.1 204 No Content\r\n\r\n");
    host.app.on_request = hello_and_trailers;
    client_send(&host, &client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\n\r\n");
    stop();
    start(hello_and_trailers);
    client_open(&host, &client, GET_1_0);
    client_got(&client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    stop();
}

static void short_body_and_trailers(struct vel_exchange *x) {
    fake_head(x, 200, 7);
    fake_data(x, "hello");
    CHECK_INT(fake_end_with(x, trailers, 2), VEL_ELIMIT);
}

static void trailers_do_not_make_up_for_a_short_body(void) {
    start(short_body_and_trailers);
    client_open_tcp(&host, &client, GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello");
    CHECK(client.eof);
    stop();
}

static void trailers_beyond_the_stage(struct vel_exchange *x) {
    static const struct vel_field large = {.name = {"X", 1}, .value = {big, 70000}, .id = VEL_FIELD_OTHER};
    if (fake_head(x, 200, -1) != VEL_OK)
        fake_abort(x);
    else
        fake_end_with(x, &large, 1);
}

static void trailers_larger_than_the_stage_go_out_whole(void) {
    start(trailers_beyond_the_stage);
    client_open(&host, &client, GET GET);
    CHECK_INT(client_count(&client, "\r\n\r\n0\r\nX: BBB"), 2);
    CHECK_INT(client_count(&client, "BBB\r\n\r\n"), 2);
    CHECK(client.len > 140000);
    stop();
}

/* Without its last chunk the client can tell that the body is not whole. */
static void trailers_for_which_memory_is_short_cut_the_connection(void) {
    bool hit = true;
    for (unsigned long n = 1; hit; n++) {
        start(trailers_beyond_the_stage);
        fail_malloc_at(n);
        client_open(&host, &client, GET);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        bool whole = client_count(&client, "BBB\r\n\r\n") == 1;
        CHECK(whole || client.eof || client.reset);
        CHECK(whole || host.app.err == VEL_ENOMEM || client.len == 0 || client_count(&client, " 503 ") == 1);
        stop();
    }
}

/* --- consuming --------------------------------------------------------------------------------------------------- */

#define POST_BIG "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"

static void hoard(void (*on_end)(struct vel_exchange *x)) {
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.hoards = true;
    host.app.on_request = NULL;
    host.app.on_end = on_end;
    host_start(&host);
}

/* Sends what goes in, by and by; returns how much. */
static size_t feed(const char *at, size_t len) {
    size_t sent = 0;
    ssize_t n;
    while (sent < len && (n = send(client.fd, at + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
        sent += (size_t)n;
        host_step(&host);
    }
    return sent;
}

static bool reads(void) {
    return (host_conn(&host)->watch.io & VEL_READ) != 0;
}

/* A body of which the application has as much as it may hold. Returns what the client could send. */
static size_t open_full(void (*on_end)(struct vel_exchange *x)) {
    hoard(on_end);
    client_open(&host, &client, POST_BIG);
    size_t sent = feed(big, BIG);
    CHECK(vel_exchange_is_full(host.app.held) && !reads());
    return sent;
}

static void a_body_that_is_not_consumed_stays_in_the_kernel(void) {
    open_full(NULL);
    size_t given = host.app.body->len;
    CHECK(given >= VEL_READ_WINDOW && given < VEL_READ_WINDOW + VEL_READ_MAX);
    CHECK_INT(host.app.held->unconsumed, given);
    CHECK_INT(host_conn(&host)->in.len, 0);
    host_step(&host);
    CHECK_INT(host.app.body->len, given);
    stop();
}

static void reading_goes_on_below_the_window_and_not_before(void) {
    open_full(NULL);
    size_t given = host.app.body->len;
    vel_exchange_consume(host.app.held, given - VEL_READ_WINDOW);
    host_step(&host);
    CHECK(!reads());
    CHECK_INT(host.app.body->len, given);
    vel_exchange_consume(host.app.held, 1);
    host_step(&host);
    CHECK(host.app.body->len > given);
    CHECK_INT(host.app.turns, 0); /* none was asked for */
    stop();
}

static void consuming_outside_of_a_dispatch_brings_the_whole_body(void) {
    size_t sent = open_full(fake_echo);
    while (!host.app.held->received) {
        vel_exchange_consume(host.app.held, host.app.held->unconsumed);
        host_step(&host);
        sent += feed(big + sent, BIG - sent);
        if (host.app.held == NULL)
            break;
    }
    client_read(&host, &client);
    CHECK_INT(host.app.body->len, BIG);
    CHECK_INT(client_count(&client, "POST /p BBB"), 1);
    CHECK_INT(host.app.ends, 1);
    stop();
}

static void consume_in_turn(struct vel_exchange *x) {
    vel_exchange_consume(x, x->unconsumed);
}

static void consuming_in_a_turn_reads_on_and_gives_no_turn_more(void) {
    open_full(NULL);
    size_t given = host.app.body->len;
    host.app.on_turn = consume_in_turn;
    vel_exchange_yield(host.app.held);
    host_step(&host);
    CHECK(host.app.body->len > given);
    CHECK_INT(host.app.turns, 1);
    stop();
}

static void a_turn_asked_for_before_or_behind_the_consuming_comes_once(void) {
    open_full(NULL);
    struct vel_exchange *x = host.app.held;
    vel_exchange_yield(x);
    vel_exchange_consume(x, x->unconsumed);
    host_step(&host);
    CHECK_INT(host.app.turns, 1);
    feed(big, 150000);
    CHECK(vel_exchange_is_full(x));
    vel_exchange_consume(x, x->unconsumed);
    vel_exchange_yield(x);
    host_step(&host);
    CHECK_INT(host.app.turns, 2);
    stop();
}

static void consuming_too_much_is_consuming_all(void) {
    open_full(NULL);
    vel_exchange_consume(host.app.held, SIZE_MAX);
    CHECK_INT(host.app.held->unconsumed, 0);
    vel_exchange_consume(host.app.held, 1);
    CHECK_INT(host.app.held->unconsumed, 0);
    stop();
}

static void consume_and_hello(struct vel_exchange *x) {
    vel_exchange_consume(x, x->unconsumed);
    fake_hello(x);
}

/* What nobody will consume is read away. */
static void an_early_end(void (*on_turn)(struct vel_exchange *x), const char *want) {
    size_t sent = open_full(NULL);
    host.app.on_turn = on_turn;
    vel_exchange_yield(host.app.held);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, want), 1);
    sent += feed(big + sent, BIG - sent);
    CHECK_INT(sent, BIG);
    CHECK_INT(host.app.turns, 1);
    client.len = 0;
    host.app.on_request = fake_hello;
    client_send(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void an_end_while_full_reads_the_rest_away(void) {
    an_early_end(fake_hello, "hello");
    an_early_end(consume_and_hello, "hello");
    an_early_end(fake_abort, " 500 ");
}

/* The last byte makes it full: the request is complete, and what comes behind it is served behind its reply. */
static void a_body_may_end_while_it_is_full(void) {
    static char train[VEL_READ_WINDOW + 200];
    hoard(NULL);
    client_open(&host, &client, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
    memset(train, 'B', VEL_READ_WINDOW);
    strcpy(train + VEL_READ_WINDOW, GET);
    feed(train, strlen(train));
    CHECK(host.app.ends == 1 && host.app.held->received && !reads());
    vel_exchange_consume(host.app.held, 1);
    host_step(&host);
    CHECK(!reads());
    host.app.on_turn = host.app.on_end = fake_hello;
    vel_exchange_yield(host.app.held);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "hello"), 2);
    stop();
}

static struct client other;

static void consume_of_held(struct vel_exchange *x) {
    struct vel_exchange *full = host.app.bodies[0].of;
    CHECK(full != NULL && full != x);
    vel_exchange_consume(full, full->unconsumed);
    fake_hello(x);
}

static void one_that_is_full_does_not_hold_up_another_which_may_free_it(void) {
    open_full(NULL);
    size_t given = host.app.bodies[0].len;
    host.app.on_end = consume_of_held;
    client_open(&host, &other, GET);
    client_got(&other, ok_reply("hello"));
    CHECK(host.app.bodies[0].len > given);
    client_close(&host, &other);
    stop();
}

static void a_client_that_resets_while_full_aborts_once(void) {
    hoard(NULL);
    client_open_tcp(&host, &client, POST_BIG);
    feed(big, 200000);
    CHECK(vel_exchange_is_full(host.app.held));
    tcp_reset(client.fd);
    client.fd = -1;
    host_step(&host);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static void a_client_that_ends_while_full_is_found_out_by_reading(void) {
    open_full(NULL);
    client_shutdown(&host, &client);
    CHECK_INT(host.app.aborts, 0);
    while (host.app.aborts == 0) {
        vel_exchange_consume(host.app.held, SIZE_MAX);
        host_step(&host);
    }
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_connection_closed_with_reading_on_asked_for(void) {
    open_full(NULL);
    vel_exchange_consume(host.app.held, SIZE_MAX);
    CHECK(!vel_list_empty(&host.w.turns));
    vel_worker_close_all(&host.w);
    CHECK(vel_list_empty(&host.w.turns));
    CHECK_INT(host.app.aborts, 1);
    stop();
}

/* Nothing of all this is for collected bodies. */
static void a_collected_body_counts_nothing(void) {
    start(fake_echo);
    client_open(&host, &client, POST_BIG);
    CHECK_INT(feed(big, BIG - 1), BIG - 1);
    CHECK(reads());
    CHECK_INT(host_conn(&host)->exchange->unconsumed, 0);
    client_send(&host, &client, "B");
    CHECK_INT(client_count(&client, "POST /p BBB"), 1);
    stop();
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static void one_more_turn(struct vel_exchange *x) {
    if (--host.app.left > 0)
        vel_exchange_yield(x);
    else
        fake_hello(x);
}

static void a_yield_is_granted_in_the_next_round(void) {
    start(fake_yield);
    host.app.on_turn = one_more_turn;
    host.app.left = 5;
    client_open(&host, &client, GET);
    CHECK_INT(host.app.turns, 5);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void yield_twice(struct vel_exchange *x) {
    vel_exchange_yield(x);
    vel_exchange_yield(x);
}

static void two_yields_are_one_turn(void) {
    start(yield_twice);
    host.app.on_turn = fake_hello;
    client_open(&host, &client, GET);
    CHECK_INT(host.app.turns, 1);
    stop();
}

static void yield_then_end(struct vel_exchange *x) {
    fake_head(x, 200, 2);
    vel_exchange_yield(x);
    fake_data(x, "ok");
    vel_exchange_await_credit(x);
    fake_end(x);
}

/* The rest of the request is still awaited, so the exchange is there; the application is not. */
static void no_turn_is_given_after_the_end(void) {
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.on_request = yield_then_end;
    host_start(&host);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    client_got(&client, ok_reply("ok"));
    CHECK_INT(host.app.turns, 0);
    client_send(&host, &client, "cde");
    CHECK_INT(host.app.turns, 0);
    CHECK(host_conn(&host)->exchange == NULL);
    stop();
}

static void yield_then_abort(struct vel_exchange *x) {
    fake_head(x, 200, 2);
    vel_exchange_yield(x);
    fake_abort(x);
}

static void no_turn_is_given_after_an_abort(void) {
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.on_request = yield_then_abort;
    host_start(&host);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    CHECK_INT(host.app.turns, 0);
    CHECK(client.eof);
    stop();
}

/* --- credit ------------------------------------------------------------------------------------------------------ */

static void await_with_nothing_sent(struct vel_exchange *x) {
    host.app.on_turn = fake_hello;
    vel_exchange_await_credit(x);
}

static void credit_is_there_when_nothing_was_sent(void) {
    start(await_with_nothing_sent);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void end_turn(struct vel_exchange *x) {
    fake_end(x);
}

static void await_behind_staged(struct vel_exchange *x) {
    fake_head(x, 200, 5);
    host.app.on_turn = end_turn;
    fake_data(x, "hello");
    vel_exchange_await_credit(x);
}

/* It was staged when the credit was asked for, and the kernel took it at once: no write event tells. */
static void credit_comes_when_the_stage_was_sent_at_once(void) {
    start(await_behind_staged);
    client_open(&host, &client, GET);
    CHECK_INT(host.app.turns, 1);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void send_until_full(struct vel_exchange *x) {
    if (x->status == 0)
        fake_head(x, 200, BIG * 3);
    while (host.app.left > 0) {
        host.app.left--;
        fake_lend(x, big, BIG);
        if (vel_exchange_flush(x) == VEL_EAGAIN) {
            vel_exchange_await_credit(x);
            return;
        }
    }
    fake_end(x);
}

static void a_slow_reader_suspends_the_application_until_all_is_taken(void) {
    start(send_until_full);
    host.app.on_turn = send_until_full;
    host.app.left = 3;
    client_open_narrow(&host, &client, GET);
    CHECK_INT(host.app.left, 2);
    CHECK(host_conn(&host)->awaits_credit);
    host_step(&host);
    CHECK_INT(host.app.turns, 0);
    CHECK_INT(host.app.returned, 0);
    while (host.app.turns == 0) {
        CHECK(client_take(&client, 1000) > 0);
        host_step(&host);
    }
    CHECK_INT(host.app.returned, 1);
    client_read(&host, &client);
    CHECK_INT(client.len, strlen("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n") + BIG * 3);
    CHECK_INT(host.app.returned, 3);
    CHECK(host_conn(&host)->owed == NULL);
    client.len = 0;
    host.app.on_request = fake_hello;
    client_send(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void flush_and_wait(struct vel_exchange *x) {
    fake_head(x, 200, 5);
    CHECK_INT(vel_exchange_flush(x), VEL_OK);
    CHECK_INT(vel_exchange_wait(x, 0), VEL_OK);
    CHECK(client_take(&client, 1000) > 0);
    fake_data(x, "hello");
    fake_end(x);
}

static void flush_sends_at_once(void) {
    start(flush_and_wait);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    stop();
}

static void fill_and_wait(struct vel_exchange *x) {
    fake_head(x, 200, BIG);
    fake_lend(x, big, BIG);
    CHECK_INT(vel_exchange_flush(x), VEL_EAGAIN);
    CHECK_INT(vel_exchange_wait(x, 1), VEL_EAGAIN);
    while (vel_exchange_flush(x) == VEL_EAGAIN) {
        while (client_take(&client, CLIENT_MAX) > 0) {
        }
        CHECK_INT(vel_exchange_wait(x, 1000), VEL_OK);
    }
    fake_end(x);
}

static void wait_blocks_until_there_is_room(void) {
    start(fill_and_wait);
    client_open_narrow(&host, &client, GET);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "BBBB") > 0, 1);
    CHECK(!client.eof);
    stop();
}

static void peer_goes_during(struct vel_exchange *x) {
    fake_head(x, 200, 2 * BIG);
    close(client.fd);
    client.fd = -1;
    fake_lend(x, big, BIG);
    CHECK_INT(vel_exchange_flush(x), VEL_ERESET);
    CHECK_INT(vel_exchange_wait(x, 0), VEL_ERESET);
    CHECK_INT(fake_lend(x, big, 20000), VEL_OK);
    fake_file(x, file, 0, 10);
    fake_abort(x);
}

static void a_client_that_went_is_told_by_flush_and_costs_no_loan(void) {
    start(peer_goes_during);
    client_open(&host, &client, GET);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 0);
    stop();
}

static void peer_goes_and_it_is_left_waiting(struct vel_exchange *x) {
    fake_head(x, 200, BIG);
    close(client.fd);
    client.fd = -1;
    fake_lend(x, big, BIG);
}

static void a_client_that_went_aborts_the_exchange_once(void) {
    start(peer_goes_and_it_is_left_waiting);
    client_open(&host, &client, GET);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 1);
    stop();
}

int main(void) {
    char name[] = "/tmp/velocem-test-XXXXXX";
    memset(big, 'B', BIG);
    file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0 && write(file, "0123456789", 10) == 10);
    RUN(a_second_head_is_refused);
    RUN(a_head_larger_than_the_stage_goes_out_whole);
    RUN(a_large_head_for_which_memory_is_short_closes);
    RUN(an_informational_head_goes_before_the_final_one);
    RUN(http_1_0_gets_no_informational_head);
    RUN(data_before_the_head_is_refused_and_loans_come_back);
    RUN(an_unknown_length_goes_out_in_chunks);
    RUN(an_unknown_length_to_http_1_0_ends_with_the_connection);
    RUN(head_gets_no_body);
    RUN(bytes_that_a_reply_may_not_have_vanish);
    RUN(what_is_over_the_length_is_cut_off);
    RUN(a_file_over_the_length_is_cut_off);
    RUN(a_short_body_cuts_the_connection);
    RUN(a_loan_may_have_no_release);
    RUN(a_file_that_ends_before_its_range_cuts_the_connection);
    RUN(a_close_delimited_file_that_is_too_short_is_a_reset);
    RUN(an_end_without_a_head_cuts_the_connection);
    RUN(an_abort_before_the_head_is_a_500_and_the_connection_goes_on);
    RUN(an_abort_behind_the_head_leaves_the_last_chunk_out);
    RUN(trailers_end_a_chunked_reply_and_the_connection_goes_on);
    RUN(where_no_chunks_are_trailers_vanish);
    RUN(trailers_do_not_make_up_for_a_short_body);
    RUN(trailers_larger_than_the_stage_go_out_whole);
    RUN(trailers_for_which_memory_is_short_cut_the_connection);
    RUN(a_body_that_is_not_consumed_stays_in_the_kernel);
    RUN(reading_goes_on_below_the_window_and_not_before);
    RUN(consuming_outside_of_a_dispatch_brings_the_whole_body);
    RUN(consuming_in_a_turn_reads_on_and_gives_no_turn_more);
    RUN(a_turn_asked_for_before_or_behind_the_consuming_comes_once);
    RUN(consuming_too_much_is_consuming_all);
    RUN(an_end_while_full_reads_the_rest_away);
    RUN(a_body_may_end_while_it_is_full);
    RUN(one_that_is_full_does_not_hold_up_another_which_may_free_it);
    RUN(a_client_that_resets_while_full_aborts_once);
    RUN(a_client_that_ends_while_full_is_found_out_by_reading);
    RUN(a_connection_closed_with_reading_on_asked_for);
    RUN(a_collected_body_counts_nothing);
    RUN(an_abort_of_a_close_delimited_body_is_a_reset);
    RUN(a_yield_is_granted_in_the_next_round);
    RUN(two_yields_are_one_turn);
    RUN(no_turn_is_given_after_the_end);
    RUN(no_turn_is_given_after_an_abort);
    RUN(credit_is_there_when_nothing_was_sent);
    RUN(credit_comes_when_the_stage_was_sent_at_once);
    RUN(a_slow_reader_suspends_the_application_until_all_is_taken);
    RUN(flush_sends_at_once);
    RUN(wait_blocks_until_there_is_room);
    RUN(a_client_that_went_is_told_by_flush_and_costs_no_loan);
    RUN(a_client_that_went_aborts_the_exchange_once);
    close(file);
    return 0;
}

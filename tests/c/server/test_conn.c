/* Tests of server/conn.c: how connections live and end. */
#include "server/conn.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/tcp.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define BIG 300000

static struct host host;
static struct client client, other;
static char big[BIG];

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

static void hold(struct vel_exchange *x) {
    (void)x;
}

static bool is_under(enum vel_timeout kind) {
    return host_conn(&host)->timer.in == &host.w.timeouts.kinds[kind];
}

/* --- opening and closing ----------------------------------------------------------------------------------------- */

static void a_request_that_is_here_is_served_without_the_kernel_being_asked(void) {
    int server_end;
    start(fake_hello);
    client_pair(&client, &server_end);
    CHECK(write(client.fd, "GET / HTTP/1.0\r\n\r\n", 18) == 18);
    host_serve(&host, server_end);
    CHECK(host_conn(&host) == NULL);
    client_take(&client, 1000);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK_INT(host.w.stats->accepted, 1);
    CHECK_INT(host.w.stats->open, 0);
    stop();
}

static void a_peer_that_leaves_at_once(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, NULL);
    client_close(&host, &client);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.requests, 0);
    stop();
}

static void a_reset_between_requests(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, GET);
    tcp_reset(client.fd);
    client.fd = -1;
    host_step(&host);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_reset_aborts_an_exchange_that_waits_once(void) {
    start(hold);
    client_open_tcp(&host, &client, GET GET);
    tcp_reset(client.fd);
    client.fd = -1;
    host_step(&host);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 1);
    CHECK_INT(host.w.stats->aborted, 1);
    stop();
}

static void a_reset_aborts_an_exchange_that_asked_for_a_turn(void) {
    start(fake_yield);
    host.app.on_turn = fake_yield;
    int ends[2];
    tcp_pair(ends);
    client.fd = ends[0];
    host.wait_ms = 0;
    CHECK(write(ends[0], GET, strlen(GET)) > 0);
    host_serve(&host, ends[1]);
    for (int i = 0; i < 3; i++)
        vel_worker_turn(&host.w, 0);
    CHECK(host.app.turns > 0);
    tcp_reset(client.fd);
    client.fd = -1;
    for (int i = 0; i < 100 && host_conn(&host) != NULL; i++)
        vel_worker_turn(&host.w, 10);
    CHECK(vel_list_empty(&host.w.turns));
    CHECK_INT(host.app.aborts, 1);
    stop();
}

/* epoll then tells EPOLLHUP together with the request; over TCP the same peer would only have ended its side. */
static void what_a_unix_peer_sends_before_it_leaves_is_served(void) {
    start(fake_echo);
    client_open(&host, &client, NULL);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    client_close(&host, &client);
    CHECK_INT(host.app.requests, 1); /* whose answer found nobody */
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_large_body_of_a_unix_peer_that_leaves_is_read_to_its_end(void) {
    static char body[100000];
    start_streaming(NULL, fake_hello);
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    CHECK(write(client.fd, body, sizeof body) == sizeof body);
    client_close(&host, &client);
    CHECK_INT(host.app.ends, 1);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_unix_peer_that_leaves_ends_an_exchange_that_waits(void) {
    start(hold);
    client_open(&host, &client, NULL);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    client_close(&host, &client);
    CHECK_INT(host.app.requests, 1);
    CHECK_INT(host.app.aborts, 1);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_unix_peer_that_leaves_in_the_middle_of_a_head(void) {
    start(fake_hello);
    client_open(&host, &client, NULL);
    CHECK(write(client.fd, GET, strlen(GET) - 1) > 0);
    client_close(&host, &client);
    CHECK_INT(host.app.requests, 0);
    CHECK(host_conn(&host) == NULL);
    stop();
}

/* Its answer unread, the peer has thrown it away: that is a reset, and what came before it is not served. */
static void a_unix_peer_that_leaves_an_answer_unread_has_reset(void) {
    start(fake_hello);
    client_open(&host, &client, NULL);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    host_step(&host);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    client_close(&host, &client);
    CHECK_INT(host.app.requests, 1);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_reset_in_the_middle_of_a_body(void) {
    start_streaming(NULL, fake_hello);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    tcp_reset(client.fd);
    client.fd = -1;
    host_step(&host);
    CHECK_INT(host.app.aborts, 1);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void closing_the_worker_aborts_what_runs(void) {
    start(hold);
    client_open(&host, &client, GET);
    int server_end;
    client_pair(&other, &server_end);
    host_serve(&host, server_end);
    vel_worker_close_all(&host.w);
    CHECK_INT(host.app.aborts, 1);
    CHECK(host_conn(&host) == NULL);
    close(other.fd);
    stop();
}

static void unknown_length(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_data(x, "12345");
}

/* RFC 9112 8: a close in order would make a body that ends with the connection look whole. */
static void a_kill_in_the_middle_of_a_close_delimited_body_is_a_reset(void) {
    start(unknown_length);
    client_open_tcp(&host, &client, "GET / HTTP/1.0\r\n\r\n");
    CHECK_INT(client_count(&client, "12345"), 1);
    vel_worker_close_all(&host.w);
    while (client_take(&client, 1000) > 0) {
    }
    CHECK(client.reset);
    stop();
}

static void descriptors_are_closed(void) {
    int server_end, before = dup(0);
    close(before);
    start(fake_hello);
    for (int i = 0; i < 50; i++) {
        client_pair(&client, &server_end);
        CHECK(write(client.fd, GET, strlen(GET)) > 0);
        host_serve(&host, server_end);
        client_close(&host, &client);
    }
    stop();
    int after = dup(0);
    close(after);
    CHECK_INT(after, before);
}

/* --- two at once ------------------------------------------------------------------------------------------------- */

static void two_connections_do_not_mix_their_output(void) {
    start(hold);
    client_open(&host, &client, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    struct vel_exchange *first = host.app.held;
    client_open(&host, &other, "GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    struct vel_exchange *second = host.app.held;
    host.app.on_turn = fake_echo;
    vel_exchange_yield(second);
    vel_exchange_yield(first);
    host_step(&host);
    client_read(&host, &client);
    client_read(&host, &other);
    client_got(&client, ok_reply("GET /first "));
    client_got(&other, ok_reply("GET /second "));
    client_close(&host, &other);
    stop();
}

static void two_heads_that_arrive_by_turns(void) {
    start(fake_echo);
    client_open(&host, &client, NULL);
    client_open(&host, &other, NULL);
    const char *a = "POST /aaaa HTTP/1.1\r\nHost: one\r\nA: 1\r\nB: 2\r\nContent-Length: 4\r\n\r\naaaa";
    const char *b = "POST /bbbb HTTP/1.1\r\nContent-Length: 4\r\nC: 3\r\nD: 4\r\nHost: two\r\n\r\nbbbb";
    for (size_t i = 0; i < strlen(a) || i < strlen(b); i++) {
        if (i < strlen(a))
            client_send_bytes(&host, &client, a + i, 1);
        if (i < strlen(b))
            client_send_bytes(&host, &other, b + i, 1);
    }
    client_got(&client, ok_reply("POST /aaaa aaaa"));
    client_got(&other, ok_reply("POST /bbbb bbbb"));
    client_close(&host, &other);
    stop();
}

static void fill(struct vel_exchange *x) {
    fake_head(x, 200, BIG);
    fake_lend(x, big, BIG);
    fake_end(x);
}

static void one_slow_reader_does_not_hold_up_another(void) {
    start(fill);
    client_open_narrow(&host, &client, GET);
    CHECK(host_conn(&host)->owed != NULL);
    host.app.on_request = fake_hello;
    client_open(&host, &other, GET);
    client_got(&other, ok_reply("hello"));
    client_close(&host, &other);
    client_read(&host, &client);
    CHECK(client.len > BIG);
    stop();
}

static void lend_and_abort(struct vel_exchange *x) {
    fake_head(x, 200, 2 * BIG);
    fake_lend(x, big, BIG);
    fake_abort(x);
}

/* Or the loop would spin on the rest of the request, which nobody reads. */
static void an_exchange_cut_in_its_turn_does_not_wait_for_its_request(void) {
    start_streaming(fake_yield, NULL);
    host.app.on_turn = lend_and_abort;
    client_open_narrow(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nab");
    CHECK(host_conn(&host)->exchange == NULL && host_conn(&host)->owed != NULL);
    client_send(&host, &client, "cd");
    CHECK(client.len > BIG && client.eof);
    stop();
}

/* --- clocks ------------------------------------------------------------------------------------------------------ */

static void a_new_connection_is_under_the_header_clock(void) {
    start(fake_hello);
    client_open(&host, &client, NULL);
    CHECK(is_under(VEL_TIMEOUT_HEADER));
    host_expire(&host, VEL_TIMEOUT_HEADER);
    client_read(&host, &client);
    client_got(&client, "");
    CHECK(client.eof);
    stop();
}

static void a_head_that_does_not_end_is_answered_with_408(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHost: ");
    CHECK(is_under(VEL_TIMEOUT_HEADER));
    uint64_t due = host_conn(&host)->timer.due;
    client_send(&host, &client, "a\r\nX: ");
    CHECK_INT(host_conn(&host)->timer.due, due); /* a drip does not lengthen it */
    host_expire(&host, VEL_TIMEOUT_HEADER);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    CHECK(client.eof);
    CHECK(is_under(VEL_TIMEOUT_LINGER));
    CHECK_INT(host.app.requests, 0);
    stop();
}

static void a_second_head_that_does_not_end_too(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.len = 0;
    client_send(&host, &client, "GET / HT");
    CHECK(is_under(VEL_TIMEOUT_HEADER));
    host_expire(&host, VEL_TIMEOUT_HEADER);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    stop();
}

static void a_body_that_stops_is_answered_with_408(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    CHECK(is_under(VEL_TIMEOUT_BODY));
    host_conn(&host)->timer.due = 7;
    client_send(&host, &client, "c");
    CHECK(host_conn(&host)->timer.due > 7); /* each read starts it anew */
    host_expire(&host, VEL_TIMEOUT_BODY);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    CHECK(client.eof);
    CHECK_INT(host.app.requests, 0);
    stop();
}

static void a_streamed_body_that_stops_aborts_and_is_answered(void) {
    start_streaming(NULL, fake_hello);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    host_expire(&host, VEL_TIMEOUT_BODY);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static void no_body_clock_runs_while_the_application_takes_nothing(void) {
    static char run[VEL_READ_WINDOW];
    start_streaming(NULL, fake_hello);
    host.app.hoards = true;
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
    CHECK(is_under(VEL_TIMEOUT_BODY));
    client_send_bytes(&host, &client, run, sizeof run);
    CHECK(host_conn(&host)->timer.in == NULL);
    vel_exchange_consume(host.app.held, 1);
    host_step(&host);
    CHECK(is_under(VEL_TIMEOUT_BODY));
    host_expire(&host, VEL_TIMEOUT_BODY);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static void a_drain_waits_for_a_body_that_is_consumed_late(void) {
    static char run[VEL_READ_WINDOW];
    start_streaming(NULL, fake_hello);
    host.app.hoards = true;
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n");
    client_send_bytes(&host, &client, run, sizeof run);
    vel_worker_drain(&host.w);
    client_send(&host, &client, "z");
    client_got(&client, "");
    vel_exchange_consume(host.app.held, sizeof run);
    client_read(&host, &client);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void an_answered_request_whose_body_stops_is_closed(void) {
    start_streaming(fake_hello, NULL);
    client_open_tcp(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    host_expire(&host, VEL_TIMEOUT_BODY);
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK(client.eof);
    CHECK_INT(host.app.aborts, 0);
    stop();
}

static void an_idle_connection_is_closed_without_a_word(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, GET);
    CHECK(is_under(VEL_TIMEOUT_KEEP_ALIVE));
    client.len = 0;
    host_expire(&host, VEL_TIMEOUT_KEEP_ALIVE);
    client_read(&host, &client);
    client_got(&client, "");
    CHECK(client.eof && !client.reset);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_request_that_is_here_when_the_keep_alive_clock_runs_out_is_answered(void) {
    host_init(&host);
    host.app.on_request = fake_hello;
    host_start(&host);
    client_open(&host, &client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_got(&client, ok_reply("hello"));
    CHECK(write(client.fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27) == 27); /* the loop has not seen it */
    host_expire(&host, VEL_TIMEOUT_KEEP_ALIVE);
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK(!client.eof);
    stop();
}

static void no_clock_runs_while_the_application_works(void) {
    start(hold);
    client_open(&host, &client, GET);
    CHECK(host_conn(&host)->timer.in == NULL);
    stop();
}

static void a_reader_who_takes_nothing_is_cut(void) {
    start(fill);
    client_open_narrow(&host, &client, GET GET);
    CHECK(is_under(VEL_TIMEOUT_WRITE));
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.returned, 1);
    CHECK_INT(host.app.requests, 1); /* the second waits for the first to be taken */
    stop();
}

static void fill_and_wait(struct vel_exchange *x) {
    fake_head(x, 200, 2 * BIG);
    fake_lend(x, big, BIG);
    CHECK_INT(vel_exchange_flush(x), VEL_EAGAIN);
    vel_exchange_await_credit(x);
}

static void the_application_that_waits_for_such_a_reader_hears_of_it(void) {
    start(fill_and_wait);
    client_open_narrow(&host, &client, GET);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK_INT(host.app.aborts, 1);
    CHECK_INT(host.app.turns, 0);
    CHECK_INT(host.app.returned, 1);
    stop();
}

static void taking_some_starts_the_write_clock_anew(void) {
    start(fill);
    client_open_narrow(&host, &client, GET);
    host_conn(&host)->timer.due = 7;
    client_take(&client, CLIENT_MAX);
    host_step(&host);
    CHECK(is_under(VEL_TIMEOUT_WRITE));
    CHECK(host_conn(&host)->timer.due > 7);
    stop();
}

/* The kernel tells of room only when there is much of it. */
static void a_reader_who_takes_some_is_not_cut_though_no_write_event_has_come(void) {
    start(fill);
    client_open_narrow(&host, &client, GET);
    CHECK(client_take(&client, 5000) > 0);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) != NULL && is_under(VEL_TIMEOUT_WRITE));
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) == NULL);
    stop();
}

/* It takes some whenever the clock asks, and would hold its connection for ever. */
static void a_reader_below_the_least_rate_is_cut(void) {
    host_init(&host);
    host.config.write_rate = 10000;
    host.app.on_request = fill_and_wait;
    host_start(&host);
    client_open_narrow(&host, &client, GET);
    host_conn(&host)->write_from -= VEL_RATE_GRACE_MS - 1000; /* it began that long ago */
    CHECK(client_take(&client, 5000) > 0);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) != NULL);
    host_conn(&host)->write_from -= 2000;
    CHECK(client_take(&client, 5000) > 0); /* enough for the clock, as above */
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 1);
    stop();
}

static void a_reader_at_the_least_rate_is_not_cut(void) {
    host_init(&host);
    host.config.write_rate = 1000;
    host.app.on_request = fill;
    host_start(&host);
    client_open_narrow(&host, &client, GET);
    for (int i = 0; i < 3; i++) {
        host_conn(&host)->write_from -= VEL_RATE_GRACE_MS + 1000;
        for (int n = 0; n < 3; n++) {
            client.len = 0;
            CHECK(client_take(&client, 4000) > 0);
            host_step(&host);
        }
        CHECK(client_take(&client, 5000) > 0);
        host_expire(&host, VEL_TIMEOUT_WRITE);
        CHECK(host_conn(&host) != NULL);
    }
    stop();
}

static void a_reader_whose_server_was_busy_is_not_cut(void) {
    host_init(&host);
    host.config.write_rate = 1000;
    host.app.on_request = fill;
    host_start(&host);
    client_open_narrow(&host, &client, GET);
    host.w.loop->now += 100 * VEL_RATE_GRACE_MS; /* none of it was spent waiting */
    CHECK(client_take(&client, 5000) > 0);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    CHECK(host_conn(&host) != NULL);
    stop();
}

static void fill_unknown(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    for (int i = 0; i < 30; i++)
        fake_lend(x, big, BIG);
    fake_end(x);
}

static void a_cut_close_delimited_reply_is_a_reset(void) {
    int ends[2], size = 4608;
    start(fill_unknown);
    tcp_pair(ends);
    client.fd = ends[0];
    client.len = 0;
    client.eof = client.reset = false;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    CHECK(write(ends[0], "GET / HTTP/1.0\r\n\r\n", 18) == 18);
    host_serve(&host, ends[1]);
    host_step(&host);
    CHECK(host_conn(&host)->owed != NULL);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    for (int i = 0; i < 100000 && !client.reset && !client.eof; i++) {
        client.len = 0;
        client_take(&client, CLIENT_MAX);
    }
    CHECK(client.reset && !client.eof);
    stop();
}

/* --- lingering (RFC 9112 9.6) ------------------------------------------------------------------------------------ */

static void open_lingering(void) {
    client_open_tcp(&host, &client, "bad\r\n\r\n");
    client_got(&client, refusal(400));
    CHECK(client.eof);
    CHECK(host_conn(&host)->lingering && is_under(VEL_TIMEOUT_LINGER));
}

static void a_lingering_connection_reads_away_and_ends_with_its_peer(void) {
    start(fake_hello);
    open_lingering();
    client_send(&host, &client, GET GET);
    CHECK_INT(host.app.requests, 0);
    CHECK(!client.reset);
    client_close(&host, &client);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_lingering_connection_ends_with_its_clock(void) {
    start(fake_hello);
    open_lingering();
    uint64_t due = host_conn(&host)->timer.due;
    client_send(&host, &client, GET);
    CHECK_INT(host_conn(&host)->timer.due, due);
    host_expire(&host, VEL_TIMEOUT_LINGER);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_lingering_connection_does_not_read_for_ever(void) {
    static char flood[1 << 16];
    start(fake_hello);
    open_lingering();
    for (int i = 0; i < 10000 && host_conn(&host) != NULL; i++) {
        send(client.fd, flood, sizeof flood, MSG_NOSIGNAL | MSG_DONTWAIT);
        vel_worker_turn(&host.w, 0);
    }
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void a_drain_leaves_a_lingering_connection_to_its_clock(void) {
    start(fake_hello);
    open_lingering();
    vel_worker_drain(&host.w);
    host_step(&host);
    CHECK(host_conn(&host)->lingering);
    host_expire(&host, VEL_TIMEOUT_LINGER);
    CHECK(host_conn(&host) == NULL);
    stop();
}

/* --- draining ---------------------------------------------------------------------------------------------------- */

static void a_drain_closes_what_is_idle(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, NULL);
    client_open_tcp(&host, &other, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    CHECK(host_conn(&host) == NULL);
    client_read(&host, &client);
    CHECK(client.eof && !client.reset);
    client_close(&host, &other);
    stop();
}

/* More connections than one, each of which closes while the list is walked. */
static void a_drain_answers_a_request_that_is_already_in_the_socket(void) {
    static struct client more[5];
    start(fake_hello);
    for (int i = 0; i < 5; i++)
        client_open_tcp(&host, &more[i], GET);
    for (int i = 0; i < 5; i++) {
        more[i].len = 0;
        if (i % 2 == 0)
            CHECK(write(more[i].fd, GET, strlen(GET)) > 0);
    }
    host.w.asked = VEL_WORKER_DRAINING; /* without the wake-up, so that nothing is read before the drain */
    vel_worker_run(&host.w);
    for (int i = 0; i < 5; i++) {
        while (client_take(&more[i], 1000) > 0) {
        }
        client_got(&more[i],
                   i % 2 == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello" : "");
        CHECK(more[i].eof);
        close(more[i].fd);
    }
    CHECK(host_conn(&host) == NULL);
    host_stop(&host);
}

static void a_drain_lets_a_running_request_finish_and_says_close(void) {
    start(hold);
    client_open_tcp(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    CHECK(host_conn(&host) != NULL);
    host.app.on_turn = fake_hello;
    vel_exchange_yield(host.app.held);
    client_read(&host, &client);
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK(client.eof);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void end_turn(struct vel_exchange *x) {
    fake_data(x, "hello");
    fake_end(x);
}

static void begin(struct vel_exchange *x) {
    host.app.on_turn = end_turn;
    fake_head(x, 200, 5);
    vel_exchange_flush(x);
}

/* The head had promised to go on; an idle connection would hold up the worker's end. */
static void a_reply_that_had_begun_before_the_drain_is_the_last_too(void) {
    start(begin);
    client_open_tcp(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    vel_exchange_yield(host.app.held);
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK(client.eof);
    CHECK(host_conn(&host) == NULL);
    stop();
}

static void such_a_reply_is_followed_by_a_request_that_is_here(void) {
    start(begin);
    client_open_tcp(&host, &client, GET);
    client_send(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    vel_exchange_yield(host.app.held);
    host.app.on_request = fake_hello;
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "hello"), 2);
    CHECK_INT(client_count(&client, "Connection: close"), 1);
    CHECK(client.eof);
    stop();
}

static void a_drain_lets_a_slow_reader_have_its_rest(void) {
    start(fill);
    client_open_narrow(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    CHECK(host_conn(&host) != NULL);
    client_read(&host, &client);
    CHECK_INT(client.len, BIG + strlen("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"));
    CHECK(client.eof);
    stop();
}

static void a_drain_serves_a_head_that_has_begun(void) {
    start(fake_hello);
    client_open_tcp(&host, &client, "GET / HTTP/1.1\r\nHo");
    vel_worker_drain(&host.w);
    host_step(&host);
    client_send(&host, &client, "st: a\r\n\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    CHECK(host_conn(&host) == NULL);
    stop();
}

/* --- input beyond one read --------------------------------------------------------------------------------------- */

static void a_head_larger_than_a_read_behind(void) {
    static char request[60000];
    host_init(&host);
    host.config.limits.field = 60000;
    host.app.on_request = fake_hello;
    host_start(&host);
    int n = sprintf(request, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(request + n, 'x', 50000);
    strcpy(request + n + 50000, "\r\n\r\n");
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, request, 10);
    client_send_bytes(&host, &client, request + 10, 40000);
    client_send(&host, &client, request + 40010);
    client_got(&client, ok_reply("hello"));
    CHECK(host_conn(&host)->in.data == NULL && host_conn(&host)->partial == NULL);
    stop();
}

static void more_input_than_one_read_in_the_kernel(void) {
    static char train[200 * 1024];
    size_t n = 0;
    int requests = 0, server_end, size = 1 << 20;
    start(fake_hello);
    while (n + strlen(GET) < sizeof train - 1) {
        memcpy(train + n, GET, strlen(GET));
        n += strlen(GET);
        requests++;
    }
    client_pair(&client, &server_end);
    setsockopt(client.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ssize_t sent = write(client.fd, train, n);
    CHECK(sent > VEL_READ_MAX);
    host_serve(&host, server_end);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "hello"), sent / (long)strlen(GET));
    stop();
}

/* A train to a reader that takes nothing: it is not served on, and what waits is bounded. */
static void requests_are_not_served_to_one_who_takes_no_answers(void) {
    static char train[60000];
    size_t n = 0;
    while (n + strlen(GET) < sizeof train - 1) {
        memcpy(train + n, GET, strlen(GET));
        n += strlen(GET);
    }
    start(fill);
    client_open_narrow(&host, &client, train);
    CHECK_INT(host.app.requests, 1);
    host_step(&host);
    CHECK_INT(host.app.requests, 1);
    host.app.on_request = fake_hello;
    client_read(&host, &client);
    CHECK_INT(host.app.requests, (int)(n / strlen(GET)));
    CHECK_INT(client_count(&client, "hello"), host.app.requests - 1);
    stop();
}

/* --- short memory ------------------------------------------------------------------------------------------------ */

static void chunked_in_parts(struct vel_exchange *x) {
    if (fake_head(x, 200, -1) != VEL_OK || fake_data(x, "abc") != VEL_OK || fake_lend(x, big, BIG) != VEL_OK ||
        fake_data(x, "def") != VEL_OK || fake_lend(x, big, BIG) != VEL_OK)
        fake_abort(x);
    else
        fake_end(x);
}

/* A slow reader, so that everything is queued: what arrives is the beginning of the whole, whatever failed. */
static void each_allocation_of_a_slow_reply_may_fail(void) {
    static char whole[CLIENT_MAX];
    size_t len = 0;
    bool hit = true; /* the first run, in which nothing fails, shows what the others are held against */
    for (unsigned long n = 0; n < 2 || hit; n++) {
        start(chunked_in_parts);
        fail_malloc_at(n);
        client_open_narrow(&host, &client, GET GET);
        client_read(&host, &client);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        if (n == 0) {
            memcpy(whole, client.got, client.len);
            len = client.len;
        } else if (hit && client_count(&client, " 503 ") == 0) {
            CHECK(client.len <= len && memcmp(client.got, whole, client.len) == 0);
            CHECK(client.len == len || client.eof || client.reset);
        }
        stop();
    }
}

static void without_memory_for_a_connection_it_is_closed(void) {
    int server_end;
    start(fake_hello);
    client_pair(&client, &server_end);
    fail_malloc_at(1);
    host_serve(&host, server_end);
    CHECK(fail_malloc_hit());
    client_take(&client, 10);
    CHECK(client.eof);
    CHECK_INT(host.w.stats->accepted, 0);
    stop();
}

int main(void) {
    memset(big, 'B', BIG);
    RUN(a_request_that_is_here_is_served_without_the_kernel_being_asked);
    RUN(a_peer_that_leaves_at_once);
    RUN(a_reset_between_requests);
    RUN(a_reset_aborts_an_exchange_that_waits_once);
    RUN(a_reset_aborts_an_exchange_that_asked_for_a_turn);
    RUN(what_a_unix_peer_sends_before_it_leaves_is_served);
    RUN(a_large_body_of_a_unix_peer_that_leaves_is_read_to_its_end);
    RUN(a_unix_peer_that_leaves_ends_an_exchange_that_waits);
    RUN(a_unix_peer_that_leaves_in_the_middle_of_a_head);
    RUN(a_unix_peer_that_leaves_an_answer_unread_has_reset);
    RUN(a_reset_in_the_middle_of_a_body);
    RUN(closing_the_worker_aborts_what_runs);
    RUN(a_kill_in_the_middle_of_a_close_delimited_body_is_a_reset);
    RUN(descriptors_are_closed);
    RUN(two_connections_do_not_mix_their_output);
    RUN(two_heads_that_arrive_by_turns);
    RUN(one_slow_reader_does_not_hold_up_another);
    RUN(an_exchange_cut_in_its_turn_does_not_wait_for_its_request);
    RUN(a_new_connection_is_under_the_header_clock);
    RUN(a_head_that_does_not_end_is_answered_with_408);
    RUN(a_second_head_that_does_not_end_too);
    RUN(a_body_that_stops_is_answered_with_408);
    RUN(a_streamed_body_that_stops_aborts_and_is_answered);
    RUN(no_body_clock_runs_while_the_application_takes_nothing);
    RUN(a_drain_waits_for_a_body_that_is_consumed_late);
    RUN(an_answered_request_whose_body_stops_is_closed);
    RUN(an_idle_connection_is_closed_without_a_word);
    RUN(a_request_that_is_here_when_the_keep_alive_clock_runs_out_is_answered);
    RUN(no_clock_runs_while_the_application_works);
    RUN(a_reader_who_takes_nothing_is_cut);
    RUN(a_reader_below_the_least_rate_is_cut);
    RUN(a_reader_at_the_least_rate_is_not_cut);
    RUN(a_reader_whose_server_was_busy_is_not_cut);
    RUN(the_application_that_waits_for_such_a_reader_hears_of_it);
    RUN(taking_some_starts_the_write_clock_anew);
    RUN(a_reader_who_takes_some_is_not_cut_though_no_write_event_has_come);
    RUN(a_cut_close_delimited_reply_is_a_reset);
    RUN(a_lingering_connection_reads_away_and_ends_with_its_peer);
    RUN(a_lingering_connection_ends_with_its_clock);
    RUN(a_lingering_connection_does_not_read_for_ever);
    RUN(a_drain_leaves_a_lingering_connection_to_its_clock);
    RUN(a_drain_closes_what_is_idle);
    RUN(a_drain_answers_a_request_that_is_already_in_the_socket);
    RUN(a_drain_lets_a_running_request_finish_and_says_close);
    RUN(a_reply_that_had_begun_before_the_drain_is_the_last_too);
    RUN(such_a_reply_is_followed_by_a_request_that_is_here);
    RUN(a_drain_lets_a_slow_reader_have_its_rest);
    RUN(a_drain_serves_a_head_that_has_begun);
    RUN(a_head_larger_than_a_read_behind);
    RUN(more_input_than_one_read_in_the_kernel);
    RUN(requests_are_not_served_to_one_who_takes_no_answers);
    RUN(each_allocation_of_a_slow_reply_may_fail);
    RUN(without_memory_for_a_connection_it_is_closed);
    return 0;
}

/* Tests of server/remote.c and remote_thread.c: mostly with the thread's part done here, where nothing is left to
 * chance; at the end with threads. */
#include "server/remote.h"

#include "support/failmalloc.h"
#include "support/remote.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define POST "POST /path HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"

static int naps; /* how often the thread has slept */
static bool streaming;
static void (*on_nap)(void); /* what the others do meanwhile */

static void rest(void *arg) {
    (void)arg;
    naps++;
    CHECK(on_nap != NULL);
    on_nap();
}

static void start_with(size_t waiting_max) {
    start_remote(waiting_max, streaming, rest);
    inner.on_request = fake_hello;
    naps = 0;
    on_nap = serve_meanwhile;
}

static void start(void) {
    start_with(100);
}

static int count_bytes(char byte) {
    int n = 0;
    for (size_t i = 0; i < client.len; i++)
        n += client.got[i] == byte;
    return n;
}

static void open_and_work(const char *request) {
    client_open(&host, &client, request);
    work_and_read();
}

/* --- whole replies ----------------------------------------------------------------------------------------------- */

static void a_request_is_answered_in_the_thread(void) {
    start();
    client_open(&host, &client, GET);
    CHECK_INT(inner.requests, 0);
    CHECK_INT(vel_pool_waiting(&pool), 1);
    CHECK(work());
    CHECK_INT(inner.requests, 1);
    client_got(&client, ""); /* the loop has not had its turn */
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    CHECK_INT(naps, 0);
    stop();
}

static void it_sees_request_and_place(void) {
    start();
    inner.on_request = fake_echo;
    open_and_work(POST "body");
    client_got(&client, ok_reply("POST /path body"));
    stop();
}

static void look(struct vel_exchange *x) {
    CHECK(x->endpoint == &place && x->app == &inner.app && x->received && x->conn == NULL);
    CHECK_SLICE(x->head->target.raw, "/path");
    CHECK_SLICE(x->body.bytes, "body");
    CHECK_INT(vel_addr_port(x->peer), 4711);
    fake_hello(x);
}

static void the_thread_has_copies_of_its_own(void) {
    start();
    inner.on_request = look;
    client_open(&host, &client, POST "body");
    memset(host.w.in, 'x', VEL_READ_MAX);
    work_and_read();
    client_got(&client, ok_reply("hello"));
    stop();
}

static void several_requests_on_a_connection_are_answered_in_turn(void) {
    start();
    open_and_work(GET GET POST "body" GET);
    CHECK_INT(inner.requests, 4);
    CHECK_INT(client_count(&client, "200 OK"), 4);
    stop();
}

static void what_comes_during_the_work_waits_without_spinning(void) {
    start();
    client_open(&host, &client, GET);
    client_send(&host, &client, GET); /* host_step fails a loop that never rests */
    CHECK_INT(vel_pool_waiting(&pool), 1);
    work_and_read();
    CHECK_INT(client_count(&client, "200 OK"), 2);
    stop();
}

static void a_half_closed_client_gets_its_answer(void) {
    start();
    client_open(&host, &client, GET);
    client_shutdown(&host, &client);
    work_and_read();
    client_got(&client, ok_reply("hello"));
    CHECK(client.eof);
    stop();
}

static struct vel_field some_fields[40];

static void with_many_fields(struct vel_exchange *x) {
    struct vel_reply_head head = {.status = 201, .fields = some_fields, .nfields = 40, .length = 0};
    head.reason = VEL_SLICE("Created");
    char name[8] = "X-?", value[64];
    for (int i = 0; i < 40; i++) {
        memset(value, 'a' + i % 26, sizeof value);
        name[2] = (char)('A' + i % 26);
        some_fields[i] = (struct vel_field){.name = vel_slice(name, 3), .value = vel_slice(value, sizeof value)};
    }
    CHECK_INT(vel_exchange_head(x, &head), VEL_OK);
    memset(name, '?', sizeof name); /* nothing of it is kept */
    memset(value, '?', sizeof value);
    fake_end(x);
}

static void a_head_is_copied_whatever_its_size(void) {
    start();
    inner.on_request = with_many_fields;
    open_and_work(GET);
    CHECK_INT(client_count(&client, "HTTP/1.1 201 Created\r\n"), 1);
    CHECK_INT(count_bytes('?'), 0);
    CHECK_INT(client_count(&client, "\r\nX-"), 40);
    stop();
}

static void aborts(struct vel_exchange *x) {
    fake_abort(x);
}

static void an_abort_is_a_500(void) {
    start();
    inner.on_request = aborts;
    open_and_work(GET);
    CHECK_INT(client_count(&client, "HTTP/1.1 500 "), 1);
    stop();
}

static void forgets(struct vel_exchange *x) {
    ((struct fake_body *)x->app_data)->of = NULL;
}

static void an_application_that_does_not_end_is_a_500(void) {
    start();
    inner.on_request = forgets;
    open_and_work(GET);
    CHECK_INT(client_count(&client, "HTTP/1.1 500 "), 1);
    stop();
}

static void too_short(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "short");
    CHECK_INT(fake_end(x), VEL_ELIMIT);
}

static void a_body_that_is_too_short_cuts_the_connection(void) {
    start();
    inner.on_request = too_short;
    open_and_work(GET);
    CHECK_INT(client_count(&client, "short"), 1);
    CHECK(client.eof || client.reset);
    stop();
}

static void too_long(struct vel_exchange *x) {
    fake_head(x, 200, 4);
    CHECK_INT(fake_data(x, "long body"), VEL_ELIMIT);
    fake_end(x);
}

static void what_is_beyond_the_length_is_left_out(void) {
    start();
    inner.on_request = too_long;
    open_and_work(GET);
    client_got(&client, ok_reply("long"));
    stop();
}

static void before_a_head(struct vel_exchange *x) {
    CHECK_INT(fake_data(x, "x"), VEL_ESTATE);
    CHECK_INT(fake_head(x, 200, 2), VEL_OK);
    CHECK_INT(fake_head(x, 200, 2), VEL_ESTATE);
    fake_data(x, "ok");
    fake_end(x);
}

static void calls_out_of_order_are_told_at_once(void) {
    start();
    inner.on_request = before_a_head;
    open_and_work(GET);
    client_got(&client, ok_reply("ok"));
    stop();
}

static void a_head_request_has_no_body(void) {
    start();
    open_and_work("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_got(&client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    stop();
}

static const struct vel_field trailer = {.name = {"X-Sum", 5}, .value = {"1", 1}};
static struct vel_field trailers[60];

static void with_trailers(struct vel_exchange *x) {
    for (int i = 0; i < 60; i++)
        trailers[i] = trailer;
    fake_head(x, 200, -1);
    fake_data(x, "body");
    CHECK_INT(fake_end_with(x, trailers, inner.left ? 60 : 1), VEL_OK);
}

static void trailers_come_behind_a_chunked_body(void) {
    for (int many = 0; many < 2; many++) {
        start();
        inner.left = many;
        inner.on_request = with_trailers;
        open_and_work(GET);
        CHECK_INT(client_count(&client, "X-Sum: 1\r\n"), many ? 60 : 1);
        stop();
    }
}

static void informs(struct vel_exchange *x) {
    struct vel_reply_head hints = {.status = 103, .reason = VEL_SLICE("Early Hints"), .fields = &trailer, .nfields = 1};
    CHECK_INT(vel_exchange_inform(x, &hints), VEL_OK);
    fake_hello(x);
}

static void an_informational_head_goes_before(void) {
    start();
    inner.on_request = informs;
    open_and_work(GET);
    CHECK_INT(client_count(&client, "HTTP/1.1 103 Early Hints\r\nX-Sum: 1\r\n\r\nHTTP/1.1 200 OK"), 1);
    stop();
}

static void takes_turns(struct vel_exchange *x) {
    if (inner.left-- > 0)
        vel_exchange_yield(x);
    else
        fake_hello(x);
}

static void a_turn_comes_at_once(void) {
    start();
    inner.left = 3;
    inner.on_request = inner.on_turn = takes_turns;
    open_and_work(GET);
    CHECK_INT(inner.turns, 3);
    client_got(&client, ok_reply("hello"));
    stop();
}

/* --- loans and files --------------------------------------------------------------------------------------------- */

static char large[300000];

static void lends(struct vel_exchange *x) {
    fake_head(x, 200, inner.left);
    fake_lend(x, large, (size_t)inner.left);
    fake_end(x);
}

static void a_small_loan_ends_at_once(void) {
    start();
    inner.left = 1000;
    inner.on_request = lends;
    client_open(&host, &client, GET);
    work();
    CHECK_INT(inner.returned, 1);
    work_and_read();
    stop();
}

static void a_large_loan_ends_in_a_thread_when_all_is_sent(void) {
    start();
    memset(large, 'l', sizeof large);
    inner.left = sizeof large;
    inner.on_request = lends;
    client_open_narrow(&host, &client, GET);
    work();
    host_step(&host);
    CHECK_INT(inner.returned, 0);
    client_read(&host, &client);
    CHECK_INT(inner.returned, 0); /* by a thread, not here */
    CHECK(client.len > sizeof large);
    CHECK(work());
    CHECK_INT(inner.returned, 1);
    stop();
}

static void a_large_loan_ends_when_the_client_goes(void) {
    start();
    inner.left = sizeof large;
    inner.on_request = lends;
    client_open_narrow(&host, &client, GET);
    work();
    client_close(&host, &client);
    CHECK(work());
    CHECK_INT(inner.returned, 1);
    stop();
}

static int some_file(void) {
    int file = memfd_create("file", MFD_CLOEXEC);
    memset(large, 'f', sizeof large);
    CHECK(file >= 0 && write(file, large, sizeof large) == (ssize_t)sizeof large);
    return file;
}

static int file;

static void sends_file(struct vel_exchange *x) {
    fake_head(x, 200, 200000);
    fake_file(x, file, 1000, 200000);
    CHECK_INT(vel_exchange_flush(x), VEL_OK);
    fake_end(x);
}

static int count_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_file_is_done_with_at_once(void) {
    start();
    file = some_file();
    inner.on_request = sends_file;
    client_open_narrow(&host, &client, GET);
    int before = count_descriptors();
    work();
    CHECK_INT(naps, 0);
    CHECK_INT(inner.returned, 1);
    close(file);
    work_and_read();
    CHECK_INT(count_bytes('f'), 200000);
    CHECK_INT(count_descriptors(), before - 1);
    stop();
}

static void without_a_descriptor_to_spare_the_thread_waits(void) {
    struct rlimit old, low;
    start();
    file = some_file();
    inner.on_request = sends_file;
    client_open_narrow(&host, &client, GET);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){0, old.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
    work();
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
    CHECK(naps > 0);
    CHECK_INT(count_bytes('f'), 200000);
    work_and_read();
    CHECK_INT(inner.returned, 1);
    close(file);
    stop();
}

/* --- bit by bit -------------------------------------------------------------------------------------------------- */

static void streams(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    for (int i = 0; i < inner.left; i++) {
        CHECK_INT(vel_exchange_data(x, vel_slice(large, 10000), NULL), VEL_OK);
        inner.err = vel_exchange_flush(x);
        if (inner.err != VEL_OK) {
            fake_abort(x);
            return;
        }
    }
    fake_end(x);
}

static void a_fast_client_does_not_keep_the_thread_waiting(void) {
    start();
    inner.left = 5;
    inner.on_request = streams;
    open_and_work(GET);
    CHECK_INT(naps, 0);
    CHECK_INT(client_count(&client, "2710\r\n"), 5);
    stop();
}

static void the_thread_waits_for_a_slow_client_and_no_longer_than_it_must(void) {
    start();
    inner.left = 40;
    inner.on_request = streams;
    memset(large, 'q', sizeof large);
    client_open_narrow(&host, &client, GET);
    work();
    CHECK(naps >= 3); /* a window and what the socket holds at a time */
    CHECK(naps < 40);
    work_and_read();
    CHECK_INT(count_bytes('q'), 400000);
    stop();
}

static void go(void) {
    client_close(&host, &client);
}

static void a_client_that_goes_is_told_to_the_thread_that_waits(void) {
    start();
    inner.left = 40;
    inner.on_request = streams;
    on_nap = go;
    client_open_narrow(&host, &client, GET);
    work();
    CHECK_INT(inner.err, VEL_ERESET);
    CHECK_INT(naps, 1);
    CHECK_INT(pool.open, 1);
    host_step(&host);
    CHECK_INT(pool.open, 0);
    stop();
}

static bool was_slow;

static void notes_slowness(struct vel_exchange *x) {
    streams(x);
    was_slow = x->slow;
}

static void run_out_of_patience(void) {
    host_step(&host);
    host_expire(&host, VEL_TIMEOUT_WRITE);
    host_step(&host);
}

static void a_client_that_takes_nothing_is_given_up(void) {
    start();
    inner.left = 40;
    inner.on_request = notes_slowness;
    on_nap = run_out_of_patience;
    was_slow = false;
    client_open_narrow(&host, &client, GET);
    work();
    CHECK_INT(inner.err, VEL_ERESET);
    CHECK(was_slow);
    stop();
}

static void other_thread_flushes(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    vel_exchange_data(x, vel_slice(large, sizeof large), NULL);
    thread.base.self = (pthread_t){0};
    CHECK_INT(vel_exchange_flush(x), VEL_EAGAIN);
    thread.base.self = pthread_self();
    CHECK_INT(vel_exchange_flush(x), VEL_OK);
    fake_end(x);
}

static void only_the_pools_thread_sleeps_in_a_flush(void) {
    start();
    inner.on_request = other_thread_flushes;
    client_open_narrow(&host, &client, GET);
    work();
    work_and_read();
    CHECK(naps > 0);
    stop();
}

/* --- clients that go ---------------------------------------------------------------------------------------------- */

static void one_that_goes_before_a_thread_has_it_is_never_worked_on(void) {
    start();
    client_open_tcp(&host, &client, POST "body");
    CHECK_INT(pool.open, 1);
    vel_conn_close(host_conn(&host));
    CHECK_INT(pool.open, 0);
    CHECK(!work());
    CHECK_INT(inner.requests, 0);
    stop();
}

static void close_connection(struct vel_exchange *x) {
    vel_conn_close(host_conn(&host));
    CHECK_SLICE(x->head->target.raw, "/path"); /* still here */
    CHECK(vel_exchange_is_lost(x));
    fake_hello(x);
}

static void one_that_goes_during_the_work_is_not_missed(void) {
    start();
    inner.on_request = close_connection;
    client_open(&host, &client, POST "body");
    work();
    CHECK_INT(pool.open, 1);
    host_step(&host);
    CHECK_INT(pool.open, 0);
    CHECK_INT(inner.aborts, 0);
    stop();
}

static void lend_and_close_connection(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    fake_lend(x, large, sizeof large);
    fake_file(x, file, 0, 100);
    vel_conn_close(host_conn(&host));
    fake_end(x);
}

static void what_was_lent_to_one_that_went_comes_back(void) {
    start();
    file = some_file();
    int before = count_descriptors();
    inner.on_request = lend_and_close_connection;
    client_open(&host, &client, GET);
    work();
    client_close(&host, &client);
    CHECK(work());
    close(file);
    CHECK_INT(count_descriptors(), before - 1);
    stop();
}

static void one_that_goes_between_end_and_turn(void) {
    start();
    inner.left = 200000;
    inner.on_request = lends;
    client_open(&host, &client, GET);
    work();
    vel_inbox_run(&pool.inbox); /* it has arrived, and waits for its turn */
    vel_conn_close(host_conn(&host));
    CHECK_INT(pool.open, 0);
    host_step(&host);
    CHECK(work());
    stop();
}

/* --- streamed bodies ---------------------------------------------------------------------------------------------- */

static char seen[1 << 20];
static long seen_len;
static size_t step; /* bytes asked for at a time */

/* Reads everything there is, then answers with how much that was. */
static void reads(struct vel_exchange *x) {
    char text[32];
    long n = 0;
    seen_len = 0;
    inner.left = x->received;
    if (x->received) {
        seen_len = vel_body_read(&x->body, 0, seen, sizeof seen);
    } else {
        while ((n = vel_remote_read(x, seen + seen_len, step)) > 0)
            seen_len += n;
    }
    inner.err = (int)n;
    if (n < 0) {
        fake_abort(x);
        return;
    }
    snprintf(text, sizeof text, "%ld", seen_len);
    fake_reply(x, text);
}

static void start_streaming(void) {
    streaming = true;
    start();
    streaming = false;
    inner.ops.whole_body = false;
    inner.on_request = reads;
    step = 1000;
}

static const char *more_to_send;

static void send_more(void) {
    CHECK(more_to_send != NULL);
    client_send(&host, &client, more_to_send);
    more_to_send = NULL;
}

static void without_a_body_a_request_is_complete(void) {
    start_streaming();
    open_and_work(GET);
    CHECK(inner.left);
    client_got(&client, ok_reply("0"));
    stop();
}

static void a_body_that_came_whole_is_as_good_as_collected(void) {
    start_streaming();
    open_and_work(POST "body");
    CHECK(inner.left);
    client_got(&client, ok_reply("4"));
    CHECK(memcmp(seen, "body", 4) == 0);
    stop();
}

static void a_body_is_read_as_it_comes(void) {
    start_streaming();
    more_to_send = "dy";
    on_nap = send_more;
    client_open(&host, &client, POST "bo");
    work();
    CHECK_INT(naps, 1);
    CHECK(!inner.left);
    client_read(&host, &client);
    client_got(&client, ok_reply("4"));
    CHECK(memcmp(seen, "body", 4) == 0);
    stop();
}

static void a_chunked_body_is_read_without_its_frames(void) {
    start_streaming();
    more_to_send = "3\r\ndy!\r\n0\r\n\r\n";
    on_nap = send_more;
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n");
    work();
    client_read(&host, &client);
    client_got(&client, ok_reply("5"));
    stop();
}

static size_t left_to_send;

/* As much as the socket takes; never more than the server may hold without anybody reading. */
static void pour(void) {
    static const char zeros[50000];
    while (left_to_send > 0) {
        size_t len = left_to_send < sizeof zeros ? left_to_send : sizeof zeros;
        ssize_t n = send(client.fd, zeros, len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        left_to_send -= (size_t)n;
    }
    client_read(&host, &client);
}

static void a_sender_is_not_read_faster_than_the_thread_reads(void) {
    start_streaming();
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    left_to_send = 1000000;
    for (int i = 0; i < 20; i++)
        pour();
    CHECK(left_to_send > 1000000 - 3 * VEL_READ_WINDOW - 400000); /* ours, and the socket's */
    size_t before = left_to_send;
    pour();
    CHECK_INT(left_to_send, before);
    on_nap = pour;
    step = 60000;
    work();
    client_read(&host, &client);
    CHECK_INT(seen_len, 1000000);
    client_got(&client, ok_reply("1000000"));
    stop();
}

/* What a client does that means it. */
static void send_when_told(void) {
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "100 Continue"), 1);
    send_more();
}

static void the_client_is_told_to_go_on_when_the_body_is_read(void) {
    start_streaming();
    client_open(&host, &client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    client_got(&client, "");
    more_to_send = "body";
    on_nap = send_when_told;
    work();
    client_read(&host, &client);
    client_got(&client, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n4");
    stop();
}

static void a_client_that_goes_ends_the_reading(void) {
    start_streaming();
    on_nap = go;
    client_open(&host, &client, POST "bo");
    work();
    CHECK_INT(inner.err, VEL_ERESET);
    CHECK_INT(seen_len, 2);
    stop();
}

static void grow_impatient(void) {
    host_expire(&host, VEL_TIMEOUT_BODY);
    host_step(&host);
}

static void reads_and_notes_slowness(struct vel_exchange *x) {
    reads(x);
    was_slow = x->slow;
}

static void a_sender_that_is_too_slow_ends_the_reading(void) {
    start_streaming();
    inner.on_request = reads_and_notes_slowness;
    was_slow = false;
    on_nap = grow_impatient;
    client_open(&host, &client, POST "bo");
    work();
    CHECK_INT(inner.err, VEL_ERESET);
    CHECK(was_slow);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "HTTP/1.1 408 "), 1);
    stop();
}

static void ignores_the_body(struct vel_exchange *x) {
    CHECK(!x->received);
    fake_hello(x);
}

static void a_body_that_nobody_reads_does_not_become_a_request(void) {
    start_streaming();
    inner.on_request = ignores_the_body;
    client_open(&host, &client, POST "bo");
    work();
    client_read(&host, &client);
    inner.on_request = fake_hello;
    client_send(&host, &client, "dy" GET);
    work_and_read();
    CHECK_INT(client_count(&client, "200 OK"), 2);
    stop();
}

static void other_thread_reads(struct vel_exchange *x) {
    thread.base.self = (pthread_t){0};
    CHECK_INT(vel_remote_read(x, seen, 10), 2);
    CHECK_INT(vel_remote_read(x, seen, 10), VEL_EAGAIN);
    thread.base.self = pthread_self();
    fake_hello(x);
}

static void only_the_pools_thread_sleeps_in_a_read(void) {
    start_streaming();
    inner.on_request = other_thread_reads;
    client_open(&host, &client, POST "bo");
    work();
    CHECK_INT(naps, 0);
    stop();
}

static void any_allocation_of_a_streamed_body_may_fail(void) {
    int served = 0;
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        fail_malloc_at(0);
        start_streaming();
        more_to_send = "dy";
        on_nap = send_more;
        fail_malloc_at(n);
        client_open(&host, &client, POST "bo");
        work_and_read();
        served += client_count(&client, "\r\n\r\n4");
        CHECK(client_count(&client, "200 OK") || client_count(&client, " 50") || client.eof || client.reset);
        stop();
    }
    CHECK(served > 0);
}

/* --- limits and the end ------------------------------------------------------------------------------------------- */

static void beyond_the_limit_requests_are_answered_by_503(void) {
    struct client second;
    start_with(1);
    client_open(&host, &client, GET);
    client_open(&host, &second, GET);
    CHECK_INT(client_count(&second, "HTTP/1.1 503 Service Unavailable\r\n"), 1);
    CHECK_INT(client_count(&second, "\r\nRetry-After: 1\r\n"), 1);
    CHECK_INT(remote.refused, 1);
    work_and_read();
    second.len = 0;
    client_send(&host, &second, GET); /* its connection is as good as before */
    work();
    client_read(&host, &second);
    client_got(&second, ok_reply("hello"));
    client_close(&host, &second);
    stop();
}

static void a_drain_waits_for_a_thread_whose_client_has_gone(void) {
    start();
    inner.on_request = close_connection;
    client_open(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    work();
    CHECK(vel_list_empty(&host.w.conns));
    CHECK_INT(pool.open, 1);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK); /* ends, because the end is in the inbox */
    CHECK_INT(pool.open, 0);
    stop();
}

static void what_no_thread_has_begun_is_dropped_when_all_is_over(void) {
    start();
    client_open(&host, &client, POST "body");
    stop();
    CHECK_INT(inner.requests, 0);
}

static void everything(struct vel_exchange *x) {
    struct vel_reply_head hints = {.status = 103, .fields = &trailer, .nfields = 1};
    int err = vel_exchange_inform(x, &hints);
    if (err == VEL_OK)
        err = fake_head(x, 200, -1);
    if (err == VEL_OK)
        err = fake_lend(x, large, 2000);
    if (err == VEL_OK)
        err = fake_lend(x, large, 20000);
    if (err == VEL_OK)
        err = fake_file(x, file, 0, 3000);
    if (err == VEL_OK)
        err = vel_exchange_flush(x);
    for (int i = 0; i < 60; i++)
        trailers[i] = trailer;
    if (err == VEL_OK)
        fake_end_with(x, trailers, 60);
    else
        fake_abort(x);
}

static void any_allocation_may_fail(void) {
    int served = 0;
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        fail_malloc_at(0);
        start();
        file = some_file();
        inner.on_request = everything;
        fail_malloc_at(n);
        client_open(&host, &client, POST "body");
        work_and_read();
        served += client_count(&client, "\r\n0\r\nX-Sum: 1\r\n");
        CHECK(client_count(&client, "200 OK") || client_count(&client, " 50") || client.eof || client.reset);
        close(file);
        stop();
    }
    CHECK(served > 0);
}

/* --- with threads ------------------------------------------------------------------------------------------------- */

enum { THREADS = 3, CLIENTS = 12, ROUNDS = 60 };

static struct crew {
    struct vel_remote_thread base;
    struct vel_app app;
    pthread_t thread;
} crew[THREADS];

/* One of several shapes, told by the path. */
static void answer_some_way(struct vel_exchange *x) {
    char kind = x->head->target.raw.at[1];
    struct vel_reply_head head = {.status = 200, .reason = VEL_SLICE("OK"), .length = kind == 'a' ? 5 : -1};
    vel_exchange_head(x, &head);
    for (int i = 0; i < (kind == 'b' ? 20 : 1); i++) {
        vel_exchange_data(x, vel_slice(kind == 'b' ? large : "hello", kind == 'b' ? 9000 : 5), NULL);
        if (kind != 'a' && vel_exchange_flush(x) != VEL_OK) {
            vel_exchange_abort(x);
            return;
        }
    }
    if (kind == 'd')
        vel_exchange_abort(x);
    else
        vel_exchange_end(x);
}

static const struct vel_app_ops crew_ops = {.whole_body = true, .on_request = answer_some_way};

static void *crew_work(void *arg) {
    struct crew *c = arg;
    vel_pool_work(&pool, &c->base.base);
    return NULL;
}

static void start_crew(void) {
    start();
    for (int i = 0; i < THREADS; i++) {
        crew[i].app.ops = &crew_ops;
        crew[i].base = (struct vel_remote_thread){.app = &crew[i].app, .places = &place};
        CHECK_INT(pthread_create(&crew[i].thread, NULL, crew_work, &crew[i]), 0);
    }
}

static void stop_crew(void) {
    vel_pool_close(&pool);
    CHECK_INT(vel_pool_join(&pool, 10000), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(crew[i].thread, NULL), 0);
    stop();
}

static void turn(void) {
    CHECK(vel_worker_turn(&host.w, 1) >= 0);
}

/* Clients that ask, that take their time, and that go without waiting: each at another stage of another request. */
static void many_clients_that_come_and_go(void) {
    static struct client clients[CLIENTS];
    int server_end, whole = 0;
    start_crew();
    memset(large, 'b', sizeof large);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            char request[64];
            snprintf(request, sizeof request, "GET /%c HTTP/1.1\r\nHost: a\r\n\r\n", "abcd"[(i + round) % 4]);
            client_pair(&clients[i], &server_end);
            CHECK(send(clients[i].fd, request, strlen(request), 0) > 0);
            host_serve(&host, server_end);
            if (i % 3 == 0)
                turn();
        }
        for (int i = 0; i < CLIENTS; i++) {
            bool stays = (i + round) % 5 != 0, is_a = (i + round) % 4 == 0;
            for (int n = 0; stays && is_a && client_count(&clients[i], "hello") == 0 && n < 10000; n++) {
                turn();
                client_take(&clients[i], CLIENT_MAX);
            }
            whole += stays && is_a && client_count(&clients[i], "\r\n\r\nhello");
            close(clients[i].fd);
            turn();
        }
    }
    int asked = 0;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CLIENTS; i++)
            asked += (i + round) % 5 != 0 && (i + round) % 4 == 0;
    CHECK_INT(whole, asked);
    client.fd = -1;
    for (int n = 0; pool.open > 0 && n < 10000; n++)
        turn();
    stop_crew();
}

int main(void) {
    RUN(a_request_is_answered_in_the_thread);
    RUN(it_sees_request_and_place);
    RUN(the_thread_has_copies_of_its_own);
    RUN(several_requests_on_a_connection_are_answered_in_turn);
    RUN(what_comes_during_the_work_waits_without_spinning);
    RUN(a_half_closed_client_gets_its_answer);
    RUN(a_head_is_copied_whatever_its_size);
    RUN(an_abort_is_a_500);
    RUN(an_application_that_does_not_end_is_a_500);
    RUN(a_body_that_is_too_short_cuts_the_connection);
    RUN(what_is_beyond_the_length_is_left_out);
    RUN(calls_out_of_order_are_told_at_once);
    RUN(a_head_request_has_no_body);
    RUN(trailers_come_behind_a_chunked_body);
    RUN(an_informational_head_goes_before);
    RUN(a_turn_comes_at_once);
    RUN(a_small_loan_ends_at_once);
    RUN(a_large_loan_ends_in_a_thread_when_all_is_sent);
    RUN(a_large_loan_ends_when_the_client_goes);
    RUN(a_file_is_done_with_at_once);
    RUN(without_a_descriptor_to_spare_the_thread_waits);
    RUN(a_fast_client_does_not_keep_the_thread_waiting);
    RUN(the_thread_waits_for_a_slow_client_and_no_longer_than_it_must);
    RUN(a_client_that_goes_is_told_to_the_thread_that_waits);
    RUN(a_client_that_takes_nothing_is_given_up);
    RUN(only_the_pools_thread_sleeps_in_a_flush);
    RUN(one_that_goes_before_a_thread_has_it_is_never_worked_on);
    RUN(one_that_goes_during_the_work_is_not_missed);
    RUN(what_was_lent_to_one_that_went_comes_back);
    RUN(one_that_goes_between_end_and_turn);
    RUN(without_a_body_a_request_is_complete);
    RUN(a_body_that_came_whole_is_as_good_as_collected);
    RUN(a_body_is_read_as_it_comes);
    RUN(a_chunked_body_is_read_without_its_frames);
    RUN(a_sender_is_not_read_faster_than_the_thread_reads);
    RUN(the_client_is_told_to_go_on_when_the_body_is_read);
    RUN(a_client_that_goes_ends_the_reading);
    RUN(a_sender_that_is_too_slow_ends_the_reading);
    RUN(a_body_that_nobody_reads_does_not_become_a_request);
    RUN(only_the_pools_thread_sleeps_in_a_read);
    RUN(any_allocation_of_a_streamed_body_may_fail);
    RUN(beyond_the_limit_requests_are_answered_by_503);
    RUN(a_drain_waits_for_a_thread_whose_client_has_gone);
    RUN(what_no_thread_has_begun_is_dropped_when_all_is_over);
    RUN(any_allocation_may_fail);
    RUN(many_clients_that_come_and_go);
}

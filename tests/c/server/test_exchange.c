/* Tests of server/exchange.c. */
#include "server/exchange.h"

#include "server/proto_h1.h"
#include "support/failmalloc.h"
#include "support/host.h"
#include "support/test.h"

#include <unistd.h>

#define GET "GET /path HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"

static struct host host;
static struct client client;

/* A connection to hang exchanges on. */
static void start(void) {
    host_init(&host);
    host_start(&host);
    client_open(&host, &client, NULL);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

static struct vel_head *some_head(char *bytes) {
    static struct vel_head head;
    head = (struct vel_head){.bytes = vel_slice(bytes, 8), .nfields = 1};
    head.method_text = vel_slice(bytes, 3);
    head.target.raw = vel_slice(bytes + 4, 1);
    head.fields[0] = (struct vel_field){.name = vel_slice(bytes + 5, 1), .value = vel_slice(bytes + 6, 2)};
    return &head;
}

static void a_new_exchange_knows_where_it_is(void) {
    start();
    struct vel_conn *c = host_conn(&host);
    struct vel_exchange *x = vel_exchange_open(c, NULL, &vel_proto_h1);
    CHECK(x->conn == c && x->app == &host.app.app && x->proto == &vel_proto_h1 && x->head == NULL);
    CHECK_SLICE(x->endpoint->name, "localhost");
    CHECK(x->peer == &c->peer);
    CHECK(x->began_us == 0 && !x->given && !x->kept && vel_list_empty(&x->turn));
    vel_exchange_close(x);
    stop();
}

static void keep_moves_head_and_body_out_of_the_read_buffer(void) {
    char bytes[] = "GET /ab2", body[] = "body";
    start();
    struct vel_exchange *x = vel_exchange_open(host_conn(&host), some_head(bytes), &vel_proto_h1);
    CHECK_INT(vel_body_add(&x->body, vel_slice(body, 4), 100), VEL_OK);
    CHECK_INT(vel_exchange_keep(x), VEL_OK);
    memset(bytes, 'x', sizeof bytes);
    memset(body, 'x', sizeof body);
    CHECK_SLICE(x->head->method_text, "GET");
    CHECK_SLICE(x->head->target.raw, "/");
    CHECK_SLICE(x->head->fields[0].name, "a");
    CHECK_SLICE(x->head->fields[0].value, "b2");
    CHECK_SLICE(x->body.bytes, "body");
    vel_exchange_close(x);
    stop();
}

static void keep_again_keeps_a_body_that_came_later(void) {
    char bytes[] = "GET /ab2", body[] = "body";
    start();
    struct vel_exchange *x = vel_exchange_open(host_conn(&host), some_head(bytes), &vel_proto_h1);
    CHECK_INT(vel_exchange_keep(x), VEL_OK);
    const struct vel_head *head = x->head;
    CHECK_INT(vel_body_add(&x->body, vel_slice(body, 4), 100), VEL_OK);
    CHECK_INT(vel_exchange_keep(x), VEL_OK);
    memset(body, 'x', sizeof body);
    CHECK(x->head == head);
    CHECK_SLICE(x->body.bytes, "body");
    vel_exchange_close(x);
    stop();
}

static void keep_without_memory(void) {
    for (unsigned long n = 1; n < 100; n++) {
        char bytes[] = "GET /ab2";
        start();
        struct vel_exchange *x = vel_exchange_open(host_conn(&host), some_head(bytes), &vel_proto_h1);
        vel_body_add(&x->body, vel_slice("body", 4), 100);
        fail_malloc_at(n);
        int err = vel_exchange_keep(x);
        bool hit = fail_malloc_hit();
        fail_malloc_at(0);
        CHECK_INT(err, hit ? VEL_ENOMEM : VEL_OK);
        vel_exchange_close(x);
        stop();
        if (!hit)
            return;
    }
    CHECK(false);
}

static void drop_tells_only_who_knows_of_it(void) {
    start();
    struct vel_exchange *x = vel_exchange_open(host_conn(&host), NULL, &vel_proto_h1);
    vel_exchange_drop(x);
    CHECK(x->ended && x->failed);
    CHECK_INT(host.app.aborts, 0);
    vel_exchange_close(x);
    CHECK_INT(host.w.stats->aborted, 1);
    stop();
}

static void hold(struct vel_exchange *x) {
    (void)x;
}

static void drop_tells_once(void) {
    start();
    host.app.on_request = hold;
    client_send(&host, &client, GET);
    vel_exchange_drop(host.app.held);
    vel_exchange_drop(host_conn(&host)->exchange);
    CHECK_INT(host.app.aborts, 1);
    stop();
    CHECK_INT(host.app.aborts, 1);
}

static void refused_trailer_then_another(struct vel_exchange *x) {
    static const enum vel_field_id late[] = {
        VEL_FIELD_CONTENT_LENGTH, VEL_FIELD_TRANSFER_ENCODING, VEL_FIELD_HOST,    VEL_FIELD_CONNECTION,
        VEL_FIELD_CONTENT_TYPE,   VEL_FIELD_CONTENT_ENCODING,  VEL_FIELD_TRAILER, VEL_FIELD_TE,
        VEL_FIELD_UPGRADE,
    };
    struct vel_field trailers[2] = {{{"A", 1}, {"1", 1}, VEL_FIELD_OTHER}};
    fake_head(x, 200, -1);
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        trailers[1] = (struct vel_field){vel_field_name(late[i]), {"2", 1}, late[i]};
        CHECK_INT(fake_end_with(x, trailers, 2), VEL_EINVAL);
        CHECK(!x->ended);
    }
    CHECK_INT(fake_end_with(x, trailers, 1), VEL_OK);
}

/* RFC 9110 6.5.1. */
static void a_trailer_that_says_what_the_message_is_comes_too_late(void) {
    start();
    host.app.on_request = refused_trailer_then_another;
    client_send(&host, &client, GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\n\r\n");
    stop();
}

static void the_exchange_is_used_again(void) {
    start();
    struct vel_exchange *first = vel_exchange_open(host_conn(&host), NULL, &vel_proto_h1);
    struct vel_exchange *second = vel_exchange_open(host_conn(&host), NULL, &vel_proto_h1);
    CHECK(first != second);
    first->status = 200;
    CHECK(vel_arena_alloc(&first->arena, 10) != NULL);
    vel_exchange_close(first);
    struct vel_exchange *third = vel_exchange_open(host_conn(&host), NULL, &vel_proto_h1);
    CHECK(third == first && third->status == 0 && third->app_data == NULL);
    fail_malloc_at(1);
    CHECK(vel_arena_alloc(&third->arena, 10) != NULL); /* its block is there still */
    fail_malloc_at(0);
    vel_exchange_close(second);
    vel_exchange_close(third);
    stop();
}

static void exchanges_after_a_flood_do_not_stay(void) {
    enum { MANY = 500 };
    static struct vel_exchange *all[MANY];
    start();
    for (int i = 0; i < MANY; i++)
        all[i] = vel_exchange_open(host_conn(&host), NULL, &vel_proto_h1);
    for (int i = 0; i < MANY; i++)
        vel_exchange_close(all[i]);
    CHECK(host.w.nspare > 1 && host.w.nspare <= 100);
    stop();
}

static void check_logged(const char *want) {
    struct vel_buf *lines = &host.w.access.lines;
    CHECK(memmem(lines->data, lines->len, want, strlen(want)) != NULL);
}

static void close_logs_what_was_sent(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    start();
    host.w.access.fd = ends[1];
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    vel_loop_turn(host.w.loop, 0); /* without the flush of the log */
    check_logged("\"GET /path HTTP/1.1\" 200 5 ");
    client_send(&host, &client, GET);
    char text[4096];
    CHECK(read(ends[0], text, sizeof text) > 0);
    CHECK_INT(host.w.access.lines.len, 0);
    stop();
    close(ends[0]);
    close(ends[1]);
}

static void a_client_that_went_before_the_answer_is_logged_as_499(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    start();
    host.w.access.fd = ends[1];
    host.app.on_request = hold;
    client_send(&host, &client, GET);
    vel_conn_close(host_conn(&host));
    check_logged("\"GET /path HTTP/1.1\" 499 0 ");
    stop();
    close(ends[0]);
    close(ends[1]);
}

static void a_refusal_is_logged_without_its_bytes(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    start();
    host.w.access.fd = ends[1];
    CHECK(write(client.fd, "bad\r\n\r\n", 7) == 7);
    vel_loop_turn(host.w.loop, 0);
    check_logged("203.0.113.9 - - [");
    check_logged("] \"-\" 400 16 ");
    stop();
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    RUN(a_new_exchange_knows_where_it_is);
    RUN(keep_moves_head_and_body_out_of_the_read_buffer);
    RUN(keep_again_keeps_a_body_that_came_later);
    RUN(keep_without_memory);
    RUN(drop_tells_only_who_knows_of_it);
    RUN(drop_tells_once);
    RUN(a_trailer_that_says_what_the_message_is_comes_too_late);
    RUN(the_exchange_is_used_again);
    RUN(exchanges_after_a_flood_do_not_stay);
    RUN(close_logs_what_was_sent);
    RUN(a_client_that_went_before_the_answer_is_logged_as_499);
    RUN(a_refusal_is_logged_without_its_bytes);
    return 0;
}

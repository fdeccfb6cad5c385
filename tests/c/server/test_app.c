/* Tests of server/app.h: a protocol with two exchanges at once on one connection, and an application that cannot tell.
 */
#include "server/app.h"

#include "server/exchange.h"
#include "support/fake_app.h"
#include "support/test.h"

/* What HTTP/2 does, without its frames: every call becomes a line with the stream's number. */
struct stream {
    struct vel_exchange x;
    struct vel_head head;
    int number;
    uint64_t credit; /* bytes the peer still takes */
    uint64_t window; /* bytes the peer may still send */
    bool awaits, asked;
};

struct connection {
    struct stream streams[2];
    char out[4096];
    size_t len;
};

static struct connection conn;
static struct fake_app app;

static struct stream *stream_of(struct vel_exchange *x) {
    return VEL_CONTAINER(x, struct stream, x);
}

static void put(const char *text, size_t len) {
    CHECK(conn.len + len < sizeof conn.out);
    memcpy(conn.out + conn.len, text, len);
    conn.len += len;
    conn.out[conn.len] = '\0';
}

static void put_line(struct vel_exchange *x, const char *what, struct vel_slice value) {
    char text[64];
    put(text, (size_t)snprintf(text, sizeof text, "%d %s ", stream_of(x)->number, what));
    put(value.at, value.len);
    put("\n", 1);
}

static int two_head(struct vel_exchange *x, const struct vel_reply_head *head) {
    char text[8];
    if (x->status != 0)
        return VEL_ESTATE;
    x->status = head->status;
    put_line(x, "head", vel_slice(text, (size_t)snprintf(text, sizeof text, "%u", head->status)));
    return VEL_OK;
}

static int two_inform(struct vel_exchange *x, const struct vel_reply_head *head) {
    (void)head;
    put_line(x, "inform", VEL_SLICE(""));
    return VEL_OK;
}

static int two_data(struct vel_exchange *x, struct vel_slice data, const struct vel_loan *loan) {
    struct stream *s = stream_of(x);
    if (x->status == 0)
        return VEL_ESTATE;
    CHECK(data.len <= s->credit);
    s->credit -= data.len;
    x->sent += data.len;
    put_line(x, "data", data);
    if (loan != NULL)
        loan->release(loan->owner);
    return VEL_OK;
}

static int two_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len, struct vel_loan loan) {
    char text[32];
    (void)file;
    put_line(
        x, "file",
        vel_slice(text, (size_t)snprintf(text, sizeof text, "%lld+%llu", (long long)offset, (unsigned long long)len)));
    loan.release(loan.owner);
    return VEL_OK;
}

/* One frame for the last of it, whichever that is (RFC 9113 8.1). */
static int two_end(struct vel_exchange *x, const struct vel_field *trailers, size_t n) {
    x->ended = true;
    for (size_t i = 0; i < n; i++)
        put_line(x, "trailer", trailers[i].name);
    put_line(x, "end", VEL_SLICE(""));
    return VEL_OK;
}

static void two_abort(struct vel_exchange *x) {
    x->ended = x->failed = true;
    put_line(x, "reset", VEL_SLICE(""));
}

static int two_flush(struct vel_exchange *x) {
    return stream_of(x)->credit > 0 ? VEL_OK : VEL_EAGAIN;
}

static int two_wait(struct vel_exchange *x, int ms) {
    (void)ms;
    return two_flush(x);
}

static void two_await_credit(struct vel_exchange *x) {
    stream_of(x)->awaits = true;
}

static void two_yield(struct vel_exchange *x) {
    stream_of(x)->asked = true;
}

/* The peer is told when it may send again (RFC 9113 6.9). */
static void two_consume(struct vel_exchange *x, size_t n) {
    char text[32];
    x->unconsumed -= n;
    stream_of(x)->window += n;
    put_line(x, "window", vel_slice(text, (size_t)snprintf(text, sizeof text, "%zu", n)));
}

static const struct vel_proto proto_two = {
    .head = two_head,
    .inform = two_inform,
    .data = two_data,
    .file = two_file,
    .end = two_end,
    .abort = two_abort,
    .flush = two_flush,
    .wait = two_wait,
    .await_credit = two_await_credit,
    .yield = two_yield,
    .consume = two_consume,
};

static void start(bool whole_body, void (*on_request)(struct vel_exchange *x)) {
    memset(&conn, 0, sizeof conn);
    fake_app_init(&app);
    app.ops.whole_body = whole_body;
    app.hoards = true;
    app.on_request = on_request;
}

/* What a protocol does when the head of a stream has come. */
static struct vel_exchange *open_stream(int i, const char *target) {
    struct stream *s = &conn.streams[i];
    s->number = i + 1;
    s->credit = 1000;
    s->window = VEL_READ_WINDOW;
    s->head.bytes = VEL_SLICE("\n");
    s->head.method_text = VEL_SLICE("GET");
    s->head.target.raw = vel_slice(target, strlen(target));
    s->x = (struct vel_exchange){.proto = &proto_two, .app = &app.app, .head = &s->head};
    vel_list_init(&s->x.turn);
    return &s->x;
}

static void request(struct vel_exchange *x) {
    x->given = true;
    x->app->ops->on_request(x);
}

static void receive_all(struct vel_exchange *x) {
    x->received = true;
    if (!x->ended)
        x->app->ops->on_end(x);
}

/* As much as the peer may send. Returns how much. */
static size_t receive_bytes(struct vel_exchange *x, const char *at, size_t len) {
    struct stream *s = stream_of(x);
    size_t n = len < s->window ? len : s->window;
    if (n == 0)
        return 0;
    s->window -= n;
    x->unconsumed += n;
    x->app->ops->on_data(x, vel_slice(at, n));
    return n;
}

static void receive(struct vel_exchange *x, const char *text) {
    CHECK_INT(receive_bytes(x, text, strlen(text)), strlen(text));
}

static void give_turns(void) {
    for (int i = 0; i < 2; i++) {
        struct stream *s = &conn.streams[i];
        if (s->asked) {
            s->asked = false;
            app.ops.on_turn(&s->x);
        }
    }
}

static void more_credit(struct vel_exchange *x, uint64_t n) {
    struct stream *s = stream_of(x);
    s->credit += n;
    if (s->awaits) {
        s->awaits = false;
        app.ops.on_turn(x);
    }
}

static void check_out(const char *want) {
    if (strcmp(conn.out, want) != 0)
        fprintf(stderr, "%s\n", conn.out);
    CHECK(strcmp(conn.out, want) == 0);
    CHECK_INT(fake_app_running(&app), 0);
    CHECK_INT(app.lent, app.returned);
}

static void begin_and_yield(struct vel_exchange *x) {
    fake_head(x, 200, -1);
    vel_exchange_yield(x);
}

static void data_and_end(struct vel_exchange *x) {
    fake_data(x, x->head->target.raw.at);
    fake_end(x);
}

static void two_replies_are_interleaved(void) {
    start(true, begin_and_yield);
    app.on_turn = data_and_end;
    request(open_stream(0, "/a"));
    request(open_stream(1, "/b"));
    give_turns();
    check_out("1 head 200\n2 head 200\n1 data /a\n1 end \n2 data /b\n2 end \n");
}

static void the_second_may_end_first(void) {
    start(true, begin_and_yield);
    app.on_turn = data_and_end;
    struct vel_exchange *first = open_stream(0, "/a");
    request(first);
    conn.streams[0].asked = false;
    request(open_stream(1, "/b"));
    give_turns();
    app.ops.on_turn(first);
    check_out("1 head 200\n2 head 200\n2 data /b\n2 end \n1 data /a\n1 end \n");
}

static void two_bodies_arrive_by_turns(void) {
    start(false, NULL);
    app.on_end = fake_echo;
    struct vel_exchange *first = open_stream(0, "/a"), *second = open_stream(1, "/b");
    request(first);
    request(second);
    receive(first, "one");
    receive(second, "two");
    receive(first, "more");
    receive_all(second);
    receive_all(first);
    check_out("2 head 200\n2 data GET /b two\n2 end \n1 head 200\n1 data GET /a onemore\n1 end \n");
}

static void send_while_there_is_credit(struct vel_exchange *x) {
    if (x->status == 0)
        fake_head(x, 200, -1);
    while (app.left > 0 && vel_exchange_flush(x) == VEL_OK) {
        app.left--;
        fake_lend(x, "12345", 5);
    }
    if (app.left == 0)
        fake_end(x);
    else
        vel_exchange_await_credit(x);
}

static void one_without_credit_does_not_hold_up_the_other(void) {
    start(true, send_while_there_is_credit);
    app.on_turn = send_while_there_is_credit;
    app.left = 3;
    struct vel_exchange *first = open_stream(0, "/a"), *second = open_stream(1, "/b");
    stream_of(first)->credit = 5;
    request(first);
    CHECK(stream_of(first)->awaits);
    app.on_request = fake_hello;
    request(second);
    CHECK(second->ended && !first->ended);
    more_credit(first, 5);
    more_credit(first, 5);
    check_out("1 head 200\n1 data 12345\n2 head 200\n2 data hello\n2 end \n1 data 12345\n1 data 12345\n1 end \n");
}

static void hold(struct vel_exchange *x) {
    (void)x;
}

static void one_that_is_not_consumed_does_not_hold_up_the_other(void) {
    static char bytes[VEL_READ_WINDOW];
    start(false, NULL);
    app.on_end = fake_hello;
    struct vel_exchange *first = open_stream(0, "/a"), *second = open_stream(1, "/b");
    request(first);
    request(second);
    CHECK_INT(receive_bytes(first, bytes, sizeof bytes), VEL_READ_WINDOW);
    CHECK(vel_exchange_is_full(first) && !vel_exchange_is_full(second));
    CHECK_INT(receive_bytes(first, bytes, 1), 0);
    receive(second, "two");
    receive_all(second);
    vel_exchange_consume(first, 1000);
    CHECK_INT(receive_bytes(first, bytes, sizeof bytes), 1000);
    receive_all(first);
    check_out("2 head 200\n2 data hello\n2 end \n1 window 1000\n1 head 200\n1 data hello\n1 end \n");
}

static void consume_at_once(struct vel_exchange *x, struct vel_slice data) {
    vel_exchange_consume(x, data.len);
}

static void two_are_consumed_as_they_come(void) {
    start(false, NULL);
    app.on_data = consume_at_once;
    app.on_end = fake_hello;
    struct vel_exchange *first = open_stream(0, "/a"), *second = open_stream(1, "/b");
    request(first);
    request(second);
    receive(first, "one");
    receive(second, "second");
    receive(first, "more");
    CHECK(first->unconsumed == 0 && second->unconsumed == 0);
    receive_all(first);
    receive_all(second);
    check_out("1 window 3\n2 window 6\n1 window 4\n1 head 200\n1 data hello\n1 end \n"
              "2 head 200\n2 data hello\n2 end \n");
}

static void end_with_trailers(struct vel_exchange *x) {
    static const struct vel_field trailers[] = {
        {{"Sum", 3}, {"1", 1}, VEL_FIELD_OTHER},
        {{"Host", 4}, {"a", 1}, VEL_FIELD_HOST},
    };
    CHECK_INT(fake_end_with(x, trailers, 2), VEL_EINVAL);
    CHECK_INT(fake_end_with(x, trailers, 1), VEL_OK);
}

static void trailers_of_one_do_not_end_the_other(void) {
    start(true, begin_and_yield);
    app.on_turn = data_and_end;
    struct vel_exchange *first = open_stream(0, "/a");
    request(first);
    request(open_stream(1, "/b"));
    conn.streams[0].asked = false;
    end_with_trailers(first);
    give_turns();
    check_out("1 head 200\n2 head 200\n1 trailer Sum\n1 end \n2 data /b\n2 end \n");
}

/* RFC 9113 6.4: a reset ends one stream and leaves the others. */
static void one_is_aborted_and_the_other_goes_on(void) {
    start(false, hold);
    app.on_end = fake_hello;
    struct vel_exchange *first = open_stream(0, "/a"), *second = open_stream(1, "/b");
    request(first);
    request(second);
    first->ended = first->failed = true;
    app.ops.on_abort(first);
    receive_all(second);
    CHECK_INT(app.aborts, 1);
    check_out("2 head 200\n2 data hello\n2 end \n");
}

static void abort_in_the_middle(struct vel_exchange *x) {
    fake_head(x, 200, 10);
    fake_data(x, "123");
    fake_abort(x);
}

static void the_application_aborts_one(void) {
    start(true, abort_in_the_middle);
    request(open_stream(0, "/a"));
    app.on_request = fake_hello;
    request(open_stream(1, "/b"));
    check_out("1 head 200\n1 data 123\n1 reset \n2 head 200\n2 data hello\n2 end \n");
}

static void inform_file_and_end(struct vel_exchange *x) {
    struct vel_reply_head hints = {.status = 103};
    CHECK_INT(vel_exchange_inform(x, &hints), VEL_OK);
    CHECK_INT(fake_data(x, "early"), VEL_ESTATE);
    fake_head(x, 200, 7);
    CHECK_INT(fake_head(x, 200, 7), VEL_ESTATE);
    fake_file(x, 0, 3, 7);
    CHECK_INT(vel_exchange_wait(x, 0), VEL_OK);
    fake_end(x);
}

static void every_call_reaches_the_protocol(void) {
    start(true, inform_file_and_end);
    request(open_stream(0, "/a"));
    check_out("1 inform \n1 head 200\n1 file 3+7\n1 end \n");
}

int main(void) {
    RUN(two_replies_are_interleaved);
    RUN(the_second_may_end_first);
    RUN(two_bodies_arrive_by_turns);
    RUN(one_without_credit_does_not_hold_up_the_other);
    RUN(one_that_is_not_consumed_does_not_hold_up_the_other);
    RUN(two_are_consumed_as_they_come);
    RUN(trailers_of_one_do_not_end_the_other);
    RUN(one_is_aborted_and_the_other_goes_on);
    RUN(the_application_aborts_one);
    RUN(every_call_reaches_the_protocol);
    return 0;
}

/* Responses as the load generator reads them: every row whole, and cut at every byte. */
#include "load/response.h"

#include "support/guard.h"
#include "support/test.h"

struct outcome {
    unsigned count; /* of responses */
    unsigned status;
    bool closes;
    bool wrong_body;
    bool malformed;
    bool begun; /* another is under way */
};

static void feed_piece(struct response *r, struct outcome *out, const struct expect *expect, const char *in,
                       size_t len) {
    char *copy = guard_copy(in, len);
    const char *at = copy;
    while (at < copy + len && !out->malformed) {
        switch (response_feed(r, expect, &at, copy + len)) {
        case RESPONSE_MORE:
            CHECK(at == copy + len);
            break;
        case RESPONSE_DONE:
            out->count++;
            out->status = r->status;
            out->closes = r->closes;
            out->wrong_body = r->wrong_body;
            break;
        case RESPONSE_WRONG:
            out->malformed = true;
        }
    }
    guard_free(copy, len);
}

/* Fed in pieces of step bytes after one of first. */
static struct outcome read_pieces(const char *in, const char *body, size_t first, size_t step) {
    struct expect expect = {.at = body, .size = body ? strlen(body) : 0};
    struct response r = {0};
    struct outcome out = {0};
    size_t len = strlen(in);
    feed_piece(&r, &out, &expect, in, first < len ? first : len);
    for (size_t at = first; at < len && !out.malformed; at += step)
        feed_piece(&r, &out, &expect, in + at, at + step < len ? step : len - at);
    out.begun = response_begun(&r);
    if (response_ends_by_close(&r, &expect)) {
        out.count++;
        out.status = r.status;
        out.closes = r.closes;
        out.wrong_body = r.wrong_body;
    }
    response_free(&r);
    return out;
}

static void check_row(const char *in, const char *body, struct outcome want) {
    for (size_t first = 1; first <= strlen(in); first++) {
        for (size_t step = 1; step <= strlen(in); step += strlen(in) - 1 ? strlen(in) - 1 : 1) {
            struct outcome out = read_pieces(in, body, first, step);
            CHECK_INT(out.malformed, want.malformed);
            if (want.malformed)
                continue;
            CHECK_INT(out.count, want.count);
            CHECK_INT(out.begun, want.begun);
            if (want.count == 0)
                continue;
            CHECK_INT(out.status, want.status);
            CHECK_INT(out.closes, want.closes);
            CHECK_INT(out.wrong_body, want.wrong_body);
        }
    }
}

#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n"

static void a_length_ends_the_body(void) {
    check_row(OK_5 "\r\nhello", "hello", (struct outcome){.count = 1, .status = 200});
    check_row("HTTP/1.1 404\r\ncontent-length:\t0 \r\n\r\n", NULL, (struct outcome){.malformed = true});
    check_row("HTTP/1.1 404 \r\ncontent-length:\t0\r\n\r\n", "", (struct outcome){.count = 1, .status = 404});
    check_row(OK_5 "\r\nhello" OK_5 "\r\nhel", "hello", (struct outcome){.count = 1, .status = 200, .begun = true});
}

static void chunks_end_with_the_trailer(void) {
    check_row(CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello", (struct outcome){.count = 1, .status = 200});
    check_row(CHUNKED "2;a=\"b\"\r\nhe\r\n03\r\nllo\r\n0\r\nA: b\r\nC: d\r\n\r\n", "hello",
              (struct outcome){.count = 1, .status = 200});
    check_row(CHUNKED "5\r\nhello\r\n0\r\n", "hello", (struct outcome){.begun = true});
    check_row(CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", (struct outcome){.count = 1, .status = 200});
}

static void a_body_may_end_with_the_connection(void) {
    check_row("HTTP/1.0 200 OK\r\n\r\nhello", "hello",
              (struct outcome){.count = 1, .status = 200, .closes = true, .begun = true});
}

static void it_knows_whether_the_connection_stays(void) {
    check_row(OK_5 "Connection: close\r\n\r\nhello", "hello",
              (struct outcome){.count = 1, .status = 200, .closes = true});
    check_row(OK_5 "Connection: a, CLOSE ,b\r\n\r\nhello", "hello",
              (struct outcome){.count = 1, .status = 200, .closes = true});
    check_row("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "hello",
              (struct outcome){.count = 1, .status = 200});
    check_row("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello",
              (struct outcome){.count = 1, .status = 200, .closes = true});
}

static void statuses_without_a_body_have_none(void) {
    check_row("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "",
              (struct outcome){.count = 1, .status = 304});
    check_row("HTTP/1.1 204 No Content\r\n\r\n", "", (struct outcome){.count = 1, .status = 204});
    check_row("HTTP/1.1 100 Continue\r\n\r\n" OK_5 "\r\nhello", "hello", (struct outcome){.count = 1, .status = 200});
}

static void another_body_is_noticed(void) {
    struct outcome wrong = {.count = 1, .status = 200, .wrong_body = true};
    check_row(OK_5 "\r\nhellO", "hello", wrong);
    check_row(OK_5 "\r\nhello", "hello, world", wrong);
    check_row(OK_5 "\r\nhello", "hell", wrong);
    check_row(CHUNKED "5\r\nhello\r\n0\r\n\r\n", "HELLO", wrong);
    check_row(OK_5 "\r\nhello", NULL, (struct outcome){.count = 1, .status = 200});
}

static void what_is_not_http_is_refused(void) {
    static const char *const rows[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        CHUNKED "x\r\n",
        CHUNKED "1\r\nab\r\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(rows[i], NULL, (struct outcome){.malformed = true});
}

static void an_endless_head_is_refused(void) {
    struct expect anything = {0};
    struct response r = {0};
    struct outcome out = {0};
    feed_piece(&r, &out, &anything, "HTTP/1.1 200 OK\r\nA: ", 20);
    for (int i = 0; i < RESPONSE_HEAD_MOST && !out.malformed; i++)
        feed_piece(&r, &out, &anything, "a", 1);
    CHECK(out.malformed);
    response_free(&r);
}

static void a_websocket_is_accepted_by_its_key(void) {
    static const char good[] =
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    struct expect anything = {0};
    struct response r = {0};
    const char *at = good;
    CHECK_INT(response_feed(&r, &anything, &at, good + sizeof good - 1), RESPONSE_DONE);
    CHECK(r.accepted && r.status == 101 && !r.closes);
    static const char bad[] = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: nonsense\r\n\r\n";
    at = bad;
    CHECK_INT(response_feed(&r, &anything, &at, bad + sizeof bad - 1), RESPONSE_DONE);
    CHECK(!r.accepted);
    response_free(&r);
}

int main(void) {
    RUN(a_length_ends_the_body);
    RUN(chunks_end_with_the_trailer);
    RUN(a_body_may_end_with_the_connection);
    RUN(it_knows_whether_the_connection_stays);
    RUN(statuses_without_a_body_have_none);
    RUN(another_body_is_noticed);
    RUN(what_is_not_http_is_refused);
    RUN(an_endless_head_is_refused);
    RUN(a_websocket_is_accepted_by_its_key);
    return 0;
}

/* Chunked bodies: the grammar of RFC 9112 7.1 as rows, every row cut at every byte. */
#include "http1/chunked.h"

#include "support/guard.h"
#include "support/test.h"

static const struct vel_limits limits = {.body = 64, .trailers = 40, .chunk_ext = 20};

struct outcome {
    long status; /* 0: not refused */
    const char *why;
    bool done;
    size_t used;
    char body[512];
    size_t len;
};

/* Feeds one piece; false when that is the end of it. */
static bool feed_piece(struct vel_h1_chunked *c, struct outcome *out, const char *in, size_t len) {
    char *copy = guard_copy(in, len);
    for (size_t at = 0; at < len && !vel_h1_chunked_done(c) && out->status == 0;) {
        struct vel_slice data;
        long n = vel_h1_chunked_feed(c, copy + at, len - at, &data, &out->why);
        if (n < 0) {
            out->status = n;
            break;
        }
        CHECK(n > 0 && (size_t)n <= len - at);
        CHECK(data.len == 0 || (data.at >= copy + at && data.at + data.len <= copy + at + n));
        CHECK(out->len + data.len <= sizeof(out->body));
        if (data.len > 0)
            memcpy(out->body + out->len, data.at, data.len);
        out->len += data.len;
        out->used += (size_t)n;
        at += (size_t)n;
    }
    guard_free(copy, len);
    return out->status == 0 && !vel_h1_chunked_done(c);
}

/* One piece of first bytes, then pieces of step. */
static void decode(struct outcome *out, const char *in, size_t len, size_t first, size_t step,
                   const struct vel_scan *scan) {
    struct vel_h1_chunked c;
    vel_h1_chunked_init(&c, scan, &limits);
    *out = (struct outcome){0};
    bool more = feed_piece(&c, out, in, first);
    for (size_t at = first; more && at < len; at += step)
        more = feed_piece(&c, out, in + at, at + step < len ? step : len - at);
    out->done = vel_h1_chunked_done(&c);
}

static void check_same(const struct outcome *have, const struct outcome *want, const char *in, size_t cut) {
    bool why = have->why == want->why || (have->why && want->why && strcmp(have->why, want->why) == 0);
    /* Where a refused body stops is known to the piece only. */
    bool used = have->status < 0 || have->used == want->used;
    if (why && used && have->status == want->status && have->done == want->done && have->len == want->len &&
        memcmp(have->body, want->body, have->len) == 0)
        return;
    fprintf(stderr, "cut at %zu: %ld %s, not %ld %s, for\n%s\n", cut, have->status, have->why, want->status, want->why,
            in);
    exit(1);
}

struct row {
    const char *rule;
    const char *in;
    size_t len;
    long status;      /* 0: a whole body */
    const char *body; /* what of it comes before the end or the fault */
};

#define GOOD(rule, in, body)                                                                                           \
    { rule, in, sizeof(in) - 1, 0, body }
#define BAD(rule, in, status, body)                                                                                    \
    { rule, in, sizeof(in) - 1, status, body }

static void check_rows(const struct row *rows, size_t n) {
    const struct vel_scan *scans[] = {&vel_scan_plain, vel_scan_best()};
    for (size_t i = 0; i < n; i++) {
        const struct row *row = &rows[i];
        struct outcome whole, other;
        decode(&whole, row->in, row->len, row->len, 1, scans[0]);
        if (whole.status != row->status || whole.done != (row->status == 0)) {
            fprintf(stderr, "%s: %ld (%s), for\n%s\n", row->rule, whole.status, whole.why, row->in);
            exit(1);
        }
        CHECK_SLICE(vel_slice(whole.body, whole.len), row->body);
        CHECK(whole.status == 0 || whole.why != NULL);
        for (size_t s = 0; s < 2; s++) {
            for (size_t cut = 0; cut <= row->len; cut++) {
                decode(&other, row->in, row->len, cut, row->len, scans[s]);
                check_same(&other, &whole, row->in, cut);
            }
            decode(&other, row->in, row->len, 0, 1, scans[s]);
            check_same(&other, &whole, row->in, SIZE_MAX);
        }
    }
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

static void chunks_are_size_data_crlf(void) {
    static const struct row rows[] = {
        GOOD("RFC 9112 7.1: nothing", "0\r\n\r\n", ""),
        GOOD("RFC 9112 7.1", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        GOOD("RFC 9112 7.1", "5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n", "hello 0123456789"),
        GOOD("RFC 9112 7.1: digits of both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
             "01234567890123456789a"),
        GOOD("RFC 9112 7.1: zeros in front", "0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello"),
        GOOD("RFC 9112 7.1: line ends are data here", "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "\r\n0\r\n\r"),
        GOOD("RFC 9112 7.1: what follows is not the body's", "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "a"),
        BAD("RFC 9112 7.1: 17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: overflow", "10000000000000001\r\nh\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: 2^64 - 1", "ffffffffffffffff\r\nh", -413, ""),
        BAD("RFC 9112 7.1: no size", "\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: no size", ";a=b\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: sign", "+5\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: sign", "-5\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: prefix", "0x5\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: underscore", "0_5\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: space", " 5\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: space", "5 \r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: tab", "5\t\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: NUL", "5\0\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: not a digit", "g\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare LF", "5\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare CR", "5\rhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare CR", "5\r\r\nhello\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1: bare LF behind the data", "5\r\nhello\n0\r\n\r\n", -400, "hello"),
        BAD("RFC 9112 7.1: bare CR behind the data", "5\r\nhello\r0\r\n\r\n", -400, "hello"),
        BAD("RFC 9112 7.1: any two bytes behind the data", "5\r\nhelloXX0\r\n\r\n", -400, "hello"),
        BAD("RFC 9112 7.1: data too long", "5\r\nhello!\r\n0\r\n\r\n", -400, "hello"),
        BAD("RFC 9112 7.1: data too short", "5\r\nhell\r\n0\r\n\r\n", -400, "hell\r"),
        BAD("RFC 9112 7.1: last line by LF", "0\r\n\n", -400, ""),
        BAD("RFC 9112 7.1: last line by CR", "0\r\n\rX", -400, ""),
        BAD("RFC 9112 7.1: last chunk by LF", "0\n\r\n", -400, ""),
    };
    CHECK_ROWS(rows);
}

static void extensions_are_token_and_token_or_quoted_string(void) {
    static const struct row rows[] = {
        GOOD("RFC 9112 7.1.1", "1;a\r\nx\r\n0\r\n\r\n", "x"),
        GOOD("RFC 9112 7.1.1", "1;a=b\r\nx\r\n0\r\n\r\n", "x"),
        GOOD("RFC 9112 7.1.1", "1;a;b=c;d=\"\"\r\nx\r\n0\r\n\r\n", "x"),
        GOOD("RFC 9112 7.1.1: quoted", "1;a=\"\t;\\\"\\\\ \x80\"\r\nx\r\n0\r\n\r\n", "x"),
        GOOD("RFC 9112 7.1.1: quoted, then more", "1;a=\"b\";c\r\nx\r\n0;d\r\n\r\n", "x"),
        BAD("RFC 9112 7.1.1: no name", "1;\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: no name", "1;;a\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: no name", "1;=b\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: no value", "1;a=\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: no value", "1;a=;b\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: two values", "1;a=b=c\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: BWS", "1 ;a\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: BWS", "1; a\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: BWS", "1;a =b\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: BWS", "1;a= b\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: SP behind", "1;a=b \r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: LF in a name", "1;a\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: LF in a value", "1;a=b\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: bare CR", "1;a\rx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9112 7.1.1: NUL", "1;a=\0\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: CR quoted", "1;a=\"\r\n\"\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: LF quoted", "1;a=\"\n\"\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: LF escaped", "1;a=\"\\\n\"\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: NUL quoted", "1;a=\"\0\"\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: DEL quoted", "1;a=\"\x7f\"\r\nx\r\n0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.6.4: text behind the quote", "1;a=\"b\"c\r\nx\r\n0\r\n\r\n", -400, ""),
        GOOD("20 bytes of them", "1;0123456789\r\nx\r\n0;12345678\r\n\r\n", "x"),
        BAD("21 bytes of them, over two chunks", "1;0123456789\r\nx\r\n0;123456789\r\n\r\n", -400, "x"),
    };
    CHECK_ROWS(rows);
}

static void trailers_are_checked_and_dropped(void) {
    static const struct row rows[] = {
        GOOD("RFC 9112 7.1.2", "1\r\nx\r\n0\r\nA: b\r\nDigest:\tc\x80 \r\n\r\n", "x"),
        GOOD("RFC 9112 7.1.2: empty value", "0\r\nA:\r\n\r\n", ""),
        BAD("RFC 9110 6.5.1: framing", "0\r\nContent-Length: 5\r\n\r\n", -400, ""),
        BAD("RFC 9110 6.5.1: framing", "0\r\nA: b\r\ntransfer-ENCODING: chunked\r\n\r\n", -400, ""),
        BAD("RFC 9110 6.5.1: routing", "0\r\nhOST: h\r\n\r\n", -400, ""),
        GOOD("RFC 9110 6.5.1: other names", "0\r\nHosts: h\r\nHos: t\r\nXHost: h\r\n\r\n", ""),
        GOOD("RFC 9110 6.5.1: other names", "0\r\nTransfer-Encodings: h\r\n\r\n", ""),
        GOOD("RFC 9110 6.5.1: other names", "0\r\nContent-Lengtg: h\r\n\r\n", ""),
        BAD("RFC 9112 5.1: SP before the colon", "0\r\nA : b\r\n\r\n", -400, ""),
        BAD("RFC 9112 5: no colon", "0\r\nA\r\n\r\n", -400, ""),
        BAD("RFC 9112 5: no name", "0\r\n: b\r\n\r\n", -400, ""),
        BAD("RFC 9112 5: a request is no trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", -400, ""),
        BAD("RFC 9112 5.2: folding", "0\r\nA: b\r\n c\r\n\r\n", -400, ""),
        BAD("RFC 9112 5.2: folding of nothing", "0\r\n A: b\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.5: NUL", "0\r\nA: \0\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.5: control", "0\r\nA: \x1b\r\n\r\n", -400, ""),
        BAD("RFC 9110 5.1: not ASCII", "0\r\n\xc3\x84: b\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare LF", "0\r\nA: b\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare LF", "0\r\nA\n: b\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare CR", "0\r\nA: b\rc\r\n\r\n", -400, ""),
        BAD("RFC 9112 2.2: bare CR", "0\r\nA: b\r\n\rA: b\r\n", -400, ""),
        GOOD("40 bytes of them", "0\r\nA: 45678901234567\r\nB: 45678901234567890\r\n\r\n", ""),
        BAD("41 bytes of them", "0\r\nA: 456789012345678\r\nB: 456789012345678901\r\n\r\n", -431, ""),
        BAD("41 bytes of a value", "0\r\nA: 45678901234567890123456789012345678901\r\n\r\n", -431, ""),
        BAD("41 bytes of a name", "0\r\nA12345678901234567890123456789012345678901:\r\n\r\n", -431, ""),
    };
    CHECK_ROWS(rows);
}

static void the_whole_body_is_limited(void) {
    static const struct row rows[] = {
        GOOD("64 bytes",
             "20\r\n01234567890123456789012345678901\r\n20\r\n01234567890123456789012345678901\r\n0\r\n\r\n",
             "0123456789012345678901234567890101234567890123456789012345678901"),
        BAD("RFC 9110 15.5.14", "41\r\n", -413, ""),
        BAD("RFC 9110 15.5.14: known before the extension", "41;a", -413, ""),
        BAD("RFC 9110 15.5.14: over two chunks", "1\r\nx\r\n40\r\n", -413, "x"),
    };
    CHECK_ROWS(rows);
}

static void a_body_without_its_last_crlf_is_not_complete(void) {
    static const char in[] = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (size_t len = 0; len < sizeof(in) - 1; len++) {
        struct outcome out;
        decode(&out, in, len, len, 1, vel_scan_best());
        CHECK(out.status == 0 && !out.done);
        CHECK_INT(out.used, len);
    }
}

static void data_is_a_slice_of_the_input(void) {
    static const char in[] = "5\r\nhello\r\n0\r\n\r\n";
    struct vel_h1_chunked c;
    struct vel_slice data;
    const char *why = NULL;
    vel_h1_chunked_init(&c, vel_scan_best(), &limits);
    CHECK_INT(vel_h1_chunked_feed(&c, in, sizeof(in) - 1, &data, &why), 8);
    CHECK(data.at == in + 3 && data.len == 5);
    CHECK_INT(vel_h1_chunked_feed(&c, in + 8, sizeof(in) - 1 - 8, &data, &why), 7);
    CHECK(data.len == 0 && vel_h1_chunked_done(&c));
    CHECK_INT(vel_h1_chunked_feed(&c, in, 1, &data, &why), 0);
}

static void a_chunk_larger_than_memory_is_counted_right(void) {
    static const char in[] = "ffffffffffffffff\r\nabc";
    struct vel_limits endless = limits;
    endless.body = UINT64_MAX;
    struct vel_h1_chunked c;
    struct vel_slice data;
    const char *why = NULL;
    vel_h1_chunked_init(&c, vel_scan_best(), &endless);
    CHECK_INT(vel_h1_chunked_feed(&c, in, sizeof(in) - 1, &data, &why), sizeof(in) - 1);
    CHECK_SLICE(data, "abc");
    CHECK(c.left == UINT64_MAX - 3);
}

int main(void) {
    RUN(chunks_are_size_data_crlf);
    RUN(extensions_are_token_and_token_or_quoted_string);
    RUN(trailers_are_checked_and_dropped);
    RUN(the_whole_body_is_limited);
    RUN(a_body_without_its_last_crlf_is_not_complete);
    RUN(data_is_a_slice_of_the_input);
    RUN(a_chunk_larger_than_memory_is_counted_right);
    return 0;
}

/* Request heads: every rule of RFC 9112 2-6 as a row, every row cut at every byte. */
#include "http1/request.h"

#include "support/guard.h"
#include "support/test.h"

#include <stdarg.h>

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

/* One outcome in words: status or length, reason, and all that the head holds. */
struct outcome {
    long result;
    const char *why;
    char text[4096];
};

static size_t put(char *at, size_t room, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(at, room, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < room);
    return (size_t)n;
}

#define SLICE_ARGS(s) (int)(s).len, (s).len ? (s).at : ""

static void describe(struct outcome *out, const struct vel_head *head) {
    size_t n = put(out->text, sizeof(out->text),
                   "%.*s %d %u form %d [%.*s] [%.*s] ? [%.*s] @ [%.*s] host %d [%.*s] body %d %lld "
                   "keep %d expect %d",
                   SLICE_ARGS(head->method_text), head->method, head->minor, head->target.form,
                   SLICE_ARGS(head->target.raw), SLICE_ARGS(head->target.path), SLICE_ARGS(head->target.query),
                   SLICE_ARGS(head->target.authority), head->has_host, SLICE_ARGS(head->host), head->framing.kind,
                   (long long)head->framing.length, head->keep_alive, head->expect_continue);
    for (size_t i = 0; i < head->nfields; i++)
        n += put(out->text + n, sizeof(out->text) - n, " {%.*s: %.*s}%d", SLICE_ARGS(head->fields[i].name),
                 SLICE_ARGS(head->fields[i].value), head->fields[i].id);
}

/* The input in pieces that end at the given cuts; at each call all of it up to there, at a new address, with the old
 * one gone and nothing readable behind it. */
struct feeding {
    struct vel_h1_parser parser;
    struct vel_head head;
    char *copy;
    size_t len;
};

static long feed(struct feeding *f, const char *in, size_t len, const char **why) {
    char *copy = guard_copy(in, len);
    if (f->copy != NULL)
        guard_free(f->copy, f->len);
    f->copy = copy;
    f->len = len;
    return vel_h1_parse_head(&f->parser, &f->head, copy, len, why);
}

/* Of everything that was read before in this program: it must not show. */
static struct vel_h1_lines known;

static void begin(struct feeding *f, const struct vel_scan *scan, const struct vel_limits *with) {
    /* What an earlier request left must not show. */
    memset(&f->head, 0xA5, sizeof(f->head));
    f->copy = NULL;
    vel_h1_parser_init(&f->parser, scan, with);
    if (with == &limits)
        f->parser.lines = &known;
}

/* Cut every step bytes, the first time at first. */
static void parse_cut(struct outcome *out, const char *in, size_t len, size_t first, size_t step,
                      const struct vel_scan *scan, const struct vel_limits *with) {
    static struct feeding f;
    begin(&f, scan, with);
    *out = (struct outcome){0};
    for (size_t at = first; out->result == 0 && at < len; at += step)
        out->result = feed(&f, in, at, &out->why);
    if (out->result == 0)
        out->result = feed(&f, in, len, &out->why);
    if (out->result > 0)
        describe(out, &f.head);
    if (f.copy != NULL)
        guard_free(f.copy, f.len);
}

static void check_same(const struct outcome *have, const struct outcome *want, const char *in, size_t cut) {
    if (have->result == want->result && strcmp(have->text, want->text) == 0 &&
        (have->why == want->why || (have->why && want->why && strcmp(have->why, want->why) == 0)))
        return;
    fprintf(stderr, "cut at %zu: %ld %s %s\ninstead of %ld %s %s\nfor %s\n", cut, have->result, have->why, have->text,
            want->result, want->why, want->text, in);
    exit(1);
}

static void parse_at_every_cut(struct outcome *out, const char *in, size_t len, const struct vel_limits *with) {
    const struct vel_scan *scans[] = {&vel_scan_plain, vel_scan_best()};
    parse_cut(out, in, len, len, 1, scans[0], with);
    for (size_t i = 0; i < 2; i++) {
        struct outcome other;
        for (size_t cut = 0; cut <= len; cut++) {
            parse_cut(&other, in, len, cut, len, scans[i], with);
            check_same(&other, out, in, cut);
        }
        parse_cut(&other, in, len, 0, 1, scans[i], with);
        check_same(&other, out, in, SIZE_MAX);
    }
}

struct row {
    const char *rule;
    const char *in;
    size_t len;
    long want; /* a status, or 0 for "served" */
};

#define ROW(rule, in, want)                                                                                            \
    { rule, in, sizeof(in) - 1, want }
#define LINE(rule, line, want) ROW(rule, line "\r\nHost: h\r\n\r\n", want)
#define FIELD(rule, field, want) ROW(rule, "GET / HTTP/1.1\r\nHost: h\r\n" field "\r\n\r\n", want)
#define POST(rule, field, want) ROW(rule, "POST / HTTP/1.1\r\nHost: h\r\n" field "\r\n\r\n", want)

static void check_rows(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct outcome out;
        parse_at_every_cut(&out, rows[i].in, rows[i].len, &limits);
        long want = rows[i].want != 0 ? rows[i].want : (long)rows[i].len;
        if (out.result != want) {
            fprintf(stderr, "%s: %ld (%s), not %ld, for\n%s\n", rows[i].rule, out.result, out.why, want, rows[i].in);
            exit(1);
        }
        CHECK(out.result > 0 || out.why != NULL);
    }
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

static void lines_end_in_crlf(void) {
    static const struct row rows[] = {
        LINE("RFC 9112 2.2", "GET / HTTP/1.1", 0),
        ROW("RFC 9112 2.2: bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare LF", "GET / HTTP/1.1\r\nHost: h\n\r\n", -400),
        ROW("RFC 9112 2.2: bare LF", "GET / HTTP/1.1\r\nHost: h\r\n\n", -400),
        ROW("RFC 9112 2.2: bare LF", "GET / HTTP/1.1\n\n", -400),
        ROW("RFC 9112 2.2: bare LF first", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare LF in a name", "GET / HTTP/1.1\r\nHost\n: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR", "GET / HTTP/1.1\rHost: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR in a value", "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR in a name", "GET / HTTP/1.1\r\nHost: h\r\nA\rb: c\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR in the target", "GET /\ra HTTP/1.1\r\nHost: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: bare CR first", "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: CR as the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\rX\n", -400),
        ROW("RFC 9112 2.2: CR as the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", -400),
        ROW("RFC 9112 2.2: one empty line before", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0),
        ROW("RFC 9112 2.2: a few", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0),
        ROW("RFC 9112 2.2: too many", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", -400),
    };
    CHECK_ROWS(rows);
}

static void a_request_line_is_method_target_version(void) {
    static const struct row rows[] = {
        LINE("RFC 9110 9.1: any token", "BREW / HTTP/1.1", 0),
        LINE("RFC 9110 9.1: any token", "M-SEARCH /! HTTP/1.1", 0),
        LINE("RFC 9110 9.1: token", "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", 0),
        LINE("RFC 9110 9.1: 32 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1", 0),
        LINE("RFC 9110 9.1: 33 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: not a token", "G@T / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: not a token", "GET: / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: NUL", "G\0T / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: high bit", "GET\x80 / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: case matters", "get / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: case matters", "Post / HTTP/1.1", -400),
        LINE("RFC 9110 9.1: other tokens in small letters", "brew / HTTP/1.1", 0),
        LINE("RFC 9112 3: no method", " / HTTP/1.1", -400),
        LINE("RFC 9112 3: two SP", "GET  / HTTP/1.1", -400),
        LINE("RFC 9112 3: two SP", "GET /  HTTP/1.1", -400),
        LINE("RFC 9112 3: tab", "GET\t/ HTTP/1.1", -400),
        LINE("RFC 9112 3: tab", "GET /\tHTTP/1.1", -400),
        LINE("RFC 9112 3: VT", "GET\v/ HTTP/1.1", -400),
        LINE("RFC 9112 3: FF", "GET /\fHTTP/1.1", -400),
        LINE("RFC 9112 3: SP at the end", "GET / HTTP/1.1 ", -400),
        LINE("RFC 9112 3: tab at the end", "GET / HTTP/1.1\t", -400),
        LINE("RFC 9112 3: SP at the start", " GET / HTTP/1.1", -400),
        LINE("RFC 9112 3: four words", "GET / HTTP/1.1 x", -400),
        LINE("RFC 9112 3: four words", "GET / a HTTP/1.1", -400),
        LINE("RFC 9112 3: method only", "GET", -400),
        LINE("RFC 9112 3: no target", "GET HTTP/1.1", -400),
        LINE("RFC 9112 3: no target", "GET  HTTP/1.1", -400),
        LINE("RFC 9112 3: HTTP/0.9", "GET /", -400),
        LINE("RFC 9112 3: HTTP/0.9", "GET / ", -400),
    };
    CHECK_ROWS(rows);
}

static void a_version_is_http_digit_dot_digit(void) {
    static const struct row rows[] = {
        LINE("RFC 9112 2.3", "GET / HTTP/1.0", 0),
        LINE("RFC 9110 2.5: higher minor is served", "GET / HTTP/1.2", 0),
        LINE("RFC 9110 2.5: higher minor is served", "GET / HTTP/1.9", 0),
        LINE("RFC 9112 2.3: upper case", "GET / http/1.1", -400),
        LINE("RFC 9112 2.3: upper case", "GET / Http/1.1", -400),
        LINE("RFC 9112 2.3: one digit", "GET / HTTP/1.10", -400),
        LINE("RFC 9112 2.3: one digit", "GET / HTTP/01.1", -400),
        LINE("RFC 9112 2.3: minor missing", "GET / HTTP/1", -400),
        LINE("RFC 9112 2.3: minor missing", "GET / HTTP/1.", -400),
        LINE("RFC 9112 2.3: not a digit", "GET / HTTP/1.x", -400),
        LINE("RFC 9112 2.3: not a digit", "GET / HTTP/x.1", -400),
        LINE("RFC 9112 2.3: sign", "GET / HTTP/+1.1", -400),
        LINE("RFC 9112 2.3: comma", "GET / HTTP/1,1", -400),
        LINE("RFC 9112 2.3: more behind", "GET / HTTP/1.1x", -400),
        LINE("RFC 9112 2.3: more behind", "GET / HTTP/2.0x", -400),
        LINE("RFC 9112 2.3: other name", "GET / HTTPS/1.1", -400),
        LINE("RFC 9112 2.3: other name", "GET / ICY/1.1", -400),
        LINE("RFC 9112 2.3: no name", "GET / 1.1", -400),
        LINE("RFC 9112 2.3: space", "GET / HTTP /1.1", -400),
        LINE("RFC 9110 15.6.6", "GET / HTTP/2.0", -505),
        LINE("RFC 9110 15.6.6", "GET / HTTP/0.9", -505),
        LINE("RFC 9110 15.6.6", "GET / HTTP/3.0", -505),
        ROW("RFC 9113 3.4: preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505),
    };
    CHECK_ROWS(rows);
}

static void a_target_has_one_of_four_forms(void) {
    static const struct row rows[] = {
        LINE("RFC 9112 3.2.1", "GET /a/b?c=d&e HTTP/1.1", 0),
        LINE("RFC 9112 3.2.1", "GET /?? HTTP/1.1", 0),
        LINE("RFC 9112 3.2.1: a path, not an authority", "GET //evil/x HTTP/1.1", 0),
        LINE("RFC 9112 3.2.1: every legal byte", "GET /!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~ HTTP/1.1", 0),
        LINE("RFC 9112 3.2.2", "GET http://h/p?q HTTP/1.1", 0),
        LINE("RFC 9112 3.2.2: empty path", "GET http://h HTTP/1.1", 0),
        LINE("RFC 9112 3.2.2: scheme in any case", "GET HTTP://h/ HTTP/1.1", 0),
        LINE("RFC 9112 3.2.4", "OPTIONS * HTTP/1.1", 0),
        LINE("RFC 9112 3.2.4: OPTIONS only", "GET * HTTP/1.1", -400),
        LINE("RFC 9112 3.2.3: CONNECT only", "GET h:443 HTTP/1.1", -400),
        LINE("RFC 9110 9.3.6: no tunnel here", "CONNECT h:443 HTTP/1.1", -501),
        LINE("RFC 9112 3.2.3: CONNECT of a path", "CONNECT / HTTP/1.1", -400),
        LINE("RFC 9112 3.2: relative", "GET a HTTP/1.1", -400),
        LINE("RFC 9112 3.2: relative", "GET ?x HTTP/1.1", -400),
        LINE("RFC 9112 3.2: fragment", "GET /a#b HTTP/1.1", -400),
        LINE("RFC 9110 4.2.4: userinfo", "GET http://u:p@h/ HTTP/1.1", -400),
        LINE("RFC 3986 3.2.3: port", "GET http://h:8x/ HTTP/1.1", -400),
        LINE("RFC 9112 3.2: NUL", "GET /\0 HTTP/1.1", -400),
        LINE("RFC 9112 3.2: control", "GET /\x01 HTTP/1.1", -400),
        LINE("RFC 9112 3.2: DEL", "GET /\x7f HTTP/1.1", -400),
        LINE("RFC 9112 3.2: not ASCII", "GET /\xc3\xa9 HTTP/1.1", -400),
    };
    CHECK_ROWS(rows);
}

static void a_field_is_token_colon_value(void) {
    static const struct row rows[] = {
        FIELD("RFC 9112 5", "A: b", 0),
        FIELD("RFC 9112 5: no OWS", "A:b", 0),
        FIELD("RFC 9112 5: OWS", "A: \t b\t ", 0),
        FIELD("RFC 9110 5.5: empty value", "A:", 0),
        FIELD("RFC 9110 5.5: empty value", "A: \t", 0),
        FIELD("RFC 9110 5.5: tab, obs-text", "A: b\tc\x80\xff", 0),
        FIELD("RFC 9110 5.6.2: any token", "!#$%&'*+-.^_`|~09azAZ: b", 0),
        FIELD("RFC 9112 5.1: SP before the colon", "A : b", -400),
        FIELD("RFC 9112 5.1: tab before the colon", "A\t: b", -400),
        FIELD("RFC 9112 5.1: VT before the colon", "A\v: b", -400),
        FIELD("RFC 9112 5.1: NBSP before the colon", "A\xa0: b", -400),
        FIELD("RFC 9112 5.1: CR before the colon", "A\r: b", -400),
        FIELD("RFC 9112 5: no colon", "A", -400),
        FIELD("RFC 9112 5: no colon", "A b", -400),
        FIELD("RFC 9110 5.1: empty name", ": b", -400),
        FIELD("RFC 9110 5.1: separator in the name", "A(b): c", -400),
        FIELD("RFC 9110 5.1: separator in the name", "\"A\": c", -400),
        FIELD("RFC 9110 5.1: separator in the name", "A@b: c", -400),
        FIELD("RFC 9110 5.1: NUL in the name", "A\0b: c", -400),
        FIELD("RFC 9110 5.1: control in the name", "A\x1f: c", -400),
        FIELD("RFC 9110 5.1: not ASCII", "\xc3\x84: c", -400),
        FIELD("RFC 9112 5.2: folding", "A: b\r\n c", -400),
        FIELD("RFC 9112 5.2: folding", "A: b\r\n\tc", -400),
        FIELD("RFC 9112 5.2: folding of nothing", "A: b\r\n ", -400),
        ROW("RFC 9112 2.2: SP before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", -400),
        ROW("RFC 9112 2.2: tab before the first field", "GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", -400),
        FIELD("RFC 9110 5.5: NUL", "A: b\0c", -400),
        FIELD("RFC 9110 5.5: control", "A: \x01", -400),
        FIELD("RFC 9110 5.5: control", "A: \x08", -400),
        FIELD("RFC 9110 5.5: VT", "A: b\vc", -400),
        FIELD("RFC 9110 5.5: FF", "A: b\fc", -400),
        FIELD("RFC 9110 5.5: control", "A: \x1f", -400),
        FIELD("RFC 9110 5.5: DEL", "A: \x7f", -400),
    };
    CHECK_ROWS(rows);
}

static void host_is_one_legal_line(void) {
    static const struct row rows[] = {
        ROW("RFC 9112 3.2: missing", "GET / HTTP/1.1\r\n\r\n", -400),
        ROW("RFC 9112 3.2: missing in 1.0", "GET / HTTP/1.0\r\n\r\n", 0),
        ROW("RFC 9112 3.2: empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0),
        ROW("RFC 9112 3.2: twice", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", -400),
        ROW("RFC 9112 3.2: twice in 1.0", "GET / HTTP/1.0\r\nHost: h\r\nhost: i\r\n\r\n", -400),
        ROW("RFC 9112 3.2: space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400),
        ROW("RFC 9112 3.2: path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", -400),
        ROW("RFC 9112 3.2: userinfo", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", -400),
        ROW("RFC 9112 3.2: port", "GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n", -400),
        ROW("RFC 3986 3.2.2: literal", "GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 0),
        ROW("RFC 3986 3.2.2: open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", -400),
    };
    CHECK_ROWS(rows);
}

static void the_length_of_a_body_is_never_in_doubt(void) {
    static const struct row rows[] = {
        POST("RFC 9112 6.3", "Content-Length: 5", 0),
        POST("RFC 9112 6.3", "Content-Length: 0", 0),
        POST("RFC 9112 6.3", "Transfer-Encoding: chunked", 0),
        POST("RFC 9112 6.3: any case, OWS", "tRANSFER-eNCODING: \t Chunked\t", 0),
        ROW("RFC 9112 6.1: in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400),
        POST("RFC 9112 6.1: with a length", "Transfer-Encoding: chunked\r\nContent-Length: 5", -400),
        POST("RFC 9112 6.1: with a length", "Content-Length: 5\r\nTransfer-Encoding: chunked", -400),
        POST("RFC 9112 6.1: unknown coding", "Transfer-Encoding: gzip, chunked", -501),
        POST("RFC 9112 6.1: chunked twice", "Transfer-Encoding: chunked, chunked", -400),
        POST("RFC 9112 6.1: chunked not last", "Transfer-Encoding: chunked, gzip", -400),
        POST("RFC 9112 6.1: identity", "Transfer-Encoding: identity", -400),
        POST("RFC 9112 6.1: empty", "Transfer-Encoding:", -400),
        POST("RFC 9112 6.1", "Transfer-Encoding: xchunked", -400),
        POST("RFC 9112 6.1", "Transfer-Encoding: \"chunked\"", -400),
        POST("RFC 9112 6.1", "Transfer-Encoding: chunked;q=1", -400),
        POST("RFC 9112 6.1: VT", "Transfer-Encoding: \vchunked", -400),
        POST("RFC 9112 6.1: NUL", "Transfer-Encoding: chunked\0", -400),
        POST("RFC 9112 6.1: two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", -400),
        POST("RFC 9112 6.1: two lines", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", -400),
        POST("RFC 9110 8.6: sign", "Content-Length: +5", -400),
        POST("RFC 9110 8.6: sign", "Content-Length: -5", -400),
        POST("RFC 9110 8.6: hexadecimal", "Content-Length: 0x5", -400),
        POST("RFC 9110 8.6: underscore", "Content-Length: 1_0", -400),
        POST("RFC 9110 8.6: space", "Content-Length: 1 0", -400),
        POST("RFC 9110 8.6: list", "Content-Length: 5, 5", -400),
        POST("RFC 9110 8.6: empty", "Content-Length:", -400),
        POST("RFC 9110 8.6: twice", "Content-Length: 5\r\nContent-Length: 5", -400),
        POST("RFC 9110 8.6: 2^63", "Content-Length: 9223372036854775808", -400),
        POST("RFC 9110 8.6: 2^64 + 5", "Content-Length: 18446744073709551621", -400),
        POST("RFC 9110 15.5.14", "Content-Length: 1073741825", -413),
        FIELD("RFC 9110 9.3.1: of a GET too", "Content-Length: 5", 0),
        FIELD("RFC 9110 9.3.1: of a GET too", "Content-Length: x", -400),
    };
    CHECK_ROWS(rows);
}

static void connection_and_expect_are_read(void) {
    static const struct {
        const char *in;
        bool keep_alive, expect;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true, false},
        {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", true, false},
        {"GET / HTTP/1.0\r\nHost: h\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n", false, false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false, false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: xclose\r\n\r\n", true, false},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n", true, true},
        {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nexpect: 100-continue\r\n\r\n", true, true},
        {"PUT / HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", false, false},
        {"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", true, false},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: other\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", true, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char want[32];
        struct outcome out;
        parse_at_every_cut(&out, rows[i].in, strlen(rows[i].in), &limits);
        put(want, sizeof(want), "keep %d expect %d", rows[i].keep_alive, rows[i].expect);
        CHECK_INT(out.result, strlen(rows[i].in));
        CHECK(strstr(out.text, want) != NULL);
    }
}

static void a_head_is_taken_apart(void) {
    static const char in[] = "\r\nPOST /a%20b?c=d HTTP/1.1\r\nHOST: example.org:80\r\nX-Other: \t 1 2 \t\r\n"
                             "Empty:\r\ncontent-LENGTH: 7\r\n\r\nbody...";
    struct vel_head head;
    struct vel_h1_parser p;
    const char *why = NULL;
    vel_h1_parser_init(&p, vel_scan_best(), &limits);
    CHECK_INT(vel_h1_parse_head(&p, &head, in, sizeof(in) - 1, &why), sizeof(in) - 1 - 7);
    CHECK_SLICE(head.bytes, "\r\nPOST /a%20b?c=d HTTP/1.1\r\nHOST: example.org:80\r\nX-Other: \t 1 2 \t\r\n"
                            "Empty:\r\ncontent-LENGTH: 7\r\n\r\n");
    CHECK_INT(head.method, VEL_METHOD_POST);
    CHECK_SLICE(head.method_text, "POST");
    CHECK_INT(head.minor, 1);
    CHECK_SLICE(head.target.raw, "/a%20b?c=d");
    CHECK_SLICE(head.target.path, "/a%20b");
    CHECK_SLICE(head.target.query, "c=d");
    CHECK_SLICE(head.host, "example.org:80");
    CHECK(!head.path_is_decoded);
    CHECK_INT(head.framing.kind, VEL_BODY_LENGTH);
    CHECK_INT(head.framing.length, 7);
    CHECK_INT(head.nfields, 4);
    CHECK_INT(head.fields[0].id, VEL_FIELD_HOST);
    CHECK_SLICE(head.fields[0].name, "HOST");
    CHECK_INT(head.fields[1].id, VEL_FIELD_OTHER);
    CHECK_SLICE(head.fields[1].value, "1 2");
    CHECK_SLICE(head.fields[2].value, "");
    CHECK_INT(head.fields[3].id, VEL_FIELD_CONTENT_LENGTH);
}

static void what_the_head_before_left_does_not_show(void) {
    static const char first[] = "POST http://a/x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    static const char second[] = "GET / HTTP/1.0\r\n\r\n";
    struct outcome alone, after = {0};
    struct feeding f;
    parse_cut(&alone, second, sizeof(second) - 1, sizeof(second), 1, vel_scan_best(), &limits);
    begin(&f, vel_scan_best(), &limits);
    CHECK_INT(feed(&f, first, sizeof(first) - 1, &after.why), sizeof(first) - 1);
    vel_h1_parser_reset(&f.parser);
    CHECK_INT(feed(&f, second, 10, &after.why), 0);
    after.result = feed(&f, second, sizeof(second) - 1, &after.why);
    describe(&after, &f.head);
    guard_free(f.copy, f.len);
    check_same(&after, &alone, second, 10);
}

static void the_first_byte_tells_what_is_no_request(void) {
    static const char *const first[] = {"\x16\x03\x01", "\x80", " ", "\t", "{", "\n", "\x7f", "\xff"};
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        struct outcome out;
        parse_cut(&out, first[i], 1, 1, 1, vel_scan_best(), &limits);
        CHECK_INT(out.result, -400);
    }
    struct outcome nul;
    parse_cut(&nul, "", 1, 1, 1, vel_scan_best(), &limits);
    CHECK_INT(nul.result, -400);
}

static void an_empty_input_needs_more(void) {
    struct vel_head head;
    struct vel_h1_parser p;
    const char *why = NULL;
    vel_h1_parser_init(&p, vel_scan_best(), &limits);
    CHECK_INT(vel_h1_parse_head(&p, &head, NULL, 0, &why), 0);
}

/* At each prefix of in the parser wants more, until at refused_at it does not. */
static void check_refused_at(const char *in, size_t refused_at, long status, const struct vel_limits *with) {
    struct feeding f;
    const char *why = NULL;
    begin(&f, vel_scan_best(), with);
    for (size_t len = 1; len < refused_at; len++)
        CHECK_INT(feed(&f, in, len, &why), 0);
    CHECK_INT(feed(&f, in, refused_at, &why), status);
    guard_free(f.copy, f.len);
    begin(&f, vel_scan_best(), with);
    CHECK_INT(feed(&f, in, refused_at, &why), status);
    guard_free(f.copy, f.len);
}

static void a_fault_is_told_at_its_byte(void) {
    check_refused_at("G@", 2, -400, &limits);
    check_refused_at("get ", 4, -400, &limits);
    check_refused_at("GET /abc\x80", 9, -400, &limits);
    check_refused_at("GET / HTTX", 10, -400, &limits);
    check_refused_at("GET / HTTP/1.1\r\nAb ", 19, -400, &limits);
    check_refused_at("GET / HTTP/1.1\r\nAb: c\x01", 22, -400, &limits);
    check_refused_at("GET / HTTP/1.1\r\nAb: c\rd", 23, -400, &limits);
    check_refused_at("GET / HTTP/1.1\r\nAb: c\r\n ", 24, -400, &limits);
}

static void limits_are_checked_while_reading(void) {
    struct vel_limits small = {.target = 8, .head = 100, .fields = 2, .field = 20, .name = 6, .body = 5};
    /* RFC 9110 15.5.15, RFC 6585 5: no line end is waited for. */
    check_refused_at("GET /23456789", 13, -414, &small);
    check_refused_at("OPTIONS /23456789", 17, -414, &small);
    check_refused_at("GET / HTTP/1.1\r\nA: 4567890123456789012", 16 + 21, -431, &small);
    check_refused_at("GET / HTTP/1.1\r\nA:1\r\nB:2\r\nC", 16 + 10 + 1, -431, &small);
    check_refused_at("GET / HTTP/1.1\r\nA234567", 16 + 7, -431, &small);
    small.field = small.fields = 100;
    small.head = 40;
    check_refused_at("GET / HTTP/1.1\r\nA: 4567890123456789012345", 41, -431, &small);
    small.head = 17;
    check_refused_at("GET / HTTP/1.1\r\n\r\n", 18, -431, &small);
}

static void limits_are_exact(void) {
    static const struct row rows[] = {
        ROW("target 8", "GET /2345678 HTTP/1.0\r\n\r\n", 0),
        ROW("target 9", "GET /23456789 HTTP/1.0\r\n\r\n", -414),
        ROW("target 9, bad", "GET /2345678\x01 HTTP/1.0\r\n\r\n", -400),
        ROW("name 6", "GET / HTTP/1.0\r\nNaMe-6: 1\r\n\r\n", 0),
        ROW("name 7", "GET / HTTP/1.0\r\nNaMe-67: 1\r\n\r\n", -431),
        ROW("name 7, bad behind", "GET / HTTP/1.0\r\nNaMe-67 : 1\r\n\r\n", -431),
        ROW("field 20", "GET / HTTP/1.0\r\nA: 45678901234567890\r\n\r\n", 0),
        ROW("field 20, bad last", "GET / HTTP/1.0\r\nA: 4567890123456789\x01\r\n\r\n", -400),
        ROW("field 21", "GET / HTTP/1.0\r\nA: 456789012345678901\r\n\r\n", -431),
        ROW("field 21, bad behind", "GET / HTTP/1.0\r\nA: 456789012345678901\x01\r\n\r\n", -431),
        ROW("fields 2", "GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\n\r\n", 0),
        ROW("fields 3", "GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", -431),
        ROW("head 60", "GET / HTTP/1.0\r\nA: 45678901234567890\r\nB: 456789012345678\r\n\r\n", 0),
        ROW("head 61", "GET / HTTP/1.0\r\nA: 45678901234567890\r\nB: 4567890123456789\r\n\r\n", -431),
    };
    struct vel_limits small = {.target = 8, .head = 60, .fields = 2, .field = 20, .name = 6, .body = 5};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome out;
        parse_at_every_cut(&out, rows[i].in, rows[i].len, &small);
        CHECK_INT(out.result, rows[i].want != 0 ? rows[i].want : (long)rows[i].len);
    }
}

static void fields_never_pass_the_room_of_a_head(void) {
    struct vel_limits wide = limits;
    static char in[64 + 4 * (VEL_FIELDS_MAX + 1)] = "GET / HTTP/1.0\r\n";
    size_t len = strlen(in);
    wide.fields = VEL_FIELDS_MAX + 10;
    for (size_t i = 0; i <= VEL_FIELDS_MAX; i++)
        len += put(in + len, sizeof(in) - len, "a:\r\n");
    struct outcome out;
    parse_cut(&out, in, len, len, 1, vel_scan_best(), &wide);
    CHECK_INT(out.result, -431);
}

/* Counts the bytes that are looked at. */
static size_t looked_at;

static size_t counted_value(const char *at, size_t len) {
    size_t n = vel_scan_plain.value(at, len);
    looked_at += n + 1;
    return n;
}

static size_t counted_target(const char *at, size_t len) {
    size_t n = vel_scan_plain.target(at, len);
    looked_at += n + 1;
    return n;
}

static const struct vel_scan counting = {"counting", counted_value, counted_target};

static void check_linear(const char *in, size_t len, size_t most) {
    struct vel_head head;
    struct vel_h1_parser p;
    const char *why = NULL;
    long result = 0;
    looked_at = 0;
    vel_h1_parser_init(&p, &counting, &limits);
    for (size_t at = 1; result == 0 && at <= len; at++)
        result = vel_h1_parse_head(&p, &head, in, at, &why);
    CHECK_INT(result, len);
    CHECK(looked_at <= most);
}

static void a_head_byte_by_byte_costs_a_few_looks_a_byte(void) {
    static char in[65536];
    size_t len = put(in, sizeof(in), "GET / HTTP/1.0\r\nA: %08000d\r\n\r\n", 0);
    check_linear(in, len, 5 * len);
    len = put(in, sizeof(in), "GET / HTTP/1.0\r\n");
    for (int i = 0; i < 100; i++)
        len += put(in + len, sizeof(in) - len, "Name-%d: %080d\r\n", i, i);
    len += put(in + len, sizeof(in) - len, "\r\n");
    check_linear(in, len, 5 * len);
    /* A target is read again for each byte of the version, and no more often. */
    len = put(in, sizeof(in), "GET /%08191d HTTP/1.0\r\n\r\n", 0);
    check_linear(in, len, 14 * len);
}

int main(void) {
    RUN(lines_end_in_crlf);
    RUN(a_request_line_is_method_target_version);
    RUN(a_version_is_http_digit_dot_digit);
    RUN(a_target_has_one_of_four_forms);
    RUN(a_field_is_token_colon_value);
    RUN(host_is_one_legal_line);
    RUN(the_length_of_a_body_is_never_in_doubt);
    RUN(connection_and_expect_are_read);
    RUN(a_head_is_taken_apart);
    RUN(what_the_head_before_left_does_not_show);
    RUN(the_first_byte_tells_what_is_no_request);
    RUN(an_empty_input_needs_more);
    RUN(a_fault_is_told_at_its_byte);
    RUN(limits_are_checked_while_reading);
    RUN(limits_are_exact);
    RUN(fields_never_pass_the_room_of_a_head);
    RUN(a_head_byte_by_byte_costs_a_few_looks_a_byte);
    return 0;
}

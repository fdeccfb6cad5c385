/* HTTP/1 request heads: one pass over the bytes, slices out, resumable at any byte (RFC 9112 2-5). */
#include "http1/request.h"

#include "http/field_check.h"

/* Empty lines let through before a request line; RFC 9112 2.2 asks for at least one. */
#define BLANKS_MAX 8

/* "HTTP/1.1" and its CRLF. */
#define VERSION_LINE_END 10

#define COLD __attribute__((cold, noinline))

/* What the reader of a line returns when it is not refused: that it was read, or where the input was cut. */
enum { LINE_READ, LINE_CUT, CUT_IN_TARGET, CUT_IN_NAME, CUT_IN_VALUE };

/* The input not read yet; at stands at the start of a line. end is cut to limits->head. */
struct input {
    const char *start, *at, *end;
    const char **why;
};

static COLD long refuse(const struct input *in, long status, const char *why) {
    *in->why = why;
    return status;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* --- the request line ------------------------------------------------------------------------------------------- */

static COLD long skip_blanks(struct vel_h1_parser *p, struct input *in) {
    while (in->at < in->end && *in->at == '\r') {
        if (in->end - in->at < 2)
            return LINE_CUT;
        if (in->at[1] != '\n')
            return refuse(in, -400, "bare CR");
        if (++p->blanks > BLANKS_MAX)
            return refuse(in, -400, "too many empty lines before the request");
        in->at += 2;
    }
    return in->at == in->end ? LINE_CUT : LINE_READ;
}

static size_t token_run(const char *at, size_t most) {
    size_t n = 0;
    while (n < most && vel_is_token_char(at[n]))
        n++;
    return n;
}

/* Up to one byte more than a method may have. */
static size_t method_run(const char *at, const char *end) {
    return token_run(at, least((size_t)(end - at), VEL_METHOD_MAX + 1));
}

static COLD long method_stop(const struct input *in, size_t n) {
    if (n > VEL_METHOD_MAX)
        return refuse(in, -400, "method too long");
    const char *at = in->at + n;
    if (at == in->end)
        return LINE_CUT;
    if (n == 0)
        return refuse(in, -400, *at == '\n' ? "bare LF" : "no method");
    return refuse(in, -400, "bad byte in the method");
}

/* "get" is a token, but whoever sends it means GET, and a peer that folds case would treat it so. */
static COLD bool is_misspelt(struct vel_slice method) {
    for (int known = 0; known < VEL_METHOD_OTHER; known++)
        if (vel_slice_eq_nocase(method, vel_method_text((enum vel_method)known)))
            return true;
    return false;
}

static COLD long target_stop(const struct input *in, const struct vel_limits *limits, const char *at, size_t n) {
    if (n > limits->target)
        return refuse(in, -414, "target too long");
    at += n;
    if (at == in->end)
        return CUT_IN_TARGET;
    switch (*at) {
    case '\n':
        return refuse(in, -400, "bare LF");
    case '\r':
        return refuse(in, -400, "request line without a version");
    case ' ':
        return refuse(in, -400, "empty target");
    default:
        return refuse(in, -400, "bad byte in the target");
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* A version is judged when its line is complete, so that 505 goes to well-formed lines only. */
static COLD long version_stop(const struct input *in, const char *at) {
    static const char shape[VERSION_LINE_END + 1] = "HTTP/0.0\r\n";
    for (size_t i = 0; i < VERSION_LINE_END; i++, at++) {
        if (at == in->end)
            return LINE_CUT;
        if (shape[i] == '0' ? is_digit(*at) : *at == shape[i])
            continue;
        return refuse(in, -400, *at == '\n' ? "bare LF" : shape[i] == '\n' ? "bare CR" : "bad version");
    }
    return refuse(in, -505, "version is not HTTP/1");
}

static bool is_version_line_end(const char *at, const char *end) {
    return end - at >= VERSION_LINE_END && memcmp(at, "HTTP/1.", 7) == 0 && is_digit(at[7]) && at[8] == '\r' &&
           at[9] == '\n';
}

static long request_line(const struct vel_h1_parser *p, struct vel_head *head, struct input *in) {
    const char *at = in->at;
    size_t n = method_run(at, in->end);
    if (n == 0 || n > VEL_METHOD_MAX || at + n == in->end || at[n] != ' ')
        return method_stop(in, n);
    head->method_text = vel_slice(at, n);
    head->method = vel_method_find(head->method_text);
    if (head->method == VEL_METHOD_OTHER && is_misspelt(head->method_text))
        return refuse(in, -400, "method in the wrong case");
    at += n + 1;

    n = p->scan->target(at, least((size_t)(in->end - at), (size_t)p->limits->target + 1));
    if (n == 0 || n > p->limits->target || at + n == in->end || at[n] != ' ')
        return target_stop(in, p->limits, at, n);
    struct vel_slice target = vel_slice(at, n);
    at += n + 1;

    if (!is_version_line_end(at, in->end))
        return version_stop(in, at);
    head->minor = (unsigned)(at[7] - '0');
    in->at = at + VERSION_LINE_END;

    int status = vel_target_parse(head->method, target, &head->target);
    if (status < 0)
        return refuse(in, status, "bad target");
    /* An origin server is no tunnel, and no application shall answer 2xx to one (RFC 9110 9.3.6). */
    if (head->method == VEL_METHOD_CONNECT)
        return refuse(in, -501, "CONNECT");
    head->host = vel_slice(NULL, 0);
    head->path_is_decoded = false;
    head->nfields = head->nvars = 0;
    return LINE_READ;
}

/* --- field lines ------------------------------------------------------------------------------------------------- */

static const char *name_fault(char c, size_t n) {
    if (c == '\n')
        return "bare LF";
    if (n > 0)
        return c == ' ' || c == '\t' ? "whitespace before the colon"
               : c == '\r'           ? "field line without a colon"
                                     : "bad byte in a field name";
    return c == ' ' || c == '\t' ? "folded field line" : c == ':' ? "empty field name" : "bad byte in a field name";
}

static COLD long name_stop(const struct input *in, const struct vel_limits *limits, const char *stop, size_t n) {
    const char *at = in->at + n;
    if (n > limits->name)
        return refuse(in, -431, "field name too long");
    if (at == in->end)
        return CUT_IN_NAME;
    return at == stop ? refuse(in, -431, "field line too long") : refuse(in, -400, name_fault(*at, n));
}

static COLD long value_stop(const struct input *in, const char *stop, const char *at) {
    if (at == in->end)
        return CUT_IN_VALUE;
    if (*at == '\r')
        return at + 1 == in->end ? LINE_CUT : refuse(in, -400, "bare CR");
    if (at == stop)
        return refuse(in, -431, "field line too long");
    return refuse(in, -400, *at == '\n' ? "bare LF" : "control byte in a field value");
}

static long new_line(const struct vel_h1_parser *p, struct vel_head *head, struct input *in) {
    const struct vel_limits *limits = p->limits;
    const char *at = in->at, *stop = at + least((size_t)(in->end - at), limits->field);
    while (at < stop && vel_is_token_char(*at))
        at++;
    struct vel_slice name = vel_slice(in->at, (size_t)(at - in->at));
    if (name.len == 0 || name.len > limits->name || at == stop || *at != ':')
        return name_stop(in, limits, stop, name.len);

    const char *value = ++at;
    at += p->scan->value(at, (size_t)(stop - at));
    if (in->end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return value_stop(in, stop, at);
    in->at = at + 2;
    struct vel_field *field = &head->fields[head->nfields++];
    *field = (struct vel_field){
        .name = name,
        .value = vel_slice_trim(vel_slice(value, (size_t)(at - value))),
        .id = vel_field_find(name),
    };
    if (p->lines != NULL)
        vel_h1_lines_keep(p->lines, name.at, (size_t)(in->at - name.at), field);
    return LINE_READ;
}

static long field_line(const struct vel_h1_parser *p, struct vel_head *head, struct input *in) {
    if (head->nfields >= p->limits->fields || head->nfields >= VEL_FIELDS_MAX)
        return refuse(in, -431, "too many fields");
    size_t n = p->lines != NULL ? vel_h1_lines_find(p->lines, in->at, in->end, &head->fields[head->nfields]) : 0;
    if (n == 0)
        return new_line(p, head, in);
    head->nfields++;
    in->at += n;
    return LINE_READ;
}

/* --- the head ---------------------------------------------------------------------------------------------------- */

/* Whether the line that was cut would be cut again at the same place: the bytes that have come since are of the kind
 * that goes on there, and no limit is passed. So no byte of a long part is read twice. */
static bool is_cut_again(const struct vel_h1_parser *p, const char *in, size_t len) {
    const struct vel_limits *limits = p->limits;
    const char *line = in + p->line, *fresh = in + p->seen;
    size_t line_len = len - p->line, n = len - p->seen;
    if (len > limits->head)
        return false;
    switch (p->cut) {
    case CUT_IN_TARGET:
        return line_len - method_run(line, in + len) - 1 <= limits->target && p->scan->target(fresh, n) == n;
    case CUT_IN_NAME:
        return line_len <= least(limits->name, limits->field) && token_run(fresh, n) == n;
    case CUT_IN_VALUE:
        return line_len <= limits->field && p->scan->value(fresh, n) == n;
    default:
        return false;
    }
}

static COLD void take_up(struct vel_h1_parser *p, struct vel_head *head, const char *in) {
    if (p->in_fields && in != p->base)
        vel_head_rebase(head, in);
    p->base = in;
}

static COLD long wait_for_more(struct vel_h1_parser *p, struct vel_head *head, size_t len, const struct input *in,
                               long cut) {
    if (len > p->limits->head)
        return refuse(in, -431, "head too long");
    p->line = (uint32_t)(in->at - in->start);
    p->seen = (uint32_t)len;
    p->cut = (uint8_t)cut;
    p->base = in->start;
    head->bytes = vel_slice(in->start, p->line);
    return 0;
}

static long head_end(const struct vel_h1_parser *p, struct vel_head *head, struct input *in) {
    if (in->end - in->at < 2)
        return LINE_CUT;
    if (in->at[1] != '\n')
        return refuse(in, -400, "bare CR");
    in->at += 2;
    head->bytes = vel_slice(in->start, (size_t)(in->at - in->start));
    return vel_head_check(head, p->limits, in->why);
}

/* Every line up to the empty one. */
static long read_lines(struct vel_h1_parser *p, struct vel_head *head, struct input *in) {
    if (!p->in_fields) {
        long status = in->at < in->end && *in->at == '\r' ? skip_blanks(p, in) : LINE_READ;
        if (status == LINE_READ)
            status = request_line(p, head, in);
        if (status != LINE_READ)
            return status;
        p->in_fields = true;
    }
    while (in->at < in->end) {
        if (*in->at == '\r')
            return head_end(p, head, in);
        long status = field_line(p, head, in);
        if (status != LINE_READ)
            return status;
    }
    return LINE_CUT;
}

void vel_h1_parser_init(struct vel_h1_parser *p, const struct vel_scan *scan, const struct vel_limits *limits) {
    p->scan = scan;
    p->limits = limits;
    p->lines = NULL;
    vel_h1_parser_reset(p);
}

void vel_h1_parser_reset(struct vel_h1_parser *p) {
    p->base = NULL;
    p->line = p->seen = 0;
    p->blanks = 0;
    p->cut = LINE_READ;
    p->in_fields = false;
}

long vel_h1_parse_head(struct vel_h1_parser *p, struct vel_head *head, const char *in, size_t len, const char **why) {
    if (len == 0)
        return 0;
    if (p->base != NULL) {
        take_up(p, head, in);
        if (is_cut_again(p, in, len)) {
            p->seen = (uint32_t)len;
            return 0;
        }
    }
    struct input left = {.start = in, .at = in + p->line, .end = in + least(len, p->limits->head), .why = why};
    long status = read_lines(p, head, &left);
    if (status > 0)
        return wait_for_more(p, head, len, &left, status);
    return status < 0 ? status : left.at - in;
}

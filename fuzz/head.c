/* Fuzzes request heads: whole, cut in two, and byte by byte must give the same head or the same refusal, also with the
 * help of lines that came before. */
#include "support.h"

#include "http/field_check.h"
#include "http1/request.h"

static const struct vel_limits wide = VEL_LIMITS_DEFAULT;
/* Limits near enough to be met. */
static const struct vel_limits narrow = {
    .target = 16, .head = 120, .fields = 4, .field = 40, .name = 12, .trailers = 64, .chunk_ext = 64, .body = 1000};

struct run {
    struct vel_h1_parser parser;
    struct vel_head head;
    char *copy;
    long result;
    const char *why;
};

/* All bytes up to len, at a new address; those from before are gone. */
static void feed(struct run *run, const uint8_t *data, size_t len) {
    char *copy = exact_copy(data, len);
    free(run->copy);
    run->copy = copy;
    run->result = vel_h1_parse_head(&run->parser, &run->head, copy, len, &run->why);
    MUST(run->result <= (long)len);
}

static void parse(struct run *run, const struct vel_scan *scan, const struct vel_limits *limits,
                  struct vel_h1_lines *lines, const uint8_t *data, size_t size, size_t first, size_t step) {
    memset(run, 0xA5, sizeof(*run));
    run->copy = NULL;
    run->why = NULL;
    run->result = 0;
    vel_h1_parser_init(&run->parser, scan, limits);
    run->parser.lines = lines;
    for (size_t len = first; run->result == 0 && len < size; len += step)
        feed(run, data, len);
    if (run->result == 0)
        feed(run, data, size);
}

static void must_be_legal(const struct vel_head *head) {
    MUST(vel_check_token(head->method_text));
    MUST(vel_host_valid(head->host));
    for (size_t i = 0; i < head->nfields; i++) {
        MUST(vel_check_token(head->fields[i].name));
        MUST(vel_check_value(&vel_scan_plain, head->fields[i].value));
        MUST(vel_slice_trim(head->fields[i].value).len == head->fields[i].value.len);
    }
}

static void must_be_same(const struct run *a, const struct run *b) {
    const struct vel_head *x = &a->head, *y = &b->head;
    MUST(a->result == b->result && same_text(a->why, b->why));
    if (a->result <= 0)
        return;
    MUST(vel_slice_eq(x->bytes, y->bytes) && vel_slice_eq(x->method_text, y->method_text));
    MUST(x->method == y->method && x->minor == y->minor && x->target.form == y->target.form);
    MUST(vel_slice_eq(x->target.raw, y->target.raw) && vel_slice_eq(x->target.path, y->target.path));
    MUST(vel_slice_eq(x->target.query, y->target.query) && vel_slice_eq(x->target.authority, y->target.authority));
    MUST(x->has_host == y->has_host && vel_slice_eq(x->host, y->host));
    MUST(x->framing.kind == y->framing.kind && x->keep_alive == y->keep_alive);
    MUST(x->framing.kind != VEL_BODY_LENGTH || x->framing.length == y->framing.length);
    MUST(x->expect_continue == y->expect_continue && x->nfields == y->nfields);
    for (size_t i = 0; i < x->nfields; i++) {
        MUST(x->fields[i].id == y->fields[i].id);
        MUST(vel_slice_eq(x->fields[i].name, y->fields[i].name));
        MUST(vel_slice_eq(x->fields[i].value, y->fields[i].value));
    }
}

static void compare(const struct vel_limits *limits, const uint8_t *data, size_t size) {
    static struct run whole, other;
    static struct vel_h1_lines lines;
    const struct vel_scan *best = vel_scan_best();
    memset(&lines, 0, sizeof(lines));
    parse(&whole, &vel_scan_plain, limits, NULL, data, size, size, 1);
    if (whole.result > 0)
        must_be_legal(&whole.head);
    parse(&other, best, limits, &lines, data, size, cut_of(data, size), size + 1);
    must_be_same(&whole, &other);
    free(other.copy);
    parse(&other, best, limits, &lines, data, size, 0, size < 400 ? 1 : size / 8);
    must_be_same(&whole, &other);
    free(other.copy);
    free(whole.copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    compare(&wide, data, size);
    compare(&narrow, data, size);
    return 0;
}

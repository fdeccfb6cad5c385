/* Fuzzes uwsgi packets: slices inside, no name taken that may not be, the same from each cut and each scanner. */
#include "support.h"

#include "uwsgi/vars.h"

static const struct vel_limits limits = {
    .target = 64, .head = 2000, .fields = 20, .field = 300, .name = 32, .trailers = 48, .chunk_ext = 32, .body = 4096};

struct run {
    struct vel_head head;
    struct vel_uwsgi_vars vars;
    const char *why;
    char *copy;
    size_t len;
    long result;
};

static void parse(struct run *run, const struct vel_scan *scan, const uint8_t *data, size_t len) {
    run->copy = exact_copy(data, len);
    run->len = len;
    run->why = NULL;
    run->result = vel_uwsgi_parse(scan, &limits, run->copy, len, &run->head, &run->vars, &run->why);
    MUST((run->result < 0) == (run->why != NULL));
    MUST(run->result <= (long)len);
}

static void must_be_inside(const struct run *run, struct vel_slice s) {
    MUST(s.len == 0 || (s.at >= run->copy && s.at + s.len <= run->copy + run->len) || s.at[0] == '/' ||
         vel_field_find(s) != VEL_FIELD_OTHER || vel_slice_eq(s, VEL_SLICE("SERVER_PROTOCOL")));
}

static void check_name(struct vel_slice name, bool is_field) {
    MUST(name.len > 0 && name.len <= limits.name);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool digit = c >= '0' && c <= '9';
        MUST(digit || (is_field ? c == '-' || (c >= 'a' && c <= 'z') : c == '_' || (c >= 'A' && c <= 'Z')));
    }
    MUST(is_field || memcmp(name.at, "HTTP_", name.len < 5 ? name.len : 5) != 0 || name.len <= 5);
}

static void check_fields(const struct run *run) {
    const struct vel_head *head = &run->head;
    size_t n = head->nfields + head->nvars;
    MUST(n <= VEL_FIELDS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct vel_field *field = &head->fields[i];
        bool is_field = i < head->nfields;
        check_name(field->name, is_field);
        must_be_inside(run, field->name);
        must_be_inside(run, field->value);
        MUST(field->id != VEL_FIELD_PROXY);
        MUST(!is_field || vel_scan_plain.value(field->value.at, field->value.len) == field->value.len);
        for (size_t other = is_field ? 0 : head->nfields; other < i; other++)
            MUST(!vel_slice_eq(head->fields[other].name, field->name));
    }
}

static void check_request(const struct run *run) {
    const struct vel_head *head = &run->head;
    check_fields(run);
    must_be_inside(run, head->method_text);
    must_be_inside(run, head->target.raw);
    must_be_inside(run, head->target.path);
    must_be_inside(run, head->target.query);
    must_be_inside(run, head->host);
    MUST(head->method_text.len > 0 && head->target.raw.len > 0);
    MUST(head->target.path.len == 0 ? run->vars.script_name.len > 0
                                    : head->target.path.at[0] == '/' || head->target.path.at[0] == '*');
    MUST(head->framing.kind != VEL_BODY_LENGTH || head->framing.length <= (int64_t)limits.body);
    const struct vel_slice said[] = {run->vars.remote_addr, run->vars.remote_port, run->vars.server_name,
                                     run->vars.server_port, run->vars.script_name};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        must_be_inside(run, said[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct run whole, other;
    parse(&whole, &vel_scan_plain, data, size);
    if (whole.result > 0)
        check_request(&whole);
    parse(&other, vel_scan_best(), data, size);
    MUST(other.result == whole.result && same_text(other.why, whole.why));
    MUST(memcmp(other.copy, whole.copy, size) == 0);
    free(other.copy);
    parse(&other, vel_scan_best(), data, cut_of(data, size));
    MUST(other.result == 0 || other.result == whole.result);
    free(other.copy);
    free(whole.copy);
    return 0;
}

/* Fuzzes request targets, hosts and percent escapes: what is taken is inside the input and is taken again alike. */
#include "support.h"

#include "base/scan.h"
#include "http/target.h"

static void must_be_inside(struct vel_slice part, struct vel_slice raw) {
    bool constant = part.len == 1 && part.at[0] == '/';
    MUST(part.len == 0 || constant || (part.at >= raw.at && part.at + part.len <= raw.at + raw.len));
}

static void check_parse(enum vel_method method, struct vel_slice raw) {
    struct vel_target target;
    int status = vel_target_parse(method, raw, &target);
    MUST(status == 0 || status == -400);
    if (status != 0)
        return;
    MUST(vel_slice_eq(target.raw, raw) && vel_host_valid(target.authority));
    MUST((target.form == VEL_TARGET_ASTERISK) == (vel_slice_eq(raw, VEL_SLICE("*")) && method == VEL_METHOD_OPTIONS));
    MUST((target.form == VEL_TARGET_AUTHORITY) == (method == VEL_METHOD_CONNECT));
    MUST(target.path.len == 0 || memchr(target.path.at, '?', target.path.len) == NULL);
    must_be_inside(target.path, raw);
    must_be_inside(target.query, raw);
    must_be_inside(target.authority, raw);
}

/* A host is legal in a Host field just when it is in an absolute target, but for the empty one. */
static void check_host(struct vel_slice host) {
    bool delimited = memchr(host.at, '/', host.len) != NULL || memchr(host.at, '?', host.len) != NULL;
    bool valid = vel_host_valid(host);
    MUST(!valid || !delimited);
    if (delimited)
        return;
    struct vel_slice raw = {exact_copy("http://", 7), host.len + 8};
    char *text = realloc((char *)raw.at, raw.len);
    MUST(text != NULL);
    memcpy(text + 7, host.at, host.len);
    text[raw.len - 1] = '/';
    raw.at = text;
    struct vel_target target;
    MUST((vel_target_parse(VEL_METHOD_GET, raw, &target) == 0) == valid);
    free(text);
}

static void check_decode(struct vel_slice in) {
    char *apart = exact_copy(in.at, in.len), *inside = exact_copy(in.at, in.len);
    size_t n = vel_percent_decode(in, apart);
    MUST(n <= in.len);
    MUST(vel_percent_decode(vel_slice(inside, in.len), inside) == n);
    MUST(memcmp(apart, inside, n) == 0);
    free(apart);
    free(inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct vel_slice raw = {copy, size};
    check_decode(raw);
    if (size > 0 && vel_scan_best()->target(copy, size) == size) {
        check_parse(VEL_METHOD_GET, raw);
        check_parse(VEL_METHOD_OPTIONS, raw);
        check_parse(VEL_METHOD_CONNECT, raw);
        check_host(raw);
    }
    free(copy);
    return 0;
}

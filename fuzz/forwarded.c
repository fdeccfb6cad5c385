/* Fuzzes X-Forwarded-* and Forwarded: what stands to the left has no say in what is read to the right of it. */
#include "support.h"

#include "http/forwarded.h"
#include "http/target.h"

#define ELEMENTS_MAX 64

struct elements {
    size_t n;
    bool valid; /* every one of them, and there were not too many */
    struct vel_slice at[ELEMENTS_MAX];
};

static void must_be_inside(struct vel_slice part, struct vel_slice whole) {
    MUST(part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

static void must_be_trimmed(struct vel_slice part) {
    MUST(part.len > 0 && vel_slice_trim(part).len == part.len);
}

static void check_unescape(struct vel_slice in) {
    char *apart = exact_copy(in.at, in.len), *inside = exact_copy(in.at, in.len);
    size_t n = vel_forwarded_unescape(in, apart);
    MUST(n <= in.len && (n == in.len) == (in.len == 0 || memchr(in.at, '\\', in.len - 1) == NULL));
    MUST(vel_forwarded_unescape(vel_slice(inside, in.len), inside) == n && memcmp(apart, inside, n) == 0);
    free(apart);
    free(inside);
}

static void check_node(struct vel_slice text) {
    struct vel_node strict, bare;
    bool is_strict = vel_node_parse(text, &strict), is_bare = vel_node_parse_bare(text, &bare);
    MUST(!is_strict || is_bare);
    if (is_strict)
        MUST(strict.kind == bare.kind && strict.port == bare.port && vel_slice_eq(strict.address, bare.address));
    if (!is_bare)
        return;
    MUST(bare.address.len > 0);
    must_be_inside(bare.address, text);
    MUST(memchr(bare.address.at, '[', bare.address.len) == NULL &&
         memchr(bare.address.at, ' ', bare.address.len) == NULL);
}

static bool check_element(struct vel_slice text) {
    struct vel_forwarded element;
    if (!vel_forwarded_parse(text, &element))
        return false;
    const struct vel_slice values[] = {element.node, element.host, element.proto};
    for (size_t i = 0; i < 3; i++) {
        must_be_inside(values[i], text);
        check_unescape(values[i]);
        check_node(values[i]);
    }
    return true;
}

static void read_all(struct vel_slice text, struct elements *out) {
    struct vel_slice rest = text, element;
    *out = (struct elements){.valid = true};
    while (vel_forwarded_last(&rest, &element)) {
        must_be_trimmed(element);
        must_be_inside(element, text);
        out->valid &= check_element(element) && out->n < ELEMENTS_MAX;
        if (out->n < ELEMENTS_MAX)
            out->at[out->n++] = element;
    }
    MUST(rest.len == 0);
}

/* Where the first element ends, read from the left as the grammar is written. */
static size_t first_end(struct vel_slice s) {
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        if (quoted && s.at[i] == '\\')
            i++;
        else if (s.at[i] == '"')
            quoted = !quoted;
        else if (s.at[i] == ',' && !quoted)
            return i;
    }
    return s.len;
}

/* Read from the left, well-formed text has the same elements. */
static void must_be_the_same_from_the_left(struct vel_slice s, const struct elements *right) {
    size_t n = right->n;
    while (s.len > 0) {
        size_t end = first_end(s);
        struct vel_slice element = vel_slice_trim(vel_slice(s.at, end));
        s = end < s.len ? vel_slice(s.at + end + 1, s.len - end - 1) : vel_slice(s.at, 0);
        if (element.len == 0)
            continue;
        MUST(n > 0);
        MUST(vel_slice_eq(element, right->at[--n]));
    }
    MUST(n == 0);
}

/* The front is what a client has sent, the back what its proxies have put behind it. */
static void must_stay_behind(struct vel_slice front, const struct elements *back, struct vel_slice back_text) {
    size_t len = front.len + 1 + back_text.len;
    char *joined = exact_copy(NULL, 0);
    joined = realloc(joined, len);
    MUST(joined != NULL);
    memcpy(joined, front.at, front.len);
    joined[front.len] = ',';
    memcpy(joined + front.len + 1, back_text.at, back_text.len);
    struct vel_slice rest = vel_slice(joined, len), element;
    for (size_t i = 0; i < back->n; i++) {
        MUST(vel_forwarded_last(&rest, &element));
        MUST(vel_slice_eq(element, back->at[i]));
    }
    free(joined);
}

static void check_list(struct vel_slice text) {
    struct vel_slice rest = text, member, prefix;
    while (vel_list_last(&rest, &member)) {
        must_be_trimmed(member);
        must_be_inside(member, text);
        MUST(memchr(member.at, ',', member.len) == NULL);
        check_node(member);
        struct vel_slice scheme = vel_forwarded_scheme(member);
        MUST(scheme.len == 0 || scheme.len == 4 || scheme.len == 5);
        MUST(!vel_forwarded_port(member) || member.len <= 5);
        if (vel_forwarded_prefix(member, &prefix))
            MUST(prefix.len == 0 || (prefix.at[0] == '/' && prefix.at[prefix.len - 1] != '/' &&
                                     memmem(prefix.at, prefix.len, "//", 2) == NULL));
    }
}

static void check_host(struct vel_slice text) {
    struct vel_slice name, port;
    if (!vel_host_valid(text))
        return;
    vel_host_split(text, &name, &port);
    must_be_inside(name, text);
    must_be_inside(port, text);
    MUST(name.len + (port.len > 0 ? port.len + 1 : 0) <= text.len && name.len + 1 + port.len >= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    size_t cut = cut_of(data, size);
    struct vel_slice text = {copy, size}, front = {copy, cut}, back = {copy + cut, size - cut};
    struct elements all, behind;
    check_list(text);
    check_host(text);
    read_all(text, &all);
    if (all.valid)
        must_be_the_same_from_the_left(text, &all);
    read_all(back, &behind);
    if (behind.valid)
        must_stay_behind(front, &behind, back);
    free(copy);
    return 0;
}

/* Fuzzes the router: lines of patterns and a last one, the path, against a matcher that tries every route. */
#include "support.h"

#include "router/router.h"

#define ROUTES 24

/* One segment of a pattern, as the slow matcher sees it. */
struct seg {
    struct vel_slice literal[VEL_PATTERN_PARAMS + 1]; /* before, between and behind the parameters */
    enum vel_param_kind kind[VEL_PATTERN_PARAMS];
    struct vel_slice args[VEL_PATTERN_PARAMS];
    unsigned nparams;
    size_t weight;
};

struct slow {
    struct seg segs[VEL_PATTERN_SEGMENTS + 1];
    unsigned n;
    bool slash;
    char bytes[VEL_PATTERN_MAX];
    size_t used;
};

static struct slow slows[ROUTES];

static int ask(void *owner, uint32_t foreign, unsigned param, struct vel_slice value) {
    (void)owner, (void)foreign, (void)param;
    MUST(value.len > 0 && value.len <= VEL_PARAM_ASKED_MAX);
    return value.at[0] == 'x';
}

/* Literals that follow each other are one. */
static void add_literal(struct slow *s, struct seg *seg, struct vel_slice text) {
    struct vel_slice *to = &seg->literal[seg->nparams];
    if (to->len == 0)
        to->at = s->bytes + s->used;
    memcpy(s->bytes + s->used, text.at, text.len);
    s->used += text.len;
    to->len += text.len;
    seg->weight += text.len;
}

static void read_slow(struct slow *s, struct vel_slice text) {
    struct vel_pattern p;
    struct vel_piece piece;
    memset(s, 0, sizeof(*s));
    vel_pattern_init(&p, text);
    while (vel_pattern_next(&p, &piece)) {
        struct seg *seg = &s->segs[s->n > 0 ? s->n - 1 : 0];
        if (piece.kind == VEL_PIECE_SLASH) {
            s->n++;
        } else if (piece.kind == VEL_PIECE_LITERAL) {
            add_literal(s, seg, piece.text);
        } else {
            seg->kind[seg->nparams] = piece.param;
            seg->args[seg->nparams++] = piece.args;
        }
    }
    const struct seg *last = &s->segs[s->n - 1];
    s->slash = last->nparams == 0 && last->weight == 0;
    s->n -= s->slash;
}

static bool takes(const struct seg *seg, unsigned i, struct vel_slice value) {
    if (seg->kind[i] == VEL_PARAM_RE || seg->kind[i] == VEL_PARAM_CUSTOM)
        return value.len > 0 && value.len <= VEL_PARAM_ASKED_MAX && value.at[0] == 'x';
    return vel_param_takes(seg->kind[i], seg->args[i], value);
}

static bool begins(struct vel_slice text, struct vel_slice with) {
    return text.len >= with.len && vel_slice_eq(vel_slice(text.at, with.len), with);
}

static bool seg_takes(const struct seg *seg, struct vel_slice text) {
    if (!begins(text, seg->literal[0]))
        return false;
    text = vel_slice(text.at + seg->literal[0].len, text.len - seg->literal[0].len);
    for (unsigned i = 0; i < seg->nparams; i++) {
        struct vel_slice behind = seg->literal[i + 1];
        size_t len = 1;
        if (i + 1 == seg->nparams)
            len = text.len >= behind.len ? text.len - behind.len : text.len + 1;
        while (i + 1 < seg->nparams && len <= text.len && !begins(vel_slice(text.at + len, text.len - len), behind))
            len++;
        if (len > text.len || !begins(vel_slice(text.at + len, text.len - len), behind))
            return false;
        if (!takes(seg, i, vel_slice(text.at, len)))
            return false;
        text = vel_slice(text.at + len + behind.len, text.len - len - behind.len);
    }
    return text.len == 0;
}

/* Whether it has the path, which begins with a slash. */
static bool slow_takes(const struct slow *s, struct vel_slice path) {
    const char *at = path.at + 1, *end = path.at + path.len;
    for (unsigned i = 0; i < s->n; i++) {
        const struct seg *seg = &s->segs[i];
        if (i > 0 && (at == end || *at++ != '/'))
            return false;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        bool all = seg->nparams > 0 && seg->kind[0] == VEL_PARAM_PATH;
        const char *stop = all || slash == NULL ? end : slash;
        if ((seg->nparams > 0 || seg->weight > 0 || slash != NULL) &&
            seg_takes(seg, vel_slice(at, (size_t)(stop - at)))) {
            at = stop;
            continue;
        }
        return false;
    }
    if (s->slash && s->n > 0)
        return end - at == 1 && *at == '/';
    return at == end;
}

static int compare(size_t a, size_t b) {
    return a < b ? -1 : a > b;
}

/* Less than 0: the first is narrower. */
static int narrower(const struct slow *a, const struct slow *b) {
    for (unsigned i = 0; i < a->n && i < b->n; i++) {
        const struct seg *one = &a->segs[i], *other = &b->segs[i];
        int order = compare(one->nparams > 0, other->nparams > 0);
        if (order == 0 && one->nparams > 0) {
            order = compare(one->kind[0] == VEL_PARAM_PATH, other->kind[0] == VEL_PARAM_PATH);
            if (order == 0)
                order = -compare(one->weight, other->weight);
            if (order == 0)
                order = compare(one->kind[0], other->kind[0]);
        }
        if (order != 0)
            return order;
    }
    return 0;
}

static unsigned params_of(const struct slow *s) {
    unsigned n = 0;
    for (unsigned i = 0; i < s->n; i++)
        n += s->segs[i].nparams;
    return n;
}

static void check(const struct vel_router *r, unsigned nroutes, struct vel_slice path) {
    struct vel_match match;
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = path, .ask = ask};
    vel_router_match(r, &query, &match);
    int best = -1;
    bool possible = path.len > 0 && path.at[0] == '/' && memchr(path.at, '\0', path.len) == NULL;
    for (unsigned i = 0; possible && i < nroutes; i++)
        if (slow_takes(&slows[i], path) && (best < 0 || narrower(&slows[i], &slows[best]) < 0))
            best = (int)i;
    MUST((match.found == VEL_FOUND) == (best >= 0));
    if (best >= 0) {
        MUST(match.route < nroutes && slow_takes(&slows[match.route], path));
        MUST(narrower(&slows[match.route], &slows[best]) == 0);
        MUST(match.nparams == params_of(&slows[match.route]));
    }
    for (unsigned i = 0; match.found == VEL_FOUND && i < match.nparams; i++)
        MUST(match.params[i].at >= path.at && match.params[i].at + match.params[i].len <= path.at + path.len);
    MUST(match.visited <= 2 * 64 * (ROUTES + 1));
}

static void check_encoded(const struct vel_router *r, struct vel_slice path) {
    struct vel_match match;
    char *scratch = exact_copy(path.at, path.len);
    struct vel_query query = {
        .method = VEL_SLICE("GET"), .path = path, .encoded = true, .scratch = scratch, .ask = ask};
    vel_router_match(r, &query, &match);
    for (unsigned i = 0; match.found == VEL_FOUND && i < match.nparams; i++)
        MUST(memchr(match.params[i].at, '\0', match.params[i].len) == NULL);
    query.host = path;
    vel_router_match(r, &query, &match);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct vel_builder *b = vel_builder_new(0);
    struct vel_slice rest = vel_slice(copy, size), get = VEL_SLICE("GET");
    struct vel_route_problem problem;
    MUST(b != NULL);
    const char *end;
    while ((end = memchr(rest.at, '\n', rest.len)) != NULL) {
        struct vel_slice line = vel_slice(rest.at, (size_t)(end - rest.at));
        struct vel_route route = {.pattern = line, .methods = &get, .nmethods = 1};
        uint32_t number = vel_builder_count(b);
        if (number < ROUTES && vel_builder_add(b, &route, &problem) == VEL_OK)
            read_slow(&slows[number], line);
        rest = vel_slice(end + 1, rest.len - line.len - 1);
    }
    struct vel_router *r = vel_router_new(b);
    MUST(r != NULL);
    check(r, vel_builder_count(b), rest);
    check_encoded(r, rest);
    vel_router_free(r);
    vel_builder_free(b);
    free(copy);
    return 0;
}

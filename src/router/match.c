/* Finding the route of a path: a table of static paths first, then the tree, where each node is visited at most once.
 */
#include "router/frozen.h"
#include "router/path.h"

#include <stdlib.h>

struct walk {
    const struct vel_router *r;
    const struct vel_query *query;
    struct vel_match *match;
    const struct vel_path *path; /* that is walked: the query's, or the labels of its host */
    const struct vel_path *of_query;
    uint32_t method; /* VEL_ROUTER_METHODS: one that no route names */
    bool hosts;      /* the tree of hosts is walked: a leaf is a root of paths */
    /* The route of the path with a slash more or less, and its parameters; VEL_NONE: none so far. */
    uint32_t toggled;
    unsigned ntoggled;
    struct vel_slice toggled_params[VEL_MATCH_PARAMS];
    /* Of a router that keeps all: what was collected, or the best so far. */
    uint32_t *all; /* NULL: one is looked for */
    size_t nall, most;
    uint32_t best;
    unsigned nbest;
    size_t best_rest;
    struct vel_slice best_params[VEL_MATCH_PARAMS];
};

static uint32_t method_of(const struct vel_router *r, struct vel_slice name) {
    uint64_t key = vel_frozen_key(name.at, name.len);
    for (uint32_t i = 0; i < r->nmethods; i++) {
        const struct vel_frozen_method *method = &r->methods[i];
        if (method->key == key && method->name.len == name.len)
            if (name.len <= 8 || memcmp(method->name.at, name.at, name.len) == 0)
                return i;
    }
    return VEL_ROUTER_METHODS;
}

/* --- leaves ------------------------------------------------------------------------------------------------------ */

/* The leaf's route for the method, or VEL_NONE. */
static inline uint32_t route_of(const struct vel_router *r, const struct vel_frozen_leaf *leaf, uint32_t method) {
    uint64_t bit = UINT64_C(1) << method, below = leaf->methods & (bit - 1);
    uint32_t place = leaf->routes;
    if (!(leaf->methods & bit))
        return leaf->any;
    for (; below != 0; below &= below - 1) /* few: shorter than the call that counts bits on every x86-64 */
        place++;
    return r->routes[place];
}

static void collect(struct walk *w, const struct vel_frozen_leaf *leaf) {
    for (uint32_t i = 0; i < leaf->nall; i++, w->nall++)
        if (w->nall < w->most)
            w->all[w->nall] = w->r->routes[leaf->all + i];
}

/* The first that was added of all that fit. */
static void keep_best(struct walk *w, const struct vel_frozen_leaf *leaf, uint32_t route, size_t rest) {
    uint32_t any = leaf->any != VEL_NONE && leaf->any < route ? leaf->any : route;
    if (any >= w->best)
        return;
    w->best = any;
    w->nbest = w->match->nparams;
    w->best_rest = rest;
    memcpy(w->best_params, w->match->params, w->nbest * sizeof(*w->best_params));
}

static bool take_of_all(struct walk *w, const struct vel_frozen_leaf *leaf, uint32_t route, size_t rest) {
    if (w->all != NULL)
        collect(w, leaf);
    else if (route != VEL_NONE)
        keep_best(w, leaf, route, rest);
    return false;
}

/* True ends the search. */
static inline bool take(struct walk *w, uint32_t number, size_t rest) {
    const struct vel_frozen_leaf *leaf = &w->r->leaves[number];
    uint32_t route = route_of(w->r, leaf, w->method);
    w->match->allow |= leaf->methods;
    if (w->r->keep_all)
        return take_of_all(w, leaf, route, rest);
    if (route == VEL_NONE)
        return false;
    w->match->route = route;
    w->match->rest = rest;
    return true;
}

/* What would be there with the other ending: only worth something when nothing is here. */
static void note_toggled(struct walk *w, uint32_t number) {
    uint32_t route = route_of(w->r, &w->r->leaves[number], w->method);
    if (route == VEL_NONE || w->toggled != VEL_NONE || w->all != NULL)
        return;
    w->toggled = route;
    w->ntoggled = w->match->nparams;
    memcpy(w->toggled_params, w->match->params, w->ntoggled * sizeof(*w->toggled_params));
}

static bool walk(struct walk *w, uint32_t number, unsigned depth);

/* The labels of the host have led to a tree of paths. */
static bool enter_paths(struct walk *w, uint32_t root);

/* --- segments ---------------------------------------------------------------------------------------------------- */

static inline bool same_fixed(const struct vel_frozen_fixed *fixed, uint64_t key, struct vel_slice segment) {
    if (fixed->key != key || fixed->len != segment.len)
        return false;
    return segment.len <= 8 || vel_frozen_same(fixed->text, segment.at, segment.len);
}

static inline uint32_t fixed_child(const struct vel_router *r, const struct vel_frozen_node *node,
                                   struct vel_slice segment) {
    const struct vel_frozen_fixed *fixed = r->fixed + node->fixed;
    uint64_t key = vel_frozen_key(segment.at, segment.len);
    if (node->nfixed <= VEL_FIXED_LINEAR) {
        for (uint32_t i = 0; i < node->nfixed; i++)
            if (same_fixed(&fixed[i], key, segment))
                return fixed[i].child;
        return VEL_NONE;
    }
    uint32_t i = (uint32_t)(vel_frozen_fixed_hash(segment.at, segment.len, key) >> node->shift);
    for (; fixed[i].child != VEL_NONE; i = (i + 1) & (node->nfixed - 1))
        if (same_fixed(&fixed[i], key, segment))
            return fixed[i].child;
    return VEL_NONE;
}

static bool ask(struct walk *w, const struct vel_frozen_part *part, struct vel_slice value) {
    const struct vel_query *query = w->query;
    if (value.len == 0 || value.len > VEL_PARAM_ASKED_MAX || query->ask == NULL)
        return false;
    int answer = query->ask(query->owner, part->foreign, w->match->nparams, value);
    if (answer < 0)
        w->match->found = VEL_FOUND_STOPPED;
    return answer > 0;
}

/* Takes the value as the next parameter. */
static bool take_param(struct walk *w, const struct vel_frozen_part *part, struct vel_slice value) {
    bool foreign = part->kind == VEL_PARAM_RE || part->kind == VEL_PARAM_CUSTOM;
    if (foreign ? !ask(w, part, value) : !vel_param_takes(part->kind, part->args, value))
        return false;
    w->match->params[w->match->nparams++] = value;
    return true;
}

/* Literals and parameters in turn: a parameter goes to the first place where the literal behind it stands, the last one
 * to the end.
 */
static bool take_parts(struct walk *w, const struct vel_frozen_try *try, struct vel_slice text) {
    const struct vel_frozen_part *part = w->r->parts + try->part, *last = part + try->nparts - 1;
    if (text.len < try->before.len || memcmp(text.at, try->before.at, try->before.len) != 0)
        return false;
    text = vel_slice(text.at + try->before.len, text.len - try->before.len);
    for (; part < last; part++) {
        const char *behind = text.len > 0 ? memmem(text.at + 1, text.len - 1, part->behind.at, part->behind.len) : NULL;
        if (behind == NULL || !take_param(w, part, vel_slice(text.at, (size_t)(behind - text.at))))
            return false;
        size_t used = (size_t)(behind - text.at) + part->behind.len;
        text = vel_slice(text.at + used, text.len - used);
    }
    if (text.len < last->behind.len)
        return false;
    text.len -= last->behind.len;
    if (memcmp(text.at + text.len, last->behind.at, last->behind.len) != 0)
        return false;
    return take_param(w, last, text);
}

/* All that is left from the segment on; of a host all that stands in front of it. */
static struct vel_slice left(const struct walk *w, unsigned depth) {
    struct vel_slice segment = w->path->segments[depth];
    if (w->hosts)
        return vel_slice(w->path->end, (size_t)(segment.at + segment.len - w->path->end));
    return vel_slice(segment.at, (size_t)(w->path->end - segment.at));
}

static inline bool try_matches(struct walk *w, const struct vel_frozen_try *try, unsigned depth) {
    struct vel_slice text = try->kind == VEL_EDGE_PATH ? left(w, depth) : w->path->segments[depth];
    w->match->visited++;
    if (!try->simple)
        return take_parts(w, try, text);
    if (try->param != VEL_PARAM_STR)
        return take_param(w, w->r->parts + try->part, text);
    if (text.len == 0)
        return false;
    w->match->params[w->match->nparams++] = text;
    return true;
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static bool take_leaf(struct walk *w, uint32_t leaf) {
    if (leaf == VEL_NONE)
        return false;
    return w->hosts ? enter_paths(w, leaf) : take(w, leaf, w->query->path.len);
}

/* The path ends here. */
static bool arrive(struct walk *w, const struct vel_frozen_node *node) {
    if (node->leaf[w->path->slash] != VEL_NONE)
        return take_leaf(w, node->leaf[w->path->slash]);
    if (node->leaf[!w->path->slash] != VEL_NONE && !w->hosts)
        note_toggled(w, node->leaf[!w->path->slash]);
    return false;
}

/* Where what is left for a mount begins: the slash in front of the segment, or the one at the end, or the end. */
static size_t rest_at(const struct walk *w, unsigned depth) {
    const struct vel_path *path = w->path;
    if (depth == path->nsegments)
        return w->query->path.len - path->slash;
    if (path->decoded)
        return path->raw[depth] - 1;
    return (size_t)(path->segments[depth].at - w->query->path.at) - 1;
}

static bool take_mount(struct walk *w, const struct vel_frozen_node *node, unsigned depth) {
    return node->mount != VEL_NONE && take(w, node->mount, rest_at(w, depth));
}

static bool try_all(struct walk *w, const struct vel_frozen_node *node, unsigned depth) {
    const struct vel_frozen_try *try = w->r->tries + node->tries, *end = try + node->ntries;
    unsigned nparams = w->match->nparams;
    for (; try < end; try++) {
        if (try_matches(w, try, depth)) {
            /* What takes all that is left ends the path as it stands, its slash included. */
            bool took = try->kind == VEL_EDGE_PATH ? take_leaf(w, w->r->nodes[try->child].leaf[0])
                                                   : walk(w, try->child, depth + 1);
            if (took)
                return true;
        }
        if (w->match->found == VEL_FOUND_STOPPED)
            return true;
        w->match->nparams = nparams;
    }
    return false;
}

/* The segment is a parameter, whatever it says. */
static inline bool take_any(struct vel_match *match, struct vel_slice segment) {
    match->visited++;
    match->params[match->nparams++] = segment;
    return segment.len > 0;
}

/* There is nothing to come back for. */
static inline bool is_one_parameter(const struct walk *w, const struct vel_frozen_node *node) {
    return node->ntries == 1 && node->mount == VEL_NONE && w->r->tries[node->tries].kind == VEL_EDGE_PARAM;
}

/* True when the search is over, with match as it is to be. */
static bool walk(struct walk *w, uint32_t number, unsigned depth) {
    const struct vel_path *const path = w->path;
    struct vel_match *const match = w->match;
    for (;; depth++) {
        const struct vel_frozen_node *node = &w->r->nodes[number];
        match->visited++;
        if (depth == path->nsegments)
            return arrive(w, node) || take_mount(w, node, depth);
        number = node->nfixed > 0 ? fixed_child(w->r, node, path->segments[depth]) : VEL_NONE;
        bool only_tries = number == VEL_NONE;
        if (only_tries && node->any != VEL_NONE) {
            if (!take_any(match, path->segments[depth]))
                return false;
            number = node->any;
        } else if (only_tries && is_one_parameter(w, node)) {
            if (!try_matches(w, w->r->tries + node->tries, depth))
                return match->found == VEL_FOUND_STOPPED;
            number = w->r->tries[node->tries].child;
        } else if (node->ntries > 0 || node->mount != VEL_NONE) {
            unsigned nparams = match->nparams;
            if (!only_tries && walk(w, number, depth + 1))
                return true;
            match->nparams = nparams;
            return try_all(w, node, depth) || take_mount(w, node, depth);
        } else if (only_tries) {
            return false;
        }
    }
}

/* --- static paths ------------------------------------------------------------------------------------------------ */

/* The leaf of the whole path, without parameters, from the root of a host; or VEL_NONE. */
static inline uint32_t static_leaf(const struct vel_router *r, struct vel_slice path, uint32_t root,
                                   uint32_t *visited) {
    if (path.len == 0)
        return VEL_NONE;
    bool slash = path.at[path.len - 1] == '/';
    path.len -= slash;
    if (!(r->static_lengths & vel_frozen_length(path.len)))
        return VEL_NONE;
    uint32_t i = (uint32_t)(vel_frozen_hash(path.at, path.len, root) >> r->static_shift);
    for (const struct vel_frozen_static *at; (at = &r->statics[i])->used; i = (i + 1) & r->static_mask) {
        *visited += 1;
        if (at->len == path.len && at->root == root && vel_frozen_same(at->text, path.at, path.len))
            return at->leaf[slash];
    }
    return VEL_NONE;
}

static bool walk_static(struct walk *w, uint32_t root) {
    uint32_t leaf = static_leaf(w->r, w->query->path, root, &w->match->visited);
    return leaf != VEL_NONE && take(w, leaf, w->query->path.len);
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

/* From the root of a host, or of every host. */
static bool walk_paths(struct walk *w, uint32_t root) {
    return (!w->r->keep_all && walk_static(w, root)) || walk(w, root, 0);
}

static bool enter_paths(struct walk *w, uint32_t root) {
    const struct vel_path *labels = w->path;
    w->path = w->of_query;
    w->hosts = false;
    bool took = walk_paths(w, root);
    w->path = labels;
    w->hosts = true;
    return took;
}

static bool walk_hosts(struct walk *w) {
    struct vel_path labels;
    if (!vel_path_of_host(&labels, w->query->host, w->match->host_bytes, w->r->most))
        return false;
    w->path = &labels;
    w->hosts = true;
    bool took = walk(w, w->r->hosts, 0);
    w->path = w->of_query;
    w->hosts = false;
    if (!took)
        w->match->nparams = 0; /* what it had of its host, and of paths there */
    return took;
}

/* Without a table that could spare it the path is split first: it may be bad. */
static bool split(struct walk *w, struct vel_path *path) {
    const struct vel_query *query = w->query;
    enum vel_path_result result = vel_path_split(path, query->path, query->encoded, query->scratch, w->r->most);
    if (result == VEL_PATH_BAD)
        w->match->found = VEL_FOUND_BAD;
    w->of_query = w->path = path;
    return result == VEL_PATH_OK;
}

static inline void begin(struct vel_match *match) {
    match->found = VEL_FOUND_NOTHING;
    match->allow = 0;
    match->visited = 0;
    match->nparams = 0;
}

static void begin_walk(struct walk *w, const struct vel_router *r, const struct vel_query *query,
                       struct vel_match *match, uint32_t method) {
    w->r = r;
    w->query = query;
    w->match = match;
    w->method = method;
    w->hosts = false;
    w->toggled = w->best = VEL_NONE;
    w->all = NULL;
}

static void found(struct vel_match *match, enum vel_found what, uint32_t route, const struct vel_slice *params,
                  unsigned nparams) {
    match->found = what;
    match->route = route;
    match->nparams = nparams;
    memcpy(match->params, params, nparams * sizeof(*params));
}

/* No leaf ended the search. */
static void settle(struct walk *w) {
    struct vel_match *match = w->match;
    if (match->found != VEL_FOUND_NOTHING)
        return;
    match->nparams = 0;
    if (w->best != VEL_NONE) {
        found(match, VEL_FOUND, w->best, w->best_params, w->nbest);
        match->rest = w->best_rest;
    } else if (match->allow != 0) {
        match->found = VEL_FOUND_METHODS;
    } else if (w->toggled != VEL_NONE) {
        found(match, VEL_FOUND_SLASH, w->toggled, w->toggled_params, w->ntoggled);
    }
}

/* simple: the table of static paths has been asked. Its own function, for all that it needs of the stack. */
__attribute__((noinline)) static void match_by_tree(const struct vel_router *r, const struct vel_query *query,
                                                    struct vel_match *match, uint32_t method, bool simple) {
    struct walk w;
    struct vel_path path;
    begin_walk(&w, r, query, match, method);
    if (split(&w, &path) &&
        ((r->hosts != VEL_NONE && walk_hosts(&w)) || (simple ? walk(&w, 0, 0) : walk_paths(&w, 0)))) {
        if (match->found != VEL_FOUND_STOPPED)
            match->found = VEL_FOUND;
        return;
    }
    settle(&w);
}

void vel_router_match(const struct vel_router *r, const struct vel_query *query, struct vel_match *match) {
    bool simple = r->hosts == VEL_NONE && !r->keep_all;
    uint32_t method = method_of(r, query->method);
    begin(match);
    uint32_t number = simple ? static_leaf(r, query->path, 0, &match->visited) : VEL_NONE;
    if (number != VEL_NONE) {
        const struct vel_frozen_leaf *leaf = &r->leaves[number];
        match->allow = leaf->methods;
        match->route = route_of(r, leaf, method);
        match->rest = query->path.len;
        if (match->route != VEL_NONE) {
            match->found = VEL_FOUND;
            return;
        }
    }
    match_by_tree(r, query, match, method, simple);
}

static int compare_numbers(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

/* A route for several hosts or places may have been met twice. */
static size_t sort_unique(uint32_t *routes, size_t count) {
    size_t kept = 0;
    qsort(routes, count, sizeof(*routes), compare_numbers);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || routes[kept - 1] != routes[i])
            routes[kept++] = routes[i];
    return kept;
}

size_t vel_router_all(const struct vel_router *r, const struct vel_query *query, struct vel_match *match,
                      uint32_t *routes, size_t most) {
    struct walk w;
    struct vel_path path;
    begin(match);
    begin_walk(&w, r, query, match, method_of(r, query->method));
    w.all = routes;
    w.nall = 0;
    w.most = most;
    if (r->keep_all && split(&w, &path)) {
        if (r->hosts != VEL_NONE)
            walk_hosts(&w);
        walk(&w, 0, 0);
    }
    if (match->found == VEL_FOUND_NOTHING && w.nall > 0)
        match->found = VEL_FOUND;
    return w.nall <= most ? sort_unique(routes, w.nall) : w.nall;
}

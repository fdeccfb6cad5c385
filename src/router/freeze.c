/* Turns a builder's tree into a frozen router: counts, allocates one block, fills it. */
#include "router/frozen.h"

#include "base/mem.h"

#include <stdlib.h>

struct freezing {
    const struct vel_builder *b;
    struct vel_router *r;
    char *at; /* the free bytes of the block */
    /* In the block; the router sees them const. */
    struct vel_frozen_node *nodes;
    struct vel_frozen_fixed *fixed;
    struct vel_frozen_try *tries;
    struct vel_frozen_part *parts;
    struct vel_frozen_leaf *leaves;
    uint32_t *routes;
    struct vel_frozen_static *statics;
    struct vel_frozen_method *methods;
    struct vel_foreign *foreign;
    char *bytes;
    uint32_t nfixed, ntries, nroutes;
};

/* How much of each there will be. */
struct sizes {
    size_t fixed, tries, routes, statics, foreign, bytes;
};

/* --- counting ---------------------------------------------------------------------------------------------------- */

static uint32_t table_size(uint32_t count) {
    uint32_t size = 4;
    while (size < count * 2)
        size *= 2;
    return size;
}

static uint32_t fixed_places(const struct vel_node *node) {
    return node->nfixed <= VEL_FIXED_LINEAR ? node->nfixed : table_size(node->nfixed);
}

/* The length of the node's path when it has no parameters, or VEL_NONE; *root is where it begins. A "%" is left to the
 * tree, since the table is asked with the bytes as they came. */
static uint32_t static_length(const struct vel_builder *b, uint32_t node, uint32_t *root) {
    const struct vel_node *at = VEL_AT(b->nodes, struct vel_node, node);
    uint32_t len = 0;
    for (; at->up != VEL_NONE; at = VEL_AT(b->nodes, struct vel_node, *root)) {
        const struct vel_edge *edge = VEL_AT(b->edges, struct vel_edge, at->up);
        if (edge->shape.kind != VEL_EDGE_FIXED || memchr(edge->key.at, '%', edge->key.len) != NULL)
            return VEL_NONE;
        len += 1 + (uint32_t)edge->key.len;
        node = *root = edge->parent;
    }
    *root = node;
    return node != b->hosts ? len : VEL_NONE;
}

static bool is_static(const struct vel_builder *b, uint32_t node, uint32_t *root, uint32_t *len) {
    const struct vel_node *at = VEL_AT(b->nodes, struct vel_node, node);
    if (at->leaf[0] == VEL_NONE && at->leaf[1] == VEL_NONE)
        return false;
    *len = static_length(b, node, root);
    return *len != VEL_NONE;
}

static struct sizes count(const struct vel_builder *b) {
    struct sizes sizes = {.foreign = b->parts.count};
    for (uint32_t i = 0; i < b->nodes.count; i++) {
        const struct vel_node *node = VEL_AT(b->nodes, struct vel_node, i);
        uint32_t root, len;
        sizes.fixed += fixed_places(node);
        sizes.tries += node->nothers;
        if (is_static(b, i, &root, &len)) {
            sizes.statics++;
            sizes.bytes += len;
        }
    }
    sizes.statics = table_size((uint32_t)sizes.statics);
    for (uint32_t i = 0; i < b->edges.count; i++)
        sizes.bytes += VEL_AT(b->edges, struct vel_edge, i)->shape.before.len;
    for (uint32_t i = 0; i < b->parts.count; i++) {
        const struct vel_shape_part *part = VEL_AT(b->parts, struct vel_shape_part, i);
        sizes.bytes += part->args.len + part->behind.len + part->converter.len;
    }
    for (uint32_t i = 0; i < b->methods.count; i++)
        sizes.bytes += VEL_AT(b->methods, struct vel_slice, i)->len;
    /* Dense ones, with those that fall back, and the lists of all. */
    sizes.routes = b->entries.count * (size_t)2 + b->leaves.count * (size_t)b->falls.count;
    return sizes;
}

/* --- the block --------------------------------------------------------------------------------------------------- */

#define ALIGN(size) (((size) + 15) & ~(size_t)15)

static void *take(struct freezing *f, size_t size) {
    char *at = f->at;
    f->at += ALIGN(size);
    return at;
}

static size_t block_size(const struct vel_builder *b, const struct sizes *s) {
    return ALIGN(sizeof(struct vel_router)) + ALIGN(b->nodes.count * sizeof(struct vel_frozen_node)) +
           ALIGN(s->fixed * sizeof(struct vel_frozen_fixed)) + ALIGN(s->tries * sizeof(struct vel_frozen_try)) +
           ALIGN(b->parts.count * sizeof(struct vel_frozen_part)) +
           ALIGN(b->leaves.count * sizeof(struct vel_frozen_leaf)) + ALIGN(s->routes * sizeof(uint32_t)) +
           ALIGN(s->statics * sizeof(struct vel_frozen_static)) +
           ALIGN(b->methods.count * sizeof(struct vel_frozen_method)) + ALIGN(s->foreign * sizeof(struct vel_foreign)) +
           ALIGN(s->bytes);
}

static bool lay_out(struct freezing *f, const struct sizes *s) {
    const struct vel_builder *b = f->b;
    size_t size = block_size(b, s);
    f->at = vel_alloc_zero(size);
    if (f->at == NULL)
        return false;
    f->r = take(f, sizeof(*f->r));
    f->nodes = take(f, b->nodes.count * sizeof(*f->nodes));
    f->fixed = take(f, s->fixed * sizeof(*f->fixed));
    f->tries = take(f, s->tries * sizeof(*f->tries));
    f->parts = take(f, b->parts.count * sizeof(*f->parts));
    f->leaves = take(f, b->leaves.count * sizeof(*f->leaves));
    f->routes = take(f, s->routes * sizeof(*f->routes));
    f->statics = take(f, s->statics * sizeof(*f->statics));
    f->methods = take(f, b->methods.count * sizeof(*f->methods));
    f->foreign = take(f, s->foreign * sizeof(*f->foreign));
    f->bytes = take(f, s->bytes);
    *f->r = (struct vel_router){
        .nodes = f->nodes,
        .fixed = f->fixed,
        .tries = f->tries,
        .parts = f->parts,
        .leaves = f->leaves,
        .routes = f->routes,
        .statics = f->statics,
        .methods = f->methods,
        .foreign = f->foreign,
        .static_mask = (uint32_t)s->statics - 1,
        .static_shift = (uint32_t)(64 - __builtin_ctz((uint32_t)s->statics)),
        .hosts = b->hosts,
        .most = b->deepest + 1,
        .nmethods = b->methods.count,
        .keep_all = (b->options & VEL_ROUTER_KEEP_ALL) != 0,
        .size = size,
    };
    return true;
}

static const char *keep(struct freezing *f, struct vel_slice s) {
    char *at = f->bytes;
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    f->bytes += s.len;
    return at;
}

static struct vel_slice keep_slice(struct freezing *f, struct vel_slice s) {
    return vel_slice(keep(f, s), s.len);
}

/* --- leaves ------------------------------------------------------------------------------------------------------ */

static uint32_t first_route(const struct freezing *f, const struct vel_leaf *leaf, uint32_t method) {
    uint32_t i = leaf->first;
    for (const struct vel_leaf_entry *entry; i != VEL_NONE; i = entry->next) {
        entry = VEL_AT(f->b->entries, struct vel_leaf_entry, i);
        if (entry->method == method)
            return entry->route;
    }
    return VEL_NONE;
}

/* The method whose route answers for one that the leaf has not; a chain of those is not followed. */
static uint32_t falls_to(const struct freezing *f, const struct vel_leaf *leaf, uint32_t method) {
    for (uint32_t i = 0; i < f->b->falls.count; i++) {
        const struct vel_fall *fall = VEL_AT(f->b->falls, struct vel_fall, i);
        if (fall->method == method && (leaf->methods >> fall->to & 1))
            return fall->to;
    }
    return VEL_NONE;
}

static void freeze_all(struct freezing *f, const struct vel_leaf *leaf, struct vel_frozen_leaf *to) {
    to->all = f->nroutes;
    uint32_t i = leaf->first;
    for (const struct vel_leaf_entry *entry; i != VEL_NONE; i = entry->next) {
        entry = VEL_AT(f->b->entries, struct vel_leaf_entry, i);
        if (to->nall == 0 || f->routes[f->nroutes - 1] != entry->route) {
            f->routes[f->nroutes++] = entry->route;
            to->nall++;
        }
    }
}

static void freeze_leaf(struct freezing *f, uint32_t number) {
    const struct vel_leaf *leaf = VEL_AT(f->b->leaves, struct vel_leaf, number);
    struct vel_frozen_leaf *to = &f->leaves[number];
    to->routes = f->nroutes;
    to->any = first_route(f, leaf, VEL_ROUTER_METHODS);
    for (uint32_t method = 0; method < f->b->methods.count; method++) {
        bool has = leaf->methods >> method & 1;
        uint32_t source = has ? method : falls_to(f, leaf, method);
        if (source == VEL_NONE)
            continue;
        to->methods |= UINT64_C(1) << method;
        f->routes[f->nroutes++] = first_route(f, leaf, source);
    }
    freeze_all(f, leaf, to);
}

/* --- segments ---------------------------------------------------------------------------------------------------- */

static uint32_t foreign_number(struct freezing *f, const struct vel_shape_part *part) {
    for (uint32_t i = 0; i < f->r->nforeign; i++) {
        const struct vel_foreign *there = &f->foreign[i];
        if (vel_slice_eq(there->name, part->converter) && vel_slice_eq(there->args, part->args))
            return i;
    }
    f->foreign[f->r->nforeign] = (struct vel_foreign){
        .kind = part->kind, .name = keep_slice(f, part->converter), .args = keep_slice(f, part->args)};
    return f->r->nforeign++;
}

static void freeze_part(struct freezing *f, uint32_t number) {
    const struct vel_shape_part *part = VEL_AT(f->b->parts, struct vel_shape_part, number);
    struct vel_frozen_part *to = &f->parts[number];
    to->kind = part->kind;
    to->behind = keep_slice(f, part->behind);
    if (part->kind == VEL_PARAM_RE || part->kind == VEL_PARAM_CUSTOM)
        to->foreign = foreign_number(f, part);
    else
        to->args = keep_slice(f, part->args);
}

static void freeze_fixed(struct freezing *f, struct vel_frozen_node *node, const struct vel_edge *edge, uint32_t nth) {
    struct vel_frozen_fixed *fixed = f->fixed + node->fixed;
    size_t len = edge->key.len;
    uint64_t key = vel_frozen_key(edge->key.at, len);
    uint32_t i = nth;
    if (node->nfixed > VEL_FIXED_LINEAR) {
        i = (uint32_t)(vel_frozen_fixed_hash(edge->key.at, len, key) >> node->shift);
        while (fixed[i].child != VEL_NONE)
            i = (i + 1) & (node->nfixed - 1);
    }
    fixed[i] = (struct vel_frozen_fixed){
        .key = key,
        .text = keep(f, edge->shape.before),
        .len = (uint32_t)len,
        .child = edge->child,
    };
}

/* What is tried first has the lowest: not what takes all that is left, then more literals, then the narrower converter;
 * else as they were added. */
static uint64_t rank_of(const struct vel_shape *shape, uint8_t param, uint32_t number) {
    return (uint64_t)(shape->kind == VEL_EDGE_PATH) << 63 | (uint64_t)(VEL_PATTERN_MAX - shape->weight) << 40 |
           (uint64_t)param << 32 | number;
}

static void freeze_try(struct freezing *f, struct vel_frozen_try *to, uint32_t number) {
    const struct vel_edge *edge = VEL_AT(f->b->edges, struct vel_edge, number);
    const struct vel_shape *shape = &edge->shape;
    uint8_t param = (uint8_t)VEL_AT(f->b->parts, struct vel_shape_part, shape->part)->kind;
    *to = (struct vel_frozen_try){
        .before = keep_slice(f, shape->before),
        .child = edge->child,
        .part = shape->part,
        .nparts = shape->nparts,
        .kind = (uint8_t)shape->kind,
        .simple = shape->nparts == 1 && shape->weight == 0,
        .param = param,
        .rank = rank_of(shape, param, number),
    };
}

static int compare_tries(const void *one, const void *other) {
    uint64_t a = ((const struct vel_frozen_try *)one)->rank, b = ((const struct vel_frozen_try *)other)->rank;
    return a < b ? -1 : a > b;
}

static void freeze_edges(struct freezing *f, const struct vel_node *node, struct vel_frozen_node *to) {
    uint32_t nth = 0, tries = 0, i = node->first;
    for (const struct vel_edge *edge; i != VEL_NONE; i = edge->next) {
        edge = VEL_AT(f->b->edges, struct vel_edge, i);
        if (edge->shape.kind == VEL_EDGE_FIXED)
            freeze_fixed(f, to, edge, nth++);
        else
            freeze_try(f, &f->tries[to->tries + tries++], i);
    }
    if (tries > 1)
        qsort(&f->tries[to->tries], tries, sizeof(*f->tries), compare_tries);
}

/* One parameter of any text and nothing else, which is what most nodes have below their fixed segments. */
static uint32_t child_of_any(const struct freezing *f, const struct vel_frozen_node *node) {
    const struct vel_frozen_try *try = &f->tries[node->tries];
    bool only = node->ntries == 1 && node->mount == VEL_NONE;
    return only && try->kind == VEL_EDGE_PARAM && try->simple && try->param == VEL_PARAM_STR ? try->child : VEL_NONE;
}

static void freeze_node(struct freezing *f, uint32_t number) {
    const struct vel_node *node = VEL_AT(f->b->nodes, struct vel_node, number);
    struct vel_frozen_node *to = &f->nodes[number];
    bool ignore = (f->b->options & VEL_ROUTER_IGNORE_SLASH) != 0;
    *to = (struct vel_frozen_node){
        .fixed = f->nfixed,
        .nfixed = fixed_places(node),
        .tries = f->ntries,
        .ntries = (uint16_t)node->nothers,
        .leaf = {node->leaf[0], ignore ? node->leaf[0] : node->leaf[1]},
        .mount = node->mount,
    };
    to->shift = to->nfixed > 1 ? (uint16_t)(64 - __builtin_ctz(to->nfixed)) : 0;
    f->nfixed += to->nfixed;
    f->ntries += to->ntries;
    for (uint32_t i = 0; i < to->nfixed; i++)
        f->fixed[to->fixed + i].child = VEL_NONE;
    freeze_edges(f, node, to);
    to->any = child_of_any(f, to);
}

/* --- the table of static paths ------------------------------------------------------------------------------------ */

/* Written from its end, since a node knows its parent only. */
static const char *keep_path(struct freezing *f, uint32_t node, uint32_t len) {
    char *start = f->bytes, *at = start + len;
    uint32_t up = VEL_AT(f->b->nodes, struct vel_node, node)->up;
    for (; up != VEL_NONE; up = VEL_AT(f->b->nodes, struct vel_node, node)->up) {
        const struct vel_edge *edge = VEL_AT(f->b->edges, struct vel_edge, up);
        at -= edge->key.len;
        if (edge->key.len > 0)
            memcpy(at, edge->key.at, edge->key.len);
        *--at = '/';
        node = edge->parent;
    }
    f->bytes += len;
    return start;
}

static void freeze_static(struct freezing *f, uint32_t number) {
    uint32_t root, len;
    if (!is_static(f->b, number, &root, &len))
        return;
    const char *text = keep_path(f, number, len);
    uint32_t i = (uint32_t)(vel_frozen_hash(text, len, root) >> f->r->static_shift);
    while (f->statics[i].used)
        i = (i + 1) & f->r->static_mask;
    const struct vel_frozen_node *node = &f->nodes[number];
    f->r->static_lengths |= vel_frozen_length(len);
    f->statics[i] = (struct vel_frozen_static){
        .text = text, .len = len, .root = root, .leaf = {node->leaf[0], node->leaf[1]}, .used = true};
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static void freeze_methods(struct freezing *f) {
    for (uint32_t i = 0; i < f->b->methods.count; i++) {
        struct vel_slice name = *VEL_AT(f->b->methods, struct vel_slice, i);
        f->methods[i] =
            (struct vel_frozen_method){.key = vel_frozen_key(name.at, name.len), .name = keep_slice(f, name)};
    }
}

struct vel_router *vel_router_new(const struct vel_builder *b) {
    struct freezing f = {.b = b};
    struct sizes sizes = count(b);
    if (!lay_out(&f, &sizes))
        return NULL;
    freeze_methods(&f);
    for (uint32_t i = 0; i < b->leaves.count; i++)
        freeze_leaf(&f, i);
    for (uint32_t i = 0; i < b->parts.count; i++)
        freeze_part(&f, i);
    for (uint32_t i = 0; i < b->nodes.count; i++)
        freeze_node(&f, i);
    for (uint32_t i = 0; i < b->nodes.count; i++)
        freeze_static(&f, i);
    return f.r;
}

void vel_router_free(struct vel_router *r) {
    vel_free(r);
}

size_t vel_router_foreign_count(const struct vel_router *r) {
    return r->nforeign;
}

const struct vel_foreign *vel_router_foreign(const struct vel_router *r, size_t i) {
    return &r->foreign[i];
}

size_t vel_router_method_count(const struct vel_router *r) {
    return r->nmethods;
}

struct vel_slice vel_router_method_name(const struct vel_router *r, size_t i) {
    return r->methods[i].name;
}

size_t vel_router_size(const struct vel_router *r) {
    return r->size;
}

/* The mutable tree of a builder. */
#include "router/tree.h"

#include "base/mem.h"

enum { ROOT = 0, INDEX_START = 64 };

/* --- growing ----------------------------------------------------------------------------------------------------- */

/* Room for one more, zeroed, which counts at once; NULL when memory is short. */
static void *push(struct vel_array *array, size_t size) {
    if (array->count == array->room) {
        uint32_t room = array->room > 0 ? array->room * 2 : 8;
        void *at = vel_realloc(array->at, room * size);
        if (at == NULL)
            return NULL;
        array->at = at;
        array->room = room;
    }
    return memset((char *)array->at + array->count++ * size, 0, size);
}

static uint32_t add_node(struct vel_builder *b) {
    struct vel_node *node = push(&b->nodes, sizeof(*node));
    if (node == NULL)
        return VEL_NONE;
    *node = (struct vel_node){
        .up = VEL_NONE, .first = VEL_NONE, .last = VEL_NONE, .leaf = {VEL_NONE, VEL_NONE}, .mount = VEL_NONE};
    return b->nodes.count - 1;
}

struct vel_builder *vel_builder_new(unsigned options) {
    struct vel_builder *b = vel_alloc_zero(sizeof(*b));
    if (b == NULL)
        return NULL;
    b->options = options;
    b->hosts = VEL_NONE;
    if (add_node(b) != ROOT) {
        vel_builder_free(b);
        return NULL;
    }
    return b;
}

void vel_builder_free(struct vel_builder *b) {
    if (b == NULL)
        return;
    struct vel_array *arrays[] = {&b->nodes, &b->edges, &b->parts, &b->leaves, &b->entries, &b->methods, &b->falls};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
        vel_free(arrays[i]->at);
    vel_free(b->index);
    vel_buf_free(&b->key);
    vel_arena_free(&b->bytes);
    vel_free(b);
}

uint32_t vel_builder_count(const struct vel_builder *b) {
    return b->nroutes;
}

/* --- edges ------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(uint32_t parent, struct vel_slice key) {
    uint32_t hash = 2166136261u ^ parent * 2654435761u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* Where the edge is in the index, or would be. */
static uint32_t place_of(const struct vel_builder *b, uint32_t parent, struct vel_slice key) {
    uint32_t i = hash_of(parent, key) & (b->index_size - 1);
    for (; b->index[i] != VEL_NONE; i = (i + 1) & (b->index_size - 1)) {
        const struct vel_edge *edge = VEL_AT(b->edges, struct vel_edge, b->index[i]);
        if (edge->parent == parent && vel_slice_eq(edge->key, key))
            break;
    }
    return i;
}

/* At most half full, one more included. */
static bool make_room(struct vel_builder *b) {
    if (b->index != NULL && b->edges.count + 1 <= b->index_size / 2)
        return true;
    uint32_t size = b->index != NULL ? b->index_size * 2 : INDEX_START, *old = b->index;
    uint32_t *made = vel_alloc_array(size, sizeof(*made));
    if (made == NULL)
        return false;
    memset(made, 0xff, size * sizeof(*made));
    b->index = made;
    b->index_size = size;
    for (uint32_t i = 0; i < b->edges.count; i++) {
        const struct vel_edge *edge = VEL_AT(b->edges, struct vel_edge, i);
        made[place_of(b, edge->parent, edge->key)] = i;
    }
    vel_free(old);
    return true;
}

static void link_edge(struct vel_builder *b, uint32_t number) {
    struct vel_edge *edge = VEL_AT(b->edges, struct vel_edge, number);
    struct vel_node *parent = VEL_AT(b->nodes, struct vel_node, edge->parent);
    if (parent->last == VEL_NONE)
        parent->first = number;
    else
        VEL_AT(b->edges, struct vel_edge, parent->last)->next = number;
    parent->last = number;
    *(edge->shape.kind == VEL_EDGE_FIXED ? &parent->nfixed : &parent->nothers) += 1;
    b->index[place_of(b, edge->parent, edge->key)] = number;
}

/* The child behind the segment, which is made if it is not there. VEL_NONE when memory is short. Of a shape that is
 * there already the parts stay as they are, and those that were made for it are given back. */
static uint32_t step(struct vel_builder *b, uint32_t parent, const struct vel_shape *shape) {
    struct vel_slice key = vel_slice(b->key.data, b->key.len);
    if (!make_room(b))
        return VEL_NONE;
    uint32_t there = b->index[place_of(b, parent, key)];
    if (there != VEL_NONE) {
        b->parts.count -= shape->nparts;
        return VEL_AT(b->edges, struct vel_edge, there)->child;
    }
    struct vel_slice copy = vel_arena_copy(&b->bytes, key);
    uint32_t child = copy.at != NULL ? add_node(b) : VEL_NONE;
    struct vel_edge *edge = child != VEL_NONE ? push(&b->edges, sizeof(*edge)) : NULL;
    if (edge == NULL)
        return VEL_NONE;
    *edge = (struct vel_edge){.key = copy, .parent = parent, .child = child, .next = VEL_NONE, .shape = *shape};
    VEL_AT(b->nodes, struct vel_node, child)->up = b->edges.count - 1;
    link_edge(b, b->edges.count - 1);
    return child;
}

/* --- shapes ------------------------------------------------------------------------------------------------------ */

/* The segment that is being read. */
struct reading {
    struct vel_builder *b;
    struct vel_shape shape;
    struct vel_buf literal; /* what has come since the last parameter */
    unsigned nhost_params;
};

/* Ends the literal that has been read: before the first parameter, or behind the last. */
static int end_literal(struct reading *r) {
    struct vel_slice text = vel_arena_copy(&r->b->bytes, vel_slice(r->literal.data, r->literal.len));
    if (text.at == NULL)
        return VEL_ENOMEM;
    r->shape.weight += (uint32_t)text.len;
    r->literal.len = 0;
    if (r->shape.nparts == 0)
        r->shape.before = text;
    else
        VEL_AT(r->b->parts, struct vel_shape_part, r->b->parts.count - 1)->behind = text;
    return VEL_OK;
}

/* In the key a parameter is NUL, converter, \1, arguments, NUL: no literal has a NUL. */
static int key_param(struct vel_buf *key, const struct vel_piece *piece) {
    struct vel_slice converter = piece->converter.len > 0 ? piece->converter : VEL_SLICE("str");
    if (vel_buf_append(key, "\0", 1) || vel_buf_append(key, converter.at, converter.len))
        return VEL_ENOMEM;
    if (vel_buf_append(key, "\1", 1) || vel_buf_append(key, piece->args.at, piece->args.len))
        return VEL_ENOMEM;
    return vel_buf_append(key, "\0", 1);
}

static int read_param(struct reading *r, const struct vel_piece *piece) {
    if (end_literal(r) || key_param(&r->b->key, piece))
        return VEL_ENOMEM;
    struct vel_slice converter = vel_arena_copy(&r->b->bytes, piece->converter);
    struct vel_slice args = vel_arena_copy(&r->b->bytes, piece->args);
    struct vel_shape_part *part = converter.at != NULL && args.at != NULL ? push(&r->b->parts, sizeof(*part)) : NULL;
    if (part == NULL)
        return VEL_ENOMEM;
    *part = (struct vel_shape_part){.kind = piece->param, .converter = converter, .args = args};
    if (r->shape.nparts++ == 0)
        r->shape.part = r->b->parts.count - 1;
    r->shape.kind = piece->param == VEL_PARAM_PATH ? VEL_EDGE_PATH : VEL_EDGE_PARAM;
    return VEL_OK;
}

static int read_literal(struct reading *r, struct vel_slice text) {
    if (vel_buf_append(&r->b->key, text.at, text.len))
        return VEL_ENOMEM;
    return vel_buf_append(&r->literal, text.at, text.len);
}

static void begin_segment(struct reading *r) {
    r->shape = (struct vel_shape){.part = r->b->parts.count};
    r->b->key.len = r->literal.len = 0;
}

static int end_segment(struct reading *r, uint32_t *node) {
    if (end_literal(r))
        return VEL_ENOMEM;
    *node = step(r->b, *node, &r->shape);
    return *node != VEL_NONE ? VEL_OK : VEL_ENOMEM;
}

/* Down the pattern from *node; with_slash when it ends in one, which is no segment of its own. */
static int walk_pattern(struct reading *r, struct vel_pattern *p, uint32_t *node, bool *with_slash) {
    struct vel_piece piece;
    uint32_t nsegments = 0;
    bool open = false;
    while (vel_pattern_next(p, &piece)) {
        int err = VEL_OK;
        if (piece.kind == VEL_PIECE_SLASH) {
            err = open ? end_segment(r, node) : VEL_OK;
            nsegments += open;
            begin_segment(r);
            open = true;
        } else if (piece.kind == VEL_PIECE_LITERAL) {
            err = read_literal(r, piece.text);
        } else {
            err = read_param(r, &piece);
        }
        if (err)
            return err;
    }
    *with_slash = p->why == NULL && r->b->key.len == 0;
    if (p->why == NULL && !*with_slash) {
        nsegments++;
        if (end_segment(r, node))
            return VEL_ENOMEM;
    }
    if (nsegments > r->b->deepest)
        r->b->deepest = nsegments;
    return p->why != NULL ? VEL_EINVAL : VEL_OK;
}

/* --- hosts ------------------------------------------------------------------------------------------------------- */

/* A label as a pattern, so that the parser of those reads it: "a" is "/a", "*" everything that is left. */
static int walk_label(struct reading *r, struct vel_slice label, uint32_t *node, const char **why) {
    struct vel_buf text = {0};
    struct vel_pattern p;
    bool with_slash;
    bool star = vel_slice_eq(label, VEL_SLICE("*"));
    if (vel_buf_append(&text, "/", 1) || vel_buf_append(&text, label.at, label.len)) {
        vel_buf_free(&text);
        return VEL_ENOMEM;
    }
    for (size_t i = 0; i < text.len && memchr(label.at, '{', label.len) == NULL; i++)
        text.data[i] = vel_ascii_lower(text.data[i]);
    vel_pattern_init(&p, star ? VEL_SLICE("/{any:path}") : vel_slice(text.data, text.len));
    int err = walk_pattern(r, &p, node, &with_slash);
    if (err == VEL_OK && (with_slash || memchr(label.at, '/', label.len) != NULL || (!star && p.after_path)))
        err = VEL_EINVAL;
    r->nhost_params += p.nparams;
    if (err == VEL_OK && r->nhost_params > VEL_HOST_LABELS)
        err = VEL_EINVAL;
    *why = p.why != NULL ? p.why : "a host is labels between dots, each a literal or {name}, or first of all \"*\"";
    vel_buf_free(&text);
    return err;
}

/* The root of the paths of a host, which is made if it is not there. */
static int root_of_host(struct vel_builder *b, uint32_t labels, uint32_t *root) {
    struct vel_node *node = VEL_AT(b->nodes, struct vel_node, labels);
    if (node->leaf[0] != VEL_NONE) {
        *root = node->leaf[0];
        return VEL_OK;
    }
    *root = add_node(b);
    if (*root == VEL_NONE)
        return VEL_ENOMEM;
    VEL_AT(b->nodes, struct vel_node, labels)->leaf[0] = *root;
    return VEL_OK;
}

/* From the last label to the first. */
static int walk_host(struct reading *r, struct vel_slice host, uint32_t *root, struct vel_route_problem *problem) {
    if (r->b->hosts == VEL_NONE && (r->b->hosts = add_node(r->b)) == VEL_NONE)
        return VEL_ENOMEM;
    uint32_t node = r->b->hosts;
    size_t end = host.len;
    for (unsigned nlabels = 1;; nlabels++) {
        size_t start = end;
        while (start > 0 && host.at[start - 1] != '.')
            start--;
        struct vel_slice label = vel_slice(host.at + start, end - start);
        problem->at = start;
        int err = walk_label(r, label, &node, &problem->why);
        if (err)
            return err;
        if (nlabels > r->b->deepest)
            r->b->deepest = nlabels;
        if (start == 0)
            return root_of_host(r->b, node, root);
        if (vel_slice_eq(label, VEL_SLICE("*")) || nlabels == VEL_HOST_LABELS)
            return VEL_EINVAL;
        end = start - 1;
    }
}

/* --- leaves ------------------------------------------------------------------------------------------------------ */

static uint32_t method_number(const struct vel_builder *b, struct vel_slice name) {
    for (uint32_t i = 0; i < b->methods.count; i++)
        if (vel_slice_eq(*VEL_AT(b->methods, struct vel_slice, i), name))
            return i;
    return VEL_NONE;
}

static int add_method(struct vel_builder *b, struct vel_slice name, uint32_t *number) {
    *number = method_number(b, name);
    if (*number != VEL_NONE)
        return VEL_OK;
    if (b->methods.count == VEL_ROUTER_METHODS)
        return VEL_ELIMIT;
    struct vel_slice copy = vel_arena_copy(&b->bytes, name), *place = NULL;
    if (copy.at != NULL)
        place = push(&b->methods, sizeof(*place));
    if (place == NULL)
        return VEL_ENOMEM;
    *place = copy;
    *number = b->methods.count - 1;
    return VEL_OK;
}

static int leaf_at(struct vel_builder *b, uint32_t node, bool with_slash, bool mount, uint32_t *leaf) {
    struct vel_node *at = VEL_AT(b->nodes, struct vel_node, node);
    uint32_t *slot = mount ? &at->mount : &at->leaf[with_slash && !(b->options & VEL_ROUTER_IGNORE_SLASH)];
    if (*slot == VEL_NONE) {
        struct vel_leaf *made = push(&b->leaves, sizeof(*made));
        if (made == NULL)
            return VEL_ENOMEM;
        *made = (struct vel_leaf){.first = VEL_NONE, .last = VEL_NONE};
        *slot = b->leaves.count - 1;
    }
    *leaf = *slot;
    return VEL_OK;
}

/* The route that the leaf has for the method. */
static uint32_t route_for(const struct vel_builder *b, uint32_t leaf, uint32_t method) {
    uint32_t i = VEL_AT(b->leaves, struct vel_leaf, leaf)->first;
    for (const struct vel_leaf_entry *entry; i != VEL_NONE; i = entry->next) {
        entry = VEL_AT(b->entries, struct vel_leaf_entry, i);
        if (entry->method == method)
            return entry->route;
    }
    return VEL_NONE;
}

static int add_entry(struct vel_builder *b, uint32_t leaf, uint32_t method) {
    struct vel_leaf_entry *entry = push(&b->entries, sizeof(*entry));
    if (entry == NULL)
        return VEL_ENOMEM;
    struct vel_leaf *at = VEL_AT(b->leaves, struct vel_leaf, leaf);
    uint32_t number = b->entries.count - 1;
    *entry = (struct vel_leaf_entry){.route = b->nroutes, .next = VEL_NONE, .method = method};
    if (at->last == VEL_NONE)
        at->first = number;
    else
        VEL_AT(b->entries, struct vel_leaf_entry, at->last)->next = number;
    at->last = number;
    if (method < VEL_ROUTER_METHODS)
        at->methods |= UINT64_C(1) << method;
    return VEL_OK;
}

/* The numbers of its methods, at most as many as there can be; any method is a number too. */
static int methods_of(struct vel_builder *b, const struct vel_route *route, uint32_t *numbers, size_t *count) {
    *count = route->nmethods > 0 ? route->nmethods : 1;
    numbers[0] = VEL_ROUTER_METHODS;
    if (route->nmethods > VEL_ROUTER_METHODS)
        return VEL_ELIMIT;
    for (size_t i = 0; i < route->nmethods; i++) {
        int err = add_method(b, route->methods[i], &numbers[i]);
        if (err)
            return err;
    }
    return VEL_OK;
}

/* Takes back entries of a route that was not added whole, from the ends of the lists. */
static void take_back(struct vel_builder *b, uint32_t leaf) {
    struct vel_leaf *at = VEL_AT(b->leaves, struct vel_leaf, leaf);
    uint32_t kept = VEL_NONE, i = at->first;
    at->methods = 0;
    while (i != VEL_NONE) {
        struct vel_leaf_entry *entry = VEL_AT(b->entries, struct vel_leaf_entry, i);
        if (entry->route == b->nroutes)
            break;
        if (entry->method < VEL_ROUTER_METHODS)
            at->methods |= UINT64_C(1) << entry->method;
        kept = i;
        i = entry->next;
    }
    at->last = kept;
    if (kept == VEL_NONE)
        at->first = VEL_NONE;
    else
        VEL_AT(b->entries, struct vel_leaf_entry, kept)->next = VEL_NONE;
}

static int fill_leaf(struct vel_builder *b, uint32_t leaf, const uint32_t *methods, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t there = route_for(b, leaf, methods[i]);
        if (there == b->nroutes) /* named twice */
            continue;
        if (add_entry(b, leaf, methods[i])) {
            take_back(b, leaf);
            return VEL_ENOMEM;
        }
    }
    b->nroutes++;
    return VEL_OK;
}

static bool conflicts(const struct vel_builder *b, uint32_t leaf, const uint32_t *methods, size_t count,
                      struct vel_route_problem *problem) {
    for (size_t i = 0; i < count && !(b->options & VEL_ROUTER_KEEP_ALL); i++) {
        problem->other = route_for(b, leaf, methods[i]);
        if (problem->other != VEL_NONE)
            return true;
    }
    return false;
}

/* --- adding ------------------------------------------------------------------------------------------------------ */

static int walk(struct reading *r, const struct vel_route *route, uint32_t *leaf, struct vel_route_problem *problem) {
    uint32_t node = ROOT;
    struct vel_pattern p;
    bool with_slash;
    int err = route->host.len > 0 ? walk_host(r, route->host, &node, problem) : VEL_OK;
    if (err)
        return err;
    vel_pattern_init(&p, route->pattern);
    err = walk_pattern(r, &p, &node, &with_slash);
    if (err == VEL_OK && route->mount && p.after_path) {
        p.why = "a mount takes what is left by itself";
        err = VEL_EINVAL;
    }
    problem->at = p.at;
    problem->why = p.why;
    return err ? err : leaf_at(r->b, node, with_slash, route->mount, leaf);
}

int vel_builder_add(struct vel_builder *b, const struct vel_route *route, struct vel_route_problem *problem) {
    struct reading r = {.b = b};
    uint32_t methods[VEL_ROUTER_METHODS], leaf;
    size_t count;
    *problem = (struct vel_route_problem){.other = VEL_NONE};
    if (b->nroutes == VEL_ROUTER_ROUTES)
        return VEL_ELIMIT;
    int err = walk(&r, route, &leaf, problem);
    vel_buf_free(&r.literal);
    if (err == VEL_OK)
        err = methods_of(b, route, methods, &count);
    if (err == VEL_OK && conflicts(b, leaf, methods, count, problem))
        err = VEL_ESTATE;
    return err ? err : fill_leaf(b, leaf, methods, count);
}

int vel_builder_fall_back(struct vel_builder *b, struct vel_slice method, struct vel_slice to) {
    uint32_t from_number, to_number;
    int err = add_method(b, method, &from_number);
    if (err == VEL_OK)
        err = add_method(b, to, &to_number);
    if (err)
        return err;
    struct vel_fall *fall = push(&b->falls, sizeof(*fall));
    if (fall == NULL)
        return VEL_ENOMEM;
    *fall = (struct vel_fall){.method = from_number, .to = to_number};
    return VEL_OK;
}

/* What a builder holds: a tree of segments, in growing arrays that name each other by index. */
#pragma once

#include "router/build.h"

#include "base/buf.h"

#define VEL_NONE 0xffffffffu

enum vel_edge_kind { VEL_EDGE_FIXED, VEL_EDGE_PARAM, VEL_EDGE_PATH };

/* One parameter of a segment, and the literal behind it. */
struct vel_shape_part {
    enum vel_param_kind kind;
    struct vel_slice converter, args, behind;
};

/* What a segment looks like, whatever its parameters are called. */
struct vel_shape {
    enum vel_edge_kind kind;
    struct vel_slice before; /* a fixed segment's text */
    uint32_t part, nparts;
    uint32_t weight; /* bytes of literals */
};

struct vel_edge {
    struct vel_slice key; /* the same for the same shape, and only then */
    uint32_t parent, child;
    uint32_t next; /* of the same parent, as they were added */
    struct vel_shape shape;
};

struct vel_node {
    uint32_t up;          /* the edge that leads here; VEL_NONE: a root */
    uint32_t first, last; /* edges */
    uint32_t nfixed, nothers;
    uint32_t leaf[2]; /* without and with a slash at the end */
    uint32_t mount;
};

/* A list of methods, each with its route; any method is VEL_ROUTER_METHODS. */
struct vel_leaf {
    uint32_t first, last;
    uint64_t methods;
};

struct vel_leaf_entry {
    uint32_t route, next;
    uint32_t method;
};

struct vel_array {
    void *at; /* owned */
    uint32_t count, room;
};

struct vel_builder {
    unsigned options;
    struct vel_arena bytes; /* texts of edges, parts and methods */
    struct vel_buf key;
    struct vel_array nodes, edges, parts, leaves, entries, methods, falls;
    uint32_t *index; /* owned: edges by parent and key, open addressing, VEL_NONE is empty */
    uint32_t index_size;
    uint32_t nroutes;
    uint32_t hosts; /* root of the labels, from the last to the first; leaf entries are roots. VEL_NONE: no hosts */
    uint32_t deepest;
};

struct vel_fall {
    uint32_t method, to;
};

#define VEL_AT(array, type, i) (&((type *)(array).at)[i])

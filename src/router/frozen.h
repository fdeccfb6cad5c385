/* How a frozen router lies in memory: arrays in one block, named by index. */
#pragma once

#include "router/router.h"
#include "router/tree.h"

#include "base/mask.h"

/* Up to so many fixed segments are compared one by one, more are found by a table that is at most half full. */
#define VEL_FIXED_LINEAR 4

/* A segment that is text. */
struct vel_frozen_fixed {
    uint64_t key;
    const char *text;
    uint32_t len;
    uint32_t child; /* VEL_NONE: an empty place of a table */
};

struct vel_frozen_node {
    uint32_t fixed, nfixed; /* entries; of a table its size, which is a power of two */
    uint32_t tries;
    uint16_t ntries;  /* as many as there are routes at most */
    uint16_t shift;   /* of the table's hash */
    uint32_t leaf[2]; /* of the tree of hosts: the root of paths */
    uint32_t mount;
    uint32_t
        any; /* where a segment that is no fixed one leads, when nothing is asked about it; VEL_NONE: look at tries */
};

/* A segment that has parameters. */
struct vel_frozen_try {
    struct vel_slice before;
    uint64_t rank; /* lower is tried first */
    uint32_t child;
    uint32_t part, nparts;
    uint8_t kind;  /* enum vel_edge_kind */
    bool simple;   /* one parameter and nothing else */
    uint8_t param; /* its kind */
};

struct vel_frozen_part {
    enum vel_param_kind kind;
    uint32_t foreign; /* of RE and CUSTOM */
    struct vel_slice args, behind;
};

struct vel_frozen_leaf {
    uint64_t methods;
    uint32_t routes; /* one for each method, by its number */
    uint32_t any;    /* a route, or VEL_NONE */
    uint32_t all, nall;
};

/* A path without parameters, without the slash at its end. */
struct vel_frozen_static {
    const char *text;
    uint32_t len, root;
    uint32_t leaf[2];
    bool used;
};

struct vel_frozen_method {
    uint64_t key;
    struct vel_slice name;
};

struct vel_router {
    const struct vel_frozen_node *nodes;
    const struct vel_frozen_fixed *fixed;
    const struct vel_frozen_try *tries;
    const struct vel_frozen_part *parts;
    const struct vel_frozen_leaf *leaves;
    const uint32_t *routes;
    const struct vel_frozen_static *statics;
    const struct vel_frozen_method *methods;
    const struct vel_foreign *foreign;
    uint64_t static_lengths; /* a bit for each length that one has, the last for 63 and more */
    uint32_t static_shift, static_mask;
    uint32_t hosts; /* VEL_NONE: none */
    unsigned most;  /* segments that are worth looking at */
    uint32_t nmethods, nforeign;
    bool keep_all;
    size_t size;
};

#define VEL_FROZEN_MULTIPLIER UINT64_C(0x9E3779B97F4A7C15)

/* Of at most eight bytes, all of them; two runs of the same length have the same only when they are the same. */
static inline uint64_t vel_frozen_key(const char *at, size_t len) {
    uint32_t low, high;
    if (len >= 8)
        return vel_load8(at);
    if (len >= 4) {
        memcpy(&low, at, 4);
        memcpy(&high, at + len - 4, 4);
        return low | (uint64_t)high << 32;
    }
    if (len == 0)
        return 0;
    return (uint64_t)(unsigned char)at[0] | (uint64_t)(unsigned char)at[len / 2] << 8 |
           (uint64_t)(unsigned char)at[len - 1] << 16;
}

static inline uint64_t vel_frozen_length(size_t len) {
    return UINT64_C(1) << (len < 63 ? len : 63);
}

/* Its upper bits are the good ones. More than eight bytes end in a word that may have some of the one before. */
static inline uint64_t vel_frozen_hash(const char *at, size_t len, uint64_t seed) {
    uint64_t hash = (seed ^ len) * VEL_FROZEN_MULTIPLIER;
    if (len <= 8)
        return (hash ^ vel_frozen_key(at, len)) * VEL_FROZEN_MULTIPLIER;
    for (const char *last = at + len - 8;; at += 8) {
        hash = (hash ^ vel_load8(at < last ? at : last)) * VEL_FROZEN_MULTIPLIER;
        if (at >= last)
            return hash;
        hash ^= hash >> 32;
    }
}

/* Calling memcmp costs more than the few words of a path. */
static inline bool vel_frozen_same(const char *a, const char *b, size_t len) {
    if (len <= 8)
        return vel_frozen_key(a, len) == vel_frozen_key(b, len);
    for (const char *last = a + len - 8; a < last; a += 8, b += 8, len -= 8)
        if (vel_load8(a) != vel_load8(b))
            return false;
    return vel_load8(a + len - 8) == vel_load8(b + len - 8);
}

/* The key of a segment is at hand. */
static inline uint64_t vel_frozen_fixed_hash(const char *at, size_t len, uint64_t key) {
    return len <= 8 ? (key ^ len) * VEL_FROZEN_MULTIPLIER : vel_frozen_hash(at, len, 0);
}

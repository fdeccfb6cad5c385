/* A frozen router: one block of memory that nothing changes, asked by any number of threads. */
#pragma once

#include "router/build.h"

struct vel_router;

/* What the builder holds, which stays as it is. NULL when memory is short. */
struct vel_router *vel_router_new(const struct vel_builder *b);
void vel_router_free(struct vel_router *r);

/* --- converters that only the caller knows ----------------------------------------------------------------------- */

struct vel_foreign {
    enum vel_param_kind kind; /* RE or CUSTOM */
    struct vel_slice name, args;
};

/* Each different one once. */
size_t vel_router_foreign_count(const struct vel_router *r);
const struct vel_foreign *vel_router_foreign(const struct vel_router *r, size_t i);

/* Whether the value, which would be the parameter of that number, is taken: 1, 0, or less to end the search. */
typedef int vel_router_ask_fn(void *owner, uint32_t foreign, unsigned param, struct vel_slice value);

/* --- asking ------------------------------------------------------------------------------------------------------ */

struct vel_query {
    struct vel_slice method, path;
    struct vel_slice host;  /* matters only where routes have hosts */
    bool encoded;           /* "%" of the path is an escape */
    char *scratch;          /* room for path.len bytes; used only when encoded, and there is a "%" */
    vel_router_ask_fn *ask; /* may be NULL when there is nothing foreign */
    void *owner;
};

enum vel_found {
    VEL_FOUND,
    VEL_FOUND_NOTHING,
    VEL_FOUND_METHODS, /* the path has other methods: allow */
    VEL_FOUND_SLASH,   /* the path with a slash more, or less, has the route; else nothing is there */
    VEL_FOUND_BAD,     /* no path: an escape that is none, or a NUL */
    VEL_FOUND_STOPPED, /* ask said so */
};

#define VEL_MATCH_PARAMS (VEL_PATTERN_PARAMS + VEL_HOST_LABELS)

struct vel_match {
    enum vel_found found;
    uint32_t route;
    uint64_t allow;   /* a bit for each method of the path, of vel_router_method_name */
    uint32_t visited; /* nodes and edges that were looked at */
    size_t rest;      /* of a mount: where in the path what is left begins, a slash or the end */
    unsigned nparams;
    /* Decoded. Those of the host first, from its last label on, one for "*" too. They point into the path, or scratch,
     * or the host in host_bytes. */
    struct vel_slice params[VEL_MATCH_PARAMS];
    char host_bytes[256];
};

/* Static before parameters, these in the order of their narrowness, what takes all that is left last; decided from the
 * first segment on, whatever was added first. A host that fits before routes for every host. Linear in the path: each
 * node is visited at most once. */
void vel_router_match(const struct vel_router *r, const struct vel_query *query, struct vel_match *match);

/* Every route that has the path, whatever its methods, each once and as they were added: at most most numbers into
 * routes. Returns how many there are. match has found, allow and visited. Of a builder with KEEP_ALL. */
size_t vel_router_all(const struct vel_router *r, const struct vel_query *query, struct vel_match *match,
                      uint32_t *routes, size_t most);

size_t vel_router_method_count(const struct vel_router *r);
struct vel_slice vel_router_method_name(const struct vel_router *r, size_t i);

/* Bytes of the block. */
size_t vel_router_size(const struct vel_router *r);

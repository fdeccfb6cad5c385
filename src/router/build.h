/* Building a router: routes are added one by one, and conflicts told at once; router.h freezes what there is. */
#pragma once

#include "router/pattern.h"

#include "base/arena.h"
#include "base/err.h"

#define VEL_ROUTER_METHODS 62   /* different ones in one router */
#define VEL_ROUTER_ROUTES 65535 /* at most */
#define VEL_HOST_LABELS 32      /* of one host */

struct vel_route {
    struct vel_slice host;    /* of labels, each a literal, "{name}" or first of all "*"; empty: every host */
    struct vel_slice pattern; /* pattern.h */
    const struct vel_slice *methods;
    size_t nmethods; /* 0: any */
    bool mount;      /* and everything below it, from one segment to the next */
};

/* Why a route was refused. */
struct vel_route_problem {
    const char *why;
    size_t at;      /* in the pattern, or the host */
    uint32_t other; /* VEL_ESTATE: the route that is there already */
};

enum vel_router_option {
    VEL_ROUTER_IGNORE_SLASH = 1, /* /a and /a/ are one path */
    VEL_ROUTER_KEEP_ALL = 2,     /* routes do not conflict: the first that was added is meant, all are candidates */
};

struct vel_builder;

/* NULL when memory is short. */
struct vel_builder *vel_builder_new(unsigned options);
void vel_builder_free(struct vel_builder *b);

/* Adds a route; its number is how many there were before. What it points to is copied.
 * VEL_EINVAL: *problem says what is wrong. VEL_ESTATE: the same shape, method and host is there already. VEL_ELIMIT:
 * too many routes or methods. After VEL_ENOMEM too the builder has the routes that it had before. */
int vel_builder_add(struct vel_builder *b, const struct vel_route *route, struct vel_route_problem *problem);

/* Where a path has the second method but not the first, the first is answered by the second's route: HEAD by GET. */
int vel_builder_fall_back(struct vel_builder *b, struct vel_slice method, struct vel_slice to);

uint32_t vel_builder_count(const struct vel_builder *b);

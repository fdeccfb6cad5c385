/* Micro benches of src/router: lookups among GitHub's 203 routes, and among ten thousand. */
#include "router/router.h"
#include "micro.h"

#include <stdio.h>

static struct vel_router *github_router, *large_router;
static struct vel_match match;

static void add(struct vel_builder *b, const char *methods, const char *pattern) {
    struct vel_slice list[8];
    struct vel_route route = {.pattern = vel_slice(pattern, strlen(pattern)), .methods = list};
    struct vel_route_problem problem;
    for (const char *at = methods; *at != '\0'; at += *at == ' ') {
        size_t len = strcspn(at, " ");
        list[route.nmethods++] = vel_slice(at, len);
        at += len;
    }
    EXPECT(vel_builder_add(b, &route, &problem) == VEL_OK);
}

static struct vel_router *freeze(struct vel_builder *b) {
    EXPECT(vel_builder_fall_back(b, VEL_SLICE("HEAD"), VEL_SLICE("GET")) == VEL_OK);
    struct vel_router *r = vel_router_new(b);
    EXPECT(r != NULL);
    vel_builder_free(b);
    return r;
}

/* Made by the first of the calls that warm up. */
static struct vel_router *github(void) {
    if (github_router != NULL)
        return github_router;
    struct vel_builder *b = vel_builder_new(0);
#define GITHUB(methods, pattern) add(b, methods, pattern);
#include "github.def"
    return github_router = freeze(b);
}

static struct vel_router *large(void) {
    if (large_router != NULL)
        return large_router;
    struct vel_builder *b = vel_builder_new(0);
    char pattern[64];
    for (int i = 0; i < 5000; i++) {
        sprintf(pattern, "/section-%d/page", i);
        add(b, "GET", pattern);
        sprintf(pattern, "/section-%d/items/{id}", i);
        add(b, "GET", pattern);
    }
    return large_router = freeze(b);
}

static enum vel_found ask(const struct vel_router *r, struct vel_slice method, struct vel_slice path) {
    char scratch[64];
    struct vel_query query = {.method = method, .path = path, .encoded = true, .scratch = scratch};
    vel_router_match(r, &query, &match);
    return match.found;
}

#define GET VEL_SLICE("GET")

MICRO(route_static) {
    EXPECT(ask(github(), GET, VEL_SLICE("/user/repos")) == VEL_FOUND);
}

MICRO(route_one_parameter) {
    EXPECT(ask(github(), GET, VEL_SLICE("/users/octocat/received_events")) == VEL_FOUND && match.nparams == 1);
}

MICRO(route_three_parameters) {
    EXPECT(ask(github(), GET, VEL_SLICE("/repos/octocat/hello-world/issues/1347")) == VEL_FOUND && match.nparams == 3);
}

MICRO(route_escapes) {
    EXPECT(ask(github(), GET, VEL_SLICE("/repos/octo%20cat/hello-world/issues/1347")) == VEL_FOUND);
}

MICRO(route_miss) {
    EXPECT(ask(github(), GET, VEL_SLICE("/repos/octocat/hello-world/nothing/1347")) == VEL_FOUND_NOTHING);
}

MICRO(route_not_allowed) {
    EXPECT(ask(github(), VEL_SLICE("PATCH"), VEL_SLICE("/user/repos")) == VEL_FOUND_METHODS);
}

MICRO(route_10000_static) {
    EXPECT(ask(large(), GET, VEL_SLICE("/section-4321/page")) == VEL_FOUND);
}

MICRO(route_10000_one_parameter) {
    EXPECT(ask(large(), GET, VEL_SLICE("/section-4321/items/1347")) == VEL_FOUND && match.nparams == 1);
}

/* Routers from lines of text, and what they answer, as text. */
#pragma once

#include "router/router.h"
#include "support/guard.h"
#include "support/test.h"

/* "GET /a/{b}", "GET,POST /a", "* /a" (any method), "GET example.com/a", "MOUNT /a". */
static inline int add_line(struct vel_builder *b, const char *line, struct vel_route_problem *problem) {
    struct vel_slice methods[8];
    const char *space = strchr(line, ' '), *slash = strchr(space, '/');
    struct vel_route route = {.methods = methods, .mount = strncmp(line, "MOUNT ", 6) == 0};
    bool any = route.mount || line[0] == '*';
    for (const char *at = line; !any && at < space; at++) {
        size_t len = strcspn(at, ", ");
        methods[route.nmethods++] = vel_slice(at, len);
        at += len;
    }
    if (slash == NULL)
        slash = space + strlen(space);
    route.host = vel_slice(space + 1, (size_t)(slash - space - 1));
    route.pattern = vel_slice(slash, strlen(slash));
    return vel_builder_add(b, &route, problem);
}

static inline struct vel_router *build_router(unsigned options, const char *const *lines) {
    struct vel_route_problem problem;
    struct vel_builder *b = vel_builder_new(options);
    CHECK(b != NULL);
    for (; *lines != NULL; lines++) {
        int err = add_line(b, *lines, &problem);
        if (err)
            fprintf(stderr, "%s: %d %s\n", *lines, err, problem.why != NULL ? problem.why : "");
        CHECK_INT(err, VEL_OK);
    }
    CHECK_INT(vel_builder_fall_back(b, VEL_SLICE("HEAD"), VEL_SLICE("GET")), VEL_OK);
    struct vel_router *r = vel_router_new(b);
    CHECK(r != NULL);
    vel_builder_free(b);
    return r;
}

#define ROUTER(options, ...) build_router(options, (const char *const[]){__VA_ARGS__, NULL})

/* Values that begin with "x" are taken. */
static inline int takes_x(void *owner, uint32_t foreign, unsigned param, struct vel_slice value) {
    (void)foreign, (void)param;
    int *stop = owner;
    return stop != NULL && *stop ? -1 : value.at[0] == 'x';
}

/* "3 a b" for the fourth route with two parameters, "3 a +/rest" for a mount; "nothing", "methods GET HEAD", "slash 3
 * a", "bad". */
static inline const char *outcome_text(const struct vel_router *r, const struct vel_match *m, struct vel_slice path) {
    static char text[4096];
    size_t len = 0;
    if (m->found == VEL_FOUND_NOTHING)
        return "nothing";
    if (m->found == VEL_FOUND_BAD)
        return "bad";
    if (m->found == VEL_FOUND_STOPPED)
        return "stopped";
    if (m->found == VEL_FOUND_METHODS) {
        len = (size_t)sprintf(text, "methods");
        for (size_t i = 0; i < vel_router_method_count(r); i++) {
            struct vel_slice name = vel_router_method_name(r, i);
            if (m->allow >> i & 1)
                len += (size_t)sprintf(text + len, " %.*s", (int)name.len, name.at);
        }
        return text;
    }
    len = (size_t)sprintf(text, "%s%u", m->found == VEL_FOUND_SLASH ? "slash " : "", m->route);
    for (unsigned i = 0; i < m->nparams; i++)
        len += (size_t)sprintf(text + len, " %.*s", (int)m->params[i].len, m->params[i].at);
    if (m->found == VEL_FOUND && m->rest < path.len)
        sprintf(text + len, " +%.*s", (int)(path.len - m->rest), path.at + m->rest);
    return text;
}

/* The path ends at a guard page, and so does what is made of it. */
static inline const char *ask_host(const struct vel_router *r, const char *host, const char *method, const char *path) {
    static struct vel_match match;
    size_t len = strlen(path);
    char *copy = guard_copy(path, len), *scratch = guard_copy(path, len);
    struct vel_query query = {
        .method = vel_slice(method, strlen(method)),
        .path = vel_slice(copy, len),
        .host = vel_slice(host, strlen(host)),
        .encoded = true,
        .scratch = scratch,
        .ask = takes_x,
    };
    vel_router_match(r, &query, &match);
    const char *text = outcome_text(r, &match, query.path);
    guard_free(scratch, len);
    guard_free(copy, len);
    return text;
}

static inline const char *ask_router(const struct vel_router *r, const char *method, const char *path) {
    return ask_host(r, "", method, path);
}

#define CHECK_OUTCOME(outcome, want)                                                                                   \
    do {                                                                                                               \
        const char *got_ = (outcome);                                                                                  \
        if (strcmp(got_, (want)) != 0) {                                                                               \
            fprintf(stderr, "%s:%d: %s: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, __func__, #outcome, got_,     \
                    (want));                                                                                           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Tests of router/freeze.c; what a frozen router answers is in test_match.c. */
#include "support/failmalloc.h"
#include "support/routes.h"

static void one_block_or_none(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    CHECK_INT(add_line(b, "GET /a/{x}/b", &problem), VEL_OK);
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_router *r = vel_router_new(b);
        CHECK((r == NULL) == fail_malloc_hit());
        CHECK(n <= 2);
        vel_router_free(r);
    }
    vel_builder_free(b);
}

static void an_empty_router_finds_nothing(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_router *r = vel_router_new(b);
    vel_builder_free(b);
    CHECK_OUTCOME(ask_router(r, "GET", "/"), "nothing");
    CHECK_OUTCOME(ask_router(r, "GET", "/a/b"), "nothing");
    CHECK_OUTCOME(ask_host(r, "example.com", "GET", "/a/b"), "nothing");
    CHECK_INT(vel_router_method_count(r), 0);
    CHECK_INT(vel_router_foreign_count(r), 0);
    CHECK(vel_router_size(r) > 0);
    vel_router_free(r);
}

/* The builder goes on, and what was frozen does not change. */
static void routes_may_be_added_later(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    CHECK_INT(add_line(b, "GET /a", &problem), VEL_OK);
    struct vel_router *before = vel_router_new(b);
    CHECK_INT(add_line(b, "GET /b", &problem), VEL_OK);
    struct vel_router *after = vel_router_new(b);
    vel_builder_free(b);
    CHECK_OUTCOME(ask_router(before, "GET", "/b"), "nothing");
    CHECK_OUTCOME(ask_router(after, "GET", "/b"), "1");
    CHECK_OUTCOME(ask_router(after, "GET", "/a"), "0");
    vel_router_free(before);
    vel_router_free(after);
}

static void one_converter_is_asked_for_once(void) {
    struct vel_router *r = ROUTER(0, "GET /{a:own}/{b:own}", "GET /{c:re(x)}", "GET /p/{d:re(x)}", "GET /q/{e:re(y)}",
                                  "GET /r/{f:own(1)}");
    CHECK_INT(vel_router_foreign_count(r), 4);
    CHECK_SLICE(vel_router_foreign(r, 1)->name, "re");
    CHECK_SLICE(vel_router_foreign(r, 1)->args, "x");
    CHECK_INT(vel_router_foreign(r, 1)->kind, VEL_PARAM_RE);
    CHECK_SLICE(vel_router_foreign(r, 3)->args, "1");
    vel_router_free(r);
}

/* HEAD has its own route where it has one, GET's elsewhere, and none where there is no GET. */
static void one_method_falls_back_to_another(void) {
    struct vel_router *r = ROUTER(0, "GET /a", "HEAD /a", "GET /b", "POST /c");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/a"), "1");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/b"), "2");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/c"), "methods POST");
    CHECK_OUTCOME(ask_router(r, "PUT", "/b"), "methods GET HEAD");
    vel_router_free(r);
}

int main(void) {
    RUN(one_block_or_none);
    RUN(an_empty_router_finds_nothing);
    RUN(routes_may_be_added_later);
    RUN(one_converter_is_asked_for_once);
    RUN(one_method_falls_back_to_another);
}

/* Tests of router/build.c. */
#include "support/failmalloc.h"
#include "support/routes.h"

static int add(struct vel_builder *b, const char *line, struct vel_route_problem *problem) {
    return add_line(b, line, problem);
}

static void one_shape_with_one_method_is_there_once(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    CHECK_INT(add(b, "GET /a/{x}", &problem), VEL_OK);
    CHECK_INT(add(b, "POST /a/{y}", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /a/{y}", &problem), VEL_ESTATE);
    CHECK_INT(problem.other, 0);
    CHECK_INT(add(b, "PUT,POST /a/{z}", &problem), VEL_ESTATE);
    CHECK_INT(problem.other, 1);
    CHECK_INT(add(b, "PUT /a/{z:str}", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /a/{x:int}", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /a/{x}/", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /a/{x}.json", &problem), VEL_OK);
    CHECK_INT(add(b, "GET h.example/a/{x}", &problem), VEL_OK);
    CHECK_INT(add(b, "GET H.example/a/{x}", &problem), VEL_ESTATE);
    CHECK_INT(problem.other, 6);
    CHECK_INT(add(b, "GET /e/{x:enum(a,b)}", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /e/{x:enum(a,c)}", &problem), VEL_OK);
    CHECK_INT(add(b, "* /a/{x}", &problem), VEL_OK);
    CHECK_INT(add(b, "* /a/{y}", &problem), VEL_ESTATE);
    CHECK_INT(add(b, "MOUNT /m", &problem), VEL_OK);
    CHECK_INT(add(b, "MOUNT /m/", &problem), VEL_ESTATE);
    CHECK_INT(vel_builder_count(b), 11);
    vel_builder_free(b);
}

static void a_slash_that_is_ignored_makes_no_other_shape(void) {
    struct vel_builder *b = vel_builder_new(VEL_ROUTER_IGNORE_SLASH);
    struct vel_route_problem problem;
    CHECK_INT(add(b, "GET /a", &problem), VEL_OK);
    CHECK_INT(add(b, "GET /a/", &problem), VEL_ESTATE);
    vel_builder_free(b);
}

static void a_method_named_twice_is_one(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    CHECK_INT(add(b, "GET,GET /a", &problem), VEL_OK);
    CHECK_INT(add(b, "PUT /a", &problem), VEL_OK);
    vel_builder_free(b);
}

static void what_is_wrong_is_told_with_its_place(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    CHECK_INT(add(b, "GET /a/{", &problem), VEL_EINVAL);
    CHECK_INT(problem.at, 3);
    CHECK(problem.why != NULL);
    CHECK_INT(add(b, "MOUNT /a/{x:path}", &problem), VEL_EINVAL);
    static const char *const hosts[] = {"GET a..b/", "GET .a/", "GET a.*.b/", "GET {x/", "GET {a:path}.b/"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        CHECK_INT(add(b, hosts[i], &problem), VEL_EINVAL);
        CHECK(problem.why != NULL);
    }
    CHECK_INT(vel_builder_count(b), 0);
    vel_builder_free(b);
}

static void there_is_a_limit_to_methods(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    char line[32];
    for (unsigned i = 0; i < VEL_ROUTER_METHODS; i++) {
        sprintf(line, "M%u /a", i);
        CHECK_INT(add(b, line, &problem), VEL_OK);
    }
    CHECK_INT(add(b, "ONE-MORE /a", &problem), VEL_ELIMIT);
    CHECK_INT(add(b, "M3 /b", &problem), VEL_OK);
    vel_builder_free(b);
}

static const char *const table[] = {
    "GET /a/{x}/b-{y:int}.{z}",
    "GET,POST /c",
    "GET *.example.com/{d:own}",
    "POST /{r:re(a+)}/{p:path}",
    "MOUNT /m",
    "GET /one",
    "GET /two",
    "GET /three",
    "GET /four",
    "GET /five",
    "GET {h}.example.com/",
    "DELETE /c/{{x}}",
    "GET /e/{e:enum(a,b)}",
    "PUT /c",
    NULL,
};

/* Whatever fails, those that were there are as they were, and trying again works. */
static void memory_that_fails_loses_no_route(void) {
    for (unsigned long n = 1; n < 400; n++) {
        struct vel_builder *b = vel_builder_new(0);
        struct vel_route_problem problem;
        bool failed = false;
        fail_malloc_at(n);
        for (size_t i = 0; table[i] != NULL; i++) {
            int err = add(b, table[i], &problem);
            if (err) {
                CHECK_INT(err, VEL_ENOMEM);
                CHECK_INT(vel_builder_count(b), i);
                CHECK_INT(add(b, table[i], &problem), VEL_OK);
                failed = true;
            }
        }
        fail_malloc_at(0);
        struct vel_router *r = vel_router_new(b);
        CHECK_OUTCOME(ask_router(r, "GET", "/a/1/b-2.3"), "0 1 2 3");
        CHECK_OUTCOME(ask_router(r, "PUT", "/c"), "13");
        CHECK_OUTCOME(ask_router(r, "POST", "/xa/b/c"), "3 xa b/c");
        CHECK_OUTCOME(ask_router(r, "DELETE", "/c/{x}"), "11");
        CHECK_OUTCOME(ask_router(r, "GET", "/five"), "9");
        vel_router_free(r);
        vel_builder_free(b);
        if (!failed)
            return;
    }
    CHECK(false);
}

static void a_builder_without_memory_is_none(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_builder *b = vel_builder_new(0);
        if (b != NULL)
            vel_builder_free(b);
    }
}

int main(void) {
    RUN(one_shape_with_one_method_is_there_once);
    RUN(a_slash_that_is_ignored_makes_no_other_shape);
    RUN(a_method_named_twice_is_one);
    RUN(what_is_wrong_is_told_with_its_place);
    RUN(there_is_a_limit_to_methods);
    RUN(memory_that_fails_loses_no_route);
    RUN(a_builder_without_memory_is_none);
}

/* Tests of router/match.c. */
#include "support/routes.h"

#include <stdint.h>

#define CHECK_GET(r, path, want) CHECK_OUTCOME(ask_router(r, "GET", path), want)

static void static_paths_are_what_they_are(void) {
    struct vel_router *r =
        ROUTER(0, "GET /", "GET /a", "GET /a/b", "GET /a/bc", "GET /a-long-segment/another-long-segment/x");
    CHECK_GET(r, "/", "0");
    CHECK_GET(r, "/a", "1");
    CHECK_GET(r, "/a/b", "2");
    CHECK_GET(r, "/a/bc", "3");
    CHECK_GET(r, "/a-long-segment/another-long-segment/x", "4");
    CHECK_GET(r, "/a-long-segment/another-long-segment/y", "nothing");
    CHECK_GET(r, "", "nothing");
    CHECK_GET(r, "a", "nothing");
    CHECK_GET(r, "*", "nothing");
    CHECK_GET(r, "/A", "nothing");
    CHECK_GET(r, "//", "nothing");
    CHECK_GET(r, "//a", "nothing");
    CHECK_GET(r, "/a//b", "nothing");
    vel_router_free(r);
}

static void text_beside_a_parameter_comes_first(void) {
    struct vel_router *r = ROUTER(0, "GET /users/{id}", "GET /users/me", "DELETE /users/{id}", "GET /users/{id}/{what}",
                                  "GET /users/me/photo", "GET /{any}/me/list");
    CHECK_GET(r, "/users/me", "1");
    CHECK_GET(r, "/users/you", "0 you");
    CHECK_GET(r, "/users/me/photo", "4");
    CHECK_GET(r, "/users/me/list", "3 me list");
    CHECK_GET(r, "/others/me/list", "5 others");
    CHECK_OUTCOME(ask_router(r, "DELETE", "/users/me"), "2 me");
    CHECK_OUTCOME(ask_router(r, "PUT", "/users/me"), "methods GET DELETE HEAD");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/users/me"), "1");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/users/you"), "0 you");
    CHECK_GET(r, "/users/", "nothing");
    vel_router_free(r);
}

static void a_way_that_ends_nowhere_is_gone_back(void) {
    struct vel_router *r = ROUTER(0, "GET /a/c/d", "GET /a/{x}/b", "GET /{y}/c/b/e", "GET /{z:path}");
    CHECK_GET(r, "/a/c/d", "0");
    CHECK_GET(r, "/a/c/b", "1 c");
    CHECK_GET(r, "/a/c/b/e", "2 a");
    CHECK_GET(r, "/a/c/b/f", "3 a/c/b/f");
    CHECK_GET(r, "/a/", "3 a/");
    CHECK_GET(r, "/", "nothing");
    vel_router_free(r);
}

/* Also where the way that is left has taken parameters without a choice. */
static void parameters_of_a_way_that_ends_nowhere_are_forgotten(void) {
    struct vel_router *r = ROUTER(0, "GET /{rest:path}", "POST /a/{x}", "POST /b/{x}/{y}/c", "GET /b/{z}/{u}/d");
    CHECK_GET(r, "/a/1", "0 a/1");
    CHECK_GET(r, "/b/1/2/c", "0 b/1/2/c");
    CHECK_GET(r, "/b/1/2/d", "3 1 2");
    CHECK_GET(r, "/b/1/2/3", "0 b/1/2/3");
    vel_router_free(r);
}

static void the_narrower_converter_comes_first(void) {
    struct vel_router *r =
        ROUTER(0, "GET /{p:path}", "GET /{s}", "GET /{c:own}", "GET /{r:re(x+)}", "GET /{e:enum(one, two)}",
               "GET /{d:date}", "GET /{f:float}", "GET /{i:int}", "GET /{u:uuid}", "GET /v{i:int}");
    CHECK_GET(r, "/a/b", "0 a/b");
    CHECK_GET(r, "/a", "1 a");
    CHECK_GET(r, "/xy", "3 xy");
    CHECK_GET(r, "/two", "4 two");
    CHECK_GET(r, "/2026-02-28", "5 2026-02-28");
    CHECK_GET(r, "/2026-02-29", "1 2026-02-29");
    CHECK_GET(r, "/1.5", "6 1.5");
    CHECK_GET(r, "/-15", "7 -15");
    CHECK_GET(r, "/0123456789abcdef0", "1 0123456789abcdef0");
    CHECK_GET(r, "/01234567-89ab-CDEF-0123-456789abcdef", "8 01234567-89ab-CDEF-0123-456789abcdef");
    CHECK_GET(r, "/v12", "9 12");
    CHECK_GET(r, "/v1x", "1 v1x");
    vel_router_free(r);
}

static void literals_around_parameters(void) {
    struct vel_router *r =
        ROUTER(0, "GET /{name}", "GET /{name}.json", "GET /{name}.min.js", "GET /photo-{n:int}.{kind}",
               "GET /{lat}-{lng}.json", "GET /@{user}", "GET /files/v{rest:path}", "GET /d/{p:path}.txt");
    CHECK_GET(r, "/a.json", "1 a");
    CHECK_GET(r, "/.json", "0 .json");
    CHECK_GET(r, "/a.min.js", "2 a");
    CHECK_GET(r, "/photo-12.png", "3 12 png");
    CHECK_GET(r, "/photo-12", "0 photo-12");
    CHECK_GET(r, "/photo-x.png", "0 photo-x.png");
    CHECK_GET(r, "/1.5-2.json", "4 1.5 2");
    CHECK_GET(r, "/1-2-3.json", "4 1 2-3");
    CHECK_GET(r, "/-2.json", "1 -2");
    CHECK_GET(r, "/@me", "5 me");
    CHECK_GET(r, "/@", "0 @");
    CHECK_GET(r, "/files/v1/2", "6 1/2");
    CHECK_GET(r, "/files/v", "nothing");
    CHECK_GET(r, "/d/a/b.txt", "7 a/b");
    CHECK_GET(r, "/d/.txt", "nothing");
    vel_router_free(r);
}

static void escapes_are_decoded_segment_by_segment(void) {
    struct vel_router *r = ROUTER(0, "GET /caf\xc3\xa9", "GET /a/b", "GET /{one}", "GET /n/{n:int}", "GET /100%",
                                  "GET /p/{p:path}", "MOUNT /m/{x}");
    CHECK_GET(r, "/caf%C3%A9", "0");
    CHECK_GET(r, "/%63af%c3%a9", "0");
    CHECK_GET(r, "/caf\xc3\xa9", "0");
    CHECK_GET(r, "/a%2Fb", "2 a/b");
    CHECK_GET(r, "/a/%62", "1");
    CHECK_GET(r, "/n/%31%32", "3 12");
    CHECK_GET(r, "/100%25", "4");
    CHECK_GET(r, "/p/a%2fb/c%20d", "5 a/b/c d");
    CHECK_GET(r, "/m/%41/c%20d/e", "6 A +/c%20d/e");
    CHECK_GET(r, "/m/%41/", "6 A +/");
    CHECK_GET(r, "/m/%41", "6 A");
    CHECK_GET(r, "/%2e%2e", "2 ..");
    vel_router_free(r);
}

static void what_is_no_path_is_bad(void) {
    struct vel_router *r = ROUTER(0, "GET /{one}", "GET /{p:path}");
    static const char *const bad[] = {"/%",   "/%4", "/%4g", "/%g4", "/a%", "/%00", "/a%00b", "/sixteen-and-more%0",
                                      "/%%41"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_GET(r, bad[i], "bad");
    struct vel_match match;
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = VEL_SLICE("/a\0b")};
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND_BAD);
    query.path = VEL_SLICE("/a-longer-path-than\0sixteen");
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND_BAD);
    vel_router_free(r);
}

static void a_decoded_path_has_no_escapes(void) {
    struct vel_router *r = ROUTER(0, "GET /{one}", "GET /100%");
    struct vel_match match;
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = VEL_SLICE("/%zz")};
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND);
    CHECK_SLICE(match.params[0], "%zz");
    query.path = VEL_SLICE("/100%");
    vel_router_match(r, &query, &match);
    CHECK_INT(match.route, 1);
    vel_router_free(r);
}

static void a_slash_at_the_end_is_told(void) {
    struct vel_router *r = ROUTER(0, "GET /a", "GET /b/", "GET /{x}/c", "GET /{x}/d/", "POST /e");
    CHECK_GET(r, "/a/", "slash 0");
    CHECK_GET(r, "/b", "slash 1");
    CHECK_GET(r, "/z/c/", "slash 2 z");
    CHECK_GET(r, "/z/d", "slash 3 z");
    CHECK_GET(r, "/e/", "nothing");
    CHECK_OUTCOME(ask_router(r, "POST", "/e/"), "slash 4");
    CHECK_GET(r, "/a//", "nothing");
    vel_router_free(r);
}

static void a_slash_at_the_end_is_ignored_when_asked(void) {
    struct vel_router *r = ROUTER(VEL_ROUTER_IGNORE_SLASH, "GET /", "GET /a", "GET /b/", "GET /{x}/c", "GET /{x}/d/");
    CHECK_GET(r, "/a/", "1");
    CHECK_GET(r, "/b", "2");
    CHECK_GET(r, "/z/c/", "3 z");
    CHECK_GET(r, "/z/d", "4 z");
    CHECK_GET(r, "/", "0");
    CHECK_GET(r, "", "nothing");
    vel_router_free(r);
}

static void mounts_take_what_is_below(void) {
    struct vel_router *r =
        ROUTER(0, "MOUNT /", "MOUNT /static", "GET /static/health", "MOUNT /static/deep/", "GET /{x}");
    CHECK_GET(r, "/static", "1");
    CHECK_GET(r, "/static/", "1 +/");
    CHECK_GET(r, "/static/a/b", "1 +/a/b");
    CHECK_GET(r, "/static/a/b/", "1 +/a/b/");
    CHECK_GET(r, "/static/health", "2");
    CHECK_OUTCOME(ask_router(r, "POST", "/static/health"), "1 +/health");
    CHECK_GET(r, "/static/deep/er", "3 +/er");
    CHECK_GET(r, "/statics", "4 statics");
    CHECK_GET(r, "/", "0 +/");
    CHECK_GET(r, "/a/b", "0 +/a/b");
    CHECK_GET(r, "//", "0 +//");
    vel_router_free(r);
}

static void hosts_come_before_every_host(void) {
    struct vel_router *r = ROUTER(0, "GET /a", "GET example.com/a", "GET {sub}.example.com/a", "GET *.example.com/b",
                                  "GET api.example.com/{x}", "GET {sub}.example.com/c/{d}", "GET /z");
    CHECK_OUTCOME(ask_host(r, "example.com", "GET", "/a"), "1");
    CHECK_OUTCOME(ask_host(r, "EXAMPLE.com.:8080", "GET", "/a"), "1");
    CHECK_OUTCOME(ask_host(r, "www.example.com", "GET", "/a"), "2 www");
    CHECK_OUTCOME(ask_host(r, "api.example.com", "GET", "/a"), "4 a");
    CHECK_OUTCOME(ask_host(r, "a.b.example.com", "GET", "/b"), "3 a.b");
    CHECK_OUTCOME(ask_host(r, "a.b.example.com", "GET", "/a"), "0");
    CHECK_OUTCOME(ask_host(r, "www.example.com", "GET", "/c/1"), "5 www 1");
    CHECK_OUTCOME(ask_host(r, "other.net", "GET", "/a"), "0");
    CHECK_OUTCOME(ask_host(r, "", "GET", "/a"), "0");
    CHECK_OUTCOME(ask_host(r, "[::1]:80", "GET", "/a"), "0");
    CHECK_OUTCOME(ask_host(r, "a..example.com", "GET", "/a"), "0");
    CHECK_OUTCOME(ask_host(r, "www.example.com", "GET", "/z"), "6");
    CHECK_OUTCOME(ask_host(r, "example.com", "POST", "/a"), "methods GET HEAD");
    vel_router_free(r);
}

/* Neither the host's nor those of its paths; there are more of both than one match has room for. */
static void a_host_that_leads_nowhere_leaves_no_parameters(void) {
    char host[100] = "0", with[600] = "GET {h0}", without[600] = "GET ", path[200] = "", outcome[200] = "1";
    for (int i = 1; i < VEL_HOST_LABELS; i++) {
        sprintf(with + strlen(with), ".{h%d}", i);
        strcat(host, ".0");
    }
    for (int i = 0; i < VEL_PATTERN_PARAMS; i++) {
        sprintf(with + strlen(with), "/{p%d}", i);
        sprintf(without + strlen(without), "/{p%d}", i);
        strcat(path, "/x");
        strcat(outcome, " x");
    }
    strcat(with, "/with");
    strcat(without, "/without");
    strcat(path, "/without");
    struct vel_router *r = ROUTER(0, with, without, "GET {t}.example.com/a/{x}/b", "GET /{y}/{z}/c");
    CHECK_OUTCOME(ask_host(r, host, "GET", path), outcome);
    CHECK_OUTCOME(ask_host(r, "www.example.com", "GET", "/a/q/c"), "3 a q");
    vel_router_free(r);
}

static void any_method_answers_what_no_other_does(void) {
    struct vel_router *r = ROUTER(0, "* /a", "GET /a", "* /{x}");
    CHECK_GET(r, "/a", "1");
    CHECK_OUTCOME(ask_router(r, "POST", "/a"), "0");
    CHECK_OUTCOME(ask_router(r, "HEAD", "/a"), "1");
    CHECK_OUTCOME(ask_router(r, "A-METHOD-OF-MY-OWN", "/b"), "2 b");
    CHECK_OUTCOME(ask_router(r, "", "/b"), "2 b");
    vel_router_free(r);
}

static void a_callback_may_end_the_search(void) {
    struct vel_router *r = ROUTER(0, "GET /{c:own}", "GET /{s}");
    struct vel_match match;
    int stop = 1;
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = VEL_SLICE("/xa"), .ask = takes_x, .owner = &stop};
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND_STOPPED);
    stop = 0;
    vel_router_match(r, &query, &match);
    CHECK_INT(match.route, 0);
    CHECK_INT(match.nparams, 1);
    query.ask = NULL;
    vel_router_match(r, &query, &match);
    CHECK_INT(match.route, 1);
    CHECK_INT(vel_router_foreign_count(r), 1);
    CHECK_SLICE(vel_router_foreign(r, 0)->name, "own");
    vel_router_free(r);
}

/* An expression may be slow: it never sees more than 256 bytes. */
static void long_values_are_not_asked_about(void) {
    struct vel_router *r = ROUTER(0, "GET /{c:re(x*)}");
    char path[259] = "/";
    memset(path + 1, 'x', 257);
    CHECK_GET(r, path, "nothing");
    path[257] = '\0';
    CHECK(strncmp(ask_router(r, "GET", path), "0 xxx", 5) == 0);
    vel_router_free(r);
}

static void who_keeps_all_has_the_first_that_was_added(void) {
    struct vel_router *r =
        ROUTER(VEL_ROUTER_KEEP_ALL, "GET /{x}", "GET /a", "GET /a", "POST /{p:path}", "* /a", "MOUNT /a");
    CHECK_GET(r, "/a", "0 a");
    CHECK_OUTCOME(ask_router(r, "POST", "/a"), "3 a");
    CHECK_OUTCOME(ask_router(r, "PUT", "/a"), "4");
    CHECK_OUTCOME(ask_router(r, "PUT", "/a/b"), "5 +/b");
    struct vel_match match;
    uint32_t routes[8];
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = VEL_SLICE("/a")};
    CHECK_INT(vel_router_all(r, &query, &match, routes, 8), 6);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_INT(routes[i], i);
    CHECK_INT(vel_router_all(r, &query, &match, routes, 2), 6);
    vel_router_free(r);
}

/* Every combination of text and parameter over eight segments: 256 routes, of a tree that would be walked 2 to the 8th
 * times by trying each way on its own. A path costs at most what its tree has, and a longer path no more. */
static void an_adversarial_table_is_walked_once(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    for (unsigned bits = 0; bits < 256; bits++) {
        char line[128] = "GET ";
        for (unsigned i = 0; i < 8; i++)
            sprintf(line + strlen(line), bits >> i & 1 ? "/{p%u}" : "/a", i);
        CHECK_INT(add_line(b, line, &problem), VEL_OK);
    }
    struct vel_router *r = vel_router_new(b);
    struct vel_match match;
    struct vel_query query = {.method = VEL_SLICE("GET"), .path = VEL_SLICE("/a/a/a/a/a/a/a/a/b")};
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND_NOTHING);
    CHECK(match.visited <= 511 + 255 + 2); /* nodes, edges with a parameter, places of the static table */
    query.path = VEL_SLICE("/a/a/a/a/a/a/a/b");
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND);
    CHECK_INT(match.nparams, 1);
    CHECK(match.visited <= 20);
    static char deep[65536];
    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = i % 2 ? 'a' : '/';
    query.path = vel_slice(deep, sizeof(deep));
    vel_router_match(r, &query, &match);
    CHECK_INT(match.found, VEL_FOUND_NOTHING);
    CHECK(match.visited <= 511 + 255 + 2);
    vel_router_free(r);
    vel_builder_free(b);
}

/* More entries than are compared one by one, with keys that begin alike and that are alike but for their middle. */
static void many_alike_segments(void) {
    struct vel_builder *b = vel_builder_new(0);
    struct vel_route_problem problem;
    char line[128], path[128], want[32];
    for (unsigned i = 0; i < 2000; i++) {
        sprintf(line, "GET /section-%u-of-many/{x}", i);
        CHECK_INT(add_line(b, line, &problem), VEL_OK);
    }
    struct vel_router *r = vel_router_new(b);
    vel_builder_free(b);
    for (unsigned i = 0; i < 2000; i++) {
        sprintf(path, "/section-%u-of-many/y", i);
        sprintf(want, "%u y", i);
        CHECK_GET(r, path, want);
        sprintf(path, "/section-%u-of-mane/y", i);
        CHECK_GET(r, path, "nothing");
    }
    vel_router_free(r);
}

int main(void) {
    RUN(static_paths_are_what_they_are);
    RUN(text_beside_a_parameter_comes_first);
    RUN(a_way_that_ends_nowhere_is_gone_back);
    RUN(parameters_of_a_way_that_ends_nowhere_are_forgotten);
    RUN(the_narrower_converter_comes_first);
    RUN(literals_around_parameters);
    RUN(escapes_are_decoded_segment_by_segment);
    RUN(what_is_no_path_is_bad);
    RUN(a_decoded_path_has_no_escapes);
    RUN(a_slash_at_the_end_is_told);
    RUN(a_slash_at_the_end_is_ignored_when_asked);
    RUN(mounts_take_what_is_below);
    RUN(hosts_come_before_every_host);
    RUN(a_host_that_leads_nowhere_leaves_no_parameters);
    RUN(any_method_answers_what_no_other_does);
    RUN(a_callback_may_end_the_search);
    RUN(long_values_are_not_asked_about);
    RUN(who_keeps_all_has_the_first_that_was_added);
    RUN(an_adversarial_table_is_walked_once);
    RUN(many_alike_segments);
}

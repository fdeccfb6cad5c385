/* Tests of src/http/forwarded.c. */
#include "http/forwarded.h"

#include "support/guard.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Members from the right, joined by '|'. */
static const char *members(bool (*last)(struct vel_slice *, struct vel_slice *), const char *text) {
    static char joined[500];
    size_t len = strlen(text), n = 0;
    char *copy = guard_copy(text, len);
    struct vel_slice rest = vel_slice(copy, len), member;
    while (last(&rest, &member)) {
        CHECK(member.len > 0 && member.at >= copy && member.at + member.len <= copy + len);
        n += (size_t)snprintf(joined + n, sizeof joined - n, "%s%.*s", n > 0 ? "|" : "", (int)member.len, member.at);
    }
    joined[n] = '\0';
    CHECK_INT(rest.len, 0);
    guard_free(copy, len);
    return joined;
}

static void check_members(bool (*last)(struct vel_slice *, struct vel_slice *), const char *text, const char *want) {
    const char *have = members(last, text);
    CHECK_SLICE(vel_slice(have, strlen(have)), want);
}

static void lists_are_read_from_the_right(void) {
    check_members(vel_list_last, "a, b,c", "c|b|a");
    check_members(vel_list_last, "a", "a");
    check_members(vel_list_last, "", "");
    check_members(vel_list_last, " ,, ,\t", "");
    check_members(vel_list_last, ",a, ,b,", "b|a");
    check_members(vel_list_last, "\"a,b\"", "b\"|\"a");
}

static void a_comma_in_a_quoted_string_separates_no_elements(void) {
    check_members(vel_forwarded_last, "for=a, for=b;proto=c", "for=b;proto=c|for=a");
    check_members(vel_forwarded_last, "a=\"x,y\",b=\"z\"", "b=\"z\"|a=\"x,y\"");
    check_members(vel_forwarded_last, "a=\"x\\\",y\",b", "b|a=\"x\\\",y\"");
    check_members(vel_forwarded_last, "a=\"x\\\\\",b", "b|a=\"x\\\\\"");
    check_members(vel_forwarded_last, "a=\"\",b=\"\"", "b=\"\"|a=\"\"");
    check_members(vel_forwarded_last, " , ,", "");
}

/* What a client sends stands to the left: it cannot swallow what its proxy has written. */
static void an_open_string_does_not_reach_to_its_right(void) {
    check_members(vel_forwarded_last, "for=\"evil, for=192.0.2.1", "for=192.0.2.1|for=\"evil");
    check_members(vel_forwarded_last, "for=\"evil, for=\"[2001:db8::1]\"", "for=\"[2001:db8::1]\"|for=\"evil");
    check_members(vel_forwarded_last, "for=\"evil\\, for=\"[::1]\", for=b", "for=b|for=\"[::1]\"|for=\"evil\\");
    check_members(vel_forwarded_last, "a,\\\"", "a,\\\"");
    check_members(vel_forwarded_last, "a,b\"", "a,b\"");
}

static bool parse(const char *text, struct vel_forwarded *out) {
    static char kept[500];
    size_t len = strlen(text);
    struct vel_forwarded unused;
    char *copy = guard_copy(text, len);
    bool ok = vel_forwarded_parse(vel_slice(copy, len), &unused);
    guard_free(copy, len);
    memcpy(kept, text, len);
    CHECK_INT(vel_forwarded_parse(vel_slice(kept, len), out), ok);
    return ok;
}

/* RFC 7239 4, with the examples of 4, 6 and 7. */
static void elements_have_parameters(void) {
    struct vel_forwarded f;
    CHECK(parse("for=\"_gazonk\"", &f));
    CHECK_SLICE(f.node, "_gazonk");
    CHECK(f.host.at == NULL && f.proto.at == NULL);
    CHECK(parse("For=\"[2001:db8:cafe::17]:4711\"", &f));
    CHECK_SLICE(f.node, "[2001:db8:cafe::17]:4711");
    CHECK(parse("for=192.0.2.60;proto=http;by=203.0.113.43", &f));
    CHECK_SLICE(f.node, "192.0.2.60");
    CHECK_SLICE(f.proto, "http");
    CHECK(parse("for=192.0.2.43; HOST=\"a:8080\" ;\tproto=https", &f));
    CHECK_SLICE(f.host, "a:8080");
    CHECK_SLICE(f.proto, "https");
    CHECK(parse("secret=\"a;b,c=d\";for=unknown;;", &f));
    CHECK_SLICE(f.node, "unknown");
    CHECK(parse(";", &f) && f.node.at == NULL);
    CHECK(parse("", &f) && f.node.at == NULL);
    CHECK(parse("host=\"\"", &f) && f.host.at != NULL && f.host.len == 0);
    CHECK(parse("host=\"\xff\\\"\"", &f));
    CHECK_SLICE(f.host, "\xff\\\"");
}

static void what_breaks_the_grammar_is_no_element(void) {
    static const char *const bad[] = {
        "for",
        "for=",
        "=a",
        "for =a",
        "for= a",
        "for=a b",
        "for=a:80",
        "for=[::1]",
        "for=\"a",
        "for=a\"",
        "for=\"a\"b",
        "for=\"a\"\"b\"",
        "for=\"a\\",
        "for=\"a\\\"",
        "for=\"a\x01\"",
        "for=\"a\\\x7f\"",
        "for=a;for=b",
        "for=a;FOR=a",
        "host=a;host=b",
        "proto=a;x=b;proto=a",
        "for=a,for=b",
        "for=\"\";for=a",
        "f@r=a",
        "for=\xe4",
        "\\\"",
        "for=evil\\",
        "\"for\"=a",
        "for=a; ;=",
    };
    struct vel_forwarded f;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse(bad[i], &f))
            fprintf(stderr, "%s\n", bad[i]);
        CHECK(!parse(bad[i], &f));
    }
}

static void escapes_are_taken_off(void) {
    char out[20];
    CHECK_SLICE(vel_slice(out, vel_forwarded_unescape(VEL_SLICE("a\\b\\\\c\\\""), out)), "ab\\c\"");
    CHECK_SLICE(vel_slice(out, vel_forwarded_unescape(VEL_SLICE(""), out)), "");
    memcpy(out, "\\a\\", 3);
    CHECK_SLICE(vel_slice(out, vel_forwarded_unescape(vel_slice(out, 3), out)), "a\\");
}

struct node_case {
    const char *text, *address;
    enum vel_node_kind kind;
    int port;
};

static bool parse_node(bool (*read)(struct vel_slice, struct vel_node *), const char *text, struct vel_node *out) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    struct vel_node unused;
    bool ok = read(vel_slice(copy, len), &unused);
    guard_free(copy, len);
    CHECK_INT(read(vel_slice(text, len), out), ok);
    return ok;
}

static void check_node(bool (*read)(struct vel_slice, struct vel_node *), const struct node_case *c) {
    struct vel_node node;
    CHECK(parse_node(read, c->text, &node));
    CHECK_SLICE(node.address, c->address);
    CHECK_INT(node.kind, c->kind);
    CHECK_INT(node.port, c->port);
}

/* RFC 7239 6. */
static const struct node_case nodes[] = {
    {"192.0.2.1", "192.0.2.1", VEL_NODE_IPV4, 0},
    {"192.0.2.1:47011", "192.0.2.1", VEL_NODE_IPV4, 47011},
    {"192.0.2.1:0", "192.0.2.1", VEL_NODE_IPV4, 0},
    {"192.0.2.1:65535", "192.0.2.1", VEL_NODE_IPV4, 65535},
    {"192.0.2.1:_x", "192.0.2.1", VEL_NODE_IPV4, 0},
    {"[2001:db8::1]", "2001:db8::1", VEL_NODE_IPV6, 0},
    {"[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", VEL_NODE_IPV6, 80},
    {"unknown", "unknown", VEL_NODE_UNKNOWN, 0},
    {"Unknown:80", "Unknown", VEL_NODE_UNKNOWN, 80},
    {"_hidden", "_hidden", VEL_NODE_OBFUSCATED, 0},
    {"_S.E-C_1:_p", "_S.E-C_1", VEL_NODE_OBFUSCATED, 0},
};

static void nodes_of_every_kind(void) {
    for (size_t i = 0; i < COUNT(nodes); i++) {
        check_node(vel_node_parse, &nodes[i]);
        check_node(vel_node_parse_bare, &nodes[i]);
    }
}

static void ipv6_may_stand_bare_in_a_list(void) {
    static const struct node_case bare[] = {
        {"2001:db8::1", "2001:db8::1", VEL_NODE_IPV6, 0},
        {"::", "::", VEL_NODE_IPV6, 0},
        {"::1:80", "::1:80", VEL_NODE_IPV6, 0},
    };
    struct vel_node node;
    for (size_t i = 0; i < COUNT(bare); i++) {
        check_node(vel_node_parse_bare, &bare[i]);
        CHECK(!parse_node(vel_node_parse, bare[i].text, &node));
    }
}

static void what_is_no_node(void) {
    static const char *const bad[] = {
        "",
        ":",
        "a",
        "example.org",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.1:000080",
        "192.0.2.1:8o",
        "192.0.2.1 ",
        " 192.0.2.1",
        "[::1",
        "[]",
        "[::1]80",
        "[::1]:",
        "[::g]",
        "[fe80::1%1]",
        "::g",
        "fe80::1%eth0",
        "_",
        "_a b",
        "_a:_",
        "_\xe4",
        "unknown:x",
        "unknow",
        "http://1.2.3.4",
        "1.2.3.4/8",
        "[[::1]]",
    };
    struct vel_node node;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse_node(vel_node_parse, bad[i], &node) || parse_node(vel_node_parse_bare, bad[i], &node))
            fprintf(stderr, "%s\n", bad[i]);
        CHECK(!parse_node(vel_node_parse, bad[i], &node));
        CHECK(!parse_node(vel_node_parse_bare, bad[i], &node));
    }
}

static void schemes_are_two(void) {
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("https")), "https");
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("HTTP")), "http");
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("wss")), "https");
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("ws")), "http");
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("ftp")), "");
    CHECK_SLICE(vel_forwarded_scheme(VEL_SLICE("https,http")), "");
    CHECK_SLICE(vel_forwarded_scheme((struct vel_slice){0}), "");
}

static void ports_are_plain_numbers(void) {
    static const char *const good[] = {"1", "80", "65535"};
    static const char *const bad[] = {"", "0", "080", "65536", "100000", "+80", "8 0", "x"};
    for (size_t i = 0; i < COUNT(good); i++)
        CHECK(vel_forwarded_port(vel_slice(good[i], strlen(good[i]))));
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK(!vel_forwarded_port(vel_slice(bad[i], strlen(bad[i]))));
    CHECK(!vel_forwarded_port((struct vel_slice){0}));
}

static void check_prefix(const char *text, const char *want) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    struct vel_slice out = {0};
    bool ok = vel_forwarded_prefix(vel_slice(copy, len), &out);
    if (ok != (want != NULL))
        fprintf(stderr, "%s\n", text);
    CHECK_INT(ok, want != NULL);
    CHECK_INT(out.at != NULL, ok);
    if (want != NULL)
        CHECK_SLICE(out, want);
    guard_free(copy, len);
}

static void a_prefix_is_a_path_and_nothing_else(void) {
    static const char *const bad[] = {
        "",        "a",     "a/b",   "//",    "//evil.org", "/a//b",  "/a//",       "/.",    "/..",
        "/a/../b", "/a/.",  "/./a",  "/a/..", "/a%2fb",     "/a b",   "/a\\b",      "/a?b",  "/a#b",
        "/a,/b",   "/\xe4", "/a\"b", "/<a>",  "http://a/",  "/a\x01", "/a\r\nb: c", "/a[b]",
    };
    check_prefix("/", "");
    check_prefix("/app", "/app");
    check_prefix("/app/", "/app");
    check_prefix("/a/b.c/...", "/a/b.c/...");
    check_prefix("/~a;b=c@d:e!$&'()*+-_", "/~a;b=c@d:e!$&'()*+-_");
    check_prefix("/.a/..b", "/.a/..b");
    for (size_t i = 0; i < COUNT(bad); i++)
        check_prefix(bad[i], NULL);
}

int main(void) {
    RUN(lists_are_read_from_the_right);
    RUN(a_comma_in_a_quoted_string_separates_no_elements);
    RUN(an_open_string_does_not_reach_to_its_right);
    RUN(elements_have_parameters);
    RUN(what_breaks_the_grammar_is_no_element);
    RUN(escapes_are_taken_off);
    RUN(nodes_of_every_kind);
    RUN(ipv6_may_stand_bare_in_a_list);
    RUN(what_is_no_node);
    RUN(schemes_are_two);
    RUN(ports_are_plain_numbers);
    RUN(a_prefix_is_a_path_and_nothing_else);
}

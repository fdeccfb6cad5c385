/* Tests of net/addr.c. */
#include "net/addr.h"

#include "support/guard.h"
#include "support/test.h"

#include <arpa/inet.h>

static union vel_addr v4(const char *host, uint16_t port) {
    union vel_addr addr = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    CHECK(inet_pton(AF_INET, host, &addr.v4.sin_addr) == 1);
    return addr;
}

static union vel_addr v6(const char *host, uint16_t port) {
    union vel_addr addr = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    CHECK(inet_pton(AF_INET6, host, &addr.v6.sin6_addr) == 1);
    return addr;
}

static struct vel_slice host_of(union vel_addr addr, char *at) {
    return vel_slice(at, vel_addr_host(&addr, at));
}

static void ipv4_is_dotted(void) {
    char at[VEL_ADDR_TEXT_MAX];
    CHECK_SLICE(host_of(v4("0.0.0.0", 1), at), "0.0.0.0");
    CHECK_SLICE(host_of(v4("255.255.255.255", 1), at), "255.255.255.255");
    union vel_addr addr = v4("192.0.2.1", 65535);
    CHECK_INT(vel_addr_port(&addr), 65535);
}

/* RFC 5952 4: lower case, the longest run of zeros shortened. */
static void ipv6_is_canonical_without_brackets(void) {
    char at[VEL_ADDR_TEXT_MAX];
    CHECK_SLICE(host_of(v6("::", 1), at), "::");
    CHECK_SLICE(host_of(v6("2001:0DB8:0:0:1:0:0:1", 1), at), "2001:db8::1:0:0:1");
    union vel_addr addr = v6("::1", 80);
    CHECK_INT(vel_addr_port(&addr), 80);
}

static void the_longest_ipv6_fits(void) {
    const char *longest = "abcd:abcd:abcd:abcd:abcd:abcd:abcd:abcd";
    char at[VEL_ADDR_TEXT_MAX];
    CHECK_SLICE(host_of(v6(longest, 1), at), longest);
}

static void ipv6_has_no_zone(void) {
    char at[VEL_ADDR_TEXT_MAX];
    union vel_addr addr = v6("fe80::1", 80);
    addr.v6.sin6_scope_id = 1;
    CHECK_SLICE(host_of(addr, at), "fe80::1");
}

static void ipv4_mapped_is_written_as_ipv4(void) {
    char at[VEL_ADDR_TEXT_MAX];
    CHECK_SLICE(host_of(v6("::ffff:192.0.2.7", 1), at), "192.0.2.7");
    CHECK_SLICE(host_of(v6("::fffe:0:1", 1), at), "::fffe:0:1");
    union vel_addr addr = v6("::ffff:192.0.2.7", 8080);
    CHECK_INT(vel_addr_port(&addr), 8080);
}

static void other_families_are_empty(void) {
    char at[VEL_ADDR_TEXT_MAX];
    union vel_addr unix_peer = {.any.sa_family = AF_UNIX}, none = {0};
    CHECK_INT(vel_addr_host(&unix_peer, at), 0);
    CHECK_INT(vel_addr_port(&unix_peer), 0);
    CHECK_INT(vel_addr_host(&none, at), 0);
    CHECK_INT(vel_addr_port(&none), 0);
}

static bool parse(const char *text, union vel_addr *out) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    bool ok = vel_addr_parse(vel_slice(copy, len), 4711, out);
    guard_free(copy, len);
    return ok;
}

static void an_address_is_read_as_it_is_written(void) {
    static const char *const texts[] = {"0.0.0.0", "255.255.255.255", "::", "2001:db8::1:0:0:1",
                                        "abcd:abcd:abcd:abcd:abcd:abcd:abcd:abcd"};
    char at[VEL_ADDR_TEXT_MAX];
    union vel_addr addr;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CHECK(parse(texts[i], &addr));
        CHECK_SLICE(host_of(addr, at), texts[i]);
        CHECK_INT(vel_addr_port(&addr), 4711);
    }
    CHECK(parse("2001:DB8:0:0:0:0:192.0.2.1", &addr));
    CHECK_SLICE(host_of(addr, at), "2001:db8::c000:201");
}

static void a_mapped_address_is_read_as_ipv4(void) {
    char at[VEL_ADDR_TEXT_MAX];
    union vel_addr addr;
    CHECK(parse("::ffff:192.0.2.7", &addr) && addr.any.sa_family == AF_INET);
    CHECK_SLICE(host_of(addr, at), "192.0.2.7");
    CHECK_INT(vel_addr_port(&addr), 4711);
}

static void what_is_no_address(void) {
    static const char *const bad[] = {
        "",          "1",         "1.2.3",    "1.2.3.4.5",
        "01.2.3.4",  "1.2.3.256", " 1.2.3.4", "1.2.3.4 ",
        "0x1.2.3.4", "a",         "[::1]",    "::1%lo",
        ":::",       "1::2::3",   "::12345",  "1111:2222:3333:4444:5555:6666:777.777.777.7777"};
    union vel_addr addr;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK(!parse(bad[i], &addr));
    CHECK(!vel_addr_parse(VEL_SLICE("1.2.3.4\0"), 0, &addr));
}

static void the_bytes_of_ipv4(void) {
    union vel_addr plain = v4("192.0.2.7", 1), mapped = v6("::ffff:192.0.2.7", 1), other = v6("::1", 1);
    union vel_addr local = {.any.sa_family = AF_UNIX};
    CHECK(memcmp(vel_addr_ipv4(&plain), "\xc0\0\2\7", 4) == 0 && memcmp(vel_addr_ipv4(&mapped), "\xc0\0\2\7", 4) == 0);
    CHECK(vel_addr_ipv4(&other) == NULL && vel_addr_ipv4(&local) == NULL);
}

int main(void) {
    RUN(ipv4_is_dotted);
    RUN(ipv6_is_canonical_without_brackets);
    RUN(the_longest_ipv6_fits);
    RUN(ipv6_has_no_zone);
    RUN(ipv4_mapped_is_written_as_ipv4);
    RUN(other_families_are_empty);
    RUN(an_address_is_read_as_it_is_written);
    RUN(a_mapped_address_is_read_as_ipv4);
    RUN(what_is_no_address);
    RUN(the_bytes_of_ipv4);
}

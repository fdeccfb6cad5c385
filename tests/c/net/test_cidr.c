/* Tests of net/cidr.c. */
#include "net/cidr.h"

#include "support/guard.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool parse(const char *text, struct vel_cidr *out) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    bool ok = vel_cidr_parse(vel_slice(copy, len), out);
    guard_free(copy, len);
    return ok;
}

static bool has(const char *net, const char *address) {
    struct vel_cidr cidr;
    union vel_addr addr;
    CHECK(parse(net, &cidr));
    CHECK(vel_addr_parse(vel_slice(address, strlen(address)), 80, &addr));
    return vel_cidr_has(&cidr, &addr);
}

static void a_network_has_what_begins_with_its_bits(void) {
    CHECK(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.0"));
    CHECK(has("192.0.2.128/25", "192.0.2.255") && !has("192.0.2.128/25", "192.0.2.127"));
    CHECK(has("192.0.2.4/30", "192.0.2.7") && !has("192.0.2.4/30", "192.0.2.8"));
    CHECK(has("0.0.0.0/0", "203.0.113.1") && !has("0.0.0.0/0", "::1"));
    CHECK(has("2001:db8::/32", "2001:db8:ffff::") && !has("2001:db8::/32", "2001:db9::"));
    CHECK(has("2001:db8::8000/113", "2001:db8::ffff") && !has("2001:db8::8000/113", "2001:db8::7fff"));
    CHECK(has("::/0", "::1") && !has("::/0", "127.0.0.1"));
}

static void an_address_is_a_network_of_one(void) {
    CHECK(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
    CHECK(has("127.0.0.1/32", "127.0.0.1") && !has("127.0.0.1/32", "127.0.0.0"));
    CHECK(has("::1", "::1") && !has("::1", "::"));
    CHECK(has("2001:db8::1/128", "2001:DB8:0::0001"));
}

/* On a socket of both families an IPv4 peer looks like IPv6. */
static void mapped_ipv4_is_ipv4_on_both_sides(void) {
    struct vel_cidr cidr;
    union vel_addr mapped = {.v6 = {.sin6_family = AF_INET6}};
    memcpy(&mapped.v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    CHECK(parse("192.0.2.0/24", &cidr) && vel_cidr_has(&cidr, &mapped));
    CHECK(parse("::/0", &cidr) && !vel_cidr_has(&cidr, &mapped));
    CHECK(has("::ffff:192.0.2.0/120", "192.0.2.1") && !has("::ffff:192.0.2.0/120", "192.0.3.1"));
    CHECK(has("::ffff:192.0.2.1", "192.0.2.1"));
    CHECK(has("::ffff:0:0/96", "203.0.113.1"));
}

static void other_families_are_in_no_network(void) {
    struct vel_cidr cidr;
    union vel_addr local = {.any.sa_family = AF_UNIX}, none = {0};
    CHECK(parse("0.0.0.0/0", &cidr) && !vel_cidr_has(&cidr, &local) && !vel_cidr_has(&cidr, &none));
    CHECK(parse("::/0", &cidr) && !vel_cidr_has(&cidr, &local));
}

static void what_is_no_network(void) {
    static const char *const bad[] = {
        "",
        "/8",
        "10",
        "10.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0/8/8",
        "010.0.0.0/8",
        "256.0.0.0/8",
        "::/129",
        "::/999",
        "::/1000",
        "::1%lo/128",
        "fe80::1%lo",
        "[::1]",
        "a.example",
        "10.0.0.1:80",
        "::ffff:192.0.2.0/95",
        "10.0.0.0/255.0.0.0",
        "1.2.3.4.5",
        "::g",
    };
    struct vel_cidr cidr;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse(bad[i], &cidr))
            fprintf(stderr, "%s\n", bad[i]);
        CHECK(!parse(bad[i], &cidr));
    }
}

/* Whoever writes 10.0.0.1/8 may have meant one address: not more may be trusted than was meant. */
static void bits_behind_the_prefix_are_refused(void) {
    struct vel_cidr cidr;
    CHECK(!parse("10.0.0.1/8", &cidr) && !parse("10.128.0.0/8", &cidr) && !parse("192.0.2.1/31", &cidr));
    CHECK(!parse("0.0.0.1/0", &cidr) && !parse("2001:db8::1/64", &cidr) && !parse("2001:db8::/28", &cidr));
    CHECK(!parse("::ffff:192.0.2.1/120", &cidr));
    CHECK(parse("2001:db0::/28", &cidr) && parse("128.0.0.0/1", &cidr));
}

static union vel_addr address(const char *text) {
    union vel_addr addr;
    CHECK(vel_addr_parse(vel_slice(text, strlen(text)), 0, &addr));
    return addr;
}

static void a_list_trusts_whom_any_of_it_has(void) {
    struct vel_cidr nets[2];
    CHECK(parse("10.0.0.0/8", &nets[0]) && parse("::1", &nets[1]));
    struct vel_trust trust = {.n = 2, .nets = nets};
    union vel_addr ten = address("10.1.2.3"), one = address("::1"), other = address("192.0.2.1");
    union vel_addr local = {.any.sa_family = AF_UNIX};
    CHECK(vel_trust_has(&trust, &ten) && vel_trust_has(&trust, &one));
    CHECK(!vel_trust_has(&trust, &other) && !vel_trust_has(&trust, &local));
    trust.unix_peers = true;
    CHECK(vel_trust_has(&trust, &local) && !vel_trust_has(&trust, &other));
}

static void nobody_and_everyone(void) {
    struct vel_trust trust = {0};
    union vel_addr one = address("127.0.0.1"), local = {.any.sa_family = AF_UNIX};
    CHECK(!vel_trust_has(&trust, &one) && !vel_trust_has(&trust, &local));
    trust.everyone = true;
    CHECK(vel_trust_has(&trust, &one) && vel_trust_has(&trust, &local));
}

int main(void) {
    RUN(a_network_has_what_begins_with_its_bits);
    RUN(an_address_is_a_network_of_one);
    RUN(mapped_ipv4_is_ipv4_on_both_sides);
    RUN(other_families_are_in_no_network);
    RUN(what_is_no_network);
    RUN(bits_behind_the_prefix_are_refused);
    RUN(a_list_trusts_whom_any_of_it_has);
    RUN(nobody_and_everyone);
}

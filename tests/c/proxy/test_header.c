/* Tests of src/proxy/header.c. */
#include "proxy/header.h"

#include "proxy/crc32c.h"
#include "support/guard.h"
#include "support/test.h"

static struct vel_proxy header;
static const char *why;
static char *copy;
static size_t copied;

static long parse(const char *at, size_t len) {
    if (copy != NULL)
        guard_free(copy, copied);
    copy = guard_copy(at, len);
    copied = len;
    why = NULL;
    long n = vel_proxy_parse(copy, len, &header, &why);
    CHECK((n < 0) == (why != NULL));
    return n;
}

static long parse_text(const char *line) {
    return parse(line, strlen(line));
}

/* --- version 1 --------------------------------------------------------------------------------------------------- */

static void line_names_both_ends(void) {
    CHECK_INT(parse_text("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET /"), 45);
    CHECK_INT(header.family, VEL_PROXY_INET);
    CHECK(header.as_text && !header.secure);
    CHECK_SLICE(header.source.address, "192.0.2.1");
    CHECK_INT(header.source.port, 56324);
    CHECK_SLICE(header.destination.address, "198.51.100.2");
    CHECK_INT(header.destination.port, 443);
}

static void line_of_ipv6(void) {
    CHECK(parse_text("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 0 65535\r\n") > 0);
    CHECK_INT(header.family, VEL_PROXY_INET6);
    CHECK_SLICE(header.source.address, "2001:db8::1");
    CHECK_INT(header.source.port, 0);
}

/* Section 2.1: the rest of such a line must be ignored. */
static void unknown_says_nothing(void) {
    CHECK_INT(parse_text("PROXY UNKNOWN\r\n"), 15);
    CHECK_INT(header.family, VEL_PROXY_NONE);
    CHECK(parse_text("PROXY UNKNOWN ffff:f...f:ffff ? 65535  65535\r\n") > 0);
    CHECK_INT(header.family, VEL_PROXY_NONE);
}

static void longest_line_is_taken_and_no_longer_one(void) {
    char line[120];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + 105, "\r\n", 2);
    CHECK_INT(parse(line, 107), 107);
    CHECK_INT(parse(line, 106), 0);
    memset(line + 105, 'x', 2);
    memcpy(line + 106, "\r\n", 2);
    CHECK_INT(parse(line, 108), -1);
    CHECK_INT(parse(line, 107), -1);
}

static void bad_lines_are_refused(void) {
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 2001:db8::g ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY\r\n",
        "PROXX TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "POST / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK_INT(parse_text(lines[i]), -1);
}

static void every_cut_of_a_line_asks_for_more(void) {
    static const char line[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
    for (size_t len = 0; len < sizeof line - 1; len++)
        CHECK_INT(parse(line, len), 0);
}

static void other_bytes_are_told_at_the_first(void) {
    for (int c = 0; c < 256; c++)
        CHECK_INT(parse((const char[]){(char)c}, 1), c == 'P' || c == '\r' ? 0 : -1);
}

/* --- version 2 --------------------------------------------------------------------------------------------------- */

struct bytes {
    char at[20000];
    size_t len;
};

static struct bytes made;

static void put(const void *at, size_t len) {
    memcpy(made.at + made.len, at, len);
    made.len += len;
}

static void set_rest(void) {
    made.at[14] = (char)((made.len - 16) >> 8);
    made.at[15] = (char)(made.len - 16);
}

static void begin(int version_command, int family, const char *addresses, size_t len) {
    made.len = 0;
    put("\r\n\r\n\0\r\nQUIT\n", 12);
    put((const char[]){(char)version_command, (char)family, 0, 0}, 4);
    put(addresses, len);
    set_rest();
}

static void put_tlv(int type, const char *value, size_t len) {
    put((const char[]){(char)type, (char)(len >> 8), (char)len}, 3);
    put(value, len);
    set_rest();
}

static long parse_made(void) {
    return parse(made.at, made.len);
}

#define IPV4 "\xC0\x00\x02\x01\xC6\x33\x64\x02\xDC\x04\x01\xBB"

static void begin_usual(void) {
    begin(0x21, 0x11, IPV4, 12);
}

static void header_names_both_ends(void) {
    begin_usual();
    put("GET", 3);
    CHECK_INT(parse_made(), 28);
    CHECK_INT(header.family, VEL_PROXY_INET);
    CHECK(!header.as_text);
    CHECK_INT(header.source.address.len, 4);
    CHECK(memcmp(header.source.address.at, "\xC0\x00\x02\x01", 4) == 0);
    CHECK_INT(header.source.port, 56324);
    CHECK(memcmp(header.destination.address.at, "\xC6\x33\x64\x02", 4) == 0);
    CHECK_INT(header.destination.port, 443);
    CHECK_INT(header.tlvs.len, 0);
}

static void header_of_ipv6(void) {
    char addresses[36];
    memset(addresses, 0x20, 16);
    memset(addresses + 16, 0x30, 16);
    memcpy(addresses + 32, "\x00\x01\x00\x02", 4);
    begin(0x21, 0x21, addresses, 36);
    CHECK_INT(parse_made(), 52);
    CHECK_INT(header.family, VEL_PROXY_INET6);
    CHECK_INT(header.source.address.len, 16);
    CHECK_INT(header.source.port, 1);
    CHECK_INT(header.destination.port, 2);
    CHECK_INT(header.destination.address.at[0], 0x30);
}

static void header_of_unix_sockets(void) {
    char addresses[216] = {0};
    strcpy(addresses, "/run/client");
    addresses[109] = 'a'; /* behind a NUL: an abstract name */
    begin(0x21, 0x31, addresses, 216);
    CHECK_INT(parse_made(), 232);
    CHECK_INT(header.family, VEL_PROXY_UNIX);
    CHECK_SLICE(header.source.address, "/run/client");
    CHECK_INT(header.destination.address.len, 2);
    memset(addresses, 'p', 216);
    begin(0x21, 0x31, addresses, 216);
    CHECK_INT(parse_made(), 232);
    CHECK_INT(header.source.address.len, 108);
}

static void local_says_nothing_whatever_it_has(void) {
    begin(0x20, 0x00, "", 0);
    CHECK_INT(parse_made(), 16);
    CHECK_INT(header.family, VEL_PROXY_NONE);
    begin(0x20, 0x11, IPV4, 12);
    CHECK_INT(parse_made(), 28);
    CHECK_INT(header.family, VEL_PROXY_NONE);
    begin(0x20, 0xFF, "junk", 4);
    CHECK_INT(parse_made(), 20);
    CHECK_INT(header.family, VEL_PROXY_NONE);
    begin(0x20, 0x11, "short", 5);
    CHECK_INT(parse_made(), 21);
}

static void unspecified_family_says_nothing(void) {
    begin(0x21, 0x00, "", 0);
    CHECK_INT(parse_made(), 16);
    CHECK_INT(header.family, VEL_PROXY_NONE);
}

static void tls_of_the_client_is_told(void) {
    begin_usual();
    put_tlv(0x20, "\x01\0\0\0\0", 5);
    CHECK(parse_made() > 0);
    CHECK(header.secure);
    begin_usual();
    put_tlv(0x20, "\x00\0\0\0\0", 5);
    CHECK(parse_made() > 0);
    CHECK(!header.secure);
    begin(0x20, 0x11, IPV4, 12);
    put_tlv(0x20, "\x01\0\0\0\0", 5);
    CHECK(parse_made() > 0);
    CHECK(!header.secure);
}

static void unknown_values_are_passed_over(void) {
    begin_usual();
    put_tlv(0xEA, "vpce-1", 6); /* of a well-known cloud */
    put_tlv(0x04, "padding", 7);
    CHECK_INT(parse_made(), (long)made.len);
    CHECK_INT(header.tlvs.len, 19);
}

static void put_sum(int wrong) {
    put_tlv(0x03, "\0\0\0\0", 4);
    uint32_t crc = vel_crc32c(0, vel_slice(made.at, made.len)) ^ (uint32_t)wrong;
    for (int i = 0; i < 4; i++)
        made.at[made.len - 4 + (size_t)i] = (char)(crc >> (24 - 8 * i));
}

static void checksum_must_be_right(void) {
    begin_usual();
    put_tlv(0x02, "example.org", 11);
    put_sum(0);
    CHECK_INT(parse_made(), (long)made.len);
    for (size_t i = 16; i < 28; i++) {
        made.at[i] ^= 1;
        CHECK_INT(parse_made(), -1);
        made.at[i] ^= 1;
    }
    begin_usual();
    put_sum(1);
    CHECK_INT(parse_made(), -1);
    begin_usual();
    put_tlv(0x03, "\0\0\0", 3);
    CHECK_INT(parse_made(), -1);
    begin(0x20, 0x00, "", 0);
    put_sum(1);
    CHECK_INT(parse_made(), -1);
}

static void checksum_counts_what_stands_behind_it(void) {
    begin_usual();
    put_tlv(0x03, "\0\0\0\0", 4);
    put_tlv(0x04, "x", 1);
    uint32_t crc = vel_crc32c(0, vel_slice(made.at, made.len));
    for (int i = 0; i < 4; i++)
        made.at[16 + 12 + 3 + i] = (char)(crc >> (24 - 8 * i));
    CHECK_INT(parse_made(), (long)made.len);
    made.at[made.len - 1] = 'y';
    CHECK_INT(parse_made(), -1);
}

static void bad_headers_are_refused(void) {
    begin(0x11, 0x11, IPV4, 12);
    CHECK_INT(parse_made(), -1);
    begin(0x22, 0x11, IPV4, 12);
    CHECK_INT(parse_made(), -1);
    begin(0x21, 0x41, IPV4, 12);
    CHECK_INT(parse_made(), -1);
    begin(0x21, 0x13, IPV4, 12);
    CHECK_INT(parse_made(), -1);
    begin(0x21, 0x01, IPV4, 12);
    CHECK_INT(parse_made(), -1);
    begin(0x21, 0x11, IPV4, 11);
    CHECK_INT(parse_made(), -1);
    begin_usual();
    put("\x04\x00", 2);
    set_rest();
    CHECK_INT(parse_made(), -1);
    begin_usual();
    put("\x04\x00\x05x", 4);
    set_rest();
    CHECK_INT(parse_made(), -1);
    begin_usual();
    put_tlv(0x20, "\x01\0\0\0", 4);
    CHECK_INT(parse_made(), -1);
}

static void length_is_bounded(void) {
    static char zeros[VEL_PROXY_REST_MAX];
    begin_usual();
    put_tlv(0x04, zeros, VEL_PROXY_REST_MAX - 15);
    CHECK_INT(parse_made(), (long)made.len);
    made.at[15]++;
    CHECK_INT(parse(made.at, 16), -1);
}

static void every_cut_of_a_header_asks_for_more(void) {
    begin_usual();
    put_tlv(0x02, "example.org", 11);
    put_sum(0);
    for (size_t len = 0; len < made.len; len++)
        CHECK_INT(parse(made.at, len), 0);
}

static void wrong_signature_is_told_at_once(void) {
    begin_usual();
    for (size_t i = 0; i < 12; i++) {
        made.at[i] ^= 0x40;
        CHECK_INT(parse(made.at, i + 1), -1);
        made.at[i] ^= 0x40;
    }
}

int main(void) {
    RUN(line_names_both_ends);
    RUN(line_of_ipv6);
    RUN(unknown_says_nothing);
    RUN(longest_line_is_taken_and_no_longer_one);
    RUN(bad_lines_are_refused);
    RUN(every_cut_of_a_line_asks_for_more);
    RUN(other_bytes_are_told_at_the_first);
    RUN(header_names_both_ends);
    RUN(header_of_ipv6);
    RUN(header_of_unix_sockets);
    RUN(local_says_nothing_whatever_it_has);
    RUN(unspecified_family_says_nothing);
    RUN(tls_of_the_client_is_told);
    RUN(unknown_values_are_passed_over);
    RUN(checksum_must_be_right);
    RUN(checksum_counts_what_stands_behind_it);
    RUN(bad_headers_are_refused);
    RUN(length_is_bounded);
    RUN(every_cut_of_a_header_asks_for_more);
    RUN(wrong_signature_is_told_at_once);
    guard_free(copy, copied);
    return 0;
}

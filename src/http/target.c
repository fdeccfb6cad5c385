/* Taking a request target and a host apart. */
#include "http/target.h"

#include "base/num.h"

#include <stdint.h>

#define LONGEST_IPV6 45 /* six full groups and a full IPv4 address */

/* unreserved and sub-delims (RFC 3986 2): what a registered name has besides percent escapes. */
static const unsigned char name_table[256] = {
    ['-'] = 1, ['.'] = 1,  ['_'] = 1, ['~'] = 1,         ['!'] = 1,         ['$'] = 1,
    ['&'] = 1, ['\''] = 1, ['('] = 1, [')'] = 1,         ['*'] = 1,         ['+'] = 1,
    [','] = 1, [';'] = 1,  ['='] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool is_name_char(char c) {
    return name_table[(unsigned char)c] != 0;
}

static bool is_escape(struct vel_slice s) {
    return s.len >= 3 && s.at[0] == '%' && vel_num_hex(s.at[1]) >= 0 && vel_num_hex(s.at[2]) >= 0;
}

static struct vel_slice skip(struct vel_slice s, size_t n) {
    return n < s.len ? vel_slice(s.at + n, s.len - n) : (struct vel_slice){0};
}

/* How long the registered name at the start of s is; an IPv4 address is one too. */
static size_t scan_name(struct vel_slice s) {
    for (size_t i = 0;; i += 3) {
        while (i < s.len && is_name_char(s.at[i]))
            i++;
        if (!is_escape(vel_slice(s.at + i, s.len - i)))
            return i;
    }
}

/* 0 to 255 without leading zeros (RFC 3986 3.2.2, dec-octet). */
static bool is_octet(struct vel_slice s) {
    int64_t value;
    return s.len <= 3 && vel_num_parse(s, &value) && value <= 255 && (s.len == 1 || s.at[0] != '0');
}

static bool is_ipv4(struct vel_slice s) {
    for (int i = 0; i < 3; i++) {
        const char *dot = s.len > 0 ? memchr(s.at, '.', s.len) : NULL;
        if (dot == NULL || !is_octet(vel_slice(s.at, (size_t)(dot - s.at))))
            return false;
        s = skip(s, (size_t)(dot - s.at) + 1);
    }
    return is_octet(s);
}

static size_t scan_hex_group(struct vel_slice s) {
    size_t i = 0;
    while (i < s.len && i < 4 && vel_num_hex(s.at[i]) >= 0)
        i++;
    return i;
}

/* How many groups a list with ':' between them has, an IPv4 address at its end counting for two; -1 if it is none. */
static int count_groups(struct vel_slice s, bool ipv4_allowed) {
    int groups = 0;
    while (s.len > 0) {
        if (ipv4_allowed && is_ipv4(s))
            return groups + 2;
        size_t n = scan_hex_group(s);
        if (n == 0 || n + 1 == s.len || (n < s.len && s.at[n] != ':'))
            return -1;
        groups++;
        s = skip(s, n + 1);
    }
    return groups;
}

/* Eight groups, or fewer around one "::". No zone: it means nothing to the other side. */
static bool is_ipv6(struct vel_slice s) {
    if (s.len < 2 || s.len > LONGEST_IPV6)
        return false;
    const char *gap = memmem(s.at, s.len, "::", 2);
    if (gap == NULL)
        return count_groups(s, true) == 8;
    size_t before = (size_t)(gap - s.at);
    int left = count_groups(vel_slice(s.at, before), false), right = count_groups(skip(s, before + 2), true);
    return left >= 0 && right >= 0 && left + right < 8;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_ip_future(struct vel_slice s) {
    size_t i = 1;
    if (s.len == 0 || vel_ascii_lower(s.at[0]) != 'v')
        return false;
    while (i < s.len && vel_num_hex(s.at[i]) >= 0)
        i++;
    if (i == 1 || i + 1 >= s.len || s.at[i] != '.')
        return false;
    for (i++; i < s.len; i++)
        if (!is_name_char(s.at[i]) && s.at[i] != ':')
            return false;
    return true;
}

/* The length of "[...]" at the start of s, or 0 when it is no address. */
static size_t scan_literal(struct vel_slice s) {
    const char *end = memchr(s.at, ']', s.len);
    if (end == NULL)
        return 0;
    struct vel_slice inner = vel_slice(s.at + 1, (size_t)(end - s.at) - 1);
    return is_ipv6(inner) || is_ip_future(inner) ? inner.len + 2 : 0;
}

static bool is_port(struct vel_slice s) {
    int64_t port;
    return s.len == 0 || (vel_num_parse(s, &port) && port <= 65535);
}

static size_t scan_host(struct vel_slice s) {
    return s.len > 0 && s.at[0] == '[' ? scan_literal(s) : scan_name(s);
}

/* An authority that names somebody: a host is needed, and for CONNECT a port too (RFC 9110 4.2.1, 9.3.6). */
static bool is_authority(struct vel_slice s, bool with_port) {
    return s.len > 0 && vel_host_valid(s) && (!with_port || (scan_host(s) + 1 < s.len));
}

static void set_path_and_query(struct vel_target *out, struct vel_slice s) {
    const char *mark = s.len > 0 ? memchr(s.at, '?', s.len) : NULL;
    out->path = mark != NULL ? vel_slice(s.at, (size_t)(mark - s.at)) : s;
    out->query = mark != NULL ? skip(s, out->path.len + 1) : (struct vel_slice){0};
    if (out->path.len == 0)
        out->path = VEL_SLICE("/");
}

static struct vel_slice after_scheme(struct vel_slice raw) {
    const struct vel_slice schemes[] = {VEL_SLICE("http://"), VEL_SLICE("https://")};
    for (size_t i = 0; i < 2; i++) {
        size_t n = schemes[i].len;
        if (raw.len > n && vel_slice_eq_nocase(vel_slice(raw.at, n), schemes[i]))
            return skip(raw, n);
    }
    return (struct vel_slice){0};
}

static int parse_authority_form(struct vel_target *out) {
    if (!is_authority(out->raw, true))
        return -400;
    out->form = VEL_TARGET_AUTHORITY;
    out->authority = out->raw;
    return 0;
}

static int parse_absolute_form(struct vel_target *out) {
    struct vel_slice s = after_scheme(out->raw);
    size_t n = 0;
    while (n < s.len && s.at[n] != '/' && s.at[n] != '?')
        n++;
    out->form = VEL_TARGET_ABSOLUTE;
    out->authority = vel_slice(s.at, n);
    if (!is_authority(out->authority, false))
        return -400;
    set_path_and_query(out, skip(s, n));
    return 0;
}

int vel_target_parse(enum vel_method method, struct vel_slice raw, struct vel_target *out) {
    *out = (struct vel_target){.raw = raw, .form = VEL_TARGET_ORIGIN};
    if (raw.len == 0 || memchr(raw.at, '#', raw.len) != NULL)
        return -400;
    if (method == VEL_METHOD_CONNECT)
        return parse_authority_form(out);
    if (raw.at[0] == '/') {
        set_path_and_query(out, raw);
        return 0;
    }
    if (raw.at[0] != '*')
        return parse_absolute_form(out);
    out->form = VEL_TARGET_ASTERISK;
    out->path = raw;
    return raw.len == 1 && method == VEL_METHOD_OPTIONS ? 0 : -400;
}

bool vel_host_valid(struct vel_slice host) {
    if (host.len == 0)
        return true;
    size_t n = scan_host(host);
    if (n == 0)
        return false;
    return n == host.len || (host.at[n] == ':' && is_port(skip(host, n + 1)));
}

void vel_host_split(struct vel_slice host, struct vel_slice *name, struct vel_slice *port) {
    const char *literal = host.len > 0 && host.at[0] == '[' ? memchr(host.at, ']', host.len) : NULL;
    size_t from = literal != NULL ? (size_t)(literal - host.at) : 0;
    const char *colon = host.len > 0 ? memchr(host.at + from, ':', host.len - from) : NULL;
    *name = vel_slice(host.at, colon != NULL ? (size_t)(colon - host.at) : host.len);
    *port = skip(host, name->len + 1);
}

size_t vel_percent_decode(struct vel_slice in, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < in.len; len++) {
        bool escape = is_escape(vel_slice(in.at + i, in.len - i));
        out[len] = escape ? (char)(vel_num_hex(in.at[i + 1]) << 4 | vel_num_hex(in.at[i + 2])) : in.at[i];
        i += escape ? 3 : 1;
    }
    return len;
}

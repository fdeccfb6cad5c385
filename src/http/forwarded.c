/* Reading X-Forwarded-* and Forwarded, from the right. */
#include "http/forwarded.h"

#include "base/num.h"
#include "http/field_check.h"

/* --- members from the right -------------------------------------------------------------------------------------- */

/* Cuts *rest before its member that begins at start. Returns whether that is not empty. */
static bool take(struct vel_slice *rest, size_t start, struct vel_slice *member) {
    *member = vel_slice_trim(vel_slice(rest->at + start, rest->len - start));
    rest->len = start > 0 ? start - 1 : 0;
    return member->len > 0;
}

bool vel_list_last(struct vel_slice *rest, struct vel_slice *member) {
    while (rest->len > 0) {
        const char *comma = memrchr(rest->at, ',', rest->len);
        if (take(rest, comma != NULL ? (size_t)(comma - rest->at) + 1 : 0, member))
            return true;
    }
    return false;
}

/* Whether the character at i stands behind an odd number of backslashes. */
static bool is_escaped(const char *at, size_t i) {
    size_t n = 0;
    while (n < i && at[i - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* Where the last element begins. From the right, the first quotation mark ends a string and the next one that is not
 * escaped begins it: what stands before a string is "=", never a backslash. */
static size_t last_start(struct vel_slice s) {
    bool quoted = false;
    for (size_t i = s.len; i > 0; i--) {
        char c = s.at[i - 1];
        if (c == '"')
            quoted = !quoted || is_escaped(s.at, i - 1);
        else if (c == ',' && !quoted)
            return i;
    }
    return 0;
}

bool vel_forwarded_last(struct vel_slice *rest, struct vel_slice *element) {
    while (rest->len > 0)
        if (take(rest, last_start(*rest), element))
            return true;
    return false;
}

/* --- one element ------------------------------------------------------------------------------------------------- */

static bool is_quotable(char c) {
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static struct vel_slice skip(struct vel_slice s, size_t n) {
    return vel_slice(s.at + n, s.len - n);
}

/* The length of the quoted string that s begins with, quotation marks and all; 0 when it does not end. */
static size_t scan_quoted(struct vel_slice s) {
    for (size_t i = 1; i < s.len && is_quotable(s.at[i]); i++) {
        if (s.at[i] == '"')
            return i + 1;
        if (s.at[i] == '\\' && (++i == s.len || !is_quotable(s.at[i])))
            return 0;
    }
    return 0;
}

static size_t scan_token(struct vel_slice s) {
    size_t i = 0;
    while (i < s.len && vel_is_token_char(s.at[i]))
        i++;
    return i;
}

/* Takes a value off *s: a token, or what is in a quoted string. */
static bool take_value(struct vel_slice *s, struct vel_slice *value) {
    bool quoted = s->len > 0 && s->at[0] == '"';
    size_t n = quoted ? scan_quoted(*s) : scan_token(*s);
    if (n == 0)
        return false;
    *value = quoted ? vel_slice(s->at + 1, n - 2) : vel_slice(s->at, n);
    *s = skip(*s, n);
    return true;
}

static struct vel_slice *place_of(struct vel_forwarded *out, struct vel_slice name) {
    if (vel_slice_eq_nocase(name, VEL_SLICE("for")))
        return &out->node;
    if (vel_slice_eq_nocase(name, VEL_SLICE("host")))
        return &out->host;
    return vel_slice_eq_nocase(name, VEL_SLICE("proto")) ? &out->proto : NULL;
}

static bool take_pair(struct vel_slice *s, struct vel_forwarded *out) {
    struct vel_slice name = vel_slice(s->at, scan_token(*s)), value;
    if (name.len == 0 || name.len == s->len || s->at[name.len] != '=')
        return false;
    *s = skip(*s, name.len + 1);
    if (!take_value(s, &value))
        return false;
    struct vel_slice *place = place_of(out, name);
    if (place == NULL)
        return true;
    bool first = place->at == NULL;
    *place = value;
    return first;
}

bool vel_forwarded_parse(struct vel_slice element, struct vel_forwarded *out) {
    *out = (struct vel_forwarded){0};
    struct vel_slice s = vel_slice_trim(element);
    while (s.len > 0) {
        if (s.at[0] != ';' && !take_pair(&s, out))
            return false;
        s = vel_slice_trim(s);
        if (s.len == 0)
            break;
        if (s.at[0] != ';')
            return false;
        s = vel_slice_trim(skip(s, 1));
    }
    return true;
}

size_t vel_forwarded_unescape(struct vel_slice in, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.at[i] == '\\' && i + 1 < in.len)
            i++;
        out[len++] = in.at[i];
    }
    return len;
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

/* "_" 1*( ALPHA / DIGIT / "." / "_" / "-" ) */
static bool is_obfuscated(struct vel_slice s) {
    static const char others[] = "._-";
    if (s.len < 2 || s.at[0] != '_')
        return false;
    for (size_t i = 1; i < s.len; i++) {
        char c = vel_ascii_lower(s.at[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && memchr(others, c, sizeof(others) - 1) == NULL)
            return false;
    }
    return true;
}

/* ":" and 1*5DIGIT or an obfuscated port; nothing at all is a port that was not said. */
static bool parse_node_port(struct vel_slice s, uint16_t *port) {
    int64_t value = 0;
    *port = 0;
    if (s.len == 0)
        return true;
    s = skip(s, 1); /* ':' was found by the caller, or is asked for below */
    if (is_obfuscated(s))
        return true;
    if (s.len > 5 || !vel_num_parse(s, &value) || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool has_only(struct vel_slice s, bool ipv6) {
    for (size_t i = 0; i < s.len; i++) {
        bool digit = s.at[i] >= '0' && s.at[i] <= '9';
        if (!digit && s.at[i] != '.' && !(ipv6 && (s.at[i] == ':' || vel_num_hex(s.at[i]) >= 0)))
            return false;
    }
    return s.len > 0;
}

static bool parse_bracketed(struct vel_slice s, struct vel_node *out) {
    const char *end = memchr(s.at, ']', s.len);
    if (end == NULL)
        return false;
    out->kind = VEL_NODE_IPV6;
    out->address = vel_slice(s.at + 1, (size_t)(end - s.at) - 1);
    struct vel_slice port = skip(s, out->address.len + 2);
    return has_only(out->address, true) && (port.len == 0 || port.at[0] == ':') && parse_node_port(port, &out->port);
}

bool vel_node_parse(struct vel_slice text, struct vel_node *out) {
    *out = (struct vel_node){0};
    if (text.len == 0)
        return false;
    if (text.at[0] == '[')
        return parse_bracketed(text, out);
    const char *colon = memchr(text.at, ':', text.len);
    out->address = vel_slice(text.at, colon != NULL ? (size_t)(colon - text.at) : text.len);
    if (vel_slice_eq_nocase(out->address, VEL_SLICE("unknown")))
        out->kind = VEL_NODE_UNKNOWN;
    else if (is_obfuscated(out->address))
        out->kind = VEL_NODE_OBFUSCATED;
    else if (has_only(out->address, false))
        out->kind = VEL_NODE_IPV4;
    else
        return false;
    return parse_node_port(skip(text, out->address.len), &out->port);
}

bool vel_node_parse_bare(struct vel_slice text, struct vel_node *out) {
    const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
    bool many = colon != NULL && memchr(colon + 1, ':', (size_t)(text.at + text.len - colon) - 1) != NULL;
    if (!many || text.at[0] == '[')
        return vel_node_parse(text, out);
    *out = (struct vel_node){.kind = VEL_NODE_IPV6, .address = text};
    return has_only(text, true);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

struct vel_slice vel_forwarded_scheme(struct vel_slice text) {
    if (vel_slice_eq_nocase(text, VEL_SLICE("https")) || vel_slice_eq_nocase(text, VEL_SLICE("wss")))
        return VEL_SLICE("https");
    if (vel_slice_eq_nocase(text, VEL_SLICE("http")) || vel_slice_eq_nocase(text, VEL_SLICE("ws")))
        return VEL_SLICE("http");
    return (struct vel_slice){0};
}

bool vel_forwarded_port(struct vel_slice text) {
    int64_t value;
    return text.len <= 5 && vel_num_parse(text, &value) && value <= UINT16_MAX && text.at[0] != '0';
}

/* unreserved, sub-delims but the comma, ":" and "@" (RFC 3986 3.3), and the slash. */
static const unsigned char prefix_table[256] = {
    ['-'] = 1,  ['.'] = 1, ['_'] = 1,         ['~'] = 1,         ['!'] = 1,         ['$'] = 1, ['&'] = 1,
    ['\''] = 1, ['('] = 1, [')'] = 1,         ['*'] = 1,         ['+'] = 1,         [';'] = 1, ['='] = 1,
    [':'] = 1,  ['@'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['/'] = 1,
};

/* The segment at the front of s, behind its slash, is a name: not empty, not "." and not "..". */
static bool begins_with_segment(struct vel_slice s) {
    const char *slash = memchr(s.at + 1, '/', s.len - 1);
    size_t len = (slash != NULL ? (size_t)(slash - s.at) : s.len) - 1;
    return len > 2 || (len > 0 && memcmp(s.at + 1, "..", len) != 0);
}

bool vel_forwarded_prefix(struct vel_slice text, struct vel_slice *out) {
    if (text.len == 0 || text.at[0] != '/')
        return false;
    if (text.at[text.len - 1] == '/')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        if (prefix_table[(unsigned char)text.at[i]] == 0)
            return false;
        if (text.at[i] == '/' && !begins_with_segment(skip(text, i)))
            return false;
    }
    *out = text;
    return true;
}

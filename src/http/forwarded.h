/* What proxies add to a request about those before them: X-Forwarded-* lists, and Forwarded (RFC 7239).
 *
 * The nearest proxy writes at the end, so the end is where to begin: nothing that stands before an element has a say in
 * where it begins or what it means, whatever a client has put there. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* One element of Forwarded. Values without their quotes, in which escapes may be left: vel_forwarded_unescape. A
 * parameter that is not there has at NULL. */
struct vel_forwarded {
    struct vel_slice node; /* for= */
    struct vel_slice host;
    struct vel_slice proto;
};

enum vel_node_kind { VEL_NODE_IPV4, VEL_NODE_IPV6, VEL_NODE_UNKNOWN, VEL_NODE_OBFUSCATED };

/* A host on the way (RFC 7239 6). Only the shape of an address is looked at: it may still be none. */
struct vel_node {
    enum vel_node_kind kind;
    struct vel_slice address; /* without brackets */
    uint16_t port;            /* 0: not said, or obfuscated */
};

/* Each takes the last member off *rest, trimmed, never empty; empty ones are left out. False when there is none. In
 * Forwarded a comma in a quoted string separates nothing; a string that has no beginning reaches to the front, and is
 * refused by vel_forwarded_parse. */
bool vel_list_last(struct vel_slice *rest, struct vel_slice *member);
bool vel_forwarded_last(struct vel_slice *rest, struct vel_slice *element);

/* False when the element breaks the grammar of RFC 7239 4 or has one of these parameters twice. White space around ';'
 * is allowed, as its own examples have it. Other parameters must only be well-formed. */
bool vel_forwarded_parse(struct vel_slice element, struct vel_forwarded *out);

/* Without the backslashes of quoted pairs. out needs in.len bytes and may be in.at. Returns the length. */
size_t vel_forwarded_unescape(struct vel_slice in, char *out);

/* A node of Forwarded: IPv4, "[" IPv6 "]", "unknown" or an obfuscated name, each with or without a port. */
bool vel_node_parse(struct vel_slice text, struct vel_node *out);

/* A member of X-Forwarded-For: the same, and IPv6 without brackets, which has no port then. */
bool vel_node_parse_bare(struct vel_slice text, struct vel_node *out);

/* "http" or "https", a constant; also for ws and wss, of which some proxies speak. Empty for anything else. */
struct vel_slice vel_forwarded_scheme(struct vel_slice text);

/* 1 to 65535 in decimal, without leading zeros. */
bool vel_forwarded_port(struct vel_slice text);

/* A path to put before others, as "/app" or "/": *out is without the slash at its end, so it may be empty, with at set.
 * False for anything that could be taken for more than a path: "//", dots as a segment, percent escapes, a comma. */
bool vel_forwarded_prefix(struct vel_slice text, struct vel_slice *out);

/* Networks in CIDR notation, and lists of them that say whom to trust. */
#pragma once

#include "net/addr.h"

/* All of an address that has these first bits. */
struct vel_cidr {
    bool ipv6;
    unsigned char bits;
    unsigned char bytes[16]; /* in network order; behind bits all zero */
};

/* "192.0.2.0/24", "2001:db8::/32", or a single address. An IPv4-mapped network of IPv6 is one of IPv4, as its peers are
 * seen. False for anything else, also when there are bits behind the prefix: who wrote them meant another network. */
bool vel_cidr_parse(struct vel_slice text, struct vel_cidr *out);

/* An IPv4-mapped address counts as IPv4; one of another family is in no network. */
bool vel_cidr_has(const struct vel_cidr *net, const union vel_addr *addr);

/* All zero trusts nobody. */
struct vel_trust {
    bool everyone;
    bool unix_peers; /* whoever comes by a Unix socket */
    size_t n;
    const struct vel_cidr *nets; /* must outlive it */
};

bool vel_trust_has(const struct vel_trust *trust, const union vel_addr *addr);

/* Socket addresses, and how they are written. */
#pragma once

#include "base/slice.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A peer: small, since every connection holds one. */
union vel_addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

#define VEL_ADDR_TEXT_MAX 46 /* INET6_ADDRSTRLEN */

/* The numeric host without brackets, without a zone; an IPv4-mapped IPv6 address as IPv4. Empty for other families.
 * Returns the length; at needs VEL_ADDR_TEXT_MAX. */
size_t vel_addr_host(const union vel_addr *addr, char *at);

/* 0 for families without one. */
uint16_t vel_addr_port(const union vel_addr *addr);

/* The four bytes of an IPv4 address, also when it is mapped into IPv6; NULL when it is none. */
const void *vel_addr_ipv4(const union vel_addr *addr);

/* Reads what vel_addr_host writes, and every other way to write an IPv6 address; no zone, no leading zeros in IPv4. An
 * IPv4-mapped address becomes IPv4. False leaves *out undefined. */
bool vel_addr_parse(struct vel_slice host, uint16_t port, union vel_addr *out);

/* Socket addresses as text and port. */
#include "net/addr.h"

#include <arpa/inet.h>

static size_t format(int family, const void *host, char *at) {
    return inet_ntop(family, host, at, VEL_ADDR_TEXT_MAX) ? strlen(at) : 0;
}

size_t vel_addr_host(const union vel_addr *addr, char *at) {
    if (addr->any.sa_family == AF_INET)
        return format(AF_INET, &addr->v4.sin_addr, at);
    if (addr->any.sa_family != AF_INET6)
        return 0;
    /* ::ffff:192.0.2.1 is how an IPv4 peer looks on a socket that serves both (RFC 4291 2.5.5.2). */
    if (IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
        return format(AF_INET, &addr->v6.sin6_addr.s6_addr[12], at);
    return format(AF_INET6, &addr->v6.sin6_addr, at);
}

uint16_t vel_addr_port(const union vel_addr *addr) {
    if (addr->any.sa_family == AF_INET)
        return ntohs(addr->v4.sin_port);
    if (addr->any.sa_family == AF_INET6)
        return ntohs(addr->v6.sin6_port);
    return 0;
}

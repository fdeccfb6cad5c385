/* Socket addresses as text and port. */
#include "net/addr.h"

#include <arpa/inet.h>

static size_t format(int family, const void *host, char *at) {
    return inet_ntop(family, host, at, VEL_ADDR_TEXT_MAX) ? strlen(at) : 0;
}

/* ::ffff:192.0.2.1 is how an IPv4 peer looks on a socket that serves both (RFC 4291 2.5.5.2). */
const void *vel_addr_ipv4(const union vel_addr *addr) {
    if (addr->any.sa_family == AF_INET)
        return &addr->v4.sin_addr;
    if (addr->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
        return &addr->v6.sin6_addr.s6_addr[12];
    return NULL;
}

size_t vel_addr_host(const union vel_addr *addr, char *at) {
    const void *ipv4 = vel_addr_ipv4(addr);
    if (ipv4 != NULL)
        return format(AF_INET, ipv4, at);
    return addr->any.sa_family == AF_INET6 ? format(AF_INET6, &addr->v6.sin6_addr, at) : 0;
}

static void unmap(union vel_addr *addr) {
    const void *ipv4 = vel_addr_ipv4(addr);
    if (addr->any.sa_family != AF_INET6 || ipv4 == NULL)
        return;
    union vel_addr plain = {.v4 = {.sin_family = AF_INET, .sin_port = addr->v6.sin6_port}};
    memcpy(&plain.v4.sin_addr, ipv4, 4);
    *addr = plain;
}

bool vel_addr_parse(struct vel_slice host, uint16_t port, union vel_addr *out) {
    char text[VEL_ADDR_TEXT_MAX];
    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.at, '\0', host.len) != NULL)
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    *out = (union vel_addr){0};
    if (memchr(text, ':', host.len) != NULL) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1)
            return false;
        unmap(out);
        return true;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(port);
    return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

uint16_t vel_addr_port(const union vel_addr *addr) {
    if (addr->any.sa_family == AF_INET)
        return ntohs(addr->v4.sin_port);
    if (addr->any.sa_family == AF_INET6)
        return ntohs(addr->v6.sin6_port);
    return 0;
}

/* Who a connection comes from, by the word of the proxy that has made it. */
#include "server/proxied.h"

#include "proxy/header.h"
#include "server/worker.h"

static size_t cut(struct vel_conn *c, const char *why) {
    c->worker->stats->refused++;
    vel_worker_complain(c->worker, &c->peer, why);
    vel_conn_doom(c, VEL_FATE_CUT);
    return 0;
}

static void set_ipv4(union vel_addr *addr, const struct vel_proxy_end *end) {
    addr->v4.sin_family = AF_INET;
    addr->v4.sin_port = htons(end->port);
    memcpy(&addr->v4.sin_addr, end->address.at, sizeof(addr->v4.sin_addr));
}

static void set_ipv6(union vel_addr *addr, const struct vel_proxy_end *end) {
    addr->v6.sin6_family = AF_INET6;
    addr->v6.sin6_port = htons(end->port);
    memcpy(&addr->v6.sin6_addr, end->address.at, sizeof(addr->v6.sin6_addr));
}

/* A client at a Unix socket of the proxy's has no address; it is not one that came by a Unix socket of ours. */
static bool read_client(const struct vel_proxy *header, union vel_addr *addr) {
    memset(addr, 0, sizeof(*addr));
    if (header->as_text)
        return vel_addr_parse(header->source.address, header->source.port, addr) &&
               (header->family == VEL_PROXY_INET6 || addr->any.sa_family == AF_INET);
    if (header->family == VEL_PROXY_INET)
        set_ipv4(addr, &header->source);
    else if (header->family == VEL_PROXY_INET6)
        set_ipv6(addr, &header->source);
    else
        addr->any.sa_family = AF_UNSPEC;
    return true;
}

size_t vel_proxied_take(struct vel_conn *c, const char *in, size_t len) {
    struct vel_proxy header;
    union vel_addr client;
    const char *why = NULL;
    long n = vel_proxy_parse(in, len, &header, &why);
    if (n < 0)
        return cut(c, why);
    if (n == 0)
        return 0;
    c->proxied = false;
    if (header.family == VEL_PROXY_NONE)
        return (size_t)n;
    if (!read_client(&header, &client))
        return cut(c, "bad address in a PROXY header");
    c->peer = client;
    c->secure = header.secure;
    c->told = c->uwsgi || c->secure || vel_trust_has(&c->worker->config.trust, &client);
    return (size_t)n;
}

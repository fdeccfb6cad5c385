/* Networks in CIDR notation. */
#include "net/cidr.h"

#include "base/num.h"

#define IPV4_BITS 32
#define IPV6_BITS 128
#define MAPPED_BITS (IPV6_BITS - IPV4_BITS)

static void take_bytes(const union vel_addr *addr, struct vel_cidr *out) {
    *out = (struct vel_cidr){.ipv6 = addr->any.sa_family == AF_INET6};
    if (out->ipv6)
        memcpy(out->bytes, &addr->v6.sin6_addr, 16);
    else
        memcpy(out->bytes, &addr->v4.sin_addr, 4);
}

/* Whether the bytes of a and b agree in their first bits. */
static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool is_zero_behind(const struct vel_cidr *net) {
    struct vel_cidr zero = {0};
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (rest != 0 && (unsigned char)(net->bytes[whole] << rest) != 0)
        return false;
    unsigned from = whole + (rest != 0);
    return memcmp(net->bytes + from, zero.bytes + from, sizeof(zero.bytes) - from) == 0;
}

static bool parse_bits(struct vel_slice text, unsigned most, struct vel_cidr *out) {
    int64_t bits;
    if (text.len > 3 || !vel_num_parse(text, &bits) || bits > most || (text.len > 1 && text.at[0] == '0'))
        return false;
    out->bits = (unsigned char)bits;
    return true;
}

bool vel_cidr_parse(struct vel_slice text, struct vel_cidr *out) {
    const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
    struct vel_slice host = vel_slice(text.at, slash != NULL ? (size_t)(slash - text.at) : text.len);
    bool written_ipv6 = host.len > 0 && memchr(host.at, ':', host.len) != NULL;
    unsigned most = written_ipv6 ? IPV6_BITS : IPV4_BITS;
    union vel_addr addr;
    if (!vel_addr_parse(host, 0, &addr))
        return false;
    take_bytes(&addr, out);
    out->bits = (unsigned char)most;
    if (slash != NULL && !parse_bits(vel_slice(slash + 1, text.len - host.len - 1), most, out))
        return false;
    if (written_ipv6 && !out->ipv6) {
        if (out->bits < MAPPED_BITS)
            return false;
        out->bits -= MAPPED_BITS;
    }
    return is_zero_behind(out);
}

bool vel_cidr_has(const struct vel_cidr *net, const union vel_addr *addr) {
    const void *bytes = vel_addr_ipv4(addr);
    bool ipv6 = bytes == NULL;
    if (ipv6 && addr->any.sa_family != AF_INET6)
        return false;
    return net->ipv6 == ipv6 && same_bits(net->bytes, ipv6 ? (const void *)&addr->v6.sin6_addr : bytes, net->bits);
}

bool vel_trust_has(const struct vel_trust *trust, const union vel_addr *addr) {
    if (trust->everyone)
        return true;
    if (addr->any.sa_family == AF_UNIX)
        return trust->unix_peers;
    for (size_t i = 0; i < trust->n; i++)
        if (vel_cidr_has(&trust->nets[i], addr))
            return true;
    return false;
}

/* Fuzzes networks in CIDR notation: what is one has its own first address and ends where its bits say. */
#include "support.h"

#include "net/cidr.h"

static union vel_addr first_of(const struct vel_cidr *net) {
    union vel_addr addr = {0};
    if (net->ipv6) {
        addr.v6.sin6_family = AF_INET6;
        memcpy(&addr.v6.sin6_addr, net->bytes, 16);
    } else {
        addr.v4.sin_family = AF_INET;
        memcpy(&addr.v4.sin_addr, net->bytes, 4);
    }
    return addr;
}

static void flip(union vel_addr *addr, unsigned bit) {
    unsigned char *bytes =
        addr->any.sa_family == AF_INET6 ? addr->v6.sin6_addr.s6_addr : (unsigned char *)&addr->v4.sin_addr;
    bytes[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
}

/* An address of IPv6 that becomes a mapped one by the flip is of the other family. */
static void check_bits(const struct vel_cidr *net) {
    unsigned most = net->ipv6 ? 128 : 32;
    MUST(net->bits <= most);
    union vel_addr addr = first_of(net);
    MUST(vel_addr_ipv4(&addr) == NULL || !net->ipv6);
    MUST(vel_cidr_has(net, &addr));
    for (unsigned bit = 0; bit < most; bit++) {
        addr = first_of(net);
        flip(&addr, bit);
        if ((vel_addr_ipv4(&addr) == NULL) == net->ipv6)
            MUST(vel_cidr_has(net, &addr) == (bit >= net->bits));
    }
}

static void check_text(const struct vel_cidr *net) {
    char text[VEL_ADDR_TEXT_MAX + 4];
    union vel_addr addr = first_of(net);
    size_t len = vel_addr_host(&addr, text);
    len += (size_t)snprintf(text + len, 5, "/%u", net->bits);
    struct vel_cidr again;
    MUST(vel_cidr_parse(vel_slice(text, len), &again));
    MUST(again.ipv6 == net->ipv6 && again.bits == net->bits && memcmp(again.bytes, net->bytes, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct vel_cidr net;
    if (vel_cidr_parse(vel_slice(copy, size), &net)) {
        check_bits(&net);
        check_text(&net);
    }
    free(copy);
    return 0;
}

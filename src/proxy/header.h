/* The PROXY protocol, versions 1 and 2: what stands in front of a connection and says between whom it is.
 * Source: "The PROXY protocol", haproxy.org/download/2.9/doc/proxy-protocol.txt. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* A header of version 2 with more behind its 16 bytes is refused. The longest thing in practice is a client's
 * certificate. */
#define VEL_PROXY_REST_MAX 16384

enum vel_proxy_family {
    VEL_PROXY_NONE, /* the connection speaks for itself: LOCAL, UNKNOWN, UNSPEC */
    VEL_PROXY_INET,
    VEL_PROXY_INET6,
    VEL_PROXY_UNIX,
};

struct vel_proxy_end {
    struct vel_slice address; /* as text, or in network order; of UNIX the path, or the abstract name behind a NUL */
    uint16_t port;
};

/* Slices point into the header. */
struct vel_proxy {
    enum vel_proxy_family family;
    bool as_text; /* addresses are (version 1); only their bytes have been looked at, they may still be none */
    bool secure;  /* the client came by TLS, which the proxy has taken off */
    struct vel_proxy_end source, destination;
    struct vel_slice tlvs; /* well-formed; version 2 only */
};

/* Reads the header at in. Returns the bytes used (> 0), 0 when more are needed, or -1, with *why a constant that says
 * what was wrong. Keeps nothing between calls. A checksum that is there is right. */
long vel_proxy_parse(const char *in, size_t len, struct vel_proxy *out, const char **why);

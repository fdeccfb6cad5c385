/* The request target: its four forms, its authority, its percent escapes (RFC 9112 3.2, RFC 3986). */
#pragma once

#include "base/slice.h"
#include "http/method.h"

enum vel_target_form { VEL_TARGET_ORIGIN, VEL_TARGET_ABSOLUTE, VEL_TARGET_AUTHORITY, VEL_TARGET_ASTERISK };

struct vel_target {
    struct vel_slice raw;       /* as it was sent */
    struct vel_slice path;      /* not decoded; "/" when an absolute form has none; "*" for the asterisk form */
    struct vel_slice query;     /* behind the first '?', without it; len 0 also when there is no '?' */
    struct vel_slice authority; /* absolute and authority form only, never empty there */
    enum vel_target_form form;
};

/* raw holds only 0x21-0x7E. Returns 0, or a negative status: -400 for a form that is not allowed with this method,
 * a fragment, userinfo, a bad authority. out points into raw. */
int vel_target_parse(enum vel_method method, struct vel_slice raw, struct vel_target *out);

/* uri-host [ ":" port ] of RFC 3986 3.2.2 without userinfo: reg-name, IPv4 or a bracketed literal, port 0-65535 or
 * empty. The empty slice is legal (RFC 9112 3.2: a Host field may be empty), a port without a host is not. */
bool vel_host_valid(struct vel_slice host);

/* Takes a valid host apart: name with the brackets of a literal, port without its colon, empty when there is none. */
void vel_host_split(struct vel_slice host, struct vel_slice *name, struct vel_slice *port);

/* Percent-decodes once; '+' stays, an escape that is not two hexadecimal digits stays as it is. out needs in.len bytes
 * and may be in.at. Returns the length. */
size_t vel_percent_decode(struct vel_slice in, char *out);

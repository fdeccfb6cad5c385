/* A reply head as an application gives it: meaning only, the protocol renders it. */
#pragma once

#include "http/field.h"

#include <stdbool.h>
#include <stdint.h>

struct vel_reply_head {
    unsigned status;                /* 200-599 and up to 999; informational heads go another way */
    struct vel_slice reason;        /* may be empty */
    const struct vel_field *fields; /* checked by the caller: legal names and values, nothing hop-by-hop,
                                       no Content-Length (it is length below). Ids must be set. */
    size_t nfields;
    int64_t length; /* of the body, -1 when it is not known */
    bool close;     /* the application wants no other request on this connection */
};

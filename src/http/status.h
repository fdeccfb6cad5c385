/* Status codes and their reason phrases. */
#pragma once

#include "base/slice.h"

/* The registered phrase (IANA HTTP status codes), or empty for a code without one. */
struct vel_slice vel_status_reason(unsigned status);

/* 1xx, 204 and 304 end with their head whatever the fields say (RFC 9112 6.3). */
static inline bool vel_status_has_no_body(unsigned status) {
    return status < 200 || status == 204 || status == 304;
}

/* Typed values behind the addresses of a PROXY header of version 2, and inside some of them (its section 2.2). */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define VEL_TLV_CRC32C 0x03
#define VEL_TLV_SSL 0x20

struct vel_tlv {
    uint8_t type;
    struct vel_slice value;
};

/* Takes the next one off *rest. 1; 0 at the end; -1 when a length reaches beyond the end: *rest is then as it was. */
int vel_tlv_next(struct vel_slice *rest, struct vel_tlv *tlv);

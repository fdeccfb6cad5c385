/* CRC-32C (Castagnoli), the checksum of RFC 3720 B.4. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* Goes on from crc, which is 0 at the beginning. */
uint32_t vel_crc32c(uint32_t crc, struct vel_slice s);

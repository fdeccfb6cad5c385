/* The byte classes of scan.h, one byte at a time: what every faster way has to agree with. */
#pragma once

#include <stdbool.h>

static inline bool vel_scan__is_value(unsigned char c) {
    return (c >= 0x20 && c != 0x7F) || c == '\t';
}

static inline bool vel_scan__is_target(unsigned char c) {
    return c >= 0x21 && c <= 0x7E;
}

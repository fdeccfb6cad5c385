/* Numbers in ASCII, both ways: no sign, no locale, no wrap. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

/* 1*DIGIT up to INT64_MAX; anything else, the empty slice too, is false and leaves *out alone. */
bool vel_num_parse(struct vel_slice s, int64_t *out);

/* The value of a hexadecimal digit, or -1. */
int vel_num_hex(char c);

/* Writes value without a NUL; at needs 20 bytes. Returns the length. */
size_t vel_num_format(char *at, uint64_t value);

/* Lower-case hexadecimal; at needs 16 bytes. Returns the length. */
size_t vel_num_format_hex(char *at, uint64_t value);

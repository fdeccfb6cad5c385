/* Byte scanning: how far a run of allowed bytes goes, by the fastest way this processor has. */
#pragma once

#include <stddef.h>

/* Each returns how many bytes from at are of its class, at most len; none reads past at + len. */
struct vel_scan {
    const char *name;
    /* Field value: HTAB, 0x20-0x7E and 0x80-0xFF, so it stops at CR, LF, NUL and every other control (RFC 9110 5.5). */
    size_t (*value)(const char *at, size_t len);
    /* Request target: 0x21-0x7E (RFC 9112 3.2, with nothing above ASCII). */
    size_t (*target)(const char *at, size_t len);
};

extern const struct vel_scan vel_scan_plain;
#if defined(__x86_64__)
extern const struct vel_scan vel_scan_sse42; /* call only where the processor has it */
extern const struct vel_scan vel_scan_avx2;
#endif

/* The fastest one this processor can run. Asks the processor at each call: keep the answer. */
const struct vel_scan *vel_scan_best(void);

/* Which of sixteen bytes are the one looked for: a bit for each, the first lowest. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* at has 16 bytes. */
static inline uint32_t vel_mask16(const char *at, char wanted) {
#if defined(__SSE2__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted)));
#else
    uint32_t mask = 0;
    for (unsigned i = 0; i < 16; i++)
        mask |= (uint32_t)(at[i] == wanted) << i;
    return mask;
#endif
}

/* Eight bytes as a number, in the machine's order. */
static inline uint64_t vel_load8(const char *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

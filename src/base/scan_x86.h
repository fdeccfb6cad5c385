/* Byte scanning 16 bytes at a time, for the files that are compiled for SSE4.2 and later. */
#pragma once

#include "base/scan_class.h"

#include <immintrin.h>
#include <stddef.h>

/* PCMPESTRI could test all ranges in one instruction, but that one costs more than these four. */
static inline unsigned vel_scan__stops_value16(__m128i bytes) {
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}

/* As signed bytes 0x80-0xFF are below 0x21, which leaves two comparisons. */
static inline unsigned vel_scan__stops_target16(__m128i bytes) {
    __m128i low = _mm_cmpgt_epi8(_mm_set1_epi8(0x21), bytes);
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, del));
}

/* In both below, stops gives a bit for each byte that ends the run, is_class is the same for one byte. Inlined with
 * both known, so that no call through a pointer is left. */

/* Less than 16 bytes; 8 and more as the first 8 beside the last 8, which may overlap. */
__attribute__((always_inline)) static inline size_t vel_scan__run_short(const char *at, size_t len,
                                                                        unsigned (*stops)(__m128i),
                                                                        bool (*is_class)(unsigned char)) {
    size_t i = 0;
    if (len < 8) {
        while (i < len && is_class((unsigned char)at[i]))
            i++;
        return i;
    }
    __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)at);
    __m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(at + len - 8));
    unsigned mask = stops(_mm_unpacklo_epi64(first, last));
    i = mask != 0 ? (size_t)__builtin_ctz(mask) : 16;
    return i < 8 ? i : len - 16 + i;
}

__attribute__((always_inline)) static inline size_t vel_scan__run16(const char *at, size_t len,
                                                                    unsigned (*stops)(__m128i),
                                                                    bool (*is_class)(unsigned char)) {
    if (len < 16)
        return vel_scan__run_short(at, len, stops, is_class);
    size_t i = 0;
    unsigned mask = 0;
    for (; mask == 0 && i + 16 <= len; i += 16)
        mask = stops(_mm_loadu_si128((const __m128i *)(const void *)(at + i)));
    if (mask != 0)
        return i - 16 + (size_t)__builtin_ctz(mask);
    /* The rest together with bytes already known to be good, so that nothing behind the end is read. */
    mask = stops(_mm_loadu_si128((const __m128i *)(const void *)(at + len - 16)));
    return mask != 0 ? len - 16 + (size_t)__builtin_ctz(mask) : len;
}

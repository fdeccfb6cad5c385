/* Byte scanning by AVX2: 32 bytes at a time. */
#include "base/scan.h"

#include "base/scan_x86.h"

static inline unsigned stops_value(__m256i bytes) {
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
    __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7F));
    return (unsigned)_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, control), del));
}

static inline unsigned stops_target(__m256i bytes) {
    __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), bytes);
    __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7F));
    return (unsigned)_mm256_movemask_epi8(_mm256_or_si256(low, del));
}

/* len must be 32 or more. */
__attribute__((always_inline)) static inline size_t run32(const char *at, size_t len, unsigned (*stops)(__m256i)) {
    size_t i = 0;
    unsigned mask = 0;
    for (; mask == 0 && i + 32 <= len; i += 32)
        mask = stops(_mm256_loadu_si256((const __m256i *)(const void *)(at + i)));
    if (mask != 0)
        return i - 32 + (size_t)__builtin_ctz(mask);
    mask = stops(_mm256_loadu_si256((const __m256i *)(const void *)(at + len - 32)));
    return mask != 0 ? len - 32 + (size_t)__builtin_ctz(mask) : len;
}

static size_t scan_value(const char *at, size_t len) {
    return len >= 32 ? run32(at, len, stops_value)
                     : vel_scan__run16(at, len, vel_scan__stops_value16, vel_scan__is_value);
}

static size_t scan_target(const char *at, size_t len) {
    return len >= 32 ? run32(at, len, stops_target)
                     : vel_scan__run16(at, len, vel_scan__stops_target16, vel_scan__is_target);
}

const struct vel_scan vel_scan_avx2 = {"avx2", scan_value, scan_target};

/* Byte scanning without vector instructions, and the choice among the ways there are. */
#include "base/scan.h"

#include "base/scan_class.h"

static size_t scan_value(const char *at, size_t len) {
    size_t i = 0;
    while (i < len && vel_scan__is_value((unsigned char)at[i]))
        i++;
    return i;
}

static size_t scan_target(const char *at, size_t len) {
    size_t i = 0;
    while (i < len && vel_scan__is_target((unsigned char)at[i]))
        i++;
    return i;
}

const struct vel_scan vel_scan_plain = {"plain", scan_value, scan_target};

const struct vel_scan *vel_scan_best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return &vel_scan_avx2;
    if (__builtin_cpu_supports("sse4.2"))
        return &vel_scan_sse42;
#endif
    return &vel_scan_plain;
}

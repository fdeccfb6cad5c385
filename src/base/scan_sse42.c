/* Byte scanning by SSE4.2. */
#include "base/scan.h"

#include "base/scan_x86.h"

static size_t scan_value(const char *at, size_t len) {
    return vel_scan__run16(at, len, vel_scan__stops_value16, vel_scan__is_value);
}

static size_t scan_target(const char *at, size_t len) {
    return vel_scan__run16(at, len, vel_scan__stops_target16, vel_scan__is_target);
}

const struct vel_scan vel_scan_sse42 = {"sse4.2", scan_value, scan_target};

/* Micro benches of src/server: a line of the access log. */
#include "server/access.h"

#include "micro.h"

static void add(enum vel_access_kind format) {
    static struct vel_access log = {.fd = -1};
    static const union vel_addr peer = {.v4 = {.sin_family = AF_INET, .sin_addr = {0x0100007F}}};
    struct vel_access_entry entry = {
        .peer = &peer, .head = &micro_browser, .status = 200, .bytes = 13, .us = 250, .wall = 1732406400};
    log.format = format;
    log.lines.len = 0;
    vel_access_add(&log, &entry);
    EXPECT(log.lines.len > 60);
}

MICRO(access_line_common) {
    add(VEL_ACCESS_COMMON);
}

MICRO(access_line_combined) {
    add(VEL_ACCESS_COMBINED);
}

MICRO(access_line_json) {
    add(VEL_ACCESS_JSON);
}

/* A micro bench: one operation as a function; main.c runs all there are, and callgrind counts each by its name. */
#pragma once

#include "base/scan.h"
#include "http/message.h"

struct micro {
    const char *name;
    void (*run)(void);
};

/* Defines and registers one: MICRO(date_format) { ... }. All of its body is counted, at every call the same, so it
 * leaves things as it found them. The table of counts shows the name with spaces for underscores. */
#define MICRO(name)                                                                                                    \
    static void micro_##name(void);                                                                                    \
    __attribute__((section("micros"), used)) static const struct micro *const micro_entry_##name =                     \
        &(const struct micro){#name, micro_##name};                                                                    \
    static void micro_##name(void)

/* What does not do its work must not be counted as fast. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            micro_fail(#condition);                                                                                    \
    } while (0)

_Noreturn void micro_fail(const char *condition);

/* The best way of scanning here, and limits as the server has them. */
extern const struct vel_scan *micro_scan;
extern const struct vel_limits micro_limits;

/* A head as wrk sends it, one as a browser does (14 fields with Host), and the latter parsed. */
extern const struct vel_slice micro_small_bytes, micro_browser_bytes;
extern struct vel_head micro_browser;

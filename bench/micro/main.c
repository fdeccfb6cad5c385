/* Runs every micro bench: twice to warm up, then CALLS times inside micro_counted, the function that callgrind counts.
 */
#include "micro.h"

#include "http1/request.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS 8

const struct vel_scan *micro_scan;
const struct vel_limits micro_limits = VEL_LIMITS_DEFAULT;
struct vel_head micro_browser;

/* The linker's names for the section that MICRO fills. */
extern const struct micro *const __start_micros[];
extern const struct micro *const __stop_micros[];

static const char *running = "setting up";

_Noreturn void micro_fail(const char *condition) {
    fprintf(stderr, "micro: %s: not true: %s\n", running, condition);
    exit(1);
}

static void set_up(void) {
    struct vel_h1_parser parser;
    const char *why;
    struct vel_slice in = micro_browser_bytes;
    micro_scan = vel_scan_best();
    vel_h1_parser_init(&parser, micro_scan, &micro_limits);
    EXPECT(vel_h1_parse_head(&parser, &micro_browser, in.at, in.len, &why) == (long)in.len);
}

/* Callgrind knows it by its name, so it must stay a function. */
__attribute__((noinline)) static void micro_counted(const struct micro *m) {
    for (int i = 0; i < CALLS; i++)
        m->run();
}

/* Prints the way of scanning that was chosen: counts of one are not those of another. */
int main(void) {
    set_up();
    for (const struct micro *const *m = __start_micros; m < __stop_micros; m++) {
        running = (*m)->name;
        (*m)->run();
        (*m)->run();
        micro_counted(*m);
    }
    printf("%s\n", micro_scan->name);
}

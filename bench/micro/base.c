/* Micro benches of src/base: scanning by each instruction set, and numbers. */
#include "base/num.h"
#include "micro.h"

/* The values of a browser's fields, 1 to 101 bytes, each with what comes behind it. */
static void scan_values(const struct vel_scan *scan) {
    const char *end = micro_browser.bytes.at + micro_browser.bytes.len;
    for (size_t i = 0; i < micro_browser.nfields; i++) {
        struct vel_slice value = micro_browser.fields[i].value;
        EXPECT(scan->value(value.at, (size_t)(end - value.at)) == value.len);
    }
}

MICRO(scan_14_values_plain) {
    scan_values(&vel_scan_plain);
}

#if defined(__x86_64__)
/* Where the processor lacks one, the best takes its place: the counts are then known under another name anyway. */
MICRO(scan_14_values_sse42) {
    scan_values(micro_scan == &vel_scan_avx2 ? &vel_scan_sse42 : micro_scan);
}
#endif

MICRO(scan_14_values_best) {
    scan_values(micro_scan);
}

MICRO(scan_target_of_100_bytes) {
    static const char target[] = "/a/path/of/one/hundred/bytes/with/a/query?first=1&second=two&third=3&fourth=four"
                                 "&fifth=5&and=soforth HTTP/1.1\r\n";
    EXPECT(micro_scan->target(target, sizeof(target) - 1) == 100);
}

MICRO(number_parse_and_format) {
    char text[20];
    int64_t value = 0;
    EXPECT(vel_num_parse(VEL_SLICE("10485760"), &value) && value == 10 << 20);
    EXPECT(vel_num_format(text, (uint64_t)value) == 8);
    EXPECT(vel_num_format_hex(text, (uint64_t)value) == 6);
}

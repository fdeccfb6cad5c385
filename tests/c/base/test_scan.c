/* Tests of src/base/scan.c, scan_sse42.c and scan_avx2.c: every way has to give the same answer. */
#include "base/scan.h"

#include "support/guard.h"
#include "support/test.h"

#include <stdbool.h>

#define LONGEST 200

/* Written down once more, by the RFC and not by the source: RFC 9110 5.5 (field-content, obs-text, HTAB). */
static bool is_value(int c) {
    return c == 0x09 || (c >= 0x20 && c <= 0x7E) || (c >= 0x80 && c <= 0xFF);
}

static bool is_target(int c) {
    return c >= 0x21 && c <= 0x7E;
}

typedef size_t (*scan_function)(const char *at, size_t len);

/* Each length, each place of one byte, each byte; the end of the run is the end of readable memory. */
static void check_every_byte_at_every_place(scan_function scan, bool (*is_class)(int)) {
    char filled[LONGEST];
    memset(filled, 'x', LONGEST);
    char *page = guard_copy(filled, LONGEST);
    for (size_t len = 0; len <= LONGEST; len++) {
        char *at = page + LONGEST - len;
        CHECK_INT(scan(at, len), len);
        for (size_t place = 0; place < len; place++) {
            for (int c = 0; c < 256; c++) {
                at[place] = (char)c;
                size_t want = is_class(c) ? len : place;
                if (scan(at, len) != want)
                    CHECK_INT(scan(at, len), want);
            }
            at[place] = 'x';
        }
    }
    guard_free(page, LONGEST);
}

/* At every alignment, with bytes that stop behind the end and before the start. */
static void check_bytes_outside_do_not_count(scan_function scan) {
    char room[64 + LONGEST + 64];
    for (size_t start = 0; start < 64; start++) {
        for (size_t len = 0; len <= LONGEST; len++) {
            memset(room, '\n', sizeof(room));
            memset(room + start, 'x', len);
            CHECK_INT(scan(room + start, len), len);
            CHECK_INT(scan(room + start, sizeof(room) - start), len);
        }
    }
}

static void check_first_of_two_stops_counts(scan_function scan) {
    char text[LONGEST];
    for (size_t first = 0; first < LONGEST; first++) {
        for (size_t second = first + 1; second < LONGEST; second++) {
            memset(text, 'x', LONGEST);
            text[first] = '\r';
            text[second] = '\0';
            CHECK_INT(scan(text, LONGEST), first);
        }
    }
}

static void check_all(const struct vel_scan *scan) {
    check_every_byte_at_every_place(scan->value, is_value);
    check_every_byte_at_every_place(scan->target, is_target);
    check_bytes_outside_do_not_count(scan->value);
    check_bytes_outside_do_not_count(scan->target);
    check_first_of_two_stops_counts(scan->value);
    check_first_of_two_stops_counts(scan->target);
    CHECK_INT(scan->value(NULL, 0), 0);
    CHECK_INT(scan->target(NULL, 0), 0);
}

static void plain_scan_stops_where_the_class_ends(void) {
    check_all(&vel_scan_plain);
}

#if defined(__x86_64__)
static void sse42_scan_agrees(void) {
    if (__builtin_cpu_supports("sse4.2"))
        check_all(&vel_scan_sse42);
}

static void avx2_scan_agrees(void) {
    if (__builtin_cpu_supports("avx2"))
        check_all(&vel_scan_avx2);
}
#endif

static void best_scan_can_run_here(void) {
    const struct vel_scan *best = vel_scan_best();
    CHECK(best != NULL && best->name != NULL);
    CHECK_INT(best->value("text\r\n", 6), 4);
    CHECK(best == vel_scan_best());
}

int main(void) {
    RUN(plain_scan_stops_where_the_class_ends);
#if defined(__x86_64__)
    RUN(sse42_scan_agrees);
    RUN(avx2_scan_agrees);
#endif
    RUN(best_scan_can_run_here);
}

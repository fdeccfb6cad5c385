/* Tests of server/access.c. */
#include "server/access.h"

#include "base/err.h"
#include "http1/request.h"
#include "support/failmalloc.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static char request_bytes[20000];

/* Parsed for real, so that what the log gets is what can reach it. */
static struct vel_head *parse(const char *text) {
    static struct vel_head head;
    static const struct vel_limits limits = VEL_LIMITS_DEFAULT;
    struct vel_h1_parser parser;
    const char *why = "";
    strcpy(request_bytes, text);
    vel_h1_parser_init(&parser, vel_scan_best(), &limits);
    long n = vel_h1_parse_head(&parser, &head, request_bytes, strlen(request_bytes), &why);
    if (n <= 0)
        fprintf(stderr, "%s\n", why);
    CHECK(n > 0);
    return &head;
}

static union vel_addr peer_v4(void) {
    union vel_addr peer = {.v4 = {.sin_family = AF_INET}};
    peer.v4.sin_addr.s_addr = htonl(0xcb007109);
    return peer;
}

static void add(struct vel_access *log, const struct vel_head *head, unsigned status) {
    union vel_addr peer = peer_v4();
    struct vel_access_entry entry = {
        .peer = &peer, .head = head, .status = status, .bytes = 512, .us = 1234, .wall = 1700000000};
    vel_access_add(log, &entry);
}

static void check_line(struct vel_access *log, const char *want) {
    CHECK_SLICE(vel_slice(log->lines.data, log->lines.len), want);
    vel_buf_free(&log->lines);
}

#define PLAIN "GET /a?b=c HTTP/1.1\r\nHost: h.example\r\nReferer: http://r/\r\nUser-Agent: agent/1\r\n\r\n"

static void the_common_format(void) {
    struct vel_access log = {.fd = -1};
    add(&log, parse(PLAIN), 200);
    check_line(&log, "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 512 1234us\n");
}

static void the_combined_format(void) {
    struct vel_access log = {.fd = -1, .format = VEL_ACCESS_COMBINED};
    add(&log, parse(PLAIN), 404);
    check_line(&log, "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 404 512 "
                     "\"http://r/\" \"agent/1\" 1234us\n");
    add(&log, parse("HEAD / HTTP/1.0\r\n\r\n"), 200);
    check_line(&log, "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"HEAD / HTTP/1.0\" 200 512 \"-\" \"-\" 1234us\n");
}

static void the_json_format(void) {
    struct vel_access log = {.fd = -1, .format = VEL_ACCESS_JSON};
    add(&log, parse(PLAIN), 200);
    check_line(&log, "{\"time\":1700000000,\"client\":\"203.0.113.9\",\"method\":\"GET\",\"target\":\"/a?b=c\","
                     "\"protocol\":\"HTTP/1.1\",\"host\":\"h.example\",\"referer\":\"http://r/\","
                     "\"user_agent\":\"agent/1\",\"status\":200,\"bytes\":512,\"duration_us\":1234,\"queue_us\":0}\n");
}

static void a_request_that_could_not_be_read(void) {
    struct vel_access log = {.fd = -1, .format = VEL_ACCESS_COMBINED};
    add(&log, NULL, 400);
    check_line(&log, "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"-\" 400 512 \"-\" \"-\" 1234us\n");
    log.format = VEL_ACCESS_JSON;
    add(&log, NULL, 400);
    check_line(&log, "{\"time\":1700000000,\"client\":\"203.0.113.9\",\"status\":400,\"bytes\":512,"
                     "\"duration_us\":1234,\"queue_us\":0}\n");
}

static void a_peer_without_an_address(void) {
    struct vel_access log = {.fd = -1};
    union vel_addr peer = {.any = {.sa_family = AF_UNIX}};
    struct vel_access_entry entry = {.peer = &peer, .status = 200, .wall = 0};
    vel_access_add(&log, &entry);
    check_line(&log, "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 200 0 0us\n");
}

static void an_ipv6_peer(void) {
    struct vel_access log = {.fd = -1};
    union vel_addr peer = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    struct vel_access_entry entry = {.peer = &peer, .status = 200, .wall = 0};
    vel_access_add(&log, &entry);
    check_line(&log, "::1 - - [01/Jan/1970:00:00:00 +0000] \"-\" 200 0 0us\n");
}

static void the_offset_of_the_local_time(void) {
    static const struct {
        const char *zone, *want;
    } zones[] = {{"XXX-5:30", "05:30:00 +0530"}, {"XXX+3:30", "20:30:00 -0330"}};
    for (int i = 0; i < 2; i++) {
        struct vel_access log = {.fd = -1};
        union vel_addr peer = peer_v4();
        setenv("TZ", zones[i].zone, 1);
        tzset();
        struct vel_access_entry entry = {.peer = &peer, .status = 200, .wall = 0};
        vel_access_add(&log, &entry);
        CHECK(memmem(log.lines.data, log.lines.len, zones[i].want, strlen(zones[i].want)) != NULL);
        vel_buf_free(&log.lines);
    }
    setenv("TZ", "UTC", 1);
    tzset();
}

static void no_request_can_write_a_line_or_a_field_of_its_own(void) {
    struct vel_access log = {.fd = -1, .format = VEL_ACCESS_COMBINED};
    struct vel_head *head = parse("GET / HTTP/1.1\r\nHost: h\r\nReferer: r\r\nUser-Agent: u\r\n\r\n");
    /* The slices are set by hand: the log must not rely on what a protocol lets through. */
    head->target.raw = VEL_SLICE("/\"\\\r\n\x7f");
    head->method_text = VEL_SLICE("G\"\nT");
    for (size_t i = 0; i < head->nfields; i++)
        head->fields[i].value = VEL_SLICE("\"\\\t\x80\xff\n\x1b\0z");
    add(&log, head, 200);
    check_line(&log, "203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] "
                     "\"G\\\"\\u000aT /\\\"\\\\\\u000d\\u000a\\u007f HTTP/1.1\" 200 512 "
                     "\"\\\"\\\\\\u0009\\u0080\\u00ff\\u000a\\u001b\\u0000z\" "
                     "\"\\\"\\\\\\u0009\\u0080\\u00ff\\u000a\\u001b\\u0000z\" 1234us\n");
    log.format = VEL_ACCESS_JSON;
    head->host = VEL_SLICE("\n\"");
    add(&log, head, 200);
    check_line(&log, "{\"time\":1700000000,\"client\":\"203.0.113.9\",\"method\":\"G\\\"\\u000aT\","
                     "\"target\":\"/\\\"\\\\\\u000d\\u000a\\u007f\",\"protocol\":\"HTTP/1.1\",\"host\":\"\\u000a\\\"\","
                     "\"referer\":\"\\\"\\\\\\u0009\\u0080\\u00ff\\u000a\\u001b\\u0000z\","
                     "\"user_agent\":\"\\\"\\\\\\u0009\\u0080\\u00ff\\u000a\\u001b\\u0000z\","
                     "\"status\":200,\"bytes\":512,\"duration_us\":1234,\"queue_us\":0}\n");
}

/* The room is reckoned before: ASan sees when it was too small. */
static void the_longest_line_has_room_and_is_cut(void) {
    static char bad[9000];
    memset(bad, 0xff, sizeof bad);
    struct vel_slice all = vel_slice(bad, sizeof bad);
    struct vel_head *head = parse(PLAIN);
    union vel_addr peer = {.v6 = {.sin6_family = AF_INET6}};
    memset(&peer.v6.sin6_addr, 0xff, 16);
    head->method_text = head->target.raw = head->host = all;
    for (size_t i = 0; i < head->nfields; i++)
        head->fields[i].value = all;
    for (int format = VEL_ACCESS_COMMON; format <= VEL_ACCESS_JSON; format++) {
        struct vel_access log = {.fd = -1, .format = (enum vel_access_kind)format};
        struct vel_access_entry entry = {
            .peer = &peer, .head = head, .status = 999, .bytes = UINT64_MAX, .us = UINT64_MAX, .wall = INT32_MAX};
        vel_access_add(&log, &entry);
        CHECK(log.lines.len > 2048 && log.lines.len <= 4096);
        CHECK(memmem(log.lines.data, log.lines.len, "\\u00ff...", 9) != NULL);
        CHECK(log.lines.data[log.lines.len - 1] == '\n');
        vel_buf_free(&log.lines);
    }
}

static void open_pipe(int ends[2]) {
    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
}

static void flush_writes_all_that_the_reader_takes(void) {
    struct vel_access log = {0};
    char got[4096];
    int ends[2];
    open_pipe(ends);
    log.fd = ends[1];
    add(&log, parse(PLAIN), 200);
    add(&log, parse(PLAIN), 201);
    size_t len = log.lines.len;
    vel_access_flush(&log);
    CHECK_INT(log.lines.len, 0);
    CHECK_INT(read(ends[0], got, sizeof got), (long)len);
    vel_access_free(&log);
    close(ends[0]);
    close(ends[1]);
}

static bool is_full(int fd) {
    char byte = 'x';
    return write(fd, &byte, 1) < 0 && errno == EAGAIN;
}

static void a_slow_pipe_blocks_nobody_and_loses_nothing(void) {
    struct vel_access log = {0};
    static char got[200000];
    size_t total = 0, read_bytes = 0;
    int ends[2];
    ssize_t n;
    CHECK(pipe2(ends, O_CLOEXEC) == 0); /* blocking: a write too many would hang the test */
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    log.fd = ends[1];
    for (int i = 0; i < 1000; i++)
        add(&log, parse(PLAIN), 200);
    total = log.lines.len;
    for (int i = 0; i < 1000 && read_bytes < total; i++) {
        vel_access_flush(&log);
        CHECK((n = read(ends[0], got + read_bytes, 4096)) > 0);
        read_bytes += (size_t)n;
    }
    CHECK_INT(read_bytes, total);
    CHECK_INT(log.lines.len, 0);
    CHECK_INT(log.dropped, 0);
    vel_access_free(&log);
    close(ends[0]);
    close(ends[1]);
}

/* Other workers write to the same pipe: what they write comes between two writes. */
static void a_write_ends_with_a_line(void) {
    struct vel_access log = {0};
    char got[4096];
    int ends[2];
    ssize_t n;
    open_pipe(ends);
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    log.fd = ends[1];
    for (int i = 0; i < 500; i++)
        add(&log, parse(PLAIN), 200);
    do {
        vel_access_flush(&log);
        n = read(ends[0], got, sizeof got);
        CHECK(n <= 0 || got[n - 1] == '\n');
    } while (n > 0);
    CHECK_INT(log.lines.len, 0);
    vel_access_free(&log);
    close(ends[0]);
    close(ends[1]);
}

/* What several workers write to one pipe may come in between any two writes, and between parts of a longer one. */
static void a_line_that_fits_in_one_write_is_not_cut_and_a_longer_one_is(void) {
    static char value[9000];
    static char got[65536];
    memset(value, 'v', sizeof value);
    for (size_t size = 3800; size < 4100; size += 10) {
        struct vel_access log = {.format = VEL_ACCESS_COMBINED};
        struct vel_head *head = parse(PLAIN);
        int ends[2];
        open_pipe(ends);
        log.fd = ends[1];
        head->fields[1].value = vel_slice(value, size);
        add(&log, head, 200);
        size_t len = log.lines.len;
        CHECK(len <= 4096);
        bool cut = memmem(log.lines.data, len, "v...\"", 5) != NULL;
        CHECK(cut == (size + strlen("203.0.113.9 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 512"
                                    " \"\" \"agent/1\" 1234us\n") >
                      4096));
        vel_access_flush(&log);
        CHECK_INT(read(ends[0], got, sizeof got), (long)len);
        CHECK(got[len - 1] == '\n');
        vel_access_free(&log);
        close(ends[0]);
        close(ends[1]);
    }
}

static void lines_beyond_a_mebibyte_are_dropped_and_counted(void) {
    struct vel_access log = {0};
    int ends[2];
    open_pipe(ends);
    log.fd = ends[1];
    while (!is_full(ends[1])) {
    }
    unsigned added = 0;
    while (log.dropped == 0 && added < 100000) {
        add(&log, parse(PLAIN), 200);
        added++;
    }
    CHECK_INT(log.dropped, 1);
    CHECK(log.lines.len > 1 << 20 && log.lines.len < (1 << 20) + 1000);
    vel_access_flush(&log);
    CHECK(log.lines.len > 1 << 20);
    vel_access_free(&log);
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_went_costs_the_lines_and_is_counted(void) {
    struct vel_access log = {0};
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    open_pipe(ends);
    close(ends[0]);
    log.fd = ends[1];
    for (int i = 0; i < 3; i++)
        add(&log, parse(PLAIN), 200);
    vel_access_flush(&log);
    CHECK_INT(log.lines.len, 0);
    CHECK_INT(log.dropped, 3);
    vel_access_free(&log);
    close(ends[1]);
}

static void a_full_disk_costs_the_lines_and_is_counted(void) {
    struct vel_access log = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC)};
    CHECK(log.fd >= 0);
    add(&log, parse(PLAIN), 200);
    add(&log, parse(PLAIN), 200);
    vel_access_flush(&log);
    CHECK_INT(log.lines.len, 0);
    CHECK_INT(log.dropped, 2);
    vel_access_free(&log);
    close(log.fd);
}

static void short_memory_drops_the_line(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_access log = {.fd = -1};
        for (int i = 0; i < 20; i++)
            add(&log, parse(PLAIN), 200);
        CHECK_INT(log.dropped, fail_malloc_hit() ? 1 : 0);
        vel_buf_free(&log.lines);
    }
}

int main(void) {
    setenv("TZ", "UTC", 1);
    tzset();
    RUN(the_common_format);
    RUN(the_combined_format);
    RUN(the_json_format);
    RUN(a_request_that_could_not_be_read);
    RUN(a_peer_without_an_address);
    RUN(an_ipv6_peer);
    RUN(the_offset_of_the_local_time);
    RUN(no_request_can_write_a_line_or_a_field_of_its_own);
    RUN(the_longest_line_has_room_and_is_cut);
    RUN(flush_writes_all_that_the_reader_takes);
    RUN(a_slow_pipe_blocks_nobody_and_loses_nothing);
    RUN(a_write_ends_with_a_line);
    RUN(a_line_that_fits_in_one_write_is_not_cut_and_a_longer_one_is);
    RUN(lines_beyond_a_mebibyte_are_dropped_and_counted);
    RUN(a_reader_that_went_costs_the_lines_and_is_counted);
    RUN(a_full_disk_costs_the_lines_and_is_counted);
    RUN(short_memory_drops_the_line);
    return 0;
}

/* Tests of server/access_format.c. */
#include "server/access_format.h"

#include "base/mem.h"
#include "http1/request.h"
#include "support/failmalloc.h"
#include "support/test.h"

static char request_bytes[20000];

static struct vel_head *parse_head(const char *text) {
    static struct vel_head head;
    static const struct vel_limits limits = VEL_LIMITS_DEFAULT;
    struct vel_h1_parser parser;
    const char *why = "";
    strcpy(request_bytes, text);
    vel_h1_parser_init(&parser, vel_scan_best(), &limits);
    CHECK(vel_h1_parse_head(&parser, &head, request_bytes, strlen(request_bytes), &why) > 0);
    return &head;
}

#define REQUEST                                                                                                        \
    "GET /a/b?c=d HTTP/1.1\r\nHost: h\r\nReferer: http://r/\r\nUser-Agent: agent \"1\"\r\nX-Id: 7\r\n"                 \
    "Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"

static struct vel_access_entry entry_of(const struct vel_head *head) {
    static union vel_addr peer = {.v4 = {.sin_family = AF_INET}};
    peer.v4.sin_addr.s_addr = htonl(0xcb007109);
    return (struct vel_access_entry){
        .peer = &peer, .head = head, .status = 200, .bytes = 512, .us = 1234567, .queue_us = 89, .wall = 1700000000};
}

static void shows_entry(const char *text, const struct vel_access_entry *e, const char *want) {
    const char *why;
    struct vel_access_format *format = vel_access_format_new(vel_slice(text, strlen(text)), &why);
    struct vel_buf to = {0};
    CHECK(format != NULL);
    size_t room = vel_access_format_room(format, e);
    CHECK(vel_buf_reserve(&to, room) != NULL);
    vel_access_format_put(format, &to, e, 2048, 384);
    CHECK(to.len <= room);
    CHECK_SLICE(vel_slice(to.data, to.len), want);
    vel_buf_free(&to);
    vel_free(format);
}

static void shows(const char *text, const char *want) {
    struct vel_access_entry e = entry_of(parse_head(REQUEST));
    shows_entry(text, &e, want);
}

static void each_atom(void) {
    shows("%(h)s %(l)s %(u)s", "203.0.113.9 - alice\n");
    shows("%(t)s", "[14/Nov/2023:22:13:20 +0000]\n");
    shows("\"%(r)s\" %(m)s %(U)s %(q)s %(H)s", "\"GET /a/b?c=d HTTP/1.1\" GET /a/b c=d HTTP/1.1\n");
    shows("%(s)s %(B)s %(b)s", "200 512 512\n");
    shows("\"%(f)s\" \"%(a)s\"", "\"http://r/\" \"agent \\\"1\\\"\"\n");
    shows("%(T)s %(M)s %(D)s %(L)s %(Q)s", "1 1234 1234567 1.234567 89\n");
    shows("%({x-id}i)s %({X-None}i)s", "7 -\n");
    shows("100%% of %(s)s%%", "100% of 200%\n");
    shows("", "\n");
    shows("plain", "plain\n");
}

static void what_a_request_has_not_is_a_dash(void) {
    struct vel_access_entry e = entry_of(NULL);
    e.bytes = 0;
    shows_entry("%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(f)s|%(a)s|%(u)s|%(b)s|%({a}i)s|%({a}o)s", &e,
                "-|-|-||-|-|-|-|-|-|-\n");
}

static void users_that_cannot_be_read_are_a_dash(void) {
    static const char *const odd[] = {"Basic",           "Basic ",     "Basic YWxpY2U",
                                      "Bearer YWxpY2U6", "Basic !!!!", "Basic Og=="};
    char text[512];
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", odd[i]);
        struct vel_access_entry e = entry_of(parse_head(text));
        shows_entry("%(u)s", &e, "-\n");
    }
    struct vel_access_entry e =
        entry_of(parse_head("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: basic CiI6eA==\r\n\r\n"));
    shows_entry("%(u)s", &e, "\\u000a\\\"\n");
}

static void other_texts_are_refused(void) {
    static const char *const wrong[] = {"%",        "%x",       "%(",      "%(h",     "%(h)",
                                        "%(h)d",    "%(zz)s",   "%()s",    "%({}i)s", "%({a)s",
                                        "%({a}x)s", "%({a}e)s", "%({a}i)", "a\nb",    "%(h)s%"};
    const char *why;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (vel_access_format_new(vel_slice(wrong[i], strlen(wrong[i])), &why) != NULL)
            fprintf(stderr, "taken: %s\n", wrong[i]);
        CHECK(vel_access_format_new(vel_slice(wrong[i], strlen(wrong[i])), &why) == NULL);
        CHECK(strstr(why, "%(h)s") != NULL);
    }
}

static void too_many_pieces_are_refused(void) {
    static char text[65 * 5 + 1];
    const char *why;
    for (int i = 0; i < 65; i++)
        strcat(text, "%(h)s");
    CHECK(vel_access_format_new(vel_slice(text, strlen(text)), &why) == NULL);
    struct vel_access_format *format = vel_access_format_new(vel_slice(text, strlen(text) - 5), &why);
    CHECK(format != NULL);
    vel_free(format);
}

static void fields_of_the_reply_are_kept(void) {
    static const struct vel_field fields[] = {
        {{"X-Trace", 7}, {"abc", 3}, VEL_FIELD_OTHER},
        {{"Content-Type", 12}, {"text/plain", 10}, VEL_FIELD_CONTENT_TYPE},
        {{"x-trace", 7}, {"second", 6}, VEL_FIELD_OTHER},
    };
    struct vel_reply_head head = {.status = 200, .fields = fields, .nfields = 3};
    struct vel_access_entry e = entry_of(parse_head(REQUEST));
    struct vel_arena arena = {0};
    const char *why, *text = "%({x-trace}o)s %({Content-Type}o)s %({None}o)s";
    struct vel_access_format *format = vel_access_format_new(vel_slice(text, strlen(text)), &why);
    e.sent = vel_access_format_keep(format, &arena, &head);
    shows_entry(text, &e, "abc text/plain -\n");
    vel_arena_free(&arena);
    vel_free(format);
    format = vel_access_format_new(VEL_SLICE("%(h)s"), &why);
    CHECK(vel_access_format_keep(format, &arena, &head) == NULL);
    vel_free(format);
}

static void memory_that_is_short(void) {
    const char *why;
    fail_malloc_at(1);
    CHECK(vel_access_format_new(VEL_SLICE("%(h)s"), &why) == NULL);
    CHECK(fail_malloc_hit());
    fail_malloc_at(0);
    CHECK(strcmp(why, "no memory") == 0);
}

static void only_what_shows_the_queue_is_timed(void) {
    const char *why;
    struct vel_access_format *with = vel_access_format_new(VEL_SLICE("%(h)s %(Q)s"), &why);
    struct vel_access_format *without = vel_access_format_new(VEL_SLICE("%(h)s %(D)s"), &why);
    CHECK(vel_access_format_times(with) && !vel_access_format_times(without));
    vel_free(with);
    vel_free(without);
}

int main(void) {
    setenv("TZ", "UTC", 1);
    RUN(each_atom);
    RUN(what_a_request_has_not_is_a_dash);
    RUN(users_that_cannot_be_read_are_a_dash);
    RUN(other_texts_are_refused);
    RUN(too_many_pieces_are_refused);
    RUN(fields_of_the_reply_are_kept);
    RUN(memory_that_is_short);
    RUN(only_what_shows_the_queue_is_timed);
    return 0;
}

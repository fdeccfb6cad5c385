/* Fuzzes formats of the access log, each with a request: what was promised for a line is enough, and a line is one. */
#include "support.h"

#include "base/buf.h"
#include "base/mem.h"
#include "http1/request.h"
#include "server/access_format.h"

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

/* Nothing of a request, and nothing but printable characters, may break out of its line. */
static void check_line(const struct vel_buf *line, size_t room, struct vel_slice format) {
    MUST(line->len <= room && line->len > 0 && line->data[line->len - 1] == '\n');
    MUST(memchr(line->data, '\n', line->len - 1) == NULL || memchr(format.at, '\n', format.len) != NULL);
}

static void put(const struct vel_access_format *f, const struct vel_head *head, struct vel_slice text) {
    union vel_addr peer = {.any = {.sa_family = AF_INET}};
    struct vel_arena arena = {0};
    struct vel_reply_head reply = {.status = 200};
    struct vel_access_entry entry = {.peer = &peer, .head = head, .status = 200, .us = text.len * 977, .wall = 1};
    struct vel_buf line = {0};
    if (head != NULL) { /* what came in goes out */
        reply.fields = head->fields;
        reply.nfields = head->nfields;
    }
    entry.sent = vel_access_format_keep(f, &arena, &reply);
    size_t room = vel_access_format_room(f, &entry);
    line.data = malloc(room);
    MUST(line.data != NULL);
    vel_access_format_put(f, &line, &entry, SIZE_MAX / 2, SIZE_MAX / 2);
    check_line(&line, room, text);
    line.len = 0;
    vel_access_format_put(f, &line, &entry, 100, 50);
    check_line(&line, room, text);
    free(line.data);
    vel_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - data) : size;
    const char *why = NULL;
    char *text = exact_copy(data, len);
    struct vel_access_format *f = vel_access_format_new(vel_slice(text, len), &why);
    MUST(f != NULL || why != NULL);
    if (f != NULL) {
        size_t rest = nul != NULL ? size - len - 1 : 0;
        char *request = exact_copy(nul != NULL ? nul + 1 : data, rest);
        struct vel_head head;
        struct vel_h1_parser parser;
        vel_h1_parser_init(&parser, vel_scan_best(), &limits);
        long n = vel_h1_parse_head(&parser, &head, request, rest, &why);
        put(f, n > 0 ? &head : NULL, vel_slice(text, len));
        free(request);
    }
    vel_free(f);
    free(text);
    return 0;
}

/* HTTP/1 response heads: copied together in the order they go out. */
#include "http1/response.h"

#include "base/num.h"

#define STATUS_LINE "HTTP/1.1 200 "
#define LENGTH_NAME "Content-Length: "
#define CHUNKED_LINE "Transfer-Encoding: chunked\r\n"
#define CLOSE_LINE "Connection: close\r\n"
#define KEEP_ALIVE_LINE "Connection: keep-alive\r\n"
#define SWITCH_LINES "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
#define LAST_CHUNK_LINE "0\r\n"
#define CRLF "\r\n"

#define SIZE(literal) (sizeof(literal) - 1)
#define PUT_TEXT(at, literal) put((at), (literal), SIZE(literal))

static inline char *put(char *at, const char *from, size_t len) {
    memcpy(at, from, len);
    return at + len;
}

static char *put_slice(char *at, struct vel_slice s) {
    return s.len > 0 ? put(at, s.at, s.len) : at;
}

/* The SP before the reason stands even when there is none (RFC 9112 4). */
static char *put_status(char *at, unsigned status, struct vel_slice reason) {
    char *code = at + SIZE("HTTP/1.1 ");
    at = PUT_TEXT(at, STATUS_LINE);
    code[0] = (char)('0' + status / 100 % 10);
    code[1] = (char)('0' + status / 10 % 10);
    code[2] = (char)('0' + status % 10);
    return PUT_TEXT(put_slice(at, reason), CRLF);
}

static char *put_field(char *at, const struct vel_field *field) {
    at = PUT_TEXT(put_slice(at, field->name), ": ");
    return PUT_TEXT(put_slice(at, field->value), CRLF);
}

static size_t lines_room(const struct vel_field *fields, size_t n) {
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        room += fields[i].name.len + SIZE(": ") + fields[i].value.len + SIZE(CRLF);
    return room;
}

static size_t fields_room(const struct vel_reply_head *head) {
    return SIZE(STATUS_LINE) + head->reason.len + SIZE(CRLF) + lines_room(head->fields, head->nfields) + SIZE(CRLF);
}

/* What Content-Length says, or -1 when it is not said (RFC 9110 8.6, 15.3.6). */
static int64_t told_length(const struct vel_reply_head *head) {
    if (head->status < 200 || head->status == 204)
        return -1;
    return head->status == 205 ? 0 : head->length;
}

static char *put_framing(char *at, const struct vel_h1_rendering *r) {
    int64_t length = told_length(r->head);
    if (length >= 0) {
        at = PUT_TEXT(at, LENGTH_NAME);
        at += vel_num_format(at, (uint64_t)length);
        return PUT_TEXT(at, CRLF);
    }
    return r->ending == VEL_H1_END_CHUNKED ? PUT_TEXT(at, CHUNKED_LINE) : at;
}

static char *put_connection(char *at, const struct vel_h1_rendering *r) {
    if (r->close)
        return PUT_TEXT(at, CLOSE_LINE);
    return r->say_keep_alive ? PUT_TEXT(at, KEEP_ALIVE_LINE) : at;
}

size_t vel_h1_head_room(const struct vel_h1_rendering *r) {
    /* A head never has both lines of either pair; 20 digits are the longest number, and with CRLF longer than the other
     * line of the pair. */
    return fields_room(r->head) + r->date_line.len + r->server_line.len + SIZE(LENGTH_NAME) + 20 + SIZE(CRLF) +
           SIZE(KEEP_ALIVE_LINE);
}

size_t vel_h1_render_head(const struct vel_h1_rendering *r, char *at) {
    const struct vel_reply_head *head = r->head;
    const char *start = at;
    bool has_date = false, has_server = false;
    at = put_status(at, head->status, head->reason);
    for (size_t i = 0; i < head->nfields; i++) {
        has_date |= head->fields[i].id == VEL_FIELD_DATE;
        has_server |= head->fields[i].id == VEL_FIELD_SERVER;
        at = put_field(at, &head->fields[i]);
    }
    if (!has_date)
        at = put_slice(at, r->date_line);
    if (!has_server)
        at = put_slice(at, r->server_line);
    at = put_connection(put_framing(at, r), r);
    return (size_t)(PUT_TEXT(at, CRLF) - start);
}

size_t vel_h1_inform_room(const struct vel_reply_head *head) {
    return fields_room(head);
}

size_t vel_h1_render_inform(const struct vel_reply_head *head, char *at) {
    const char *start = at;
    at = put_status(at, head->status, head->reason);
    for (size_t i = 0; i < head->nfields; i++)
        at = put_field(at, &head->fields[i]);
    return (size_t)(PUT_TEXT(at, CRLF) - start);
}

size_t vel_h1_switch_room(const struct vel_reply_head *head, struct vel_slice protocol) {
    return SIZE(SWITCH_LINES) + protocol.len + SIZE(CRLF) + lines_room(head->fields, head->nfields) + SIZE(CRLF);
}

size_t vel_h1_render_switch(const struct vel_reply_head *head, struct vel_slice protocol, char *at) {
    const char *start = at;
    at = PUT_TEXT(put_slice(PUT_TEXT(at, SWITCH_LINES), protocol), CRLF);
    for (size_t i = 0; i < head->nfields; i++)
        at = put_field(at, &head->fields[i]);
    return (size_t)(PUT_TEXT(at, CRLF) - start);
}

size_t vel_h1_render_chunk_head(char *at, size_t len) {
    size_t n = vel_num_format_hex(at, len);
    return (size_t)(PUT_TEXT(at + n, CRLF) - at);
}

size_t vel_h1_trailers_room(const struct vel_field *trailers, size_t n) {
    return SIZE(LAST_CHUNK_LINE) + lines_room(trailers, n) + SIZE(CRLF);
}

size_t vel_h1_render_trailers(const struct vel_field *trailers, size_t n, char *at) {
    const char *start = at;
    at = PUT_TEXT(at, LAST_CHUNK_LINE);
    for (size_t i = 0; i < n; i++)
        at = put_field(at, &trailers[i]);
    return (size_t)(PUT_TEXT(at, CRLF) - start);
}

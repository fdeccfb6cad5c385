/* Rendering HTTP/1 response heads: meaning in, bytes out. */
#pragma once

#include "http/reply.h"

#include <stdbool.h>

/* How the end of the body is told. */
enum vel_h1_ending {
    VEL_H1_END_NONE,   /* no body goes out: HEAD, 204, 304 */
    VEL_H1_END_LENGTH, /* Content-Length */
    VEL_H1_END_CHUNKED,
    VEL_H1_END_CLOSE, /* by the end of the connection: HTTP/1.0 */
};

struct vel_h1_rendering {
    const struct vel_reply_head *head;
    enum vel_h1_ending ending;
    bool close;                              /* say Connection: close */
    bool say_keep_alive;                     /* say Connection: keep-alive, for a 1.0 client that asked */
    struct vel_slice date_line, server_line; /* "Date: ...\r\n", "Server: ...\r\n", or empty; each goes out unless
                                                head->fields has that field */
};

/* Bytes that are always enough for this head. */
size_t vel_h1_head_room(const struct vel_h1_rendering *r);

/* Writes the head, empty line included, to at, which has the room above. Returns the length. Content-Length goes out
 * when head->length >= 0, but for 1xx and 204 (RFC 9110 8.6): so HEAD and 304 keep the application's and invent none.
 */
size_t vel_h1_render_head(const struct vel_h1_rendering *r, char *at);

/* An informational head, as 103 with its fields: "HTTP/1.1 103 Early Hints" and so on. room as above. */
size_t vel_h1_inform_room(const struct vel_reply_head *head);
size_t vel_h1_render_inform(const struct vel_reply_head *head, char *at);

/* 101 with the fields of an upgrade before those of head, whose status is not looked at. */
size_t vel_h1_switch_room(const struct vel_reply_head *head, struct vel_slice protocol);
size_t vel_h1_render_switch(const struct vel_reply_head *head, struct vel_slice protocol, char *at);

/* The head of one chunk: size in hexadecimal and CRLF. at needs 18 bytes. len must not be 0. */
size_t vel_h1_render_chunk_head(char *at, size_t len);

/* The end of a chunked body with its trailer fields (RFC 9112 7.1.2): last chunk, a line each, empty line. The room is
 * exact. */
size_t vel_h1_trailers_room(const struct vel_field *trailers, size_t n);
size_t vel_h1_render_trailers(const struct vel_field *trailers, size_t n, char *at);

#define VEL_H1_CHUNK_TAIL "\r\n"
#define VEL_H1_LAST_CHUNK "0\r\n\r\n"
#define VEL_H1_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

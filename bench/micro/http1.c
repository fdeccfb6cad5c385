/* Micro benches of src/http1: request heads, chunked bodies, response heads, and a whole exchange. */
#include "http1/conn.h"
#include "micro.h"

static struct vel_head head;
static char out[4096];

/* --- request heads ----------------------------------------------------------------------------------------------- */

static void parse_head(struct vel_slice in, size_t cut) {
    struct vel_h1_parser parser;
    const char *why;
    vel_h1_parser_init(&parser, micro_scan, &micro_limits);
    if (cut > 0)
        EXPECT(vel_h1_parse_head(&parser, &head, in.at, cut, &why) == 0);
    EXPECT(vel_h1_parse_head(&parser, &head, in.at, in.len, &why) == (long)in.len);
}

MICRO(head_parse_small) {
    parse_head(micro_small_bytes, 0);
}

MICRO(head_parse_14_fields) {
    parse_head(micro_browser_bytes, 0);
}

/* Its lines have come before. */
MICRO(head_parse_14_fields_known) {
    static struct vel_h1_lines lines;
    struct vel_h1_parser parser;
    const char *why;
    vel_h1_parser_init(&parser, micro_scan, &micro_limits);
    parser.lines = &lines;
    EXPECT(vel_h1_parse_head(&parser, &head, micro_browser_bytes.at, micro_browser_bytes.len, &why) > 0);
}

/* It comes in two pieces: the first ends inside User-Agent. */
MICRO(head_parse_14_fields_cut) {
    parse_head(micro_browser_bytes, 300);
}

/* --- chunked bodies ---------------------------------------------------------------------------------------------- */

static void decode(struct vel_slice in, size_t body) {
    struct vel_h1_chunked chunked;
    size_t got = 0;
    vel_h1_chunked_init(&chunked, micro_scan, &micro_limits);
    while (!vel_h1_chunked_done(&chunked)) {
        struct vel_slice data;
        const char *why;
        long used = vel_h1_chunked_feed(&chunked, in.at, in.len, &data, &why);
        EXPECT(used > 0);
        got += data.len;
        in = vel_slice(in.at + used, in.len - (size_t)used);
    }
    EXPECT(got == body && in.len == 0);
}

#define CHUNK_10 "a\r\n0123456789\r\n"
#define CHUNKS_40 CHUNK_10 CHUNK_10 CHUNK_10 CHUNK_10

MICRO(chunked_decode_16_chunks) {
    decode(VEL_SLICE(CHUNKS_40 CHUNKS_40 CHUNKS_40 CHUNKS_40 "0\r\n\r\n"), 160);
}

MICRO(chunked_decode_extension_and_trailer) {
    decode(VEL_SLICE("a;name=value\r\n0123456789\r\n0\r\nDigest: sha-256=abc\r\nServer-Timing: app;dur=12\r\n\r\n"),
           10);
}

MICRO(chunked_render_head) {
    EXPECT(vel_h1_render_chunk_head(out, 4096) == 6);
}

/* --- response heads ---------------------------------------------------------------------------------------------- */

#define FIELD(name, value, id)                                                                                         \
    { {name, sizeof(name) - 1}, {value, sizeof(value) - 1}, VEL_FIELD_##id }

static const struct vel_field fields[] = {
    FIELD("Content-Type", "text/html; charset=utf-8", CONTENT_TYPE),
    FIELD("Cache-Control", "private, max-age=0, must-revalidate", CACHE_CONTROL),
    FIELD("ETag", "\"5f2b1c0d9e8a7b6c5d4e3f2a1b0c9d8e\"", OTHER),
    FIELD("Vary", "Accept-Encoding, Cookie", OTHER),
    FIELD("X-Frame-Options", "DENY", OTHER),
    FIELD("X-Content-Type-Options", "nosniff", OTHER),
    FIELD("Referrer-Policy", "same-origin", OTHER),
    FIELD("Set-Cookie", "sessionid=q8fd1t6mpxv2k0z5; HttpOnly; Path=/; SameSite=Lax", SET_COOKIE),
};

static size_t render(size_t nfields) {
    struct vel_reply_head reply = {
        .status = 200, .reason = VEL_SLICE("OK"), .fields = fields, .nfields = nfields, .length = 13};
    struct vel_h1_rendering r = {
        .head = &reply,
        .ending = VEL_H1_END_LENGTH,
        .date_line = VEL_SLICE("Date: Sun, 24 Nov 2024 00:00:00 GMT\r\n"),
        .server_line = VEL_SLICE("Server: velocem\r\n"),
    };
    EXPECT(vel_h1_head_room(&r) <= sizeof(out));
    return vel_h1_render_head(&r, out);
}

MICRO(response_head_small) {
    EXPECT(render(1) > 100);
}

MICRO(response_head_8_fields) {
    EXPECT(render(8) > 400);
}

/* --- a whole exchange -------------------------------------------------------------------------------------------- */

static enum vel_h1_event next(struct vel_h1_conn *conn, struct vel_slice *in) {
    size_t used;
    struct vel_slice data;
    enum vel_h1_event event = vel_h1_conn_next(conn, in->at, in->len, &used, &head, &data);
    *in = vel_slice(in->at + used, in->len - used);
    return event;
}

/* Everything of HTTP/1 that hello needs: the head comes in, a head goes out with 13 bytes, ready for the next. */
MICRO(exchange_small) {
    static struct vel_h1_conn conn;
    struct vel_slice in = micro_small_bytes, tail;
    struct vel_reply_head reply = {
        .status = 200, .reason = VEL_SLICE("OK"), .fields = fields, .nfields = 1, .length = 13};
    struct vel_h1_rendering r = {0};
    uint64_t len = 13;
    enum vel_h1_wrap wrap;
    if (conn.parser.scan == NULL)
        vel_h1_conn_init(&conn, micro_scan, &micro_limits);
    EXPECT(next(&conn, &in) == VEL_H1_REQUEST);
    EXPECT(next(&conn, &in) == VEL_H1_END);
    vel_h1_conn_reply(&conn, &reply, false, &r);
    EXPECT(vel_h1_render_head(&r, out) > 50);
    EXPECT(vel_h1_conn_data(&conn, &len, &wrap) == 0 && len == 13);
    EXPECT(vel_h1_conn_end(&conn, &tail) == 0);
    EXPECT(vel_h1_conn_finish(&conn));
}

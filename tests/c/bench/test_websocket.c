/* WebSocket as the load generator speaks it: frames of RFC 6455 5.7, every one cut at every byte. */
#include "load/websocket.h"

#include "support/guard.h"
#include "support/test.h"

static void a_frame_is_masked_and_whole(void) {
    /* RFC 6455 5.7: "Hello" under the mask that stands there. */
    static const unsigned char want[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    char out[WEBSOCKET_HEAD_MOST + 5];
    CHECK_INT(websocket_frame(out, WEBSOCKET_TEXT, "Hello", 5), sizeof want);
    CHECK(memcmp(out, want, sizeof want) == 0);
}

static void a_length_takes_the_shortest_form(void) {
    static const struct {
        size_t size, head;
        unsigned second;
    } rows[] = {{0, 6, 0}, {125, 6, 125}, {126, 8, 126}, {65535, 8, 126}, {65536, 14, 127}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *payload = calloc(1, rows[i].size + 1), *out = malloc(rows[i].size + WEBSOCKET_HEAD_MOST);
        CHECK(payload != NULL && out != NULL);
        CHECK_INT(websocket_frame(out, WEBSOCKET_BINARY, payload, rows[i].size), rows[i].size + rows[i].head);
        CHECK_INT((unsigned char)out[1], 0x80 | rows[i].second);
        free(payload);
        free(out);
    }
}

/* The results of it, as letters. */
static void read_pieces(const char *in, size_t len, const char *body, size_t step, char *results) {
    struct expect expect = {.at = body, .size = strlen(body)};
    struct websocket w = {0};
    for (size_t from = 0; from < len; from += step) {
        size_t size = from + step < len ? step : len - from;
        char *copy = guard_copy(in + from, size);
        const char *at = copy;
        while (at < copy + size) {
            enum websocket_result result = websocket_feed(&w, &expect, &at, copy + size);
            if (result != WEBSOCKET_MORE)
                *results++ = result == WEBSOCKET_MESSAGE && w.wrong_body ? 'b' : "-MPCW"[result];
            if (result == WEBSOCKET_WRONG)
                break;
        }
        guard_free(copy, size);
        if (results[-1] == 'W')
            break;
    }
    *results = '\0';
}

#define BYTES(text) text, sizeof text - 1

static void check_row(const char *in, size_t len, const char *want) {
    for (size_t step = 1; step <= len; step++) {
        char results[64] = "", *start = results + 1;
        read_pieces(in, len, "Hello", step, start);
        CHECK(strcmp(start, want) == 0);
    }
}

static void messages_come_whole_and_in_parts(void) {
    check_row(BYTES("\x81\x05Hello\x82\x05Hello"), "MM");
    check_row(BYTES("\x01\x03Hel\x80\x02lo"), "M");
    check_row(BYTES("\x01\x03Hel\x00\x00\x80\x02lo"), "M");
    check_row(BYTES("\x81\x7e\x00\x05Hello"), "M");
    check_row(BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05Hello"), "M");
}

static void control_frames_may_stand_between(void) {
    check_row(BYTES("\x89\x02hi\x01\x03Hel\x89\x00\x80\x02lo\x8a\x01x"), "PPM");
    check_row(BYTES("\x88\x02\x03\xe8"), "C");
}

static void another_message_is_noticed(void) {
    check_row(BYTES("\x81\x05HellO\x81\x05Hello\x81\x04Hell"), "bMb");
    check_row(BYTES("\x81\x06Hello!"), "b");
}

static void what_a_server_may_not_send_is_refused(void) {
    check_row(BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "W"); /* masked */
    check_row(BYTES("\xc1\x05Hello"), "W");                                /* a reserved bit */
    check_row(BYTES("\x80\x05Hello"), "W");                                /* continues nothing */
    check_row(BYTES("\x01\x03Hel\x81\x02lo"), "W");                        /* a message in a message */
    check_row(BYTES("\x09\x00"), "W");                                     /* a ping in parts */
    check_row(BYTES("\x83\x00"), "W");                                     /* an opcode of the future */
}

int main(void) {
    RUN(a_frame_is_masked_and_whole);
    RUN(a_length_takes_the_shortest_form);
    RUN(messages_come_whole_and_in_parts);
    RUN(control_frames_may_stand_between);
    RUN(another_message_is_noticed);
    RUN(what_a_server_may_not_send_is_refused);
    return 0;
}

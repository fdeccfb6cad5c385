/* Micro benches of src/ws: frames read, unmasked and written, and whole messages. */
#include "micro.h"
#include "ws/frame.h"
#include "ws/receive.h"
#include "ws/utf8.h"

#include <stdalign.h>
#include <string.h>

#define LONG 4096

static const unsigned char mask[4] = {0x37, 0xFA, 0x21, 0x3D};
static alignas(64) char payload[LONG];
static alignas(64) char frame[16 + LONG];

MICRO(frame_read_head) {
    static const char head[] = "\x81\xFE\x01\x00\x37\xFA\x21\x3D";
    struct vel_ws_frame found;
    const char *why;
    EXPECT(vel_ws_frame_read(&found, head, sizeof(head) - 1, false, &why) == 8);
    EXPECT(found.len == 256);
}

MICRO(frame_write_head) {
    char head[VEL_WS_HEAD_MAX];
    EXPECT(vel_ws_frame_write(head, VEL_WS_TEXT, false, 256) == 4);
}

MICRO(unmask_64_bytes) {
    vel_ws_unmask(payload, payload, 64, mask, 0);
}

MICRO(unmask_4_kib) {
    vel_ws_unmask(payload, payload, LONG, mask, 0);
}

/* As the rest of a frame that came in two pieces. */
MICRO(unmask_4_kib_at_an_odd_offset) {
    vel_ws_unmask(payload + 1, payload + 1, LONG - 1, mask, 3);
}

MICRO(utf8_4_kib_of_ascii) {
    static char text[LONG];
    struct vel_ws_utf8 state = {0};
    memset(text, 'a', sizeof(text));
    EXPECT(vel_ws_utf8_feed(&state, text, sizeof(text)) && vel_ws_utf8_whole(&state));
}

static void receive(size_t head, size_t len) {
    struct vel_ws_receiver receiver;
    struct vel_slice data;
    size_t used;
    vel_ws_receiver_init(&receiver, 1 << 20, NULL, NULL);
    EXPECT(vel_ws_receive(&receiver, frame, head + len, &used, &data) == VEL_WS_TEXT_MESSAGE);
    EXPECT(used == head + len && data.len == len);
    vel_ws_receiver_free(&receiver);
}

/* Masked with zeros, so that it can be received again. */
MICRO(message_of_64_bytes) {
    memcpy(frame, "\x81\xC0\0\0\0\0", 6);
    memset(frame + 6, 'a', 64);
    receive(6, 64);
}

MICRO(message_of_4_kib) {
    memcpy(frame, "\x81\xFE\x10\x00\0\0\0\0", 8);
    memset(frame + 8, 'a', LONG);
    receive(8, LONG);
}

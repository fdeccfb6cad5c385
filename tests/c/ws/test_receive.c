/* Tests of src/ws/receive.c: sequences of frames as rows, every row cut at every byte. */
#include "ws/receive.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/guard.h"
#include "support/test.h"

/* A client's frames, put together by the functions below. */
struct wire {
    char bytes[1 << 18];
    size_t len;
};

static void put_frame(struct wire *w, unsigned first, const char *payload, size_t len) {
    static const unsigned char mask[4] = {0x37, 0xFA, 0x21, 0x3D};
    char *at = w->bytes + w->len;
    size_t head = vel_ws_frame_write(at, VEL_WS_BINARY, false, len);
    at[0] = (char)first;
    at[1] = (char)(at[1] | 0x80);
    memcpy(at + head, mask, 4);
    vel_ws_unmask(at + head + 4, payload, len, mask, 0);
    w->len += head + 4 + len;
}

#define FRAME(w, first, text) put_frame((w), (first), (text), sizeof(text) - 1)

struct log {
    char text[4096]; /* a line an event */
    size_t len;
};

static void note(struct log *log, enum vel_ws_event event, const struct vel_ws_receiver *r, struct vel_slice data) {
    static const char *const names[] = {"more", "text", "binary", "ping", "pong", "close", "failed"};
    bool coded = event >= VEL_WS_CLOSE_FRAME;
    if (data.len > 40)
        log->len += (size_t)sprintf(log->text + log->len, "%s of %zu\n", names[event], data.len);
    else
        log->len +=
            (size_t)sprintf(log->text + log->len, "%s %.*s", names[event], (int)data.len, data.len ? data.at : "");
    if (data.len <= 40)
        log->len += coded ? (size_t)sprintf(log->text + log->len, "%u\n", r->code)
                          : (size_t)sprintf(log->text + log->len, "\n");
}

/* Gives one piece behind what was left of the last, as a connection does. */
static void feed(struct vel_ws_receiver *r, struct vel_buf *kept, const char *at, size_t len, struct log *log) {
    CHECK_INT(vel_buf_append(kept, at, len), VEL_OK);
    char *copy = guard_copy(kept->data, kept->len);
    size_t size = kept->len, done = 0, used;
    struct vel_slice data;
    enum vel_ws_event event;
    while ((event = vel_ws_receive(r, copy + done, size - done, &used, &data)) != VEL_WS_MORE) {
        note(log, event, r, event == VEL_WS_FAILED ? vel_slice("", 0) : data);
        done += used;
    }
    done += used;
    CHECK(r->over || size - done <= 131);
    vel_buf_consume(kept, done);
    guard_free(copy, size);
}

static void run(const struct wire *w, size_t first, size_t step, uint64_t limit, bool compress, struct log *log) {
    struct vel_ws_inflater inflater = {.bits = 15};
    struct vel_buf scratch = {0}, kept = {0};
    struct vel_ws_receiver r;
    vel_ws_receiver_init(&r, limit, compress ? &inflater : NULL, &scratch);
    log->len = 0;
    feed(&r, &kept, w->bytes, first, log);
    for (size_t at = first; at < w->len; at += step)
        feed(&r, &kept, w->bytes + at, at + step < w->len ? step : w->len - at, log);
    log->text[log->len] = '\0';
    vel_ws_receiver_free(&r);
    vel_ws_inflater_free(&inflater);
    vel_buf_free(&scratch);
    vel_buf_free(&kept);
}

/* The same events, whatever the cut. */
static void check(const struct wire *w, uint64_t limit, bool compress, const char *want) {
    static struct log log;
    for (size_t cut = 0; cut <= w->len; cut++) {
        run(w, cut, w->len, limit, compress, &log);
        CHECK_SLICE(vel_slice(log.text, log.len), want);
    }
    run(w, 0, 1, limit, compress, &log);
    CHECK_SLICE(vel_slice(log.text, log.len), want);
}

static struct wire *fresh(void) {
    static struct wire wire;
    wire.len = 0;
    return &wire;
}

static void single_frames_are_messages(void) {
    struct wire *w = fresh();
    FRAME(w, 0x81, "hello");
    FRAME(w, 0x82, "\xff\xfe");
    FRAME(w, 0x81, "");
    FRAME(w, 0x82, "");
    check(w, 100, false, "text hello\nbinary \xff\xfe\ntext \nbinary \n");
}

static void fragments_are_put_together(void) {
    struct wire *w = fresh();
    FRAME(w, 0x01, "Hel");
    FRAME(w, 0x00, "");
    FRAME(w, 0x80, "lo");
    FRAME(w, 0x02, "");
    FRAME(w, 0x80, "");
    FRAME(w, 0x01, "ends empty");
    FRAME(w, 0x80, "");
    check(w, 100, false, "text Hello\nbinary \ntext ends empty\n");
}

/* RFC 6455 5.4: control frames may be injected in the middle of a fragmented message. */
static void control_frames_may_come_between_fragments(void) {
    struct wire *w = fresh();
    FRAME(w, 0x01, "a");
    FRAME(w, 0x89, "are you there");
    FRAME(w, 0x00, "b");
    FRAME(w, 0x8A, "");
    FRAME(w, 0x80, "c");
    FRAME(w, 0x88,
          "\x03\xe8"
          "bye");
    check(w, 100, false, "ping are you there\npong \ntext abc\nclose bye1000\n");
}

static void nothing_is_told_after_a_close(void) {
    struct wire *w = fresh();
    FRAME(w, 0x88, "");
    FRAME(w, 0x81, "late");
    check(w, 100, false, "close 1005\n");
}

/* RFC 6455 5.5.1, 7.4. */
static void close_frames_are_checked(void) {
    struct wire *w = fresh();
    FRAME(w, 0x88, "\x03");
    check(w, 100, false, "failed 1002\n");
    w = fresh();
    FRAME(w, 0x88, "\x03\xed");
    check(w, 100, false, "failed 1002\n");
    w = fresh();
    FRAME(w, 0x88, "\x03\xe9\xc3");
    check(w, 100, false, "failed 1007\n");
    w = fresh();
    FRAME(w, 0x88, "\x0f\xa1\xe2\x82\xac");
    check(w, 100, false,
          "close \xe2\x82\xac"
          "4001\n");
}

static void order_of_fragments_is_kept(void) {
    struct wire *w = fresh();
    FRAME(w, 0x80, "of nothing");
    check(w, 100, false, "failed 1002\n");
    w = fresh();
    FRAME(w, 0x81, "whole");
    FRAME(w, 0x00, "of nothing");
    check(w, 100, false, "text whole\nfailed 1002\n");
    w = fresh();
    FRAME(w, 0x01, "begun");
    FRAME(w, 0x81, "another");
    check(w, 100, false, "failed 1002\n");
    w = fresh();
    FRAME(w, 0x83, "reserved");
    check(w, 100, false, "failed 1002\n");
}

/* RFC 6455 8.1: over the whole message, whatever its fragments. */
static void text_is_utf8_as_a_whole(void) {
    struct wire *w = fresh();
    FRAME(w, 0x01, "\xe2");
    FRAME(w, 0x89, "p");
    FRAME(w, 0x00, "\x82");
    FRAME(w, 0x80, "\xac");
    check(w, 100, false, "ping p\ntext \xe2\x82\xac\n");
    w = fresh();
    FRAME(w, 0x01, "ok \xe2");
    FRAME(w, 0x80, "");
    check(w, 100, false, "failed 1007\n");
    w = fresh();
    FRAME(w, 0x81, "\xed\xa0\x80");
    check(w, 100, false, "failed 1007\n");
}

static void bad_text_is_refused_before_its_end(void) {
    struct vel_buf scratch = {0}, kept = {0};
    struct vel_ws_receiver r;
    static struct log log;
    struct wire *w = fresh();
    log.len = 0;
    FRAME(w, 0x01, "\xf4\x90 and a lot more of it");
    vel_ws_receiver_init(&r, 100, NULL, &scratch);
    feed(&r, &kept, w->bytes, 8, &log);
    CHECK_SLICE(vel_slice(log.text, log.len), "failed 1007\n");
    vel_ws_receiver_free(&r);
    vel_buf_free(&kept);
}

static void messages_over_the_limit_are_refused_by_their_heads(void) {
    struct wire *w = fresh();
    FRAME(w, 0x82, "0123456789");
    check(w, 10, false, "binary 0123456789\n");
    w->len = 6; /* its head alone */
    check(w, 9, false, "failed 1009\n");
    w = fresh();
    FRAME(w, 0x02, "01234");
    FRAME(w, 0x00, "56789");
    FRAME(w, 0x80, "x");
    check(w, 10, false, "failed 1009\n");
}

static void a_length_that_would_wrap_is_refused(void) {
    struct wire *w = fresh();
    FRAME(w, 0x02, "01234");
    memcpy(w->bytes + w->len, "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14);
    w->len += 14;
    check(w, 100, false, "failed 1009\n");
}

static void a_long_message_comes_whole(void) {
    static char payload[70000];
    static struct log log;
    memset(payload, 'x', sizeof(payload));
    struct wire *w = fresh();
    put_frame(w, 0x81, payload, sizeof(payload));
    put_frame(w, 0x01, payload, 30000);
    put_frame(w, 0x80, payload, 40000);
    static const size_t steps[] = {1, 1000, 4096, 65536, 200000};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        run(w, 0, steps[i], 70000, false, &log);
        CHECK_SLICE(vel_slice(log.text, log.len), "text of 70000\ntext of 70000\n");
    }
}

static void a_whole_message_is_a_slice_of_the_input(void) {
    struct vel_ws_receiver r;
    struct vel_slice data;
    size_t used;
    struct wire *w = fresh();
    FRAME(w, 0x81, "in place");
    vel_ws_receiver_init(&r, 100, NULL, NULL);
    fail_malloc_at(1);
    CHECK_INT(vel_ws_receive(&r, w->bytes, w->len, &used, &data), VEL_WS_TEXT_MESSAGE);
    CHECK(!fail_malloc_hit());
    fail_malloc_at(0);
    CHECK(data.at == w->bytes + 6 && used == w->len);
}

/* RFC 7692 6.1, 7.2.3.1: RSV1 on the first frame only, fragments anywhere. */
static void compressed_messages_are_expanded(void) {
    struct wire *w = fresh();
    FRAME(w, 0xC1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
    FRAME(w, 0x41, "\xf2\x48\xcd");
    FRAME(w, 0x89, "p");
    FRAME(w, 0x80, "\xc9\xc9\x07\x00");
    FRAME(w, 0x81, "plain");
    check(w, 100, true, "text Hello\nping p\ntext Hello\ntext plain\n");
}

static void compressed_messages_are_held_to_the_rules(void) {
    struct wire *w = fresh();
    FRAME(w, 0xC1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
    check(w, 100, false, "failed 1002\n");
    w = fresh();
    FRAME(w, 0x41, "\xf2\x48");
    FRAME(w, 0xC0, "\xcd");
    check(w, 100, true, "failed 1002\n");
    w = fresh();
    FRAME(w, 0xC1, "\x07");
    check(w, 100, true, "failed 1007\n");
    w = fresh();
    FRAME(w, 0xC1, "\x00\x01\x00\xfe\xff\xff\x00"); /* a stored block with 0xFF in it */
    check(w, 100, true, "failed 1007\n");
    FRAME(w, 0x82, "x");
    check(w, 100, true, "failed 1007\n");
}

static void expanded_messages_are_limited_too(void) {
    struct wire *w = fresh();
    struct vel_ws_deflater d = {.bits = 15, .memory = 8, .level = 9};
    struct vel_buf packed = {0};
    static char zeros[100000];
    CHECK_INT(vel_ws_deflate(&d, vel_slice(zeros, sizeof(zeros)), &packed), VEL_OK);
    put_frame(w, 0xC2, packed.data, packed.len);
    check(w, 99999, true, "failed 1009\n");
    check(w, 100000, true, "binary of 100000\n");
    vel_buf_free(&packed);
    vel_ws_deflater_free(&d);
}

static void a_flood_of_fragments_ends(void) {
    struct vel_ws_receiver r;
    struct vel_slice data;
    size_t used;
    enum vel_ws_event event = VEL_WS_MORE;
    vel_ws_receiver_init(&r, 100, NULL, NULL);
    uint32_t n = 0;
    for (; event == VEL_WS_MORE && n < VEL_WS_FRAGMENTS_MAX + 2; n++) {
        char frame[6] = {n == 0 ? 0x01 : 0x00, (char)0x80, 1, 2, 3, 4};
        event = vel_ws_receive(&r, frame, sizeof(frame), &used, &data);
    }
    CHECK_INT(event, VEL_WS_FAILED);
    CHECK_INT(n, VEL_WS_FRAGMENTS_MAX + 1);
}

static void every_allocation_may_fail(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_ws_inflater inflater = {.bits = 15};
        struct vel_buf scratch = {0};
        struct vel_ws_receiver r;
        struct vel_slice data;
        size_t used = 0, at = 0;
        struct wire *w = fresh();
        FRAME(w, 0x41, "\xf2\x48\xcd");
        FRAME(w, 0x80, "\xc9\xc9\x07\x00");
        vel_ws_receiver_init(&r, 100, &inflater, &scratch);
        enum vel_ws_event event = vel_ws_receive(&r, w->bytes + at, w->len - at, &used, &data);
        CHECK_INT(event, fail_malloc_hit() ? VEL_WS_FAILED : VEL_WS_TEXT_MESSAGE);
        CHECK(event != VEL_WS_FAILED || r.code == VEL_WS_INTERNAL_ERROR);
        vel_ws_receiver_free(&r);
        vel_ws_inflater_free(&inflater);
        vel_buf_free(&scratch);
    }
}

int main(void) {
    RUN(single_frames_are_messages);
    RUN(fragments_are_put_together);
    RUN(control_frames_may_come_between_fragments);
    RUN(nothing_is_told_after_a_close);
    RUN(close_frames_are_checked);
    RUN(order_of_fragments_is_kept);
    RUN(text_is_utf8_as_a_whole);
    RUN(bad_text_is_refused_before_its_end);
    RUN(messages_over_the_limit_are_refused_by_their_heads);
    RUN(a_length_that_would_wrap_is_refused);
    RUN(a_long_message_comes_whole);
    RUN(a_whole_message_is_a_slice_of_the_input);
    RUN(compressed_messages_are_expanded);
    RUN(compressed_messages_are_held_to_the_rules);
    RUN(expanded_messages_are_limited_too);
    RUN(a_flood_of_fragments_ends);
    RUN(every_allocation_may_fail);
    return 0;
}

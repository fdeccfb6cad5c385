/* Tests of src/ws/deflate.c: there and back, shared streams, bombs, and memory that fails. */
#include "ws/deflate.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/test.h"

static const struct vel_ws_deflater deflater_default = {.bits = 12, .memory = 5, .level = 6};
static const struct vel_ws_inflater inflater_default = {.bits = 15};

static struct vel_slice content(const struct vel_buf *buf) {
    return vel_slice(buf->data, buf->len);
}

/* Sends a message through both and compares. Returns its size on the wire. */
static size_t round_trip(struct vel_ws_deflater *d, struct vel_ws_inflater *i, struct vel_slice message) {
    struct vel_buf wire = {0}, back = {0};
    CHECK_INT(vel_ws_deflate(d, message, &wire), VEL_OK);
    CHECK(wire.len > 0);
    CHECK_INT(vel_ws_inflate(i, content(&wire), message.len, &back), VEL_OK);
    CHECK(vel_slice_eq(content(&back), message));
    size_t size = wire.len;
    vel_buf_free(&wire);
    vel_buf_free(&back);
    return size;
}

static void messages_come_back_as_they_were(void) {
    struct vel_ws_deflater d = deflater_default;
    struct vel_ws_inflater i = inflater_default;
    char noise[70000];
    uint32_t seed = 1;
    for (size_t at = 0; at < sizeof(noise); at++)
        noise[at] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
    round_trip(&d, &i, VEL_SLICE("hello"));
    round_trip(&d, &i, VEL_SLICE(""));
    round_trip(&d, &i, VEL_SLICE(""));
    for (size_t len = 1; len <= sizeof(noise); len = len * 2 + 1)
        round_trip(&d, &i, vel_slice(noise, len));
    vel_ws_deflater_free(&d);
    vel_ws_inflater_free(&i);
}

/* RFC 7692 7.2.3.2: "Hello" twice, with the context kept and without. */
static void the_examples_of_the_standard_come_out(void) {
    struct vel_ws_inflater i = inflater_default;
    struct vel_buf out = {0};
    CHECK_INT(vel_ws_inflate(&i, VEL_SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), 5, &out), VEL_OK);
    CHECK_SLICE(content(&out), "Hello");
    CHECK_INT(vel_ws_inflate(&i, VEL_SLICE("\xf2\x00\x11\x00\x00"), 5, &out), VEL_OK);
    CHECK_SLICE(content(&out), "HelloHello");
    out.len = 0;
    /* 7.2.3.3: a block that is not compressed. */
    CHECK_INT(vel_ws_inflate(&i, VEL_SLICE("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), 5, &out), VEL_OK);
    CHECK_SLICE(content(&out), "Hello");
    out.len = 0;
    /* 7.2.3.4: a final block. */
    CHECK_INT(vel_ws_inflate(&i, VEL_SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 5, &out), VEL_OK);
    CHECK_SLICE(content(&out), "Hello");
    out.len = 0;
    /* 7.2.3.5: two blocks in one message. */
    CHECK_INT(vel_ws_inflate(&i, VEL_SLICE("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 5, &out), VEL_OK);
    CHECK_SLICE(content(&out), "Hello");
    vel_buf_free(&out);
    vel_ws_inflater_free(&i);
}

static void context_makes_the_second_message_shorter(void) {
    struct vel_ws_deflater d = deflater_default;
    struct vel_ws_inflater i = inflater_default;
    struct vel_slice message = VEL_SLICE("a message that says the same as the one before it did");
    size_t first = round_trip(&d, &i, message), second = round_trip(&d, &i, message);
    CHECK(second < first / 2);
    vel_ws_deflater_free(&d);
    vel_ws_inflater_free(&i);
}

static void streams_that_reset_can_be_shared(void) {
    struct vel_ws_deflater d = deflater_default;
    struct vel_ws_inflater one = inflater_default, other = inflater_default;
    d.resets = one.resets = other.resets = true;
    struct vel_slice message = VEL_SLICE("the same for everybody, the same for everybody");
    size_t first = round_trip(&d, &one, message);
    CHECK_INT(round_trip(&d, &other, message), first);
    CHECK_INT(round_trip(&d, &one, message), first);
    vel_ws_deflater_free(&d);
    vel_ws_inflater_free(&one);
    vel_ws_inflater_free(&other);
}

/* A thousand to one: what is expanded stays within the limit, whatever the peer announced. */
static void a_bomb_is_stopped_at_the_limit(void) {
    struct vel_ws_deflater d = deflater_default;
    struct vel_ws_inflater i = inflater_default;
    struct vel_buf wire = {0}, out = {0};
    size_t size = 10 << 20;
    char *zeros = calloc(1, size);
    CHECK(zeros != NULL);
    CHECK_INT(vel_ws_deflate(&d, vel_slice(zeros, size), &wire), VEL_OK);
    CHECK(wire.len < size / 900);
    CHECK_INT(vel_ws_inflate(&i, content(&wire), 100000, &out), VEL_ELIMIT);
    CHECK_INT(out.len, 100001);
    CHECK(out.cap <= 1 << 18);
    free(zeros);
    vel_buf_free(&wire);
    vel_buf_free(&out);
    vel_ws_deflater_free(&d);
    vel_ws_inflater_free(&i);
}

static void a_message_of_exactly_the_limit_is_taken(void) {
    for (size_t len = 1; len < 3000; len += 7) {
        struct vel_ws_deflater d = deflater_default;
        struct vel_ws_inflater i = inflater_default;
        struct vel_buf wire = {0}, out = {0};
        char text[3000];
        memset(text, 'x', len);
        CHECK_INT(vel_ws_deflate(&d, vel_slice(text, len), &wire), VEL_OK);
        CHECK_INT(vel_ws_inflate(&i, content(&wire), len, &out), VEL_OK);
        CHECK_INT(out.len, len);
        vel_ws_inflater_free(&i);
        out.len = 0;
        CHECK_INT(vel_ws_inflate(&i, content(&wire), len - 1, &out), VEL_ELIMIT);
        vel_buf_free(&wire);
        vel_buf_free(&out);
        vel_ws_deflater_free(&d);
        vel_ws_inflater_free(&i);
    }
}

static void what_is_no_deflate_stream_is_told(void) {
    static const struct vel_slice rows[] = {
        {"\x07", 1},                 /* a reserved block type */
        {"\x00\x01\x00\x00\x00", 5}, /* a stored block whose lengths disagree */
        {"\xff\xff\xff\xff", 4},
    };
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct vel_ws_inflater i = inflater_default;
        struct vel_buf out = {0};
        CHECK_INT(vel_ws_inflate(&i, rows[row], 1000, &out), VEL_EINVAL);
        vel_buf_free(&out);
        vel_ws_inflater_free(&i);
    }
}

static void every_allocation_may_fail(void) {
    struct vel_slice message = VEL_SLICE("text to be compressed, and not short enough for nothing");
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_ws_deflater d = deflater_default;
        struct vel_ws_inflater i = inflater_default;
        struct vel_buf wire = {0}, back = {0};
        int err = vel_ws_deflate(&d, message, &wire);
        if (err == VEL_OK)
            err = vel_ws_inflate(&i, content(&wire), 1000, &back);
        CHECK_INT(err, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
        vel_buf_free(&wire);
        vel_buf_free(&back);
        vel_ws_deflater_free(&d);
        vel_ws_inflater_free(&i);
    }
}

int main(void) {
    RUN(messages_come_back_as_they_were);
    RUN(the_examples_of_the_standard_come_out);
    RUN(context_makes_the_second_message_shorter);
    RUN(streams_that_reset_can_be_shared);
    RUN(a_bomb_is_stopped_at_the_limit);
    RUN(a_message_of_exactly_the_limit_is_taken);
    RUN(what_is_no_deflate_stream_is_told);
    RUN(every_allocation_may_fail);
    return 0;
}

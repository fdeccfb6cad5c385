/* Tests of src/base/buf.c. */
#include "base/buf.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/test.h"

#include <stdint.h>

static struct vel_slice content(const struct vel_buf *buf) {
    return vel_slice(buf->data, buf->len);
}

static void appended_bytes_come_in_order(void) {
    struct vel_buf buf = {0};
    CHECK_INT(vel_buf_append(&buf, "hello", 5), VEL_OK);
    CHECK_INT(vel_buf_append(&buf, " world", 6), VEL_OK);
    CHECK_SLICE(content(&buf), "hello world");
    vel_buf_free(&buf);
}

static void appending_nothing_needs_no_memory(void) {
    struct vel_buf buf = {0};
    fail_malloc_at(1);
    CHECK_INT(vel_buf_append(&buf, NULL, 0), VEL_OK);
    CHECK(!fail_malloc_hit() && buf.data == NULL);
    fail_malloc_at(0);
}

static void growing_keeps_every_byte(void) {
    struct vel_buf buf = {0};
    for (size_t i = 0; i < 100000; i++)
        CHECK_INT(vel_buf_append(&buf, &(char){(char)(i * 7)}, 1), VEL_OK);
    CHECK_INT(buf.len, 100000);
    for (size_t i = 0; i < buf.len; i++)
        CHECK(buf.data[i] == (char)(i * 7));
    vel_buf_free(&buf);
}

static void growth_is_by_doubling(void) {
    struct vel_buf buf = {0};
    unsigned moves = 0;
    for (size_t i = 0, cap = 0; i < 1 << 20; i++) {
        CHECK_INT(vel_buf_append(&buf, "x", 1), VEL_OK);
        moves += buf.cap != cap;
        cap = buf.cap;
    }
    CHECK(moves <= 20);
    vel_buf_free(&buf);
}

static void reserved_room_is_behind_the_content(void) {
    struct vel_buf buf = {0};
    vel_buf_append(&buf, "ab", 2);
    char *room = vel_buf_reserve(&buf, 5000);
    CHECK(room == buf.data + 2);
    memset(room, 'x', 5000);
    CHECK_INT(buf.len, 2);
    CHECK(buf.cap >= 5002);
    vel_buf_free(&buf);
}

static void reserving_nothing_gives_a_place_too(void) {
    struct vel_buf buf = {0};
    CHECK(vel_buf_reserve(&buf, 0) != NULL);
    vel_buf_free(&buf);
}

static void size_that_would_wrap_is_refused(void) {
    struct vel_buf buf = {0};
    vel_buf_append(&buf, "abc", 3);
    for (size_t below = 0; below < 3; below++)
        CHECK(vel_buf_reserve(&buf, SIZE_MAX - below) == NULL);
    CHECK_SLICE(content(&buf), "abc");
    vel_buf_free(&buf);
}

static void consuming_moves_the_rest_down(void) {
    struct vel_buf buf = {0};
    vel_buf_append(&buf, "hello world", 11);
    vel_buf_consume(&buf, 0);
    CHECK_SLICE(content(&buf), "hello world");
    vel_buf_consume(&buf, 6);
    CHECK_SLICE(content(&buf), "world");
    vel_buf_consume(&buf, 5);
    CHECK_INT(buf.len, 0);
    vel_buf_append(&buf, "again", 5);
    CHECK_SLICE(content(&buf), "again");
    vel_buf_free(&buf);
}

static void consuming_nothing_from_an_empty_buffer_is_allowed(void) {
    struct vel_buf buf = {0};
    vel_buf_consume(&buf, 0);
    CHECK_INT(buf.len, 0);
}

static void each_failing_allocation_changes_nothing(void) {
    unsigned long n;
    for (n = 1; fail_malloc_next(n); n++) {
        struct vel_buf buf = {0};
        for (size_t i = 0; i < 3000; i++) {
            struct vel_buf before = buf;
            int result = vel_buf_append(&buf, "x", 1);
            if (result == VEL_OK)
                continue;
            CHECK_INT(result, VEL_ENOMEM);
            CHECK(buf.data == before.data && buf.len == before.len && buf.cap == before.cap);
            CHECK_INT(vel_buf_append(&buf, "x", 1), VEL_OK);
        }
        CHECK_INT(buf.len, 3000);
        vel_buf_free(&buf);
    }
    CHECK(n > 3);
}

static void freed_buffer_can_be_used_again(void) {
    struct vel_buf buf = {0};
    vel_buf_append(&buf, "abc", 3);
    vel_buf_free(&buf);
    CHECK(buf.data == NULL && buf.len == 0 && buf.cap == 0);
    vel_buf_append(&buf, "def", 3);
    CHECK_SLICE(content(&buf), "def");
    vel_buf_free(&buf);
    vel_buf_free(&buf);
}

int main(void) {
    RUN(appended_bytes_come_in_order);
    RUN(appending_nothing_needs_no_memory);
    RUN(growing_keeps_every_byte);
    RUN(growth_is_by_doubling);
    RUN(reserved_room_is_behind_the_content);
    RUN(reserving_nothing_gives_a_place_too);
    RUN(size_that_would_wrap_is_refused);
    RUN(consuming_moves_the_rest_down);
    RUN(consuming_nothing_from_an_empty_buffer_is_allowed);
    RUN(each_failing_allocation_changes_nothing);
    RUN(freed_buffer_can_be_used_again);
}

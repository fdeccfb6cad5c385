/* Tests of src/base/arena.c. */
#include "base/arena.h"

#include "support/failmalloc.h"
#include "support/test.h"

#include <stdint.h>

static void every_allocation_is_aligned_and_apart(void) {
    struct vel_arena arena = {0};
    char *before = NULL;
    size_t before_size = 0;
    for (size_t size = 0; size < 3000; size++) {
        char *p = vel_arena_alloc(&arena, size);
        CHECK(p != NULL);
        CHECK((uintptr_t)p % 16 == 0);
        CHECK(p != before);
        memset(p, (int)(size & 0xFF), size);
        /* The one before still has its own bytes. */
        for (size_t i = 0; i < before_size; i++)
            CHECK((unsigned char)before[i] == ((size - 1) & 0xFF));
        before = p;
        before_size = size;
    }
    vel_arena_free(&arena);
}

static void large_allocation_does_not_end_the_block_in_use(void) {
    struct vel_arena arena = {0};
    char *first = vel_arena_alloc(&arena, 16);
    char *large = vel_arena_alloc(&arena, 1 << 20);
    CHECK(large != NULL);
    memset(large, 1, 1 << 20);
    CHECK(vel_arena_alloc(&arena, 16) == first + 16);
    vel_arena_free(&arena);
}

static void large_allocation_may_come_first(void) {
    struct vel_arena arena = {0};
    char *large = vel_arena_alloc(&arena, 100000);
    memset(large, 1, 100000);
    char *small = vel_arena_alloc(&arena, 8);
    memset(small, 2, 8);
    CHECK(large[99999] == 1);
    vel_arena_free(&arena);
}

static void size_that_would_wrap_is_refused(void) {
    struct vel_arena arena = {0};
    for (size_t below = 0; below < 64; below++)
        CHECK(vel_arena_alloc(&arena, SIZE_MAX - below) == NULL);
    vel_arena_free(&arena);
}

static void copy_has_bytes_of_its_own(void) {
    struct vel_arena arena = {0};
    char text[] = "hello";
    struct vel_slice copy = vel_arena_copy(&arena, vel_slice(text, 5));
    text[0] = 'j';
    CHECK_SLICE(copy, "hello");
    vel_arena_free(&arena);
}

static void copy_of_an_empty_slice_is_empty_and_no_failure(void) {
    struct vel_arena arena = {0};
    struct vel_slice copy = vel_arena_copy(&arena, (struct vel_slice){0});
    CHECK_INT(copy.len, 0);
    CHECK(copy.at != NULL);
    vel_arena_free(&arena);
}

static void freed_arena_can_be_used_again(void) {
    struct vel_arena arena = {0};
    CHECK(vel_arena_alloc(&arena, 5000) != NULL);
    vel_arena_free(&arena);
    CHECK(arena.blocks == NULL && arena.left == 0);
    CHECK(vel_arena_alloc(&arena, 5) != NULL);
    vel_arena_free(&arena);
    vel_arena_free(&arena);
}

static void reset_arena_keeps_one_common_block(void) {
    struct vel_arena arena = {0};
    vel_arena_reset(&arena);
    CHECK(arena.blocks == NULL);
    CHECK(vel_arena_alloc(&arena, 100) != NULL);
    for (int i = 0; i < 100; i++)
        CHECK(vel_arena_alloc(&arena, 900) != NULL && vel_arena_alloc(&arena, 5000) != NULL);
    vel_arena_reset(&arena);
    fail_malloc_at(1); /* none is needed */
    char *again = vel_arena_alloc(&arena, 100);
    CHECK(again != NULL && !fail_malloc_hit());
    fail_malloc_at(0);
    memset(again, 1, 100);
    vel_arena_reset(&arena);
    CHECK(vel_arena_alloc(&arena, 100) == again);
    vel_arena_free(&arena);
}

static void reset_arena_keeps_no_large_block(void) {
    struct vel_arena arena = {0};
    CHECK(vel_arena_alloc(&arena, 5000) != NULL);
    vel_arena_reset(&arena);
    CHECK(arena.blocks == NULL && arena.left == 0);
}

/* Returns whether all of it could be had; the arena stays usable either way. */
static bool fill(struct vel_arena *arena) {
    bool all = true;
    for (size_t size = 1; size < 20000; size *= 3) {
        char *p = vel_arena_alloc(arena, size);
        if (p != NULL)
            memset(p, 1, size);
        all &= p != NULL;
    }
    return vel_arena_copy(arena, VEL_SLICE("text")).at != NULL && all;
}

static void each_failing_allocation_is_reported(void) {
    unsigned long n;
    for (n = 1; fail_malloc_next(n); n++) {
        struct vel_arena arena = {0};
        bool all = fill(&arena);
        CHECK(all == !fail_malloc_hit());
        vel_arena_free(&arena);
    }
    CHECK(n > 3);
}

static void arena_goes_on_after_a_failure(void) {
    struct vel_arena arena = {0};
    fail_malloc_at(1);
    CHECK(vel_arena_alloc(&arena, 100) == NULL);
    CHECK(vel_arena_alloc(&arena, 100) != NULL);
    fail_malloc_at(1);
    CHECK(vel_arena_copy(&arena, vel_slice((char[5000]){0}, 5000)).at == NULL);
    CHECK(vel_arena_alloc(&arena, 100) != NULL);
    vel_arena_free(&arena);
}

int main(void) {
    RUN(every_allocation_is_aligned_and_apart);
    RUN(large_allocation_does_not_end_the_block_in_use);
    RUN(large_allocation_may_come_first);
    RUN(size_that_would_wrap_is_refused);
    RUN(copy_has_bytes_of_its_own);
    RUN(copy_of_an_empty_slice_is_empty_and_no_failure);
    RUN(freed_arena_can_be_used_again);
    RUN(reset_arena_keeps_one_common_block);
    RUN(reset_arena_keeps_no_large_block);
    RUN(each_failing_allocation_is_reported);
    RUN(arena_goes_on_after_a_failure);
}

/* Tests of src/base/mem.c. */
#include "base/mem.h"

#include "support/failmalloc.h"
#include "support/test.h"

#include <stdint.h>

static void zeroed_memory_is_zero(void) {
    unsigned char *p = vel_alloc_zero(1000);
    CHECK(p != NULL);
    for (size_t i = 0; i < 1000; i++)
        CHECK(p[i] == 0);
    vel_free(p);
}

static void array_product_that_wraps_is_refused(void) {
    volatile size_t n = SIZE_MAX / 2 + 2; /* n * 2 is 2 after the wrap */
    CHECK(vel_alloc_array(n, 2) == NULL);
    CHECK(vel_alloc_array(2, n) == NULL);
    CHECK(vel_alloc_array(n, n) == NULL);
}

static void array_has_room_for_all(void) {
    char *p = vel_alloc_array(10, 100);
    CHECK(p != NULL);
    memset(p, 1, 1000);
    vel_free(p);
}

static void realloc_keeps_the_bytes(void) {
    char *p = vel_alloc(5);
    memcpy(p, "hello", 5);
    p = vel_realloc(p, 100000);
    CHECK(memcmp(p, "hello", 5) == 0);
    vel_free(p);
}

static void realloc_of_nothing_allocates(void) {
    char *p = vel_realloc(NULL, 10);
    CHECK(p != NULL);
    vel_free(p);
}

static void realloc_to_zero_is_not_a_failure(void) {
    char *p = vel_realloc(vel_alloc(10), 0);
    CHECK(p != NULL);
    vel_free(p);
}

static void failed_realloc_leaves_the_old_block(void) {
    char *p = vel_alloc(5);
    memcpy(p, "hello", 5);
    fail_malloc_at(1);
    CHECK(vel_realloc(p, 1000) == NULL);
    CHECK(memcmp(p, "hello", 5) == 0);
    vel_free(p);
}

static void failure_of_each_function_is_null(void) {
    fail_malloc_at(1);
    CHECK(vel_alloc(1) == NULL);
    fail_malloc_at(1);
    CHECK(vel_alloc_zero(1) == NULL);
    fail_malloc_at(1);
    CHECK(vel_alloc_array(1, 1) == NULL);
}

static void null_can_be_freed(void) {
    vel_free(NULL);
}

int main(void) {
    RUN(zeroed_memory_is_zero);
    RUN(array_product_that_wraps_is_refused);
    RUN(array_has_room_for_all);
    RUN(realloc_keeps_the_bytes);
    RUN(realloc_of_nothing_allocates);
    RUN(realloc_to_zero_is_not_a_failure);
    RUN(failed_realloc_leaves_the_old_block);
    RUN(failure_of_each_function_is_null);
    RUN(null_can_be_freed);
}

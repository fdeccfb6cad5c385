/* Tests of src/base/heap.c. */
#include "base/heap.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/test.h"

#include <math.h>

static int numbers[5000];

static void *number(int i) {
    numbers[i] = i;
    return &numbers[i];
}

/* The same on every run; all that is needed is disorder. */
static unsigned mix(unsigned i) {
    return (i * 2654435761u) >> 7;
}

static void what_is_due_first_comes_first(void) {
    struct vel_heap heap = {0};
    CHECK(vel_heap_top(&heap) == NULL);
    for (int i = 0; i < 5000; i++)
        CHECK_INT(vel_heap_push(&heap, mix((unsigned)i) % 1000, number(i)), VEL_OK);
    double before = -1;
    for (int i = 0; i < 5000; i++) {
        double key = vel_heap_top(&heap)->key;
        CHECK(key >= before);
        int which = *(int *)vel_heap_pop(&heap);
        CHECK(mix((unsigned)which) % 1000 == key);
        before = key;
    }
    CHECK(vel_heap_top(&heap) == NULL);
    vel_heap_free(&heap);
}

static void equal_ones_come_in_the_order_they_were_pushed(void) {
    struct vel_heap heap = {0};
    for (int i = 0; i < 1000; i++)
        CHECK_INT(vel_heap_push(&heap, i % 3, number(i)), VEL_OK);
    int last[3] = {-1, -1, -1};
    for (int i = 0; i < 1000; i++) {
        int which = *(int *)vel_heap_pop(&heap);
        CHECK(which > last[which % 3]);
        last[which % 3] = which;
    }
    vel_heap_free(&heap);
}

static void pushes_and_pops_may_alternate(void) {
    struct vel_heap heap = {0};
    for (int i = 0; i < 100; i++)
        CHECK_INT(vel_heap_push(&heap, i, number(i)), VEL_OK);
    for (int i = 0; i < 1000; i++) {
        double key = vel_heap_top(&heap)->key;
        CHECK(key == i);
        void *what = vel_heap_pop(&heap);
        CHECK_INT(vel_heap_push(&heap, key + 100, what), VEL_OK);
    }
    CHECK_INT(heap.len, 100);
    vel_heap_free(&heap);
}

static void the_last_place_is_taken_off_at_once(void) {
    struct vel_heap heap = {0};
    CHECK(!vel_heap_drop_last(&heap, number(0)));
    CHECK_INT(vel_heap_push(&heap, 1, number(1)), VEL_OK);
    CHECK_INT(vel_heap_push(&heap, 2, number(2)), VEL_OK);
    CHECK(!vel_heap_drop_last(&heap, &numbers[1]));
    CHECK(vel_heap_drop_last(&heap, &numbers[2]));
    CHECK_INT(heap.len, 1);
    CHECK(vel_heap_pop(&heap) == &numbers[1]);
    vel_heap_free(&heap);
}

static bool is_even(void *what, void *arg) {
    ++*(int *)arg;
    return *(int *)what % 2 == 0;
}

static void a_filter_keeps_order(void) {
    for (int n = 0; n < 200; n++) {
        struct vel_heap heap = {0};
        int asked = 0;
        for (int i = 0; i < n; i++)
            CHECK_INT(vel_heap_push(&heap, mix((unsigned)i) % 10, number(i)), VEL_OK);
        vel_heap_filter(&heap, is_even, &asked);
        CHECK_INT(asked, n);
        CHECK_INT(heap.len, (n + 1) / 2);
        double before = -1;
        int last = -1;
        while (heap.len > 0) {
            double key = vel_heap_top(&heap)->key;
            int which = *(int *)vel_heap_pop(&heap);
            CHECK(which % 2 == 0);
            CHECK(key > before || (key == before && which > last));
            before = key;
            last = which;
        }
        vel_heap_free(&heap);
    }
}

static bool nothing(void *what, void *arg) {
    (void)what, (void)arg;
    return false;
}

static void a_filter_may_leave_nothing(void) {
    struct vel_heap heap = {0};
    vel_heap_filter(&heap, nothing, NULL);
    CHECK_INT(vel_heap_push(&heap, 1, number(1)), VEL_OK);
    vel_heap_filter(&heap, nothing, NULL);
    CHECK(vel_heap_top(&heap) == NULL);
    vel_heap_free(&heap);
}

static void infinite_keys_have_their_places(void) {
    struct vel_heap heap = {0};
    CHECK_INT(vel_heap_push(&heap, INFINITY, number(1)), VEL_OK);
    CHECK_INT(vel_heap_push(&heap, 1, number(2)), VEL_OK);
    CHECK_INT(vel_heap_push(&heap, -INFINITY, number(3)), VEL_OK);
    CHECK(vel_heap_pop(&heap) == &numbers[3]);
    CHECK(vel_heap_pop(&heap) == &numbers[2]);
    CHECK(vel_heap_pop(&heap) == &numbers[1]);
    vel_heap_free(&heap);
}

static void keys_that_are_no_numbers_do_no_harm(void) {
    struct vel_heap heap = {0};
    for (int i = 0; i < 100; i++)
        CHECK_INT(vel_heap_push(&heap, i % 2 ? NAN : i, number(i)), VEL_OK);
    for (int i = 0; i < 100; i++)
        CHECK(vel_heap_pop(&heap) != NULL);
    CHECK_INT(heap.len, 0);
    vel_heap_free(&heap);
}

static void without_memory_nothing_is_pushed(void) {
    struct vel_heap heap = {0};
    fail_malloc_at(1);
    CHECK_INT(vel_heap_push(&heap, 1, number(1)), VEL_ENOMEM);
    CHECK(vel_heap_top(&heap) == NULL);
    for (int i = 0; i < 64; i++)
        CHECK_INT(vel_heap_push(&heap, i, number(i)), VEL_OK);
    fail_malloc_at(1);
    CHECK_INT(vel_heap_push(&heap, -1, number(64)), VEL_ENOMEM);
    CHECK_INT(heap.len, 64);
    CHECK(vel_heap_pop(&heap) == &numbers[0]);
    vel_heap_free(&heap);
}

int main(void) {
    RUN(what_is_due_first_comes_first);
    RUN(equal_ones_come_in_the_order_they_were_pushed);
    RUN(pushes_and_pops_may_alternate);
    RUN(the_last_place_is_taken_off_at_once);
    RUN(a_filter_keeps_order);
    RUN(a_filter_may_leave_nothing);
    RUN(infinite_keys_have_their_places);
    RUN(keys_that_are_no_numbers_do_no_harm);
    RUN(without_memory_nothing_is_pushed);
    return 0;
}

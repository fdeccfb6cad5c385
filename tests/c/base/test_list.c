/* Tests of src/base/list.h. */
#include "base/list.h"

#include "support/test.h"

struct item {
    int number;
    struct vel_list link;
};

static struct item *item_of(struct vel_list *node) {
    return VEL_CONTAINER(node, struct item, link);
}

/* The numbers forward as one decimal number; the way back must show the same. */
static int numbers(struct vel_list *head) {
    int forward = 0, backward = 0, place = 1;
    for (struct vel_list *node = head->next; node != head; node = node->next)
        forward = forward * 10 + item_of(node)->number;
    for (struct vel_list *node = head->prev; node != head; node = node->prev, place *= 10)
        backward += place * item_of(node)->number;
    CHECK_INT(forward, backward);
    return forward;
}

static void new_list_is_empty(void) {
    struct vel_list head;
    vel_list_init(&head);
    CHECK(vel_list_empty(&head));
    CHECK_INT(numbers(&head), 0);
}

static void appended_items_stay_in_order(void) {
    struct vel_list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    vel_list_init(&head);
    for (int i = 0; i < 3; i++)
        vel_list_append(&head, &items[i].link);
    CHECK(!vel_list_empty(&head));
    CHECK_INT(numbers(&head), 123);
}

static void any_item_can_be_removed(void) {
    static const int left[] = {23, 13, 12};
    for (int gone = 0; gone < 3; gone++) {
        struct vel_list head;
        struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
        vel_list_init(&head);
        for (int i = 0; i < 3; i++)
            vel_list_append(&head, &items[i].link);
        vel_list_remove(&items[gone].link);
        CHECK_INT(numbers(&head), left[gone]);
        CHECK(vel_list_empty(&items[gone].link));
    }
}

static void removing_twice_does_no_harm(void) {
    struct vel_list head;
    struct item a = {.number = 1}, b = {.number = 2};
    vel_list_init(&head);
    vel_list_append(&head, &a.link);
    vel_list_append(&head, &b.link);
    vel_list_remove(&a.link);
    vel_list_remove(&a.link);
    CHECK_INT(numbers(&head), 2);
    vel_list_append(&head, &a.link);
    CHECK_INT(numbers(&head), 21);
}

static void removing_the_last_item_leaves_an_empty_list(void) {
    struct vel_list head;
    struct item a = {.number = 1};
    vel_list_init(&head);
    vel_list_append(&head, &a.link);
    vel_list_remove(&a.link);
    CHECK(vel_list_empty(&head));
}

int main(void) {
    RUN(new_list_is_empty);
    RUN(appended_items_stay_in_order);
    RUN(any_item_can_be_removed);
    RUN(removing_twice_does_no_harm);
    RUN(removing_the_last_item_leaves_an_empty_list);
}

/* A doubly linked ring through its members: no allocation, removal without knowing the list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct vel_list {
    struct vel_list *next, *prev; /* a head that is alone points at itself */
};

#define VEL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void vel_list_init(struct vel_list *head) {
    head->next = head->prev = head;
}

static inline bool vel_list_empty(const struct vel_list *head) {
    return head->next == head;
}

/* Before head, which is its end. node must be in no list. */
static inline void vel_list_append(struct vel_list *head, struct vel_list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Leaves node alone in a ring of its own, so that removing it twice does no harm. */
static inline void vel_list_remove(struct vel_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    vel_list_init(node);
}

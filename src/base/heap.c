/* A heap with four children a node: half as deep as with two, and the children of a node lie side by side. */
#include "base/heap.h"

#include "base/err.h"
#include "base/mem.h"

#define FIRST_CAP 64

static bool sooner(const struct vel_heap_item *a, const struct vel_heap_item *b) {
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

/* Moves the item at i, which may be too late for its parents' place, up to where it belongs. */
static void sift_up(struct vel_heap *heap, size_t i) {
    struct vel_heap_item item = heap->items[i];
    while (i > 0) {
        size_t parent = (i - 1) / 4;
        if (!sooner(&item, &heap->items[parent]))
            break;
        heap->items[i] = heap->items[parent];
        i = parent;
    }
    heap->items[i] = item;
}

static size_t soonest_child(const struct vel_heap *heap, size_t i) {
    size_t first = 4 * i + 1, end = first + 4 < heap->len ? first + 4 : heap->len;
    size_t best = first;
    for (size_t child = first + 1; child < end; child++)
        if (sooner(&heap->items[child], &heap->items[best]))
            best = child;
    return best;
}

static void sift_down(struct vel_heap *heap, size_t i) {
    struct vel_heap_item item = heap->items[i];
    while (4 * i + 1 < heap->len) {
        size_t child = soonest_child(heap, i);
        if (!sooner(&heap->items[child], &item))
            break;
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = item;
}

static bool grow(struct vel_heap *heap) {
    size_t cap = heap->cap > 0 ? heap->cap * 2 : FIRST_CAP;
    if (cap > SIZE_MAX / sizeof(*heap->items))
        return false;
    struct vel_heap_item *items = vel_realloc(heap->items, cap * sizeof(*items));
    if (items == NULL)
        return false;
    heap->items = items;
    heap->cap = cap;
    return true;
}

void vel_heap_free(struct vel_heap *heap) {
    vel_free(heap->items);
    *heap = (struct vel_heap){0};
}

int vel_heap_push(struct vel_heap *heap, double key, void *what) {
    if (heap->len == heap->cap && !grow(heap))
        return VEL_ENOMEM;
    heap->items[heap->len] = (struct vel_heap_item){.key = key, .order = heap->came++, .what = what};
    sift_up(heap, heap->len++);
    return VEL_OK;
}

void *vel_heap_pop(struct vel_heap *heap) {
    void *what = heap->items[0].what;
    heap->items[0] = heap->items[--heap->len];
    if (heap->len > 1)
        sift_down(heap, 0);
    return what;
}

bool vel_heap_drop_last(struct vel_heap *heap, const void *what) {
    if (heap->len == 0 || heap->items[heap->len - 1].what != what)
        return false;
    heap->len--;
    return true;
}

void vel_heap_filter(struct vel_heap *heap, bool (*keep)(void *what, void *arg), void *arg) {
    size_t kept = 0;
    for (size_t i = 0; i < heap->len; i++)
        if (keep(heap->items[i].what, arg))
            heap->items[kept++] = heap->items[i];
    heap->len = kept;
    for (size_t i = kept / 4 + 1; i-- > 0;)
        if (i < kept)
            sift_down(heap, i);
}

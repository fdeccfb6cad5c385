/* Allocation by the C library, with the corners that it leaves open closed. */
#include "base/mem.h"

#include <stdlib.h>

void *vel_alloc(size_t size) {
    return malloc(size);
}

void *vel_alloc_zero(size_t size) {
    return calloc(1, size);
}

void *vel_alloc_array(size_t n, size_t size) {
    size_t total;
    return __builtin_mul_overflow(n, size, &total) ? NULL : malloc(total);
}

void *vel_realloc(void *old, size_t size) {
    /* glibc frees the old block when size is 0, and returns NULL as if it had failed. */
    return realloc(old, size > 0 ? size : 1);
}

void vel_free(void *p) {
    free(p);
}

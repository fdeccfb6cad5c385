/* malloc and its kin, counted, and refused when asked. */
#include "support/failmalloc.h"

#include <errno.h>
#include <stddef.h>

static unsigned long until; /* 0: nothing is to fail */
static bool hit;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

void fail_malloc_at(unsigned long n) {
    until = n;
    hit = false;
}

bool fail_malloc_hit(void) {
    return hit;
}

bool fail_malloc_next(unsigned long n) {
    bool go_on = n == 1 || hit;
    fail_malloc_at(go_on ? n : 0);
    return go_on;
}

static bool refuse(void) {
    if (until == 0 || --until > 0)
        return false;
    hit = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) {
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return refuse() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size) {
    return refuse() ? NULL : __real_reallocarray(old, n, size);
}

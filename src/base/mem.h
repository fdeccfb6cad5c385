/* Allocation: malloc with checked arithmetic. Every caller has a path for NULL. */
#pragma once

#include <stddef.h>

/* Bytes that are not zeroed; NULL when there are none. size 0 gives NULL or a pointer to free. */
void *vel_alloc(size_t size);

/* Zeroed. */
void *vel_alloc_zero(size_t size);

/* n elements of size bytes; NULL also when the product would wrap. */
void *vel_alloc_array(size_t n, size_t size);

/* On NULL the old block is untouched and still the caller's. */
void *vel_realloc(void *old, size_t size);

/* NULL is allowed. */
void vel_free(void *p);

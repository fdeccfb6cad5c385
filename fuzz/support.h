/* What the fuzz targets share: exact copies, a place to cut, and a failure that is seen. */
#pragma once

#include "base/slice.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A copy with nothing behind it, so that a byte read too many is seen. */
static inline char *exact_copy(const void *at, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    MUST(copy != NULL);
    if (len > 0)
        memcpy(copy, at, len);
    return copy;
}

/* Where to cut, from 0 to size: every byte has a say, so the inputs themselves stay plain. */
static inline size_t cut_of(const uint8_t *data, size_t size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 16777619u;
    return hash % (size + 1);
}

static inline int same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

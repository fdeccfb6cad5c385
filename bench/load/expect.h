/* The bytes that a body must be made of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct expect {
    const char *at; /* NULL: any body will do */
    size_t size;
    bool repeats; /* the body is these bytes again and again */
};

/* Whether these bytes stand at this place. */
static inline bool expect_holds(const struct expect *expect, uint64_t offset, const char *data, size_t size) {
    if (expect->at == NULL)
        return true;
    for (; expect->repeats && size > 0; offset++, data++, size--)
        if (*data != expect->at[offset % expect->size])
            return false;
    if (expect->repeats)
        return true;
    return offset <= expect->size && size <= expect->size - offset && memcmp(expect->at + offset, data, size) == 0;
}

static inline bool expect_ends(const struct expect *expect, uint64_t size) {
    return expect->at == NULL || size == expect->size;
}

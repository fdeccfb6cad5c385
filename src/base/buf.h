/* A growing run of bytes with one owner. */
#pragma once

#include "base/slice.h"

struct vel_buf {
    char *data; /* owned; NULL until the first byte */
    size_t len;
    size_t cap;
};

/* All zero is an empty buffer. */
void vel_buf_free(struct vel_buf *buf);

/* Room for n more bytes behind len; returns where they go, or NULL with nothing changed.
 * The caller then adds what it wrote to len. Grows by doubling. */
char *vel_buf_reserve(struct vel_buf *buf, size_t n);

/* VEL_OK or VEL_ENOMEM. */
int vel_buf_append(struct vel_buf *buf, const char *at, size_t len);

/* Takes n bytes (at most len) off the front; the rest moves down. */
void vel_buf_consume(struct vel_buf *buf, size_t n);

/* The growing buffer. */
#include "base/buf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

#define FIRST_CAP 512

static bool grow(struct vel_buf *buf, size_t need) {
    size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *data = vel_realloc(buf->data, cap);
    if (data == NULL)
        return false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

void vel_buf_free(struct vel_buf *buf) {
    vel_free(buf->data);
    *buf = (struct vel_buf){0};
}

char *vel_buf_reserve(struct vel_buf *buf, size_t n) {
    if (buf->data == NULL || n > buf->cap - buf->len) {
        if (n > SIZE_MAX - buf->len || !grow(buf, buf->len + n))
            return NULL;
    }
    return buf->data + buf->len;
}

int vel_buf_append(struct vel_buf *buf, const char *at, size_t len) {
    if (len == 0)
        return VEL_OK;
    char *to = vel_buf_reserve(buf, len);
    if (to == NULL)
        return VEL_ENOMEM;
    memcpy(to, at, len);
    buf->len += len;
    return VEL_OK;
}

void vel_buf_consume(struct vel_buf *buf, size_t n) {
    buf->len -= n;
    if (buf->len > 0 && n > 0)
        memmove(buf->data, buf->data + n, buf->len);
}

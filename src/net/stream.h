/* A connection's byte stream: the table of ways to move bytes, so that TLS can stand where the socket stands. */
#pragma once

#include "net/sock.h"

struct vel_stream;

struct vel_stream_ops {
    ssize_t (*read)(struct vel_stream *s, char *at, size_t len);
    ssize_t (*write)(struct vel_stream *s, const char *at, size_t len, bool more);
    ssize_t (*writev)(struct vel_stream *s, struct iovec *iov, size_t n, bool more);
    ssize_t (*sendfile)(struct vel_stream *s, int file, int64_t offset, size_t len);
    /* Bytes already decrypted, which raise no readiness event. */
    size_t (*pending)(const struct vel_stream *s);
};

/* Results as in net/sock.h. A write that takes less than it is given says that the stream is full. */
struct vel_stream {
    const struct vel_stream_ops *ops;
    int fd;
};

extern const struct vel_stream_ops vel_stream_plain;

/* The plain stream: the socket itself. */
#include "net/stream.h"

static ssize_t plain_read(struct vel_stream *s, char *at, size_t len) {
    return vel_sock_read(s->fd, at, len);
}

static ssize_t plain_write(struct vel_stream *s, const char *at, size_t len, bool more) {
    return vel_sock_write(s->fd, at, len, more);
}

static ssize_t plain_writev(struct vel_stream *s, struct iovec *iov, size_t n, bool more) {
    return vel_sock_writev(s->fd, iov, n, more);
}

static ssize_t plain_sendfile(struct vel_stream *s, int file, int64_t offset, size_t len) {
    return vel_sock_sendfile(s->fd, file, offset, len);
}

static size_t plain_pending(const struct vel_stream *s) {
    (void)s;
    return 0;
}

const struct vel_stream_ops vel_stream_plain = {
    .read = plain_read,
    .write = plain_write,
    .writev = plain_writev,
    .sendfile = plain_sendfile,
    .pending = plain_pending,
};

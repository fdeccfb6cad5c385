/* Waking a waiting loop by a byte in a pipe: not an eventfd, since Python's signal handler writes single bytes. */
#include "net/wake.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void drain(int fd) {
    char bytes[256];
    ssize_t n;
    do {
        n = read(fd, bytes, sizeof bytes);
    } while (n == (ssize_t)sizeof bytes || (n < 0 && errno == EINTR));
}

/* Drained before the call: a wake-up that comes during fn makes another turn. */
static void on_wake(struct vel_watch *w, unsigned io) {
    struct vel_wake *wake = VEL_CONTAINER(w, struct vel_wake, watch);
    (void)io;
    drain(w->fd);
    wake->fn(wake->arg);
}

int vel_wake_init(struct vel_wake *wake, struct vel_loop *loop, void (*fn)(void *arg), void *arg) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return VEL_ESYS;
    *wake = (struct vel_wake){.watch = {.fn = on_wake, .fd = ends[0]}, .write_fd = ends[1], .fn = fn, .arg = arg};
    int rc = vel_loop_watch(loop, &wake->watch, VEL_READ);
    if (rc != VEL_OK)
        vel_wake_free(wake, loop);
    return rc;
}

void vel_wake_free(struct vel_wake *wake, struct vel_loop *loop) {
    int error = errno;
    vel_loop_unwatch(loop, &wake->watch);
    close(wake->watch.fd);
    close(wake->write_fd);
    wake->watch.fd = wake->write_fd = -1;
    errno = error;
}

/* A full pipe is as good as one byte more: the loop will wake. errno is the interrupted code's. */
void vel_wake_up(const struct vel_wake *wake) {
    int error = errno;
    while (write(wake->write_fd, "", 1) < 0 && errno == EINTR)
        ;
    errno = error;
}

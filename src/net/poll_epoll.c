/* The poller of Linux: epoll. */
#include "net/poll.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define MS_NS 1000000
#define SECOND_NS 1000000000

/* EPOLLRDHUP only where it is asked for: level-triggered, it would be told in every turn to a writer that waits for a
 * peer which has closed its side and still reads. EPOLLERR and EPOLLHUP are always told. */
static uint32_t events_of(unsigned io) {
    return (io & VEL_READ ? EPOLLIN : 0u) | (io & VEL_WRITE ? EPOLLOUT : 0u) | (io & VEL_HUP ? EPOLLRDHUP : 0u) |
           (io & VEL_EDGE ? EPOLLET : 0u);
}

static unsigned io_of(uint32_t events) {
    return (events & EPOLLIN ? VEL_READ : 0u) | (events & EPOLLOUT ? VEL_WRITE : 0u) |
           (events & EPOLLRDHUP ? VEL_HUP : 0u) | (events & (EPOLLERR | EPOLLHUP) ? VEL_ERROR : 0u);
}

int vel_poll_init(struct vel_poll *poll) {
    *poll = (struct vel_poll){.fd = -1};
    poll->events = vel_alloc_array(VEL_POLL_BATCH, sizeof(struct epoll_event));
    if (!poll->events)
        return VEL_ENOMEM;
    poll->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll->fd >= 0)
        return VEL_OK;
    int error = errno;
    vel_poll_free(poll);
    errno = error;
    return error == ENOMEM ? VEL_ENOMEM : VEL_ESYS;
}

void vel_poll_free(struct vel_poll *poll) {
    if (poll->fd >= 0)
        close(poll->fd);
    vel_free(poll->events);
    *poll = (struct vel_poll){.fd = -1};
}

int vel_poll_set(struct vel_poll *poll, struct vel_watch *w, unsigned io, bool known) {
    struct epoll_event event = {.events = events_of(io), .data.ptr = w};
    if (epoll_ctl(poll->fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &event) == 0)
        return VEL_OK;
    return errno == ENOMEM ? VEL_ENOMEM : VEL_ESYS;
}

void vel_poll_remove(struct vel_poll *poll, struct vel_watch *w) {
    struct epoll_event *events = poll->events;
    epoll_ctl(poll->fd, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = poll->at; i < poll->n; i++)
        if (events[i].data.ptr == w)
            events[i].data.ptr = NULL;
}

/* Rounded up: a wait that ends early would only be followed by another. */
static int wait_ms(struct vel_poll *poll, int64_t ns) {
    int64_t ms = ns <= 0 ? ns : (ns - 1) / MS_NS + 1;
    return epoll_wait(poll->fd, poll->events, VEL_POLL_BATCH, ms < 0 ? -1 : ms < INT_MAX ? (int)ms : INT_MAX);
}

/* Linux 5.11. An older kernel, or a filter in front of it, says so once. */
static int wait_ns(struct vel_poll *poll, int64_t ns) {
    struct timespec ts = {.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
    int n = epoll_pwait2(poll->fd, poll->events, VEL_POLL_BATCH, &ts, NULL);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM))
        return n;
    poll->coarse = true;
    return wait_ms(poll, ns);
}

int vel_poll_wait(struct vel_poll *poll, int64_t ns) {
    bool whole = ns <= 0 || ns % MS_NS == 0;
    int n = whole || poll->coarse ? wait_ms(poll, ns) : wait_ns(poll, ns);
    poll->at = 0;
    poll->n = n > 0 ? n : 0;
    return n >= 0 || errno == EINTR ? poll->n : VEL_ESYS;
}

void vel_poll_drop(struct vel_poll *poll) {
    poll->at = poll->n;
}

int vel_poll_forked(struct vel_poll *poll) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return VEL_ESYS;
    close(poll->fd);
    poll->fd = fd;
    vel_poll_drop(poll);
    return VEL_OK;
}

struct vel_watch *vel_poll_next(struct vel_poll *poll, unsigned *io) {
    const struct epoll_event *events = poll->events;
    while (poll->at < poll->n) {
        const struct epoll_event *event = &events[poll->at++];
        if (event->data.ptr) {
            *io = io_of(event->events);
            return event->data.ptr;
        }
    }
    return NULL;
}

/* The poller of Linux: level-triggered epoll. */
#include "net/poll.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* EPOLLRDHUP only where it is asked for: level-triggered, it would be told in every turn to a writer that waits for a
 * peer which has closed its side and still reads. EPOLLERR and EPOLLHUP are always told. */
static uint32_t events_of(unsigned io) {
    return (io & VEL_READ ? EPOLLIN : 0u) | (io & VEL_WRITE ? EPOLLOUT : 0u) | (io & VEL_HUP ? EPOLLRDHUP : 0u);
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

int vel_poll_wait(struct vel_poll *poll, int wait_ms) {
    int n = epoll_wait(poll->fd, poll->events, VEL_POLL_BATCH, wait_ms);
    poll->at = 0;
    poll->n = n > 0 ? n : 0;
    return n >= 0 || errno == EINTR ? poll->n : VEL_ESYS;
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

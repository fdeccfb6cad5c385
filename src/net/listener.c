/* Accepting: a bounded batch a turn, and a pause instead of a spin when descriptors run out. */
#include "net/listener.h"

#include "base/err.h"

static bool stopped(const struct vel_listener *l) {
    return l->watch.io == 0;
}

/* The queue keeps the socket readable, so waiting for readability would not wait at all. */
static void pause_accepting(struct vel_listener *l) {
    vel_loop_unwatch(l->loop, &l->watch);
    vel_timer_start(&l->pause, &l->pause_timers, l->loop->now);
}

static void on_pause_over(struct vel_timer *t) {
    struct vel_listener *l = VEL_CONTAINER(t, struct vel_listener, pause);
    if (vel_loop_watch(l->loop, &l->watch, VEL_READ) != VEL_OK)
        vel_timer_start(t, &l->pause_timers, l->loop->now);
}

static int accept_after_making_room(struct vel_listener *l, union vel_addr *peer) {
    bool freed = l->on_exhausted && l->on_exhausted(l);
    if (stopped(l))
        return VEL_EAGAIN;
    return freed ? vel_sock_accept(l->watch.fd, peer) : VEL_ELIMIT;
}

/* Linux refuses for want of a descriptor before it looks whether anybody waits: only the first accept of a turn, for
 * which epoll vouches, may cost an idle connection. The others leave the question to the next turn. */
static void on_readable(struct vel_watch *w, unsigned io) {
    struct vel_listener *l = VEL_CONTAINER(w, struct vel_listener, watch);
    (void)io;
    for (int i = 0; i < VEL_ACCEPT_BATCH; i++) {
        union vel_addr peer;
        int fd = vel_sock_accept(w->fd, &peer);
        if (fd == VEL_ELIMIT && i == 0)
            fd = accept_after_making_room(l, &peer);
        if (fd < 0) {
            if (fd != VEL_EAGAIN && i == 0)
                pause_accepting(l);
            return;
        }
        if (!l->on_accept(l, fd, &peer) || stopped(l))
            return;
    }
}

int vel_listener_init(struct vel_listener *l, struct vel_loop *loop, int fd) {
    l->watch = (struct vel_watch){.fn = on_readable, .fd = fd};
    l->loop = loop;
    vel_timer_init(&l->pause);
    vel_timers_init(&l->pause_timers, VEL_ACCEPT_PAUSE_MS, on_pause_over);
    int rc = vel_loop_watch(loop, &l->watch, VEL_READ);
    if (rc == VEL_OK)
        vel_loop_add_timers(loop, &l->pause_timers);
    return rc;
}

void vel_listener_stop(struct vel_listener *l) {
    vel_loop_unwatch(l->loop, &l->watch);
    vel_timer_stop(&l->pause);
    vel_loop_remove_timers(l->loop, &l->pause_timers);
}

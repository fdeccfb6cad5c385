/* Accepting: a bounded batch a turn, a pause instead of a spin when descriptors run out, an end that resets nobody. */
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

static int accept_one(struct vel_listener *l, union vel_addr *peer) {
    *peer = (union vel_addr){.any.sa_family = AF_UNIX};
    return vel_sock_accept(l->watch.fd, l->is_unix ? NULL : peer);
}

static int accept_after_making_room(struct vel_listener *l, union vel_addr *peer) {
    bool freed = l->on_exhausted && l->on_exhausted(l);
    if (stopped(l))
        return VEL_EAGAIN;
    return freed ? accept_one(l, peer) : VEL_ELIMIT;
}

static void leave(struct vel_listener *l) {
    vel_listener_stop(l);
    vel_sock_refuse(l->watch.fd);
    if (l->on_left != NULL)
        l->on_left(l);
}

static void nothing_accepted(struct vel_listener *l, int err, bool first) {
    if (l->last_call && err != VEL_ELIMIT)
        leave(l); /* it is empty; a Unix socket, shut down before, says so by EINVAL */
    else if (err != VEL_EAGAIN && first)
        pause_accepting(l);
}

/* Linux refuses for want of a descriptor before it looks whether anybody waits: only the first accept of a turn, for
 * which epoll vouches, may cost an idle connection. The others leave the question to the next turn. */
static void on_readable(struct vel_watch *w, unsigned io) {
    struct vel_listener *l = VEL_CONTAINER(w, struct vel_listener, watch);
    (void)io;
    for (int i = 0; i < VEL_ACCEPT_BATCH; i++) {
        union vel_addr peer;
        int fd = accept_one(l, &peer);
        if (fd == VEL_ELIMIT && i == 0)
            fd = accept_after_making_room(l, &peer);
        if (fd < 0) {
            nothing_accepted(l, fd, i == 0);
            return;
        }
        bool last = l->retiring > 0 && --l->retiring == 0;
        if (!l->on_accept(l, fd, &peer) || stopped(l))
            return;
        if (last) {
            leave(l);
            return;
        }
    }
}

/* A batch of a listener that retires. Another turn comes by the socket, if it has more; if not, nothing tells that it
 * is empty, so the timer asks. */
static void empty(struct vel_listener *l) {
    vel_timer_start(&l->pause, &l->pause_timers, l->loop->now);
    on_readable(&l->watch, VEL_READ);
}

static void on_pause_over(struct vel_timer *t) {
    struct vel_listener *l = VEL_CONTAINER(t, struct vel_listener, pause);
    if (vel_loop_watch(l->loop, &l->watch, VEL_READ) != VEL_OK)
        vel_timer_start(t, &l->pause_timers, l->loop->now);
    else if (l->retiring > 0) {
        l->last_call = true;
        empty(l);
    }
}

int vel_listener_init(struct vel_listener *l, struct vel_loop *loop, int fd) {
    l->watch = (struct vel_watch){.fn = on_readable, .fd = fd};
    l->loop = loop;
    l->retiring = 0;
    l->is_unix = vel_sock_is_unix(fd);
    l->last_call = false;
    vel_timer_init(&l->pause);
    vel_timers_init(&l->pause_timers, VEL_ACCEPT_PAUSE_MS, on_pause_over);
    int rc = vel_loop_watch(loop, &l->watch, VEL_READ);
    if (rc == VEL_OK)
        vel_loop_add_timers(loop, &l->pause_timers);
    return rc;
}

void vel_listener_stop(struct vel_listener *l) {
    l->retiring = 0;
    l->last_call = false;
    vel_loop_unwatch(l->loop, &l->watch);
    vel_timer_stop(&l->pause);
    vel_loop_remove_timers(l->loop, &l->pause_timers);
}

void vel_listener_retire(struct vel_listener *l) {
    if (stopped(l) && l->pause.in == NULL)
        return;
    l->retiring = VEL_RETIRE_MAX;
    l->pause_timers.ms = VEL_RETIRE_MS;
    l->last_call = l->is_unix;
    if (l->last_call)
        vel_sock_refuse(l->watch.fd); /* before it is emptied: nobody can come in between */
    else
        vel_sock_begin_no_more(l->watch.fd); /* if not, those that begin are accepted too */
    if (!stopped(l))
        empty(l);
}

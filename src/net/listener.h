/* A listening socket in a loop: accepts in bounded batches, pauses when descriptors run out. */
#pragma once

#include "net/loop.h"
#include "net/sock.h"

/* Connections taken from one listener in one turn, so that a flood of new ones does not starve the old. */
#define VEL_ACCEPT_BATCH 64

/* How long it stops listening when descriptors are used up; nginx takes 500 ms. */
#define VEL_ACCEPT_PAUSE_MS 100

/* More connections than any queue holds (net.core.somaxconn is 4096 unless somebody raised it): under a load that fills
 * the queue as fast as it is emptied, retiring ends here. */
#define VEL_RETIRE_MAX 65536

/* How long handshakes that are under way get to come to their end. Of 16 clients that connected without pause on the
 * loopback of a busy machine, with 0 ms six were reset by 40 stops, with 20 ms one by 50. */
#define VEL_RETIRE_MS 20

struct vel_listener {
    struct vel_watch watch;
    struct vel_loop *loop;
    struct vel_timers pause_timers; /* one timer of VEL_ACCEPT_PAUSE_MS */
    struct vel_timer pause;
    int retiring;   /* 0, or how many connections it may still take before its socket is shut down */
    bool is_unix;   /* its peers have no address worth asking for */
    bool last_call; /* it retires, and leaves as soon as nobody waits */
    /* Takes over fd. Returning false ends this batch. May stop the listener; must return false when it freed it. */
    bool (*on_accept)(struct vel_listener *l, int fd, const union vel_addr *peer);
    /* Descriptors are used up: the owner may close something idle, or stop the listener. Returns true when it closed
     * something. May be NULL. */
    bool (*on_exhausted)(struct vel_listener *l);
    /* It has retired: it is stopped, and its socket refuses. May be NULL. */
    void (*on_left)(struct vel_listener *l);
    void *owner;
};

/* fd must be a listening, non-blocking stream socket; it stays the caller's to close. Starts accepting. The
 * functions and owner are set by the caller, before or after. VEL_OK, VEL_ESYS or VEL_ENOMEM. */
int vel_listener_init(struct vel_listener *l, struct vel_loop *loop, int fd);

/* Stops accepting; connections in the kernel's queue stay there. Twice does no harm. */
void vel_listener_stop(struct vel_listener *l);

/* Nobody is to go on listening on this socket. Connections that the kernel has already made are still accepted, a batch
 * now and one in each turn to come, over TCP also those that are made within VEL_RETIRE_MS and had begun before; when
 * none is left the listener stops, and from then on the socket refuses connections, also for others who hold it. Does
 * nothing after vel_listener_stop. */
void vel_listener_retire(struct vel_listener *l);

static inline bool vel_listener_is_retiring(const struct vel_listener *l) {
    return l->retiring > 0;
}

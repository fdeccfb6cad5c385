/* A listening socket in a loop: accepts in bounded batches, pauses when descriptors run out. */
#pragma once

#include "net/loop.h"
#include "net/sock.h"

/* Connections taken from one listener in one turn, so that a flood of new ones does not starve the old. */
#define VEL_ACCEPT_BATCH 64

/* How long it stops listening when descriptors are used up; nginx takes 500 ms. */
#define VEL_ACCEPT_PAUSE_MS 100

struct vel_listener {
    struct vel_watch watch;
    struct vel_loop *loop;
    struct vel_timers pause_timers; /* one timer of VEL_ACCEPT_PAUSE_MS */
    struct vel_timer pause;
    /* Takes over fd. Returning false ends this batch. May stop the listener; must return false when it freed it. */
    bool (*on_accept)(struct vel_listener *l, int fd, const union vel_addr *peer);
    /* Descriptors are used up: the owner may close something idle, or stop the listener. Returns true when it closed
     * something. May be NULL. */
    bool (*on_exhausted)(struct vel_listener *l);
    void *owner;
};

/* fd must be a listening, non-blocking stream socket; it stays the caller's to close. Starts accepting. The two
 * functions and owner are set by the caller, before or after. VEL_OK, VEL_ESYS or VEL_ENOMEM. */
int vel_listener_init(struct vel_listener *l, struct vel_loop *loop, int fd);

/* Stops accepting; connections in the kernel's queue stay there. Twice does no harm. */
void vel_listener_stop(struct vel_listener *l);

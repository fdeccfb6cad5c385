/* Waking a loop that waits: from another thread, or from a signal handler. */
#pragma once

#include "net/loop.h"

struct vel_wake {
    struct vel_watch watch;
    int write_fd; /* a byte written here wakes the loop; non-blocking: what Python's signal.set_wakeup_fd asks for */
    void (*fn)(void *arg);
    void *arg;
};

/* fn is called in the loop's thread, once for any number of wake-ups. VEL_OK, VEL_ESYS, VEL_ENOMEM. */
int vel_wake_init(struct vel_wake *wake, struct vel_loop *loop, void (*fn)(void *arg), void *arg);

void vel_wake_free(struct vel_wake *wake, struct vel_loop *loop);

/* Safe in any thread and in a signal handler. */
void vel_wake_up(const struct vel_wake *wake);

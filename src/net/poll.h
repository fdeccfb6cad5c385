/* Asking the kernel which descriptors are ready: seven functions, one file a platform (poll_epoll.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vel_watch;

/* How many ready descriptors one wait fetches: enough for a full turn of 64 busy connections many times over, small
 * enough (12 KiB) to stay in the first-level cache. */
#define VEL_POLL_BATCH 1024

struct vel_poll {
    int fd;
    int at, n;    /* the batch being dealt out */
    void *events; /* owned; the platform's records */
    bool coarse;  /* the kernel waits in whole milliseconds only */
};

int vel_poll_init(struct vel_poll *poll);
void vel_poll_free(struct vel_poll *poll);

/* Registers w->fd, or changes it when known. VEL_OK, VEL_ENOMEM, VEL_ESYS. */
int vel_poll_set(struct vel_poll *poll, struct vel_watch *w, unsigned io, bool known);

/* Forgets w, in the kernel and in the rest of the present batch. */
void vel_poll_remove(struct vel_poll *poll, struct vel_watch *w);

/* Fetches a batch after at most wait_ns (below 0: however long it takes), or up to a millisecond more where the kernel
 * knows no less: the number of ready descriptors, 0 on a time-out or an interrupted wait, or VEL_ESYS. */
int vel_poll_wait(struct vel_poll *poll, int64_t wait_ns);

/* Leaves out the rest of the present batch; what is still so is told by the next wait. */
void vel_poll_drop(struct vel_poll *poll);

/* In a child of fork(2), which shares the parent's poller: that one is left alone, and an empty one takes its place.
 * VEL_OK; VEL_ESYS, and nothing has changed. */
int vel_poll_forked(struct vel_poll *poll);

/* The next of the batch with what happened in *io, or NULL at its end. Removed watches are left out. */
struct vel_watch *vel_poll_next(struct vel_poll *poll, unsigned *io);

/* Applications in the threads of a pool: each exchange of the loop has a twin there, which the application answers.
 *
 * In the loop struct vel_remote is an application like any other. In a thread a twin looks like any other exchange:
 * what is sent by it becomes pieces, which the loop sends on. The two share a few atomic numbers and nothing else.
 * An application in a thread
 *  - waits in vel_exchange_flush while much of what it sent is still here, unless others wait for the thread and the
 *    rest may go into a file; VEL_EAGAIN comes only to other threads that the application has started, which may send
 *    while it is being called, one at a time;
 *  - is told by VEL_ERESET there that the client has gone, never by on_abort;
 *  - finds a whole body in the exchange, unless x->received is false: then it reads by vel_remote_read;
 *  - has ended or aborted when on_request returns, or has asked for a turn, which comes at once. */
#pragma once

#include "server/app.h"
#include "server/pool.h"

/* Of a reply that is made bit by bit, so much may be made and not yet be with the kernel before the thread has to wait:
 * enough for one block to be made while another is sent, little enough for a thousand slow readers. */
#define VEL_REMOTE_WINDOW 65536

/* What a thread brings along. */
struct vel_remote_thread {
    struct vel_pool_thread base;       /* first: what its jobs are run with */
    struct vel_app *app;               /* of this thread alone */
    const struct vel_endpoint *places; /* as many as the worker has, by index, with this app's data */
};

struct vel_remote {
    struct vel_app app; /* what the worker is given */
    struct vel_pool *pool;
    size_t waiting_max; /* requests that wait for a thread; one more is answered by 503 */
    uint64_t refused;   /* how many were */
    /* The owner's to set. Bytes of a reply that may go into a file, when its client is slow and others wait for its
     * thread; 0: none, and they wait. */
    uint64_t spool_max;
};

/* pool must outlive it. streams: requests go out with their heads, and their bodies follow as they come; without it a
 * request goes out when it is complete, so that a slow sender holds no thread. */
void vel_remote_init(struct vel_remote *remote, struct vel_pool *pool, size_t waiting_max, bool streams);

/* Up to len bytes of a streamed body, as soon as there is one: how many, 0 at the end. VEL_ERESET: the client has gone,
 * or was too slow (x->slow). VEL_ENOMEM. VEL_EAGAIN to other threads than the pool's, as from a flush. */
long vel_remote_read(struct vel_exchange *x, char *at, size_t len);

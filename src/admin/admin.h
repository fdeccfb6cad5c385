/* The admin address: a worker of its own in a thread of its own, that answers when no application does. */
#pragma once

#include "admin/board.h"
#include "server/worker.h"

#include <pthread.h>

struct vel_admin {
    struct vel_app app; /* first */
    struct vel_worker worker;
    struct vel_board *board; /* stays the caller's */
    const char *version;     /* both must outlive it */
    struct vel_slice page;
    pthread_t thread;
    bool runs;
};

/* Listens on sockets, which stay the caller's, and whose slices must outlive it. VEL_OK, VEL_ENOMEM, VEL_ESYS. */
int vel_admin_init(struct vel_admin *admin, struct vel_board *board, const struct vel_socket *sockets, size_t n,
                   const char *version, struct vel_slice page);

/* Serves from now on, in a thread that no signal is given to. VEL_OK, VEL_ESYS (errno is set). */
int vel_admin_start(struct vel_admin *admin);

/* Stops if it runs, and frees everything. */
void vel_admin_free(struct vel_admin *admin);

/* In a child of fork(2), which has no such thread: descriptors are closed, and nothing else may be done with it. */
void vel_admin_forked(struct vel_admin *admin);

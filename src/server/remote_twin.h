/* What the two ends of a remote exchange have in common: the twin, and the pieces it makes. */
#pragma once

#include "server/remote.h"

#include <stdalign.h>

/* A usual reply, head and body, as pieces: it needs no allocation in the thread. */
#define VEL_TWIN_STORE 1024

enum vel_piece_kind {
    VEL_PIECE_HEAD,
    VEL_PIECE_INFORM,
    VEL_PIECE_DATA,
    VEL_PIECE_FILE,
    VEL_PIECE_END,
    VEL_PIECE_ABORT
};

enum vel_gone { VEL_GONE_NOT, VEL_GONE_RESET, VEL_GONE_SLOW };

struct vel_piece_body {
    const char *at; /* DATA: behind the piece, or lent */
    uint64_t size;
    int file; /* FILE */
    int64_t offset;
    struct vel_loan loan;
    struct vel_pool *pool; /* whose threads are to give the loan back; NULL: the loop may */
    struct vel_job job;    /* to do that */
};

/* One call of the application's, on its way to the loop. */
struct vel_piece {
    struct vel_post post; /* of the first of those that go together */
    struct vel_piece *next;
    struct vel_twin *of;
    enum vel_piece_kind kind;
    bool owned; /* an allocation of its own, not part of the twin */
    union {
        struct vel_reply_head head; /* HEAD, INFORM; END: the fields are trailers. Points behind the piece */
        struct vel_piece_body body;
    };
};

/* In the arena of the exchange that it stands for. */
struct vel_twin {
    struct vel_exchange own; /* what the application answers */
    struct vel_exchange *x;  /* the loop's */
    struct vel_remote *remote;
    struct vel_job job;
    union vel_addr peer;
    /* Shared. */
    _Atomic(struct vel_remote_thread *) thread; /* NULL until one has it */
    _Atomic int gone;                           /* enum vel_gone of the client; set by the loop */
    _Atomic uint64_t owed;                      /* body bytes posted that are not with the kernel */
    /* The thread's, until it has posted the end. */
    struct vel_piece *first, **last; /* made, and not posted */
    uint64_t made;                   /* body bytes in them */
    int64_t length;                  /* as announced; -1: it was not */
    bool bodiless;                   /* the reply has no body, whatever is sent */
    bool all;                        /* a flush is to wait until everything is with the kernel */
    char *at;                        /* free bytes of store */
    struct vel_piece end;            /* the last of all */
    /* The loop's. */
    struct vel_piece *arrived, **newest;
    uint64_t unsent; /* body bytes given to the connection and not taken off owed */
    bool over;       /* the end has arrived: the thread has let go */
    alignas(16) char store[VEL_TWIN_STORE];
};

static inline struct vel_twin *vel_twin_of(struct vel_exchange *own) {
    return VEL_CONTAINER(own, struct vel_twin, own);
}

/* --- the thread's end -------------------------------------------------------------------------------------------- */

/* The job of a twin. Without a thread it ends at once. */
vel_job_fn vel_twin_run;

/* --- the loop's end ---------------------------------------------------------------------------------------------- */

/* The post of the first of some pieces. */
vel_post_fn vel_twin_arrive;

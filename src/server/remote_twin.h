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
    bool counts;           /* in what the thread may have ahead of its client */
};

/* A file for a reply whose client is slow while others wait for the thread. */
struct vel_spool {
    _Atomic int users; /* the twin, and each piece; the last one closes it */
    int file;
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

/* A request body that is handed over as it comes. */
struct vel_twin_body {
    pthread_mutex_t lock; /* of all but post */
    struct vel_buf bytes; /* come; no more than the loop reads ahead */
    size_t at;            /* of them, what the thread has taken */
    size_t taken;         /* bytes the loop has not been told of */
    bool complete;        /* no more will come */
    bool short_of_memory; /* something is missing behind bytes */
    bool told;            /* the post is under way */
    bool waits;           /* the thread does, or is about to */
    bool wanted;          /* the thread has asked for more than there was */
    struct vel_post post;
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
    struct vel_spool *spool;         /* NULL: there was no need of one */
    bool spools;                     /* what is sent goes there */
    uint64_t spool_max;              /* bytes that may; 0: none, or no more since something failed */
    uint64_t spooled, packed;        /* bytes in it, and of them those that are in pieces */
    char *at;                        /* free bytes of store */
    struct vel_piece end;            /* the last of all */
    bool streams;                    /* body is in use; set by the loop before a thread has the twin */
    struct vel_twin_body body;
    /* The loop's. */
    struct vel_piece *arrived, **newest;
    uint64_t unsent; /* body bytes given to the connection and not taken off owed */
    bool over;       /* the end has arrived: the thread has let go */
    alignas(16) char store[VEL_TWIN_STORE];
};

static inline struct vel_twin *vel_twin_of(struct vel_exchange *own) {
    return VEL_CONTAINER(own, struct vel_twin, own);
}

static inline bool vel_twin_is_gone(struct vel_twin *t) {
    int gone = atomic_load(&t->gone);
    t->own.slow = gone == VEL_GONE_SLOW;
    return gone != VEL_GONE_NOT;
}

/* --- the thread's end -------------------------------------------------------------------------------------------- */

/* The job of a twin. Without a thread it ends at once. */
vel_job_fn vel_twin_run;

/* The reply is to go on without its client, into a file: t->spools says whether it does. By the pool's thread. */
void vel_twin_begin_spool(struct vel_twin *t);

/* Bytes of a reply that goes into a file. False: they are not there, and no more of it goes. */
bool vel_twin_spool(struct vel_twin *t, struct vel_slice data);

/* What is in the file and in no piece becomes one; what is sent from now on is to come behind it. VEL_OK or
 * VEL_ENOMEM. */
int vel_twin_pack_spool(struct vel_twin *t);

/* The same, when the reply is over. */
int vel_twin_end_spool(struct vel_twin *t);

/* A piece that is an allocation of its own, since it may outlive the twin. NULL when memory is short. */
struct vel_piece *vel_twin_lent_piece(struct vel_twin *t, enum vel_piece_kind kind, struct vel_loan loan);

/* --- the loop's end ---------------------------------------------------------------------------------------------- */

/* The post of the first of some pieces. */
vel_post_fn vel_twin_arrive;

/* Wakes the thread, if one has it. */
void vel_twin_wake(struct vel_twin *t);

/* --- a streamed body, from the loop ------------------------------------------------------------------------------ */

void vel_twin_open_body(struct vel_twin *t);
void vel_twin_add_data(struct vel_twin *t, struct vel_slice data);
void vel_twin_end_data(struct vel_twin *t);

/* Nothing more comes, and no thread has the twin. */
void vel_twin_collect(struct vel_twin *t);

/* Once nobody uses it any more. */
void vel_twin_close_body(struct vel_twin *t);

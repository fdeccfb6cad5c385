/* Threads beside a loop for work that may block: jobs go out in batches, what they have to tell comes back as posts. */
#pragma once

#include "base/list.h"
#include "base/park.h"
#include "server/inbox.h"

#include <pthread.h>

/* A thread that has taken a job this short a time ago is likely to come for the next one: nobody else is called. As
 * long as some tens of short calls of an application, and next to nothing for one that waits for others. */
#define VEL_POOL_PATIENCE_NS 100000

struct vel_job;
struct vel_pool_thread;
typedef void vel_job_fn(struct vel_job *job, struct vel_pool_thread *thread);

/* Lives in what the work is about; the thread's from the moment that run is called, which may free it. */
struct vel_job {
    struct vel_list node; /* alone once a thread has it */
    vel_job_fn *run;
};

/* One of the threads. Whoever makes them owns these; all zero but for the hooks, which give a lock (the interpreter's)
 * back while the thread sleeps and may be NULL, and arg. */
struct vel_pool_thread {
    void (*rest)(void *arg);
    void (*resume)(void *arg);
    void *arg;
    struct vel_park park;
    pthread_t self;                /* since vel_pool_work */
    unsigned unheard;              /* posts that the loop may not know of */
    struct vel_pool_thread *below; /* on the stack of idle ones */
    bool idle;                     /* on that stack */
    struct vel_list stalled;       /* among those who wait for their clients */
    _Atomic uint64_t turns;        /* jobs begun, and waits ended: who looks from outside sees it go on */
    _Atomic bool resting;          /* it waits, with its lock given back */
    uint64_t stalled_at;           /* since when, by vel_clock_ns */
    bool hurried;                  /* it has been woken because jobs wait */
};

struct vel_pool {
    struct vel_inbox inbox;
    struct vel_loop *loop;
    /* Under the lock. Nobody who holds it waits for anything. */
    pthread_mutex_t lock;
    pthread_cond_t left;          /* a thread has */
    struct vel_list jobs;         /* waiting for a thread */
    _Atomic size_t njobs;         /* read without the lock */
    struct vel_pool_thread *idle; /* the last to have worked is on top: its caches are warm */
    unsigned threads;             /* inside vel_pool_work */
    unsigned coming;              /* woken, and not here yet */
    struct vel_list stalled;      /* threads that wait for their clients, the oldest first */
    _Atomic bool stirred;         /* one began to while jobs waited: the loop is to look */
    struct vel_pool_thread *last; /* to have taken a job */
    uint64_t taken_at;            /* when it did, by vel_clock_ns */
    bool pressing;                /* those who work do not come back soon: who comes calls the next */
    _Atomic size_t taken;         /* jobs, since the start; read without the lock */
    bool closing;
    /* The loop's alone. */
    struct vel_list gathered; /* jobs of this turn */
    size_t ngathered;
    size_t added;        /* jobs, since the start */
    size_t seen;         /* taken, when it was last looked at */
    int64_t due;         /* how long until the next look, in ns; below 0: none is needed */
    uint64_t hurried_at; /* when a thread last was, by vel_clock_ns */
    size_t open;         /* of jobs with an end that a drain waits for: counted up and down by those who add them */
};

/* VEL_OK, VEL_ENOMEM, VEL_ESYS. */
int vel_pool_init(struct vel_pool *pool, struct vel_loop *loop);

/* No thread may be inside any more. Jobs that are left are run here (thread is NULL for them), and posts. */
void vel_pool_free(struct vel_pool *pool);

/* --- in the loop ------------------------------------------------------------------------------------------------- */

/* The job goes out with the others of this turn. */
void vel_pool_add(struct vel_pool *pool, struct vel_job *job);

/* Hands over what was added, and calls a thread if nobody is likely to come for it. */
void vel_pool_send(struct vel_pool *pool);

/* The same, and looks after jobs that still lie: once a turn. */
void vel_pool_look(struct vel_pool *pool);

/* Before a wait of so many nanoseconds (below 0: without end): how long it may be, since jobs lie that are to be looked
 * after, or posts are here. Right after the wait: vel_inbox_rise. */
int64_t vel_pool_wait(struct vel_pool *pool, int64_t ns);

/* Takes a job back that no thread has. False: one has. */
bool vel_pool_cancel(struct vel_pool *pool, struct vel_job *job);

/* Jobs that wait for a thread, those of this turn too. */
size_t vel_pool_waiting(const struct vel_pool *pool);

/* --- in the threads ---------------------------------------------------------------------------------------------- */

/* Runs jobs until the pool is closed and none is left. */
void vel_pool_work(struct vel_pool *pool, struct vel_pool_thread *thread);

/* From any thread: 0 while it has nothing to do or waits for a client, and another number whenever it has gone on. */
uint64_t vel_pool_sign(const struct vel_pool_thread *thread);

/* Whether the caller is this thread. */
bool vel_pool_is_self(const struct vel_pool_thread *thread);

/* In a job: sleeps until vel_pool_wake, or returns at once if that was called since. May also return for no reason. */
void vel_pool_sleep(struct vel_pool_thread *thread);

/* The same, when it is a client that is waited for. True: it has been a moment, and jobs wait that no other thread is
 * free for. */
bool vel_pool_stall(struct vel_pool *pool, struct vel_pool_thread *thread);

/* At the end of a job, for its last post: the loop is told at once, or with those of the jobs that follow, which are
 * few and at hand. */
void vel_pool_post(struct vel_pool *pool, struct vel_pool_thread *thread, struct vel_post *post);

/* --- from any thread --------------------------------------------------------------------------------------------- */

void vel_pool_wake(struct vel_pool_thread *thread);

/* Threads leave when they have nothing to do. */
void vel_pool_close(struct vel_pool *pool);

/* Waits at most ms until every thread has left; returns how many have not. */
unsigned vel_pool_join(struct vel_pool *pool, unsigned ms);

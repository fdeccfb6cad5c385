/* The pool: one queue, threads that take from it as long as there is something, and as few of them woken as will do. */
#include "server/pool.h"

#include "base/err.h"

#include <errno.h>
#include <time.h>

/* --- the queue, under the lock ----------------------------------------------------------------------------------- */

/* Moves all of from, which is not empty, behind to. */
static void splice(struct vel_list *to, struct vel_list *from) {
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    vel_list_init(from);
}

static void count_taken(struct vel_pool *pool) {
    size_t taken = atomic_load_explicit(&pool->taken, memory_order_relaxed);
    atomic_store_explicit(&pool->taken, taken + 1, memory_order_relaxed);
}

static struct vel_job *take(struct vel_pool *pool) {
    if (vel_list_empty(&pool->jobs))
        return NULL;
    struct vel_job *job = VEL_CONTAINER(pool->jobs.next, struct vel_job, node);
    vel_list_remove(&job->node);
    count_taken(pool);
    return job;
}

/* --- who works --------------------------------------------------------------------------------------------------- */

/* One at a time is on its way: mostly it finds that those who work have emptied the queue, and a thread that comes for
 * nothing costs more than the job. */
static struct vel_pool_thread *call_one(struct vel_pool *pool) {
    struct vel_pool_thread *thread = pool->idle;
    if (thread == NULL || pool->coming > 0 || vel_list_empty(&pool->jobs))
        return NULL;
    pool->idle = thread->below;
    thread->idle = false;
    pool->coming++;
    return thread;
}

static void unlock_and_call(struct vel_pool *pool) {
    struct vel_pool_thread *called = call_one(pool);
    pthread_mutex_unlock(&pool->lock);
    if (called != NULL)
        vel_park_wake(&called->park);
}

void vel_pool_sleep(struct vel_pool_thread *thread) {
    if (thread->rest != NULL)
        thread->rest(thread->arg);
    vel_park_sleep(&thread->park);
    if (thread->resume != NULL)
        thread->resume(thread->arg);
}

bool vel_pool_is_self(const struct vel_pool_thread *thread) {
    return pthread_equal(thread->self, pthread_self());
}

void vel_pool_wake(struct vel_pool_thread *thread) {
    vel_park_wake(&thread->park);
}

/* On the stack until somebody takes it off: a wake-up that was meant for an earlier job is slept over. */
static void wait_for_jobs(struct vel_pool *pool, struct vel_pool_thread *thread) {
    thread->below = pool->idle;
    thread->idle = true;
    pool->idle = thread;
    while (thread->idle) {
        pthread_mutex_unlock(&pool->lock);
        vel_pool_sleep(thread);
        pthread_mutex_lock(&pool->lock);
    }
    pool->coming--;
}

void vel_pool_work(struct vel_pool *pool, struct vel_pool_thread *thread) {
    thread->self = pthread_self();
    pthread_mutex_lock(&pool->lock);
    pool->threads++;
    for (;;) {
        struct vel_job *job = take(pool);
        if (job != NULL) {
            unlock_and_call(pool);
            job->run(job, thread);
            pthread_mutex_lock(&pool->lock);
        } else if (pool->closing) {
            break;
        } else {
            wait_for_jobs(pool, thread);
        }
    }
    pool->threads--;
    pthread_cond_signal(&pool->left);
    pthread_mutex_unlock(&pool->lock);
}

/* --- the loop's side --------------------------------------------------------------------------------------------- */

void vel_pool_add(struct vel_pool *pool, struct vel_job *job) {
    vel_list_append(&pool->gathered, &job->node);
    pool->added++;
}

void vel_pool_send(struct vel_pool *pool) {
    if (vel_list_empty(&pool->gathered))
        return;
    pthread_mutex_lock(&pool->lock);
    splice(&pool->jobs, &pool->gathered);
    unlock_and_call(pool);
}

bool vel_pool_cancel(struct vel_pool *pool, struct vel_job *job) {
    pthread_mutex_lock(&pool->lock);
    bool waits = !vel_list_empty(&job->node);
    if (waits) {
        vel_list_remove(&job->node);
        count_taken(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return waits;
}

size_t vel_pool_waiting(const struct vel_pool *pool) {
    return pool->added - atomic_load_explicit(&pool->taken, memory_order_relaxed);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void vel_pool_close(struct vel_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct vel_pool_thread *thread = pool->idle, *below;
    pool->closing = true;
    pool->idle = NULL;
    for (; thread != NULL; thread = below) {
        below = thread->below;
        thread->idle = false;
        pool->coming++;
        vel_park_wake(&thread->park);
    }
    pthread_mutex_unlock(&pool->lock);
}

static struct timespec after(unsigned ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

unsigned vel_pool_join(struct vel_pool *pool, unsigned ms) {
    struct timespec deadline = after(ms);
    int err = 0;
    pthread_mutex_lock(&pool->lock);
    while (pool->threads > 0 && err == 0)
        err = pthread_cond_timedwait(&pool->left, &pool->lock, &deadline);
    unsigned left = pool->threads;
    pthread_mutex_unlock(&pool->lock);
    return left;
}

static int init_locks(struct vel_pool *pool) {
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return VEL_ENOMEM;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int err = pthread_cond_init(&pool->left, &attr);
    pthread_condattr_destroy(&attr);
    if (err != 0)
        return VEL_ENOMEM;
    err = pthread_mutex_init(&pool->lock, NULL);
    if (err == 0)
        return VEL_OK;
    pthread_cond_destroy(&pool->left);
    return VEL_ENOMEM;
}

int vel_pool_init(struct vel_pool *pool, struct vel_loop *loop) {
    *pool = (struct vel_pool){.loop = loop};
    vel_list_init(&pool->jobs);
    vel_list_init(&pool->gathered);
    int err = init_locks(pool);
    if (err != VEL_OK)
        return err;
    err = vel_inbox_init(&pool->inbox, loop);
    if (err == VEL_OK)
        return VEL_OK;
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->left);
    return err;
}

void vel_pool_free(struct vel_pool *pool) {
    struct vel_job *job;
    vel_pool_send(pool);
    vel_inbox_run(&pool->inbox);
    while ((job = take(pool)) != NULL) {
        job->run(job, NULL);
        vel_inbox_run(&pool->inbox);
    }
    vel_inbox_free(&pool->inbox, pool->loop);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->left);
}

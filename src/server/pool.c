/* The pool: one queue, threads that take from it as long as there is something, and as few of them woken as will do. */
#include "server/pool.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <time.h>

/* Posts of a thread that goes on with the next job before the loop is woken for them: a wake-up costs as much as two
 * short jobs, and by then the loop may send while the thread works. */
#define UNHEARD_MAX 8

/* The longest between two looks at jobs that nobody takes: a switch interval of CPython. */
#define LOOK_MAX_NS 5000000

/* What a client gets to take more before its thread is to do without it: a fast one needs a turn of the loop or two.
 * The same then for the thread, to make the rest of its reply, before another is hurried. */
#define STALL_NS 1000000

/* --- the queue, under the lock ----------------------------------------------------------------------------------- */

/* Moves all of from, which is not empty, behind to. */
static void splice(struct vel_list *to, struct vel_list *from) {
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    vel_list_init(from);
}

/* Plain arithmetic: only reading is without the lock. */
static void add_to(_Atomic size_t *count, size_t n) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

static void hand_over(struct vel_pool *pool) {
    if (pool->ngathered > 0)
        splice(&pool->jobs, &pool->gathered);
    add_to(&pool->njobs, pool->ngathered);
    pool->ngathered = 0;
}

static void take_off(struct vel_pool *pool, struct vel_job *job) {
    add_to(&pool->taken, 1);
    add_to(&pool->njobs, (size_t)-1);
    vel_list_remove(&job->node);
}

static struct vel_job *take(struct vel_pool *pool) {
    if (vel_list_empty(&pool->jobs))
        return NULL;
    struct vel_job *job = VEL_CONTAINER(pool->jobs.next, struct vel_job, node);
    take_off(pool, job);
    return job;
}

/* --- who works --------------------------------------------------------------------------------------------------- */

/* Whether the thread that took the latest job is likely to come for the next. Only that one: a job that takes long, or
 * waits, is one that was not followed by another. */
static bool somebody_comes(const struct vel_pool *pool, uint64_t now) {
    if (pool->coming > 0)
        return true; /* one at a time: mostly it finds that the others have emptied the queue */
    return pool->last != NULL && !pool->last->idle && now < pool->taken_at + VEL_POOL_PATIENCE_NS;
}

/* Takes the thread off that is to be woken. */
static struct vel_pool_thread *call(struct vel_pool *pool) {
    struct vel_pool_thread *thread = pool->idle;
    pool->idle = thread->below;
    thread->idle = false;
    pool->coming++;
    return thread;
}

/* Threads are idle, and there is more than those who come will take. */
static bool is_short(const struct vel_pool *pool) {
    return pool->idle != NULL && pool->njobs > pool->coming;
}

static void unlock_and_wake(struct vel_pool *pool, struct vel_pool_thread *called) {
    pthread_mutex_unlock(&pool->lock);
    if (called != NULL)
        vel_park_wake(&called->park);
}

/* Jobs that were let lie come one upon the other, as fast as threads can be woken. */
static struct vel_pool_thread *call_the_next(struct vel_pool *pool) {
    pool->pressing = pool->pressing && is_short(pool);
    return pool->pressing && pool->coming == 0 ? call(pool) : NULL;
}

/* Only the thread itself writes it. */
static void go_on(struct vel_pool_thread *thread) {
    uint64_t turns = atomic_load_explicit(&thread->turns, memory_order_relaxed);
    atomic_store_explicit(&thread->turns, turns + 1, memory_order_relaxed);
}

uint64_t vel_pool_sign(const struct vel_pool_thread *thread) {
    if (atomic_load_explicit(&thread->resting, memory_order_relaxed))
        return 0;
    return atomic_load_explicit(&thread->turns, memory_order_relaxed);
}

/* The wait for the lock is a part of it: a thread that does not get the interpreter is not stuck. */
void vel_pool_sleep(struct vel_pool_thread *thread) {
    atomic_store_explicit(&thread->resting, true, memory_order_relaxed);
    if (thread->rest != NULL)
        thread->rest(thread->arg);
    vel_park_sleep(&thread->park);
    if (thread->resume != NULL)
        thread->resume(thread->arg);
    go_on(thread);
    atomic_store_explicit(&thread->resting, false, memory_order_relaxed);
}

/* There is more than those who come will take, and nobody for it but threads that wait for their clients. */
static bool is_pressed(const struct vel_pool *pool) {
    return pool->idle == NULL && pool->njobs > pool->coming && !vel_list_empty(&pool->stalled);
}

/* The loop goes to sleep after vel_pool_wait has read stirred, or vel_inbox_wake sees that it sleeps. */
static void stir(struct vel_pool *pool) {
    if (!atomic_exchange(&pool->stirred, true))
        vel_inbox_wake(&pool->inbox);
}

bool vel_pool_stall(struct vel_pool *pool, struct vel_pool_thread *thread) {
    pthread_mutex_lock(&pool->lock);
    thread->hurried = false;
    thread->stalled_at = vel_clock_ns();
    vel_list_append(&pool->stalled, &thread->stalled);
    bool pressed = is_pressed(pool);
    pthread_mutex_unlock(&pool->lock);
    if (pressed)
        stir(pool);
    vel_pool_sleep(thread);
    pthread_mutex_lock(&pool->lock);
    vel_list_remove(&thread->stalled);
    bool hurried = thread->hurried;
    pthread_mutex_unlock(&pool->lock);
    return hurried;
}

/* Takes the one off the list that has waited longest, if that was long enough. */
static struct vel_pool_thread *hurry(struct vel_pool *pool, uint64_t now) {
    struct vel_pool_thread *thread = VEL_CONTAINER(pool->stalled.next, struct vel_pool_thread, stalled);
    if (now < thread->stalled_at + STALL_NS || now < pool->hurried_at + STALL_NS)
        return NULL;
    pool->hurried_at = now;
    vel_list_remove(&thread->stalled);
    thread->hurried = true;
    return thread;
}

bool vel_pool_is_self(const struct vel_pool_thread *thread) {
    return pthread_equal(thread->self, pthread_self());
}

void vel_pool_wake(struct vel_pool_thread *thread) {
    vel_park_wake(&thread->park);
}

/* The loop need not wake for each of many: if the next job should take long, it looks by itself soon. */
void vel_pool_post(struct vel_pool *pool, struct vel_pool_thread *thread, struct vel_post *post) {
    bool goes_on = atomic_load_explicit(&pool->njobs, memory_order_relaxed) > 0 && thread->unheard < UNHEARD_MAX;
    if (goes_on && vel_inbox_put_lazily(&pool->inbox, post)) {
        thread->unheard++;
        return;
    }
    if (!goes_on)
        vel_inbox_put(&pool->inbox, post);
    thread->unheard = 0;
}

/* On the stack until somebody takes it off: a wake-up that was meant for an earlier job is slept over. */
static void wait_for_jobs(struct vel_pool *pool, struct vel_pool_thread *thread) {
    thread->below = pool->idle;
    thread->idle = true;
    pool->idle = thread;
    while (thread->idle) {
        pthread_mutex_unlock(&pool->lock);
        if (thread->unheard > 0) { /* another has taken the job that was to be ours */
            thread->unheard = 0;
            vel_inbox_wake(&pool->inbox);
        }
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
            pool->last = thread;
            pool->taken_at = vel_clock_ns();
            unlock_and_wake(pool, call_the_next(pool));
            go_on(thread);
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
    pool->ngathered++;
    pool->added++;
}

/* As long as nobody takes anything it is looked at less and less often: whoever has been called may have to wait long
 * for the interpreter. */
static int64_t next_look(struct vel_pool *pool) {
    size_t taken = atomic_load_explicit(&pool->taken, memory_order_relaxed);
    if (!is_short(pool) && !is_pressed(pool))
        return -1;
    bool moves = taken != pool->seen || pool->due < 0;
    pool->seen = taken;
    return moves ? VEL_POOL_PATIENCE_NS : pool->due < LOOK_MAX_NS ? pool->due * 2 : pool->due;
}

void vel_pool_look(struct vel_pool *pool) {
    struct vel_pool_thread *called = NULL;
    if (pool->ngathered == 0 && pool->due < 0 && !atomic_load_explicit(&pool->stirred, memory_order_relaxed))
        return;
    atomic_store(&pool->stirred, false);
    uint64_t now = vel_clock_ns();
    pthread_mutex_lock(&pool->lock);
    hand_over(pool);
    if (is_short(pool) && !somebody_comes(pool, now)) {
        pool->pressing = pool->last != NULL && !pool->last->idle;
        called = call(pool);
    } else if (is_pressed(pool) && !somebody_comes(pool, now)) {
        called = hurry(pool, now);
    }
    pool->due = next_look(pool);
    unlock_and_wake(pool, called);
}

void vel_pool_send(struct vel_pool *pool) {
    if (pool->ngathered > 0)
        vel_pool_look(pool);
}

int64_t vel_pool_wait(struct vel_pool *pool, int64_t ns) {
    bool looks = pool->due >= 0 && (ns < 0 || pool->due < ns);
    if (!vel_inbox_doze(&pool->inbox, !looks || pool->due > VEL_POOL_PATIENCE_NS))
        return 0;
    if (atomic_load(&pool->stirred)) {
        vel_inbox_rise(&pool->inbox);
        return 0;
    }
    return looks ? pool->due : ns;
}

bool vel_pool_cancel(struct vel_pool *pool, struct vel_job *job) {
    pthread_mutex_lock(&pool->lock);
    if (pool->ngathered > 0) { /* it may be among them */
        hand_over(pool);
        pool->due = 0;
    }
    bool waits = !vel_list_empty(&job->node);
    if (waits)
        take_off(pool, job);
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
    *pool = (struct vel_pool){.loop = loop, .due = -1};
    vel_list_init(&pool->jobs);
    vel_list_init(&pool->gathered);
    vel_list_init(&pool->stalled);
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

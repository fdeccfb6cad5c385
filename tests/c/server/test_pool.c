/* Tests of server/pool.c. */
#include "server/pool.h"

#include "base/err.h"
#include "support/test.h"

#include <stdlib.h>
#include <unistd.h>

enum { MOST = 4 };

struct worker {
    struct vel_pool_thread base;
    pthread_t thread;
    int jobs;
    _Atomic int rests, resumes;
};

static struct vel_loop loop;
static struct vel_pool pool;
static struct worker workers[MOST];
static int nworkers;

static void rest(void *arg) {
    ((struct worker *)arg)->rests++;
}

static void resume(void *arg) {
    ((struct worker *)arg)->resumes++;
}

static void *work(void *arg) {
    struct worker *w = arg;
    vel_pool_work(&pool, &w->base);
    return NULL;
}

static unsigned idle_threads(void) {
    unsigned n = 0;
    pthread_mutex_lock(&pool.lock);
    for (struct vel_pool_thread *t = pool.idle; t != NULL; t = t->below)
        n++;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

static void until_idle(unsigned n) {
    while (idle_threads() != n)
        usleep(100);
}

static void open_pool(int threads) {
    memset(workers, 0, sizeof workers);
    nworkers = threads;
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    CHECK_INT(vel_pool_init(&pool, &loop), VEL_OK);
    for (int i = 0; i < threads; i++) {
        workers[i].base = (struct vel_pool_thread){.rest = rest, .resume = resume, .arg = &workers[i]};
        CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    until_idle((unsigned)threads);
}

static void join_threads(void) {
    vel_pool_close(&pool);
    CHECK_INT(vel_pool_join(&pool, 10000), 0);
    for (int i = 0; i < nworkers; i++)
        CHECK_INT(pthread_join(workers[i].thread, NULL), 0);
    nworkers = 0;
}

static void close_pool(void) {
    join_threads();
    vel_pool_free(&pool);
    vel_loop_free(&loop);
}

/* A job that counts, and may be held up. */
struct task {
    struct vel_job job;
    struct vel_post post;
    struct vel_park *hold; /* NULL: it does not wait */
    _Atomic(struct worker *) by;
    _Atomic bool served; /* its client has taken more */
    bool hurried;
    bool posted;
    int order;
};

static _Atomic int begun;

static void arrived(struct vel_post *post) {
    VEL_CONTAINER(post, struct task, post)->posted = true;
}

static void run(struct vel_job *job, struct vel_pool_thread *thread) {
    struct task *task = VEL_CONTAINER(job, struct task, job);
    task->order = begun++;
    task->by = thread != NULL ? VEL_CONTAINER(thread, struct worker, base) : &workers[0];
    if (thread != NULL)
        VEL_CONTAINER(thread, struct worker, base)->jobs++;
    if (task->hold != NULL)
        vel_park_sleep(task->hold);
    task->post.fn = arrived;
    vel_inbox_put(&pool.inbox, &task->post);
}

/* Waits for its client, once it is let go. */
static void run_for_client(struct vel_job *job, struct vel_pool_thread *thread) {
    struct task *task = VEL_CONTAINER(job, struct task, job);
    task->by = VEL_CONTAINER(thread, struct worker, base);
    if (task->hold != NULL)
        vel_park_sleep(task->hold);
    while (!task->served && !task->hurried)
        task->hurried = vel_pool_stall(&pool, thread);
    task->post.fn = arrived;
    vel_inbox_put(&pool.inbox, &task->post);
}

static void add(struct task *task, struct vel_park *hold) {
    *task = (struct task){.job.run = run, .hold = hold};
    vel_pool_add(&pool, &task->job);
}

/* What the loop does. */
static void take_a_turn(void) {
    vel_pool_look(&pool);
    vel_inbox_run(&pool.inbox);
    usleep(100);
}

static void until_posted(struct task *task) {
    while (!task->posted)
        take_a_turn();
}

static void until_begun(struct task *task) {
    while (task->by == NULL)
        take_a_turn();
}

static void jobs_go_out_when_they_are_sent(void) {
    struct task task;
    open_pool(1);
    add(&task, NULL);
    usleep(2000);
    CHECK(task.by == NULL);
    CHECK_INT(vel_pool_waiting(&pool), 1);
    vel_pool_send(&pool);
    until_posted(&task);
    CHECK(task.by == &workers[0]);
    CHECK_INT(vel_pool_waiting(&pool), 0);
    close_pool();
}

static void jobs_are_run_in_their_order(void) {
    struct task tasks[100];
    open_pool(1);
    begun = 0;
    for (int i = 0; i < 100; i++) {
        add(&tasks[i], NULL);
        if (i % 7 == 0)
            vel_pool_send(&pool);
    }
    vel_pool_send(&pool);
    for (int i = 0; i < 100; i++) {
        until_posted(&tasks[i]);
        CHECK_INT(tasks[i].order, i);
    }
    close_pool();
}

static void the_last_to_have_worked_works_next(void) {
    struct task first, second;
    open_pool(MOST);
    add(&first, NULL);
    vel_pool_send(&pool);
    until_posted(&first);
    until_idle(MOST);
    for (int i = 0; i < 20; i++) {
        add(&second, NULL);
        vel_pool_send(&pool);
        until_posted(&second);
        until_idle(MOST);
        CHECK(second.by == first.by);
    }
    close_pool();
}

static void a_job_that_waits_keeps_none_behind_it_waiting(void) {
    struct vel_park hold = {0};
    struct task slow, quick[3];
    open_pool(2);
    add(&slow, &hold);
    for (int i = 0; i < 3; i++)
        add(&quick[i], NULL);
    vel_pool_send(&pool);
    for (int i = 0; i < 3; i++)
        until_posted(&quick[i]);
    CHECK(!slow.posted);
    vel_park_wake(&hold);
    until_posted(&slow);
    close_pool();
}

static void with_every_thread_held_up_jobs_wait(void) {
    struct vel_park holds[2] = {0};
    struct task slow[2], late;
    open_pool(2);
    for (int i = 0; i < 2; i++)
        add(&slow[i], &holds[i]);
    vel_pool_send(&pool);
    until_begun(&slow[0]);
    until_begun(&slow[1]);
    add(&late, NULL);
    vel_pool_send(&pool);
    usleep(2000);
    CHECK(late.by == NULL);
    CHECK_INT(vel_pool_waiting(&pool), 1);
    vel_park_wake(&holds[1]);
    until_posted(&late);
    CHECK(late.by == slow[1].by);
    vel_park_wake(&holds[0]);
    until_posted(&slow[0]);
    close_pool();
}

static void a_job_can_be_taken_back_until_a_thread_has_it(void) {
    struct vel_park hold = {0};
    struct task slow, waits, never_sent;
    open_pool(1);
    add(&slow, &hold);
    add(&waits, NULL);
    vel_pool_send(&pool);
    until_begun(&slow);
    add(&never_sent, NULL);
    CHECK(!vel_pool_cancel(&pool, &slow.job));
    CHECK(vel_pool_cancel(&pool, &waits.job));
    CHECK(vel_pool_cancel(&pool, &never_sent.job));
    CHECK_INT(vel_pool_waiting(&pool), 0);
    vel_park_wake(&hold);
    until_posted(&slow);
    CHECK(waits.by == NULL && never_sent.by == NULL);
    close_pool();
}

static void set_taken_at(uint64_t at) {
    pthread_mutex_lock(&pool.lock);
    pool.taken_at = at;
    pthread_mutex_unlock(&pool.lock);
}

static void who_has_just_taken_a_job_is_left_to_take_the_next(void) {
    struct vel_park hold = {0};
    struct task first, second;
    open_pool(2);
    add(&first, &hold);
    vel_pool_send(&pool);
    until_begun(&first);
    set_taken_at(UINT64_MAX / 2); /* this moment, however long the machine takes */
    add(&second, NULL);
    vel_pool_send(&pool);
    CHECK_INT(idle_threads(), 1);
    CHECK_INT(vel_pool_wait(&pool, -1), VEL_POOL_PATIENCE_NS);
    CHECK_INT(vel_pool_wait(&pool, 1000), 1000);
    vel_inbox_rise(&pool.inbox);
    vel_park_wake(&hold);
    until_posted(&second);
    CHECK(second.by == first.by);
    close_pool();
}

static void who_does_not_come_back_is_not_waited_for(void) {
    struct vel_park hold = {0};
    struct task first, second;
    open_pool(2);
    add(&first, &hold);
    vel_pool_send(&pool);
    until_begun(&first);
    set_taken_at(UINT64_MAX / 2);
    add(&second, NULL);
    vel_pool_send(&pool);
    CHECK_INT(idle_threads(), 1);
    set_taken_at(0); /* long ago */
    until_posted(&second);
    CHECK(second.by != first.by);
    vel_park_wake(&hold);
    until_posted(&first);
    close_pool();
}

static void behind_one_that_hangs_threads_come_one_upon_the_other(void) {
    struct vel_park holds[MOST] = {0};
    struct task tasks[MOST];
    open_pool(MOST);
    for (int i = 0; i < MOST; i++)
        add(&tasks[i], &holds[i]);
    vel_pool_send(&pool);
    while (tasks[0].by == NULL)
        usleep(100);
    set_taken_at(0);
    vel_pool_look(&pool); /* once: the others are called by those who come */
    for (int i = 1; i < MOST; i++)
        while (tasks[i].by == NULL)
            usleep(100);
    for (int i = 0; i < MOST; i++)
        vel_park_wake(&holds[i]);
    for (int i = 0; i < MOST; i++)
        until_posted(&tasks[i]);
    close_pool();
}

static void a_single_job_is_left_to_the_thread_that_comes(void) {
    struct vel_park hold = {0};
    struct task task;
    open_pool(2);
    add(&task, &hold);
    vel_pool_send(&pool);
    CHECK_INT(pool.due, -1);
    until_begun(&task);
    CHECK_INT(idle_threads(), 1);
    vel_park_wake(&hold);
    until_posted(&task);
    close_pool();
}

static void what_nobody_takes_is_looked_at_less_and_less_often(void) {
    struct vel_park hold = {0};
    struct task first, second;
    int64_t before = 0;
    open_pool(2);
    add(&first, &hold);
    vel_pool_send(&pool);
    until_begun(&first);
    set_taken_at(UINT64_MAX / 2);
    add(&second, NULL);
    for (int i = 0; i < 20; i++) {
        vel_pool_look(&pool);
        CHECK(pool.due >= before);
        before = pool.due;
    }
    CHECK(before > 10 * VEL_POOL_PATIENCE_NS && before < 100000000);
    vel_park_wake(&hold);
    until_posted(&second);
    close_pool();
}

static bool somebody_stalls(void) {
    pthread_mutex_lock(&pool.lock);
    bool stalls = !vel_list_empty(&pool.stalled);
    pthread_mutex_unlock(&pool.lock);
    return stalls;
}

static void open_with_one_for_a_client(int threads, struct task *task, struct vel_park *hold) {
    open_pool(threads);
    add(task, hold);
    task->job.run = run_for_client;
    vel_pool_send(&pool);
    until_begun(task);
    while (hold == NULL && !somebody_stalls())
        usleep(100);
}

static void who_waits_for_a_client_is_hurried_when_jobs_lie(void) {
    struct task slow, other;
    open_with_one_for_a_client(1, &slow, NULL);
    add(&other, NULL);
    until_posted(&other);
    CHECK(slow.posted && slow.hurried);
    close_pool();
}

static void who_waits_for_a_client_is_let_be_when_none_do(void) {
    struct task slow;
    open_with_one_for_a_client(1, &slow, NULL);
    for (int i = 0; i < 30; i++)
        take_a_turn();
    CHECK_INT(vel_pool_wait(&pool, -1), -1);
    vel_inbox_rise(&pool.inbox);
    slow.served = true;
    vel_pool_wake(&slow.by->base);
    until_posted(&slow);
    CHECK(!slow.hurried);
    close_pool();
}

static void who_waits_for_a_client_is_let_be_when_others_are_idle(void) {
    struct task slow, other[20];
    open_with_one_for_a_client(2, &slow, NULL);
    for (int i = 0; i < 20; i++) {
        add(&other[i], NULL);
        until_posted(&other[i]);
    }
    CHECK(!slow.posted);
    slow.served = true;
    vel_pool_wake(&slow.by->base);
    until_posted(&slow);
    CHECK(!slow.hurried);
    close_pool();
}

/* Nothing else would tell the loop, which sleeps. */
static void who_begins_to_wait_while_jobs_lie_stirs_the_loop(void) {
    struct vel_park hold = {0};
    struct task slow, other;
    open_with_one_for_a_client(1, &slow, &hold);
    add(&other, NULL);
    vel_pool_send(&pool);
    CHECK_INT(vel_pool_wait(&pool, -1), -1);
    vel_park_wake(&hold);
    CHECK_INT(vel_loop_turn(&loop, -1), 1); /* the wake-up */
    CHECK_INT(vel_pool_wait(&pool, -1), 0);
    until_posted(&other);
    CHECK(slow.posted && slow.hurried);
    close_pool();
}

static void the_lock_is_given_back_around_every_sleep(void) {
    struct task task;
    open_pool(1);
    CHECK_INT(workers[0].rests, 1);
    CHECK_INT(workers[0].resumes, 0);
    add(&task, NULL);
    vel_pool_send(&pool);
    until_posted(&task);
    until_idle(1);
    join_threads();
    CHECK_INT(workers[0].rests, 2);
    CHECK_INT(workers[0].resumes, 2);
    close_pool();
}

static void a_wake_up_for_nothing_is_slept_over(void) {
    struct task task;
    open_pool(1);
    vel_pool_wake(&workers[0].base);
    while (workers[0].resumes == 0)
        usleep(100);
    until_idle(1);
    add(&task, NULL);
    vel_pool_send(&pool);
    until_posted(&task);
    close_pool();
}

static void closing_lets_the_queue_be_emptied_first(void) {
    struct vel_park hold = {0};
    struct task slow, behind;
    open_pool(1);
    add(&slow, &hold);
    add(&behind, NULL);
    vel_pool_send(&pool);
    until_begun(&slow);
    vel_pool_close(&pool);
    CHECK_INT(vel_pool_join(&pool, 1), 1);
    vel_park_wake(&hold);
    CHECK_INT(vel_pool_join(&pool, 10000), 0);
    vel_inbox_run(&pool.inbox);
    CHECK(slow.posted && behind.posted);
    close_pool();
}

static void what_no_thread_ran_is_run_when_it_is_freed(void) {
    struct task task;
    open_pool(0);
    add(&task, NULL);
    close_pool();
    CHECK(task.posted);
}

static void a_thread_that_comes_late_leaves_at_once(void) {
    open_pool(0);
    vel_pool_close(&pool);
    work(&workers[0]);
    CHECK_INT(vel_pool_join(&pool, 0), 0);
    close_pool();
}

/* Batches of all sizes from the loop, with some jobs that wait: every one is run once, and heard of. */
static void many_jobs_on_many_threads(void) {
    enum { JOBS = 3000 };
    struct task *tasks = calloc(JOBS, sizeof *tasks);
    struct vel_park holds[8] = {0};
    CHECK(tasks != NULL);
    open_pool(MOST);
    int done = 0, sent = 0;
    while (sent < JOBS) {
        for (int i = 0; i < 1 + sent % 13 && sent < JOBS; i++, sent++)
            add(&tasks[sent], sent % 375 == 0 ? &holds[sent / 375] : NULL);
        vel_pool_send(&pool);
        vel_inbox_run(&pool.inbox);
        if (sent % 3 == 0)
            for (int i = 0; i < 8; i++)
                vel_park_wake(&holds[i]);
    }
    for (int i = 0; i < JOBS; i++) {
        for (int j = 0; j < 8; j++)
            vel_park_wake(&holds[j]);
        until_posted(&tasks[i]);
        done++;
    }
    CHECK_INT(done, JOBS);
    close_pool();
    int by_threads = 0;
    for (int i = 0; i < MOST; i++)
        by_threads += workers[i].jobs;
    CHECK_INT(by_threads, JOBS);
    free(tasks);
}

int main(void) {
    RUN(jobs_go_out_when_they_are_sent);
    RUN(jobs_are_run_in_their_order);
    RUN(the_last_to_have_worked_works_next);
    RUN(a_job_that_waits_keeps_none_behind_it_waiting);
    RUN(with_every_thread_held_up_jobs_wait);
    RUN(a_job_can_be_taken_back_until_a_thread_has_it);
    RUN(who_has_just_taken_a_job_is_left_to_take_the_next);
    RUN(who_does_not_come_back_is_not_waited_for);
    RUN(behind_one_that_hangs_threads_come_one_upon_the_other);
    RUN(a_single_job_is_left_to_the_thread_that_comes);
    RUN(what_nobody_takes_is_looked_at_less_and_less_often);
    RUN(who_waits_for_a_client_is_hurried_when_jobs_lie);
    RUN(who_waits_for_a_client_is_let_be_when_none_do);
    RUN(who_waits_for_a_client_is_let_be_when_others_are_idle);
    RUN(who_begins_to_wait_while_jobs_lie_stirs_the_loop);
    RUN(the_lock_is_given_back_around_every_sleep);
    RUN(a_wake_up_for_nothing_is_slept_over);
    RUN(closing_lets_the_queue_be_emptied_first);
    RUN(what_no_thread_ran_is_run_when_it_is_freed);
    RUN(a_thread_that_comes_late_leaves_at_once);
    RUN(many_jobs_on_many_threads);
}

/* The watchdog of a Worker: a thread of the application that does not come back shows its stack, and its worker ends.
 */
#include "py/worker.h"

#include "base/err.h"
#include "base/mem.h"
#include "py/options.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What the stuck thread gets to print its stack before the process ends: it does so in a signal handler. */
#define STACK_MS 200

/* A turn of the loop is one call of the application, or a batch of them; what a watch reads is whole, and may be old.
 * An inline loop counts requests beside, since a batch may hold many. */
static uint64_t sign_of_turn(const struct vel_loop *loop, uint64_t requests) {
    uint64_t sign = __atomic_load_n(&loop->now_ns, __ATOMIC_RELAXED) + requests * 0x9e3779b97f4a7c15u;
    return sign != 0 ? sign : 1;
}

static uint64_t sign_inline(void *arg) {
    const struct worker *self = arg;
    if (!__atomic_load_n(&self->running, __ATOMIC_RELAXED) || __atomic_load_n(&self->thread, __ATOMIC_RELAXED) != NULL)
        return 0;
    return sign_of_turn(self->core.loop, __atomic_load_n(&self->core.stats->requests, __ATOMIC_RELAXED));
}

static uint64_t sign_asgi(void *arg) {
    const struct worker *self = arg;
    const struct vel_aio *loop = self->asgi.tasks.loop;
    return __atomic_load_n(&loop->detached, __ATOMIC_RELAXED) != NULL ? 0 : sign_of_turn(&loop->net, 0);
}

static uint64_t sign_of_thread(void *arg) {
    return vel_pool_sign(arg);
}

static void write_all(int fd, const char *text) {
    if (fd >= 0) {
        ssize_t ignored = write(fd, text, strlen(text));
        (void)ignored; /* whoever reads is gone, and the end comes all the same */
    }
}

static void show_stack(struct worker *self, size_t which) {
    char text[128];
    pthread_t thread = self->pool.n > 0 ? self->pool.threads[which].remote.base.self : self->watch.loop_thread;
    snprintf(text, sizeof(text), "A call of the application does not come back (process %d):\n", (int)getpid());
    write_all(self->watch.log_fd, text);
    pthread_kill(thread, self->watch.number);
    nanosleep(&(struct timespec){.tv_nsec = STACK_MS * 1000000L}, NULL);
}

static bool all_are_stuck(const struct vel_watchdog *dog) {
    for (size_t i = 0; i < dog->n; i++)
        if (!dog->all[i].told)
            return false;
    return true;
}

/* As long as other threads work, requests may finish; when none does, nothing is left to wait for. */
static void on_stuck(void *arg, size_t which) {
    struct worker *self = arg;
    show_stack(self, which);
    write_all(self->watch.reports_fd, "[\"stuck\", \"\", \"\"]\n");
    if (all_are_stuck(&self->watch.dog))
        kill(getpid(), SIGKILL);
    else
        vel_worker_drain(&self->core);
}

static void watch_threads(struct worker *self, struct vel_watched *all) {
    for (size_t i = 0; i < self->pool.n; i++)
        all[i] = (struct vel_watched){.sign = sign_of_thread, .arg = &self->pool.threads[i].remote.base};
}

static int start(struct worker *self, uint32_t deadline_ms) {
    struct vel_watchdog *dog = &self->watch.dog;
    size_t n = self->pool.n > 0 ? self->pool.n : 1;
    dog->all = vel_alloc_zero(n * sizeof(*dog->all));
    if (dog->all == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    dog->n = n;
    dog->on_stuck = on_stuck;
    dog->arg = self;
    if (self->pool.n > 0)
        watch_threads(self, dog->all);
    else
        dog->all[0] = (struct vel_watched){.sign = self->is_asgi ? sign_asgi : sign_inline, .arg = self};
    if (vel_watchdog_start(dog, deadline_ms) == VEL_OK)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    vel_free(dog->all);
    dog->all = NULL;
    return -1;
}

PyObject *vel_worker_watch(PyObject *o, PyObject *args) {
    struct worker *self = (struct worker *)o;
    double seconds;
    uint32_t ms;
    struct vel_worker_watch watch = {.loop_thread = pthread_self()};
    if (!PyArg_ParseTuple(args, "diii:watch", &seconds, &watch.number, &watch.log_fd, &watch.reports_fd))
        return NULL;
    if (vel_to_milliseconds(seconds, &ms) < 0)
        return NULL;
    if (!self->ready || self->watch.dog.all != NULL || ms == 0) {
        PyErr_SetString(PyExc_RuntimeError, "a Worker is watched once, for more than 0 seconds");
        return NULL;
    }
    self->watch = watch;
    if (start(self, ms) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The watchdog may be about to call on_stuck, which needs no GIL. */
void vel_worker_unwatch(struct worker *self) {
    if (self->watch.dog.all == NULL)
        return;
    vel_watchdog_stop(&self->watch.dog);
    vel_free(self->watch.dog.all);
    self->watch.dog.all = NULL;
}

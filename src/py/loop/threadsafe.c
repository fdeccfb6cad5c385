/* What other threads ask for: filed under a lock, the loop woken only if it sleeps. */
#include "py/loop/loop.h"

#include "py/loop/handle.h"

#include "base/err.h"

static void on_wake(void *arg) {
    (void)arg; /* the round empties the inbox before it runs what is ready */
}

int vel_aio__inbox_init(struct vel_aio *loop) {
    pthread_mutex_init(&loop->inbox.mutex, NULL);
    int rc = vel_wake_init(&loop->wake, &loop->net, on_wake, NULL);
    if (rc != VEL_OK)
        pthread_mutex_destroy(&loop->inbox.mutex);
    return rc;
}

void vel_aio__inbox_free(struct vel_aio *loop) {
    vel_wake_free(&loop->wake, &loop->net);
    pthread_mutex_destroy(&loop->inbox.mutex);
}

/* In a child of fork: the pipe is the parent's too. The mutex cannot be held, since it is only taken under the GIL,
 * which the forking thread has. */
int vel_aio__inbox_forked(struct vel_aio *loop) {
    struct vel_wake old = loop->wake;
    int rc = vel_wake_init(&loop->wake, &loop->net, on_wake, NULL);
    if (rc != VEL_OK) {
        loop->wake = old;
        return vel_aio__set_error(rc);
    }
    old.watch.io = 0; /* it is not known to the new poller */
    vel_wake_free(&old, &loop->net);
    return 0;
}

/* Whoever sees that the loop is asleep wakes it, and only the first does. */
static void wake(struct vel_aio *loop) {
    if (atomic_exchange(&loop->inbox.asleep, false))
        vel_wake_up(&loop->wake);
}

static int file(struct vel_aio *loop, struct vel_ready entry) {
    pthread_mutex_lock(&loop->inbox.mutex);
    int rc = vel_aio__ring_push(&loop->inbox.ring, &entry);
    atomic_store(&loop->inbox.filled, true);
    pthread_mutex_unlock(&loop->inbox.mutex);
    return rc;
}

/* All under one lock. What there is no memory for stays. */
int vel_aio__inbox_empty(struct vel_aio *loop) {
    struct vel_ready_ring *from = &loop->inbox.ring;
    struct vel_ready entry;
    int rc = VEL_OK;
    pthread_mutex_lock(&loop->inbox.mutex);
    while (rc == VEL_OK && from->len > 0) {
        rc = vel_aio__ring_push(&loop->ready, &from->entries[from->head]);
        if (rc == VEL_OK)
            vel_aio__ring_pop(from, &entry);
    }
    if (rc == VEL_OK)
        atomic_store(&loop->inbox.filled, false);
    pthread_mutex_unlock(&loop->inbox.mutex);
    return rc == VEL_OK ? 0 : vel_aio__set_error(rc);
}

/* The loop's own thread files where call_soon does: one queue, first in, first out. A loop that does not run belongs to
 * nobody yet. */
static int file_handle(struct vel_aio *loop, PyObject *handle) {
    struct vel_ready entry;
    if (loop->running && PyThread_get_thread_ident() == loop->thread)
        return vel_aio__soon_handle(loop, handle);
    entry = vel_aio__entry_of(loop, handle);
    if (file(loop, entry) != VEL_OK) {
        vel_aio__drop(&entry);
        PyErr_NoMemory();
        return -1;
    }
    wake(loop);
    return 0;
}

PyObject *vel_aio__call_soon_threadsafe(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__call call;
    if (vel_aio__take_call(loop, "call_soon_threadsafe", NULL, args, nargs, kwnames, &call) < 0)
        return NULL;
    if (loop->closed && vel_aio__check_open(loop) < 0)
        return NULL;
    if (loop->debug && vel_aio__check_callback(loop, call.callback, "call_soon_threadsafe") < 0)
        return NULL;
    PyObject *handle = vel_aio__handle_new(loop, &call);
    if (handle == NULL || file_handle(loop, Py_NewRef(handle)) < 0)
        Py_CLEAR(handle);
    return handle;
}

/* The library calls it from signal handlers and other threads. A closed loop has nothing to wake. */
PyObject *vel_aio__write_to_self(PyObject *o, PyObject *unused) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)unused;
    if (loop->open)
        wake(loop);
    Py_RETURN_NONE;
}

/* A worker whose application runs in threads: they are started with it, its loop has no GIL, and they end with it. */
#include "py/error.h"
#include "py/worker.h"

#include <errno.h>

/* What busy threads get to come to an end when the worker is over. */
#define LEAVE_MS 250

void vel_worker_rise(void *arg) {
    struct worker *self = arg;
    vel_inbox_rise(&self->pool.core.inbox);
}

static int start_threads(struct worker *self) {
    PyObject *work = PyObject_GetAttrString((PyObject *)self, "work"), *answer = work;
    for (size_t i = 0; answer != NULL && i < self->pool.n; i++) {
        answer = PyObject_CallFunction(self->start_thread, "On", work, (Py_ssize_t)i);
        Py_XDECREF(answer);
    }
    Py_XDECREF(work);
    return answer != NULL ? 0 : -1;
}

/* Threads that hang in the application are left behind; they hold what they need. */
static void end_threads(struct worker *self) {
    unsigned left;
    vel_pool_close(&self->pool.core);
    Py_BEGIN_ALLOW_THREADS
        left = vel_pool_join(&self->pool.core, LEAVE_MS);
    Py_END_ALLOW_THREADS
    if (left > 0)
        vel_log(self->wsgi.log, VEL_LOG_WARNING, "threads of the application that do not end are left behind");
}

int vel_worker_run_with_threads(struct worker *self) {
    int err = VEL_ESYS;
    if (start_threads(self) == 0) {
        self->thread = PyEval_SaveThread();
        err = vel_worker_run(&self->core);
        int saved = errno;
        vel_worker_close_all(&self->core);
        vel_pool_send(&self->pool.core);
        PyEval_RestoreThread(self->thread);
        self->thread = NULL;
        errno = saved;
    } else {
        self->raised = vel_take_raised();
    }
    end_threads(self);
    return err;
}

PyObject *vel_worker_work(PyObject *o, PyObject *number) {
    size_t n = PyLong_AsSize_t(number);
    if (n == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (vel_wsgi_pool_work(&((struct worker *)o)->pool, n) < 0)
        return NULL;
    Py_RETURN_NONE;
}

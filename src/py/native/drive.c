/* Requests that are not over with their dispatch: their calls, and the coroutines that run for them. */
#include "py/native/native.h"

#include "py/error.h"

/* --- calls ------------------------------------------------------------------------------------------------------- */

struct vel_native_call *vel_native_call_new(struct vel_native *n, struct vel_exchange *x, struct vel_plan *plan) {
    struct vel_native_call *call = PyMem_Calloc(1, sizeof(*call));
    if (call == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    call->native = n;
    call->x = x;
    call->plan = (struct vel_plan *)Py_XNewRef((PyObject *)plan);
    call->holders = 1;
    if (x != NULL)
        x->app_data = call;
    return call;
}

void vel_native_call_release(struct vel_native_call *call) {
    if (--call->holders > 0)
        return;
    vel_native_form_end(call);
    Py_XDECREF((PyObject *)call->plan);
    Py_XDECREF(call->request);
    Py_XDECREF(call->task);
    Py_XDECREF(call->sink);
    Py_XDECREF(call->after);
    Py_XDECREF(call->context);
    vel_buf_free(&call->body);
    PyMem_Free(call);
}

void vel_native_call_end(struct vel_native_call *call) {
    if (call->x == NULL)
        return;
    call->x->app_data = NULL;
    call->x = NULL;
    if (call->sink != NULL)
        vel_sink_end(call->sink);
    vel_native_call_release(call);
}

/* --- the end of a coroutine ------------------------------------------------------------------------------------- */

void vel_native_log_unheard(struct vel_native_call *call) {
    struct vel_native *n = call->native;
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return;
    if (PyErr_ExceptionMatches(n->gone_error))
        PyErr_Clear();
    else
        vel_log(n->core->log, VEL_LOG_ERROR, "the application failed");
}

void vel_native_conclude(struct vel_native_call *call) {
    struct vel_native *n = call->native;
    n->within--;
    PyObject *worker = n->owner, *raised = vel_take_raised();
    *n->running -= 1;
    Py_CLEAR(call->task);
    vel_native_call_release(call);
    if (raised != NULL)
        vel_set_raised(raised);
    Py_DECREF(worker);
}

/* --- the beginning of one ----------------------------------------------------------------------------------------- */

/* Within the step of a task no other may begin: it does so in the loop's next round. */
struct later {
    struct vel_native_call *call; /* held */
    PyObject *coroutine, *context;
    vel_driver_over_fn *over;
};

static void free_later(struct later *later) {
    Py_XDECREF(later->coroutine);
    Py_XDECREF(later->context);
    vel_native_call_release(later->call);
    PyMem_Free(later);
}

/* The loop has ended before. */
static void drop_later(PyObject *capsule) {
    struct later *later = PyCapsule_GetPointer(capsule, NULL);
    if (later != NULL)
        free_later(later);
}

static void begin_task(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                       vel_driver_over_fn *over_fn) {
    struct vel_native *n = call->native;
    *n->running += 1;
    Py_INCREF(n->owner);
    call->holders++;
    call->holders++; /* it may be over in here */
    PyObject *task = vel_tasks_run(n->tasks, coroutine, context, over_fn, call);
    if (task != NULL)
        Py_XSETREF(call->task, task);
    else if (PyErr_Occurred())
        vel_aio_raise_later(n->tasks->loop);
    vel_native_call_release(call);
}

static int run_later(struct vel_aio *loop, struct vel_ready *entry) {
    struct later *later = PyCapsule_GetPointer(entry->what, NULL);
    PyObject *coroutine = later->coroutine, *context = later->context;
    (void)loop;
    later->coroutine = later->context = NULL;
    begin_task(later->call, coroutine, context, later->over);
    Py_DECREF(entry->what);
    return 0;
}

static void begin_task_later(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                             vel_driver_over_fn *over_fn) {
    struct vel_native *n = call->native;
    struct later *later = PyMem_Malloc(sizeof(*later));
    PyObject *capsule = NULL;
    if (later != NULL) {
        *later = (struct later){.call = call, .coroutine = coroutine, .context = context, .over = over_fn};
        call->holders++;
        capsule = PyCapsule_New(later, NULL, drop_later);
        if (capsule == NULL)
            free_later(later);
    } else {
        Py_DECREF(coroutine);
        Py_DECREF(context);
        PyErr_NoMemory();
    }
    struct vel_ready entry = {.run = run_later, .what = capsule};
    if (capsule == NULL || vel_aio_soon(n->tasks->loop, entry) < 0)
        vel_aio_raise_later(n->tasks->loop);
}

void vel_native_drive(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                      vel_driver_over_fn *over_fn) {
    if (call->native->within > 0)
        begin_task_later(call, coroutine, context, over_fn);
    else
        begin_task(call, coroutine, context, over_fn);
}

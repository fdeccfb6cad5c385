/* What is called in the next round: the ring, what goes into it and how each kind is run. */
#include "py/loop/loop.h"

#include "py/loop/handle.h"

#include "base/err.h"
#include "base/mem.h"

#define FIRST_CAP 64

/* --- the ring ---------------------------------------------------------------------------------------------------- */

int vel_aio__ring_grow(struct vel_ready_ring *ring) {
    size_t cap = ring->cap > 0 ? ring->cap * 2 : FIRST_CAP;
    struct vel_ready *entries = vel_alloc_array(cap, sizeof(*entries));
    if (entries == NULL)
        return VEL_ENOMEM;
    for (size_t i = 0; i < ring->len; i++)
        entries[i] = ring->entries[(ring->head + i) & (ring->cap - 1)];
    vel_free(ring->entries);
    ring->entries = entries;
    ring->cap = cap;
    ring->head = 0;
    return VEL_OK;
}

int vel_aio__ring_visit(struct vel_ready_ring *ring, visitproc visit, void *arg) {
    for (size_t i = 0; i < ring->len; i++) {
        struct vel_ready *entry = &ring->entries[(ring->head + i) & (ring->cap - 1)];
        Py_VISIT(entry->what);
        Py_VISIT(entry->arg);
        Py_VISIT(entry->context);
    }
    return 0;
}

void vel_aio__drop(struct vel_ready *entry) {
    Py_DECREF(entry->what);
    Py_XDECREF(entry->arg);
    Py_XDECREF(entry->context);
}

/* One at a time: a destructor may file something new. */
void vel_aio__ring_clear(struct vel_ready_ring *ring) {
    struct vel_ready entry;
    while (vel_aio__ring_pop(ring, &entry))
        vel_aio__drop(&entry);
    vel_free(ring->entries);
    *ring = (struct vel_ready_ring){0};
}

/* --- how each kind is run ---------------------------------------------------------------------------------------- */

/* A handle that nobody was given is needed now, to tell the exception handler what failed. */
static int report_task(struct vel_aio *loop, struct vel_ready *entry) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised();
    struct vel_aio__call call = {
        .callback = entry->what,
        .args = &entry->arg,
        .nargs = entry->arg != NULL,
        .context = entry->context,
    };
    PyObject *handle = vel_aio__handle_new(loop, &call);
    if (handle == NULL) {
        Py_DECREF(raised);
        return -1;
    }
    vel_set_raised(raised);
    int rc = vel_aio__report_callback(loop, handle);
    Py_DECREF(handle);
    return rc;
}

static PyObject *call_task(const struct vel_ready *entry) {
    return entry->arg != NULL ? PyObject_CallOneArg(entry->what, entry->arg) : PyObject_CallNoArgs(entry->what);
}

/* A step of a task, or its waking by the future in arg: nobody looks at their handles, so they have none. */
static int run_task(struct vel_aio *loop, struct vel_ready *entry) {
    PyObject *result = NULL;
    int rc = 0;
    if (entry->context == NULL) {
        result = call_task(entry);
    } else if (PyContext_Enter(entry->context) == 0) {
        result = call_task(entry);
        if (PyContext_Exit(entry->context) < 0)
            Py_CLEAR(result);
    }
    if (result == NULL)
        rc = report_task(loop, entry);
    Py_XDECREF(result);
    vel_aio__drop(entry);
    return rc;
}

static int is_cancelled(struct vel_aio *loop, PyObject *handle) {
    PyObject *cancelled = PyObject_GetAttr(handle, loop->st->_cancelled);
    int is = cancelled != NULL ? PyObject_IsTrue(cancelled) : -1;
    Py_XDECREF(cancelled);
    return is;
}

/* A handle of asyncio's own, which reports for itself. */
static int run_foreign(struct vel_aio *loop, struct vel_ready *entry) {
    int rc = is_cancelled(loop, entry->what);
    if (rc == 0) {
        PyObject *result = PyObject_CallMethodNoArgs(entry->what, loop->st->_run);
        rc = result != NULL ? 0 : -1;
        Py_XDECREF(result);
    }
    Py_DECREF(entry->what);
    return rc < 0 ? -1 : 0;
}

/* --- debug mode: handles are timed ------------------------------------------------------------------------------- */

static int report_slow(struct vel_aio *loop, PyObject *handle, double took) {
    double limit = loop->slow_callback_duration != NULL ? PyFloat_AsDouble(loop->slow_callback_duration) : took;
    if (limit == -1 && PyErr_Occurred())
        return -1;
    if (took < limit)
        return 0;
    PyObject *number = PyFloat_FromDouble(took);
    PyObject *argv[] = {(PyObject *)loop, handle, number};
    PyObject *answer = number != NULL ? PyObject_VectorcallMethod(loop->st->_callback_was_slow, argv, 3, NULL) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(answer);
    return answer != NULL ? 0 : -1;
}

static int run_timed(struct vel_aio *loop, struct vel_ready *entry) {
    PyObject *handle = Py_NewRef(entry->what);
    double began = vel_aio__time();
    Py_XSETREF(loop->_current_handle, Py_NewRef(handle));
    int rc = entry->run(loop, entry);
    if (rc == 0)
        rc = report_slow(loop, handle, vel_aio__time() - began);
    Py_XSETREF(loop->_current_handle, Py_NewRef(Py_None));
    Py_DECREF(handle);
    return rc;
}

static int run_one(struct vel_aio *loop, struct vel_ready *entry) {
    if (loop->debug && (entry->run == vel_aio__run_handle || entry->run == run_foreign))
        return run_timed(loop, entry);
    return entry->run(loop, entry);
}

/* What is filed meanwhile waits for the next round; what is left when one ends the run, for the next run. */
int vel_aio__run_ready(struct vel_aio *loop) {
    struct vel_ready entry;
    for (size_t n = loop->ready.len; n > 0 && vel_aio__ring_pop(&loop->ready, &entry); n--)
        if (vel_aio__after_callback(loop, run_one(loop, &entry)) < 0)
            return -1;
    return 0;
}

/* --- filing ------------------------------------------------------------------------------------------------------ */

int vel_aio_soon(struct vel_aio *loop, struct vel_ready entry) {
    if (vel_aio__ring_push(&loop->ready, &entry) == VEL_OK)
        return 0;
    vel_aio__drop(&entry);
    PyErr_NoMemory();
    return -1;
}

struct vel_ready vel_aio__entry_of(struct vel_aio *loop, PyObject *handle) {
    vel_ready_fn *run = vel_aio__is_handle(loop->st, handle) ? vel_aio__run_handle : run_foreign;
    return (struct vel_ready){.run = run, .what = handle};
}

int vel_aio__soon_handle(struct vel_aio *loop, PyObject *handle) {
    return vel_aio_soon(loop, vel_aio__entry_of(loop, handle));
}

/* The steps and wake-ups of accelerated tasks, which drop the handle that they are given. */
static bool is_task(const struct vel_aio *loop, const struct vel_aio__call *call) {
    PyObject *callback = call->callback;
    if (call->context == NULL || loop->gives_handles || loop->debug || !PyContext_CheckExact(call->context))
        return false;
    if (Py_TYPE(callback) == loop->st->step_type)
        return call->nargs == 0;
    return call->nargs == 1 && PyCFunction_CheckExact(callback) && loop->st->wakeup != NULL &&
           PyCFunction_GET_FUNCTION(callback) == loop->st->wakeup;
}

static PyObject *soon_task(struct vel_aio *loop, const struct vel_aio__call *call) {
    struct vel_ready entry = {
        .run = run_task,
        .what = Py_NewRef(call->callback),
        .arg = call->nargs == 1 ? Py_NewRef(call->args[0]) : NULL,
        .context = Py_NewRef(call->context),
    };
    if (vel_aio_soon(loop, entry) < 0)
        return NULL;
    Py_RETURN_NONE;
}

int vel_aio_soon_step(struct vel_aio *loop, PyObject *step) {
    if (atomic_load_explicit(&loop->inbox.filled, memory_order_relaxed) && vel_aio__inbox_empty(loop) < 0)
        return -1;
    return vel_aio_soon(loop, (struct vel_ready){.run = run_task, .what = Py_NewRef(step)});
}

int vel_aio__check_callback(struct vel_aio *loop, PyObject *callback, const char *method) {
    PyObject *name = PyUnicode_FromString(method);
    PyObject *argv[] = {(PyObject *)loop, callback, name};
    PyObject *ok = name != NULL ? PyObject_VectorcallMethod(loop->st->_check_callback, argv, 3, NULL) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(ok);
    return ok != NULL ? 0 : -1;
}

int vel_aio__check_debug(struct vel_aio *loop, PyObject *callback, const char *method) {
    PyObject *ok = PyObject_CallMethodNoArgs((PyObject *)loop, loop->st->_check_thread);
    Py_XDECREF(ok);
    return ok != NULL ? vel_aio__check_callback(loop, callback, method) : -1;
}

static PyObject *catch_step(struct vel_aio *loop, const struct vel_aio__call *call) {
    *loop->caught = Py_NewRef(call->callback);
    loop->caught = NULL;
    Py_RETURN_NONE;
}

PyObject *vel_aio__call_soon(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__call call;
    if (vel_aio__take_call(loop, "call_soon", NULL, args, nargs, kwnames, &call) < 0)
        return NULL;
    if (loop->closed && vel_aio__check_open(loop) < 0)
        return NULL;
    /* What other threads filed came first. */
    if (atomic_load_explicit(&loop->inbox.filled, memory_order_relaxed) && vel_aio__inbox_empty(loop) < 0)
        return NULL;
    if (is_task(loop, &call))
        return loop->caught != NULL && call.nargs == 0 ? catch_step(loop, &call) : soon_task(loop, &call);
    if (loop->debug && vel_aio__check_debug(loop, call.callback, "call_soon") < 0)
        return NULL;
    PyObject *handle = vel_aio__handle_new(loop, &call);
    if (handle != NULL && vel_aio__soon_handle(loop, Py_NewRef(handle)) < 0)
        Py_CLEAR(handle);
    return handle;
}

/* The library's way to put a handle that it has made where call_soon would. */
PyObject *vel_aio__add_callback(PyObject *o, PyObject *handle) {
    struct vel_aio *loop = (struct vel_aio *)o;
    int cancelled = is_cancelled(loop, handle);
    if (cancelled < 0 || (!cancelled && vel_aio__soon_handle(loop, Py_NewRef(handle)) < 0))
        return NULL;
    Py_RETURN_NONE;
}

/* --- the arguments of call_soon and its kin ---------------------------------------------------------------------- */

static bool is_named(PyObject *keyword, const char *name) {
    return name != NULL && PyUnicode_CompareWithASCIIString(keyword, name) == 0;
}

/* Nobody names them, but one may. */
static int take_named(const char *function, const char *own, PyObject *keyword, PyObject *value,
                      struct vel_aio__call *call) {
    PyObject **to = is_named(keyword, "context")    ? &call->context
                    : is_named(keyword, "callback") ? &call->callback
                    : is_named(keyword, own)        ? &call->own
                                                    : NULL;
    if (to != NULL && *to == NULL) {
        *to = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", function,
                 to == NULL ? "an unexpected keyword" : "multiple values for", keyword);
    return -1;
}

static int take_keywords(struct vel_aio *loop, const char *function, const char *own, PyObject *const *values,
                         PyObject *kwnames, struct vel_aio__call *call) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++)
        if (take_named(function, own, PyTuple_GET_ITEM(kwnames, i), values[i], call) < 0)
            return -1;
    /* asyncio's accelerator comes with the same tuple each time. */
    if (PyTuple_GET_SIZE(kwnames) == 1 && call->callback != NULL && is_task(loop, call))
        Py_XSETREF(loop->context_names, Py_NewRef(kwnames));
    if (call->context == Py_None)
        call->context = NULL;
    return 0;
}

int vel_aio__take_any_call(struct vel_aio *loop, const char *function, const char *own, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames, struct vel_aio__call *call) {
    Py_ssize_t first = own != NULL;
    *call = (struct vel_aio__call){.own = own != NULL && nargs > 0 ? args[0] : NULL};
    if (nargs > first) {
        call->callback = args[first];
        call->args = args + first + 1;
        call->nargs = nargs - first - 1;
    }
    if (kwnames != NULL && take_keywords(loop, function, own, args + nargs, kwnames, call) < 0)
        return -1;
    if (call->callback != NULL && (own == NULL || call->own != NULL))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() missing a required argument: '%s'", function,
                 own != NULL && call->own == NULL ? own : "callback");
    return -1;
}

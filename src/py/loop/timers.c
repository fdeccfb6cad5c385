/* call_later and call_at: handles in a heap, by the time of loop.time(). */
#include "py/loop/loop.h"

#include "py/loop/handle.h"

#include "base/clock.h"
#include "base/err.h"

/* As asyncio: cancelled timers are cleared out when they are many and more than half. */
#define CANCELLED_MIN 100

/* asyncio's MAXIMUM_SELECT_TIMEOUT: a day. */
#define WAIT_MAX_NS ((int64_t)24 * 3600 * 1000000000)

/* What the clock can tell apart, as asyncio's _clock_resolution. */
#define RESOLUTION 1e-9

double vel_aio__time(void) {
    return (double)vel_clock_ns() / 1e9;
}

static double present(const struct vel_aio *loop) {
    return (double)loop->net.now_ns / 1e9;
}

/* --- the heap ---------------------------------------------------------------------------------------------------- */

static bool is_cancelled(struct vel_aio *loop, PyObject *handle) {
    if (vel_aio__is_handle(loop->st, handle))
        return ((struct vel_handle *)handle)->cancelled == Py_True;
    PyObject *cancelled = PyObject_GetAttr(handle, loop->st->_cancelled);
    bool is = cancelled == Py_True;
    if (cancelled == NULL)
        PyErr_Clear();
    Py_XDECREF(cancelled);
    return is;
}

static int set_scheduled(struct vel_aio *loop, PyObject *handle, bool scheduled) {
    if (!vel_aio__is_handle(loop->st, handle))
        return PyObject_SetAttr(handle, loop->st->_scheduled, scheduled ? Py_True : Py_False);
    ((struct vel_handle *)handle)->scheduled = scheduled;
    return 0;
}

static PyObject *pop(struct vel_aio *loop) {
    PyObject *handle = vel_heap_pop(&loop->timers);
    if (set_scheduled(loop, handle, false) < 0)
        PyErr_Clear();
    return handle;
}

static bool keep(void *what, void *arg) {
    struct vel_aio *loop = ((void **)arg)[0];
    PyObject *dropped = ((void **)arg)[1], *handle = what;
    if (!is_cancelled(loop, handle))
        return true;
    if (PyList_Append(dropped, handle) < 0) {
        PyErr_Clear();
        return true;
    }
    Py_DECREF(handle); /* the list has it */
    return false;
}

/* The dropped ones go when the heap is in order again: their going may run anything. */
static void clear_out(struct vel_aio *loop) {
    PyObject *dropped = PyList_New(0);
    if (dropped == NULL) {
        PyErr_Clear();
        return;
    }
    void *arg[] = {loop, dropped};
    vel_heap_filter(&loop->timers, keep, arg);
    loop->cancelled = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(dropped); i++)
        if (set_scheduled(loop, PyList_GET_ITEM(dropped, i), false) < 0)
            PyErr_Clear();
    Py_DECREF(dropped);
}

static void count_cancelled(struct vel_aio *loop) {
    loop->cancelled++;
    if (loop->cancelled > CANCELLED_MIN && loop->cancelled > loop->timers.len / 2)
        clear_out(loop);
}

void vel_aio__timer_cancelled(struct vel_aio *loop, struct vel_handle *h) {
    if (vel_heap_drop_last(&loop->timers, h)) {
        h->scheduled = false;
        Py_DECREF(h); /* the caller of cancel() has another reference */
    } else {
        count_cancelled(loop);
    }
}

/* TimerHandle.cancel() of asyncio's own class comes here, before it is cancelled. */
PyObject *vel_aio__timer_handle_cancelled(PyObject *o, PyObject *handle) {
    struct vel_aio *loop = (struct vel_aio *)o;
    PyObject *scheduled = PyObject_GetAttr(handle, loop->st->_scheduled);
    if (scheduled == NULL)
        return NULL;
    if (scheduled == Py_True)
        count_cancelled(loop);
    Py_DECREF(scheduled);
    Py_RETURN_NONE;
}

static void drop_cancelled(struct vel_aio *loop) {
    const struct vel_heap_item *top;
    while ((top = vel_heap_top(&loop->timers)) != NULL && is_cancelled(loop, top->what)) {
        if (loop->cancelled > 0)
            loop->cancelled--;
        Py_DECREF(pop(loop));
    }
}

/* Nanoseconds until the next is due, -1 when there is none. */
int64_t vel_aio__timers_wait(struct vel_aio *loop) {
    if (loop->cancelled > 0)
        drop_cancelled(loop);
    const struct vel_heap_item *top = vel_heap_top(&loop->timers);
    if (top == NULL)
        return -1;
    double wait = (top->key - vel_aio__time()) * 1e9;
    if (!(wait > 0))
        return 0;
    return wait < WAIT_MAX_NS ? (int64_t)wait + 1 : WAIT_MAX_NS;
}

/* What is due becomes ready, in order. */
int vel_aio__timers_run(struct vel_aio *loop) {
    const struct vel_heap_item *top;
    double end = present(loop) + RESOLUTION;
    while ((top = vel_heap_top(&loop->timers)) != NULL && !(top->key >= end)) {
        bool dead = is_cancelled(loop, top->what);
        PyObject *handle = pop(loop);
        if (dead && loop->cancelled > 0)
            loop->cancelled--;
        if (dead)
            Py_DECREF(handle);
        else if (vel_aio__soon_handle(loop, handle) < 0)
            return -1;
    }
    return 0;
}

void vel_aio__timers_clear(struct vel_aio *loop) {
    while (loop->timers.len > 0)
        Py_DECREF(pop(loop));
    loop->cancelled = 0;
    vel_heap_free(&loop->timers);
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

static PyObject *schedule(struct vel_aio *loop, double when, const struct vel_aio__call *call) {
    if (loop->closed && vel_aio__check_open(loop) < 0)
        return NULL;
    if (loop->debug && vel_aio__check_debug(loop, call->callback, "call_at") < 0)
        return NULL;
    PyObject *handle = vel_aio__timer_handle_new(loop, when, call);
    if (handle == NULL)
        return NULL;
    if (vel_heap_push(&loop->timers, when, handle) != VEL_OK) {
        Py_DECREF(handle);
        return PyErr_NoMemory();
    }
    Py_INCREF(handle); /* the heap's */
    if (set_scheduled(loop, handle, true) < 0)
        Py_CLEAR(handle);
    return handle;
}

/* Whatever float() takes; asyncio would add it to a float. */
static int to_seconds(PyObject *given, const char *name, double *seconds) {
    if (given == Py_None) {
        PyErr_Format(PyExc_TypeError, "%s must not be None", name);
        return -1;
    }
    *seconds = PyFloat_CheckExact(given) ? PyFloat_AS_DOUBLE(given) : PyFloat_AsDouble(given);
    return *seconds == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *vel_aio__call_later(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__call call;
    double delay;
    if (vel_aio__take_call(loop, "call_later", "delay", args, nargs, kwnames, &call) < 0 ||
        to_seconds(call.own, "delay", &delay) < 0)
        return NULL;
    return schedule(loop, vel_aio__time() + delay, &call);
}

PyObject *vel_aio__call_at(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__call call;
    double when;
    if (vel_aio__take_call(loop, "call_at", "when", args, nargs, kwnames, &call) < 0 ||
        to_seconds(call.own, "when", &when) < 0)
        return NULL;
    return schedule(loop, when, &call);
}

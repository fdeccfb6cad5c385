/* Sink: where a streamed body goes, piece by piece, no faster than its client takes it. */
#include "py/native/native.h"

#include "py/lend.h"
#include "py/text.h"
#include "py/types.h"

#include <structmember.h>

struct sink {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    struct vel_native *native; // borrowed: NULL once the exchange is over
    struct vel_exchange *x;    /* not owned; NULL: it is over */
    PyObject *gone_error;
    PyObject *sender; /* a future that waits for credit, or NULL */
    PyObject *over;   /* a future of who wants to hear of the end, or NULL */
    bool drains;
};

static PyObject *raise_gone(struct sink *sink) {
    PyErr_SetString(sink->gone_error, "the client has disconnected");
    return NULL;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static int put(struct sink *sink, PyObject *bytes) {
    int err = vel_lend(sink->x, vel_bytes_slice(bytes), bytes);
    if (err == VEL_ENOMEM) {
        PyErr_NoMemory();
        return -1;
    }
    if (err == VEL_ELIMIT)
        PyErr_SetString(PyExc_RuntimeError, "the response is longer than its content-length");
    return err == VEL_ELIMIT ? -1 : 0;
}

static PyObject *wait_for_credit(struct sink *sink) {
    struct vel_native *n = sink->native;
    if (vel_exchange_owed(sink->x) <= VEL_NATIVE_HIGH_WATER)
        return Py_NewRef(n->done);
    PyObject *future = vel_tasks_future(n->tasks);
    if (future == NULL)
        return NULL;
    vel_sink_credit((PyObject *)sink); /* an earlier one looks again by sending more */
    sink->sender = Py_NewRef(future);
    vel_exchange_await_credit(sink->x);
    return future;
}

static PyObject *call_sink(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *names) {
    struct sink *sink = (struct sink *)o;
    if (PyVectorcall_NARGS(nargsf) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "one argument is needed: bytes");
        return NULL;
    }
    if (sink->x == NULL || vel_exchange_is_lost(sink->x))
        return raise_gone(sink);
    PyObject *bytes = PyBytes_CheckExact(args[0]) ? Py_NewRef(args[0]) : NULL;
    if (bytes == NULL && PyObject_CheckBuffer(args[0]))
        bytes = PyBytes_FromObject(args[0]);
    else if (bytes == NULL)
        PyErr_Format(PyExc_TypeError, "a stream is made of bytes, not %.100s", Py_TYPE(args[0])->tp_name);
    int err = bytes != NULL ? 0 : -1;
    if (err == 0 && PyBytes_GET_SIZE(bytes) > 0)
        err = put(sink, bytes);
    Py_XDECREF(bytes);
    return err == 0 ? wait_for_credit(sink) : NULL;
}

void vel_sink_credit(PyObject *o) {
    struct sink *sink = (struct sink *)o;
    PyObject *sender = sink->sender;
    sink->sender = NULL;
    if (sender != NULL)
        vel_tasks_resolve(sink->native->tasks, sender, Py_None);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void tell_over(struct sink *sink, PyObject *drains) {
    PyObject *over = sink->over;
    sink->over = NULL;
    if (over != NULL)
        vel_tasks_resolve(sink->native->tasks, over, drains);
}

void vel_sink_end(PyObject *o) {
    struct sink *sink = (struct sink *)o;
    if (sink->native == NULL)
        return;
    vel_sink_credit(o);
    tell_over(sink, Py_False);
    sink->x = NULL;
    sink->native = NULL;
}

void vel_sink_leave(PyObject *o) {
    struct sink *sink = (struct sink *)o;
    if (sink->native != NULL)
        tell_over(sink, Py_None);
}

void vel_sink_drain(PyObject *o) {
    struct sink *sink = (struct sink *)o;
    sink->drains = true;
    if (sink->native != NULL)
        tell_over(sink, Py_True);
}

static PyObject *get_over(PyObject *o, PyObject *unused) {
    struct sink *sink = (struct sink *)o;
    (void)unused;
    if (sink->native == NULL || sink->x == NULL)
        return raise_gone(sink);
    PyObject *future = vel_tasks_future(sink->native->tasks);
    if (future == NULL)
        return NULL;
    Py_XSETREF(sink->over, Py_NewRef(future));
    if (sink->drains)
        tell_over(sink, Py_True);
    return future;
}

int vel_sink_put(PyObject *o, PyObject *bytes, uint64_t most) {
    struct sink *sink = (struct sink *)o;
    if (sink->x == NULL || vel_exchange_is_lost(sink->x))
        return 0;
    return vel_exchange_owed(sink->x) <= most ? put(sink, bytes) : 1;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

PyObject *vel_sink_new(struct vel_native *n, struct vel_exchange *x) {
    PyTypeObject *type = n->tasks->state->sink_type;
    struct sink *sink = (struct sink *)type->tp_alloc(type, 0);
    if (sink == NULL)
        return NULL;
    sink->vectorcall = call_sink;
    sink->native = n;
    sink->x = x;
    sink->gone_error = Py_NewRef(n->gone_error);
    return (PyObject *)sink;
}

static void dealloc(PyObject *o) {
    struct sink *sink = (struct sink *)o;
    PyTypeObject *type = Py_TYPE(o);
    Py_CLEAR(sink->over);
    Py_CLEAR(sink->sender);
    Py_CLEAR(sink->gone_error);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"over", get_over, METH_NOARGS,
     "over($self, /)\n--\n\nA future: False when nothing can be sent any more, None when the client has ended its "
     "side,\n"
     "True when the worker is to stop."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct sink, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "sink(data)\n--\n\nSends a piece of the body; await what it gives."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_sink_type_spec = {
    .name = "velocem._core.Sink",
    .basicsize = sizeof(struct sink),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

/* Blocks on their way out. */
#include "py/wsgi/write.h"

#include "py/types.h"

#include <structmember.h>
#include <time.h>

struct write {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    struct vel_wsgi *wsgi;            // borrowed: used only while start->exchange says the request runs
    struct vel_start_response *start; /* owned */
};

/* While write() waits for the client, a kill or a signal handler waits at most this long for write(). */
#define WAIT_SLICE 250

/* How often a thread that does not run the application looks whether the client has taken more. */
#define LOOK_SLICE 5

/* Exact bytes: those of a derived class could run code in the middle of sending when they go. A new reference. */
static PyObject *exact_bytes(PyObject *block) {
    if (PyBytes_CheckExact(block))
        return Py_NewRef(block);
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(block), PyBytes_GET_SIZE(block));
}

static void release_bytes(void *owner) {
    Py_DECREF((PyObject *)owner); /* the loop holds the GIL whenever it sends, or leaves it to a thread that does */
}

/* Past the announced length nothing goes out: a client must not take the front of a broken body for the whole. */
static int too_long(const struct vel_exchange *x, const struct vel_reply_head *head, Py_ssize_t size) {
    if (head->length < 0 || x->sent + (uint64_t)size <= (uint64_t)head->length)
        return 0;
    if (x->head->method == VEL_METHOD_HEAD || head->status == 204 || head->status == 304)
        return 0; /* its length says nothing of what is sent here */
    PyErr_Format(PyExc_ValueError, "the body is longer than its Content-Length of %lld", (long long)head->length);
    return -1;
}

int vel_wsgi_send_block(struct vel_start_response *start, PyObject *block, int64_t length) {
    struct vel_exchange *x = start->exchange;
    if (!PyBytes_Check(block)) {
        PyErr_Format(PyExc_TypeError, "a block of the body must be bytes, not %.100s", Py_TYPE(block)->tp_name);
        return -1;
    }
    Py_ssize_t size = PyBytes_GET_SIZE(block);
    if (size == 0)
        return 0;
    if (start->status != NULL && too_long(x, &start->head, size) < 0)
        return -1;
    if (x->status == 0 && vel_start_response_send(start, length) < 0)
        return -1;
    PyObject *bytes = exact_bytes(block);
    if (bytes == NULL)
        return -1;
    struct vel_loan loan = {.release = release_bytes, .owner = bytes};
    if (vel_exchange_data(x, vel_slice(PyBytes_AS_STRING(bytes), (size_t)size), &loan) == VEL_ENOMEM) {
        Py_DECREF(bytes);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int is_over(void) {
    PyErr_SetString(PyExc_RuntimeError, "write() called after the request has ended");
    return -1;
}

static void nap(unsigned ms) {
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* What may be waited for without the GIL is the thread's that runs the application: it alone ends the request. Another
 * one, which the application has started, sleeps, and looks again under the GIL. */
static int wait_a_slice(const struct vel_start_response *start, struct vel_exchange *x, bool own, uint32_t ms) {
    int err = VEL_EAGAIN;
    Py_BEGIN_ALLOW_THREADS
        if (own)
            err = vel_exchange_wait(x, (int)ms);
        else
            nap(ms);
    Py_END_ALLOW_THREADS
    if (start->exchange != x)
        return is_over();
    return own ? err : vel_exchange_wait(x, 0);
}

/* VEL_OK, VEL_EAGAIN after the write timeout, VEL_ERESET; -1 with an exception. Meanwhile other threads run. */
static int wait_for_client(const struct vel_start_response *start, struct vel_exchange *x) {
    bool own = PyThread_get_thread_ident() == start->wsgi->thread;
    uint32_t limit = start->wsgi->write_ms > 0 ? start->wsgi->write_ms : UINT32_MAX;
    uint32_t slice = own ? WAIT_SLICE : LOOK_SLICE;
    int err = VEL_EAGAIN;
    for (uint32_t left = limit; err == VEL_EAGAIN && left > 0;) {
        uint32_t ms = left < slice ? left : slice;
        left -= limit != UINT32_MAX ? ms : 0;
        err = wait_a_slice(start, x, own, ms);
        if (PyErr_Occurred() || PyErr_CheckSignals() < 0)
            return -1;
        if (vel_exchange_is_lost(x))
            return VEL_ERESET;
    }
    return err;
}

/* write() may not return before the block is with the kernel, or kept to be sent while the application goes on (PEP
 * 3333): it blocks, at most the write timeout. */
static int push_out(const struct vel_start_response *start, struct vel_exchange *x) {
    int err;
    while ((err = vel_exchange_flush(x)) == VEL_EAGAIN) {
        err = wait_for_client(start, x);
        if (PyErr_Occurred())
            return -1;
        if (err != VEL_OK)
            break;
    }
    if (err == VEL_OK)
        return 0;
    PyErr_SetString(err == VEL_EAGAIN || x->slow ? PyExc_TimeoutError : PyExc_ConnectionResetError,
                    "the client takes no more of the reply");
    return -1;
}

static PyObject *call(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *names) {
    struct write *self = (struct write *)o;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n != 1 || (names != NULL && PyTuple_GET_SIZE(names) > 0))
        return PyErr_Format(PyExc_TypeError, "write() takes one argument (%zd given)", n);
    struct vel_exchange *x = self->start->exchange;
    if (x == NULL) {
        is_over();
        return NULL;
    }
    /* The stage holds the output of the connection being served, and that is another's now. */
    if (self->wsgi->running != x) {
        PyErr_SetString(PyExc_RuntimeError, "write() called while its application has no control");
        return NULL;
    }
    if (vel_wsgi_send_block(self->start, args[0], -1) < 0 || push_out(self->start, x) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *vel_wsgi_write_new(struct vel_wsgi *w, struct vel_start_response *start) {
    struct write *self = (struct write *)w->spare_write;
    w->spare_write = NULL;
    if (self == NULL) {
        self = (struct write *)w->state->write_type->tp_alloc(w->state->write_type, 0);
        if (self == NULL)
            return NULL;
        self->vectorcall = call;
    }
    self->wsgi = w;
    self->start = (struct vel_start_response *)Py_NewRef(start);
    return (PyObject *)self;
}

/* Nearly every application drops write() at once: the object goes back for the next request instead of to the heap.
 * While start->exchange is set the worker is alive, and with it the place for the spare one. */
static void dealloc(PyObject *o) {
    struct write *self = (struct write *)o;
    PyTypeObject *type = Py_TYPE(o);
    struct vel_start_response *start = self->start;
    struct vel_wsgi *w = start != NULL && start->exchange != NULL ? self->wsgi : NULL;
    self->start = NULL;
    if (w != NULL && w->spare_write == NULL) {
        Py_INCREF(o); /* from 0, and not by setting it: a debug build counts */
        w->spare_write = o;
        Py_DECREF(start);
        return;
    }
    Py_XDECREF(start);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct write, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "write(block)\n--\n\nSends a block of the body before it returns (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_write_type_spec = {
    .name = "velocem._core.Write",
    .basicsize = sizeof(struct write),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

/* wsgi.input that waits for the client: read, readline, readlines, iteration, without the GIL while nothing is here. */
#include "py/wsgi/stream.h"

#include "py/types.h"
#include "py/wsgi/input.h"

#include "base/buf.h"
#include "server/remote.h"

#include <time.h>

/* Read ahead at a time. */
#define PIECE 65536

/* How often a thread that the application has started looks whether something has come. */
#define LOOK_MS 5

struct stream {
    PyObject_HEAD
    struct vel_start_response *start; /* owned; its exchange is the request's while that lasts */
    struct vel_buf bytes;             /* taken from the exchange */
    size_t at;                        /* of them, what was read */
    bool ended;                       /* nothing comes behind bytes */
    bool busy;                        /* a thread waits in it */
};

PyObject *vel_wsgi_stream_new(struct vel_state *state, struct vel_start_response *start) {
    struct stream *self = (struct stream *)state->stream_type->tp_alloc(state->stream_type, 0);
    if (self != NULL)
        self->start = (struct vel_start_response *)Py_NewRef(start);
    return (PyObject *)self;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    struct stream *self = (struct stream *)o;
    vel_buf_free(&self->bytes);
    Py_XDECREF(self->start);
    type->tp_free(o);
    Py_DECREF(type);
}

/* --- more bytes -------------------------------------------------------------------------------------------------- */

static int raise_lost(const struct vel_exchange *x, long err) {
    if (err == VEL_ENOMEM)
        PyErr_NoMemory();
    else
        PyErr_SetString(x->slow ? PyExc_TimeoutError : PyExc_ConnectionResetError,
                        "the client sends no more of the request body");
    return -1;
}

static void nap(void) {
    Py_BEGIN_ALLOW_THREADS
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    Py_END_ALLOW_THREADS
}

/* As vel_remote_read; the GIL is given back while it waits, so the request may have ended when it returns. */
static long read_some(struct stream *self, char *at) {
    for (;;) {
        struct vel_exchange *x = self->start->exchange;
        if (x == NULL) {
            PyErr_SetString(PyExc_ValueError, "wsgi.input is read after the request has ended");
            return -1;
        }
        long n = vel_remote_read(x, at, PIECE);
        if (n >= 0)
            return n;
        if (n != VEL_EAGAIN)
            return raise_lost(x, n);
        nap();
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
}

static int fetch(struct stream *self) {
    if (self->at > 0) {
        vel_buf_consume(&self->bytes, self->at);
        self->at = 0;
    }
    char *at = vel_buf_reserve(&self->bytes, PIECE);
    if (at == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->busy = true;
    long n = read_some(self, at);
    self->busy = false;
    if (n < 0)
        return -1;
    self->bytes.len += (size_t)n;
    self->ended = n == 0;
    return 0;
}

static size_t here(const struct stream *self) {
    return self->bytes.len - self->at;
}

static int begin(const struct stream *self) {
    if (!self->busy)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "wsgi.input is read by another thread");
    return -1;
}

/* Until so many bytes are here, or no more come. */
static int fill(struct stream *self, size_t want) {
    if (begin(self) < 0)
        return -1;
    while (here(self) < want && !self->ended)
        if (fetch(self) < 0)
            return -1;
    return 0;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static PyObject *take(struct stream *self, size_t max) {
    size_t n = here(self) < max ? here(self) : max;
    PyObject *bytes = PyBytes_FromStringAndSize(n > 0 ? self->bytes.data + self->at : NULL, (Py_ssize_t)n);
    if (bytes == NULL)
        return NULL;
    self->at += n;
    if (here(self) == 0) {
        vel_buf_free(&self->bytes);
        self->at = 0;
    }
    return bytes;
}

static PyObject *read_bytes(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    struct stream *self = (struct stream *)o;
    Py_ssize_t size;
    if (vel_wsgi_input_size(args, nargs, "read", &size) < 0)
        return NULL;
    size_t max = size < 0 ? SIZE_MAX : (size_t)size;
    return fill(self, max) < 0 ? NULL : take(self, max);
}

/* Length of the line at the present place, its LF included, at most max; it is all here then. -1 with an exception. */
static int64_t line_length(struct stream *self, size_t max) {
    size_t looked = 0;
    if (begin(self) < 0)
        return -1;
    for (;;) {
        size_t n = here(self) < max ? here(self) : max;
        const char *from = n > looked ? self->bytes.data + self->at + looked : NULL;
        const char *lf = from != NULL ? memchr(from, '\n', n - looked) : NULL;
        if (lf != NULL)
            return lf - (self->bytes.data + self->at) + 1;
        if (n == max || self->ended)
            return (int64_t)n;
        looked = n;
        if (fetch(self) < 0)
            return -1;
    }
}

static PyObject *next_line(struct stream *self, Py_ssize_t size) {
    int64_t n = line_length(self, size < 0 ? SIZE_MAX : (size_t)size);
    return n < 0 ? NULL : take(self, (size_t)n);
}

static PyObject *readline(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    Py_ssize_t size;
    if (vel_wsgi_input_size(args, nargs, "readline", &size) < 0)
        return NULL;
    return next_line((struct stream *)o, size);
}

static PyObject *iternext(PyObject *o) {
    PyObject *line = next_line((struct stream *)o, -1);
    if (line != NULL && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

static PyObject *readlines(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    Py_ssize_t hint, total = 0;
    if (vel_wsgi_input_size(args, nargs, "readlines", &hint) < 0)
        return NULL;
    PyObject *line, *lines = PyList_New(0);
    while (lines != NULL && (hint <= 0 || total < hint) && (line = iternext(o)) != NULL) {
        total += PyBytes_GET_SIZE(line);
        if (PyList_Append(lines, line) < 0)
            Py_CLEAR(lines);
        Py_DECREF(line);
    }
    if (PyErr_Occurred())
        Py_CLEAR(lines);
    return lines;
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_bytes, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nsize bytes of the request body, or what is left of it, once they are here."},
    {"readline", (PyCFunction)(void (*)(void))readline, METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nOne line with its line feed, or up to size bytes of it."},
    {"readlines", (PyCFunction)(void (*)(void))readlines, METH_FASTCALL,
     "readlines($self, hint=-1, /)\n--\n\nThe lines that are left; about hint bytes of them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "wsgi.input: the request body as it comes (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iternext},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_stream_type_spec = {
    .name = "velocem._core.Stream",
    .basicsize = sizeof(struct stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

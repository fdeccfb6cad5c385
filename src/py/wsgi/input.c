/* wsgi.input: read, readline, readlines, iteration. */
#include "py/wsgi/input.h"

#include "py/types.h"

/* A line is looked for in pieces of this size when the body is in a file. */
#define PIECE 8192

struct input {
    PyObject_HEAD
    struct vel_body body; /* owned; never BORROWED */
    PyObject *whole; /* a body that was borrowed, as the bytes that one read() gives; body points into it. Or NULL */
    uint64_t at;
};

/* Borrowed bytes have to be copied now: into the object that most applications will ask for. */
static int adopt_borrowed(struct input *self, struct vel_body *body) {
    self->whole = PyBytes_FromStringAndSize(body->bytes.at, (Py_ssize_t)body->bytes.len);
    if (self->whole == NULL)
        return -1;
    body->bytes.at = PyBytes_AS_STRING(self->whole);
    body->place = VEL_BODY_MEMORY;
    return 0;
}

PyObject *vel_wsgi_input_new(struct vel_state *state, struct vel_body *body) {
    struct input *self = (struct input *)state->input_type->tp_alloc(state->input_type, 0);
    if (self == NULL)
        return NULL;
    if (body->place == VEL_BODY_BORROWED && adopt_borrowed(self, body) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->body = *body;
    *body = (struct vel_body){0};
    return (PyObject *)self;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    struct input *self = (struct input *)o;
    vel_body_free(&self->body);
    Py_XDECREF(self->whole);
    type->tp_free(o);
    Py_DECREF(type);
}

static uint64_t left(const struct input *self) {
    return self->body.size - self->at;
}

int vel_wsgi_input_size(PyObject *const *args, Py_ssize_t nargs, const char *name, Py_ssize_t *size) {
    *size = -1;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", name, nargs);
        return -1;
    }
    if (nargs == 1 && args[0] != Py_None) {
        *size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (*size == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static PyObject *take(struct input *self, uint64_t n) {
    if (self->whole != NULL && n == self->body.size) {
        self->at = n;
        return Py_NewRef(self->whole);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (bytes == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(bytes);
    for (uint64_t done = 0; done < n;) {
        long got = vel_body_read(&self->body, self->at + done, to + done, (size_t)(n - done));
        if (got <= 0) {
            Py_DECREF(bytes);
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        done += (uint64_t)got;
    }
    self->at += n;
    return bytes;
}

static PyObject *read_bytes(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    struct input *self = (struct input *)o;
    Py_ssize_t size;
    if (vel_wsgi_input_size(args, nargs, "read", &size) < 0)
        return NULL;
    return take(self, size < 0 || (uint64_t)size > left(self) ? left(self) : (uint64_t)size);
}

/* Length of the line at the present place, its LF included, at most max; -1 with an exception. */
static int64_t line_length(struct input *self, uint64_t max) {
    char piece[PIECE];
    uint64_t done = 0;
    if (self->body.place != VEL_BODY_FILE) {
        const char *from = self->body.bytes.at + self->at;
        const char *lf = max > 0 ? memchr(from, '\n', (size_t)max) : NULL;
        return (int64_t)(lf != NULL ? (uint64_t)(lf - from) + 1 : max);
    }
    while (done < max) {
        size_t want = max - done < PIECE ? (size_t)(max - done) : PIECE;
        long got = vel_body_read(&self->body, self->at + done, piece, want);
        if (got <= 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        const char *lf = memchr(piece, '\n', (size_t)got);
        if (lf != NULL)
            return (int64_t)(done + (uint64_t)(lf - piece) + 1);
        done += (uint64_t)got;
    }
    return (int64_t)max;
}

static PyObject *next_line(struct input *self, Py_ssize_t size) {
    uint64_t max = size < 0 || (uint64_t)size > left(self) ? left(self) : (uint64_t)size;
    int64_t n = line_length(self, max);
    return n < 0 ? NULL : take(self, (uint64_t)n);
}

static PyObject *readline(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    Py_ssize_t size;
    if (vel_wsgi_input_size(args, nargs, "readline", &size) < 0)
        return NULL;
    return next_line((struct input *)o, size);
}

static PyObject *readlines(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    struct input *self = (struct input *)o;
    Py_ssize_t hint, total = 0;
    if (vel_wsgi_input_size(args, nargs, "readlines", &hint) < 0)
        return NULL;
    PyObject *lines = PyList_New(0);
    while (lines != NULL && left(self) > 0 && (hint <= 0 || total < hint)) {
        PyObject *line = next_line(self, -1);
        if (line == NULL || PyList_Append(lines, line) < 0)
            Py_CLEAR(lines);
        else
            total += PyBytes_GET_SIZE(line);
        Py_XDECREF(line);
    }
    return lines;
}

static PyObject *iternext(PyObject *o) {
    struct input *self = (struct input *)o;
    return left(self) > 0 ? next_line(self, -1) : NULL;
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_bytes, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nUp to size bytes of the request body; b'' at its end."},
    {"readline", (PyCFunction)(void (*)(void))readline, METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nOne line with its line feed, or up to size bytes of it."},
    {"readlines", (PyCFunction)(void (*)(void))readlines, METH_FASTCALL,
     "readlines($self, hint=-1, /)\n--\n\nThe lines that are left; about hint bytes of them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "wsgi.input: the request body, all received (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iternext},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_input_type_spec = {
    .name = "velocem._core.Input",
    .basicsize = sizeof(struct input),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

/* velocem._core.Admin: the admin address and its thread, which never asks for the GIL. */
#include "py/board.h"
#include "py/sockets.h"
#include "py/text.h"
#include "py/types.h"

#include "admin/admin.h"
#include "base/err.h"
#include "base/mem.h"

struct admin {
    PyObject_HEAD
    struct vel_admin core;
    PyObject *board, *sockets, *version, *page; /* what the core points into */
    bool ready;
};

static int make_core(struct admin *self, struct vel_board *board) {
    size_t n = (size_t)PyTuple_GET_SIZE(self->sockets);
    struct vel_socket *sockets = vel_take_sockets(self->sockets);
    if (sockets == NULL)
        return -1;
    struct vel_slice page = vel_bytes_slice(self->page);
    int err = vel_admin_init(&self->core, board, sockets, n, PyBytes_AS_STRING(self->version), page);
    vel_free(sockets);
    self->ready = err == VEL_OK;
    if (err == VEL_ENOMEM)
        PyErr_NoMemory();
    else if (err != VEL_OK)
        PyErr_SetFromErrno(PyExc_OSError);
    return self->ready ? 0 : -1;
}

static PyObject *admin_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"board", "sockets", "version", "page", NULL};
    PyObject *board, *sockets, *version, *page;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$OOSS:Admin", (char **)names, &board, &sockets, &version, &page))
        return NULL;
    struct vel_board *shared = vel_board_of(vel_state_of(type), board);
    struct admin *self = shared != NULL ? (struct admin *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL)
        return NULL;
    self->board = Py_NewRef(board);
    self->version = Py_NewRef(version);
    self->page = Py_NewRef(page);
    self->sockets = PySequence_Tuple(sockets);
    if (self->sockets == NULL || make_core(self, shared) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void free_core(struct admin *self) {
    if (!self->ready)
        return;
    self->ready = false;
    Py_BEGIN_ALLOW_THREADS
        vel_admin_free(&self->core);
    Py_END_ALLOW_THREADS
}

static void admin_dealloc(PyObject *o) {
    struct admin *self = (struct admin *)o;
    PyTypeObject *type = Py_TYPE(o);
    free_core(self);
    Py_XDECREF(self->board);
    Py_XDECREF(self->sockets);
    Py_XDECREF(self->version);
    Py_XDECREF(self->page);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *start(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct admin *self = (struct admin *)o;
    if (!self->ready || self->core.runs) {
        PyErr_SetString(PyExc_RuntimeError, "an Admin starts once");
        return NULL;
    }
    if (vel_admin_start(&self->core) != VEL_OK)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *close_admin(PyObject *o, PyObject *Py_UNUSED(none)) {
    free_core((struct admin *)o);
    Py_RETURN_NONE;
}

static PyObject *forked(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct admin *self = (struct admin *)o;
    if (self->ready)
        vel_admin_forked(&self->core);
    self->ready = false;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "start($self, /)\n--\n\nServes from now on, in a thread of its own."},
    {"close", close_admin, METH_NOARGS, "close($self, /)\n--\n\nEnds it, and waits for that."},
    {"forked", forked, METH_NOARGS, "forked($self, /)\n--\n\nThis is a child process, which has no such thread."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The admin address: health, readiness, metrics, served without the interpreter."},
    {Py_tp_new, admin_new},
    {Py_tp_dealloc, admin_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_admin_type_spec = {
    .name = "velocem._core.Admin",
    .basicsize = sizeof(struct admin),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

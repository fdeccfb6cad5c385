/* velocem._core.Board: memory that the processes of a server share; Metric: one number of the application's in it. */
#include "py/board.h"

#include "py/types.h"

#include <math.h>
#include <unistd.h>

struct vel_board *vel_board_of(struct vel_state *state, PyObject *o) {
    if (PyObject_TypeCheck(o, state->board_type))
        return ((struct board *)o)->shared;
    PyErr_Format(PyExc_TypeError, "board must be a Board, not %.100s", Py_TYPE(o)->tp_name);
    return NULL;
}

static PyObject *board_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Board", (char **)names))
        return NULL;
    struct board *self = (struct board *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->shared = vel_board_new();
    if (self->shared == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void board_dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    struct board *self = (struct board *)o;
    if (self->shared != NULL)
        vel_board_free(self->shared);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *enter(PyObject *o, PyObject *number) {
    struct vel_board *shared = ((struct board *)o)->shared;
    unsigned long n = PyLong_AsUnsignedLong(number);
    if (n == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    struct vel_slot *slot = vel_board_enter(shared, getpid(), n);
    if (slot == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the board has no slot left");
        return NULL;
    }
    return PyLong_FromSsize_t(slot - shared->slots);
}

static PyObject *leave(PyObject *o, PyObject *number) {
    long pid = PyLong_AsLong(number);
    if (pid == -1 && PyErr_Occurred())
        return NULL;
    if (pid > 0)
        vel_board_leave(((struct board *)o)->shared, pid);
    Py_RETURN_NONE;
}

static PyObject *replaced(PyObject *o, PyObject *cause) {
    static const char *const names[] = {
#define VEL_CAUSE(name) #name,
#include "admin/cause.def"
    };
    for (int i = 0; i < VEL_CAUSE_COUNT; i++) {
        if (PyUnicode_Check(cause) && PyUnicode_CompareWithASCIIString(cause, names[i]) == 0) {
            ((struct board *)o)->shared->replaced[i]++;
            Py_RETURN_NONE;
        }
    }
    return PyErr_Format(PyExc_ValueError, "%R is no cause", cause);
}

static PyObject *drain(PyObject *o, PyObject *Py_UNUSED(none)) {
    __atomic_store_n(&((struct board *)o)->shared->draining, 1, __ATOMIC_RELAXED);
    Py_RETURN_NONE;
}

/* --- numbers of the application ---------------------------------------------------------------------------------- */

struct metric {
    PyObject_HEAD
    PyObject *board; /* keeps the memory */
    struct vel_series *series;
};

static int take_bounds(PyObject *given, double *bounds, size_t *n) {
    PyObject *items = PySequence_Fast(given, "bounds must be a sequence of numbers");
    if (items == NULL)
        return -1;
    Py_ssize_t size = PySequence_Fast_GET_SIZE(items);
    for (Py_ssize_t i = 0; i < size && i < VEL_BOUNDS_MAX; i++)
        bounds[i] = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(items, i)); // borrowed: of items, which we hold
    Py_DECREF(items);
    *n = (size_t)size;
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *metric(PyObject *o, PyObject *args) {
    struct vel_board *shared = ((struct board *)o)->shared;
    const char *text, *help;
    Py_ssize_t text_len, name_len, help_len;
    double bounds[VEL_BOUNDS_MAX];
    size_t nbounds;
    int kind;
    PyObject *given;
    if (!PyArg_ParseTuple(args, "is#ns#O:metric", &kind, &text, &text_len, &name_len, &help, &help_len, &given))
        return NULL;
    if (kind < VEL_COUNTER || kind > VEL_HISTOGRAM || name_len < 1 || name_len > text_len) {
        PyErr_SetString(PyExc_ValueError, "no such kind, or no name");
        return NULL;
    }
    if (take_bounds(given, bounds, &nbounds) < 0)
        return NULL;
    struct vel_series *series = vel_board_series(shared, (enum vel_series_kind)kind, vel_slice(text, (size_t)text_len),
                                                 (size_t)name_len, vel_slice(help, (size_t)help_len), bounds, nbounds);
    if (series == NULL)
        return PyErr_Format(PyExc_ValueError, "%s: there is another of this name, or no room for it", text);
    struct vel_state *state = vel_state_of(Py_TYPE(o));
    struct metric *self = (struct metric *)state->metric_type->tp_alloc(state->metric_type, 0);
    if (self == NULL)
        return NULL;
    self->board = Py_NewRef(o);
    self->series = series;
    return (PyObject *)self;
}

static void metric_dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    Py_XDECREF(((struct metric *)o)->board);
    type->tp_free(o);
    Py_DECREF(type);
}

static int amount_of(PyObject *const *args, Py_ssize_t n, double *amount) {
    *amount = 1;
    if (n > 1) {
        PyErr_SetString(PyExc_TypeError, "at most one amount");
        return -1;
    }
    if (n == 1)
        *amount = PyFloat_AsDouble(args[0]);
    return *amount == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *inc(PyObject *o, PyObject *const *args, Py_ssize_t n) {
    struct vel_series *series = ((struct metric *)o)->series;
    double amount;
    if (amount_of(args, n, &amount) < 0)
        return NULL;
    if (series->kind == VEL_COUNTER && !(amount >= 0)) {
        PyErr_SetString(PyExc_ValueError, "a counter only rises");
        return NULL;
    }
    vel_series_add(series, amount);
    Py_RETURN_NONE;
}

static PyObject *dec(PyObject *o, PyObject *const *args, Py_ssize_t n) {
    double amount;
    if (amount_of(args, n, &amount) < 0)
        return NULL;
    vel_series_add(((struct metric *)o)->series, -amount);
    Py_RETURN_NONE;
}

static PyObject *set(PyObject *o, PyObject *given) {
    double value = PyFloat_AsDouble(given);
    if (value == -1 && PyErr_Occurred())
        return NULL;
    vel_series_set(((struct metric *)o)->series, value);
    Py_RETURN_NONE;
}

static PyObject *observe(PyObject *o, PyObject *given) {
    struct metric *self = (struct metric *)o;
    double value = PyFloat_AsDouble(given);
    if (value == -1 && PyErr_Occurred())
        return NULL;
    vel_series_observe(((struct board *)self->board)->shared, self->series, value);
    Py_RETURN_NONE;
}

static PyObject *get_value(PyObject *o, void *Py_UNUSED(closure)) {
    return PyFloat_FromDouble(vel_series_value(((struct metric *)o)->series));
}

/* --- types ------------------------------------------------------------------------------------------------------- */

static PyMethodDef board_methods[] = {
    {"enter", enter, METH_O,
     "enter($self, number, /)\n--\n\nA slot for this process, as the worker of this number; returns its index."},
    {"leave", leave, METH_O, "leave($self, pid, /)\n--\n\nThe process is gone: its slot is free."},
    {"replaced", replaced, METH_O, "replaced($self, cause, /)\n--\n\nA worker is replaced; counts why."},
    {"drain", drain, METH_NOARGS, "drain($self, /)\n--\n\nThe server is on its way out, and not ready any more."},
    {"metric", metric, METH_VARARGS,
     "metric($self, kind, text, name_len, about, bounds, /)\n--\n\nThe series of this text; made when it is not "
     "there."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot board_slots[] = {
    {Py_tp_doc, "Memory that the processes of a server share."},
    {Py_tp_new, board_new},
    {Py_tp_dealloc, board_dealloc},
    {Py_tp_methods, board_methods},
    {0, NULL},
};

PyType_Spec vel_board_type_spec = {
    .name = "velocem._core.Board",
    .basicsize = sizeof(struct board),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = board_slots,
};

static PyMethodDef metric_methods[] = {
    {"inc", (PyCFunction)(void (*)(void))inc, METH_FASTCALL, "inc($self, amount=1, /)\n--\n\nAdds."},
    {"dec", (PyCFunction)(void (*)(void))dec, METH_FASTCALL, "dec($self, amount=1, /)\n--\n\nTakes away."},
    {"set", set, METH_O, "set($self, value, /)\n--\n\nThe value from now on."},
    {"observe", observe, METH_O, "observe($self, value, /)\n--\n\nOne value for the histogram."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef metric_getset[] = {
    {"value", get_value, NULL, "Of all processes; of a histogram, the sum of what was observed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot metric_slots[] = {
    {Py_tp_doc, "A number that all processes of a server write to."},
    {Py_tp_dealloc, metric_dealloc},
    {Py_tp_methods, metric_methods},
    {Py_tp_getset, metric_getset},
    {0, NULL},
};

PyType_Spec vel_metric_type_spec = {
    .name = "velocem._core.Metric",
    .basicsize = sizeof(struct metric),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = metric_slots,
};

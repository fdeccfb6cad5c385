/* The awaitable that is finished already: what send() returns when there is nothing to wait for. */
#include "py/types.h"

/* Returning None from an iterator needs no StopIteration: NULL without an exception says it. */
static PyObject *next(PyObject *o) {
    (void)o;
    return NULL;
}

static PySendResult send(PyObject *o, PyObject *value, PyObject **result) {
    (void)o, (void)value;
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "An awaitable that is finished."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, send},
    {0, NULL},
};

PyType_Spec vel_done_type_spec = {
    .name = "velocem._core.Done",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

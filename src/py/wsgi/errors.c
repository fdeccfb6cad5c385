/* wsgi.errors: a text stream that is sys.stderr of the moment, so that whoever replaces sys.stderr sees it too. */
#include "py/state.h"
#include "py/types.h"

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    type->tp_free(o);
    Py_DECREF(type);
}

/* sys.stderr.name(*args): None without a stream, as after pythonw or a closed stderr. */
static PyObject *call(PyObject *name, PyObject *arg) {
    PyObject *stream = PySys_GetObject("stderr"); // borrowed: made our own at once, since the call may replace it
    if (stream == NULL || stream == Py_None)
        Py_RETURN_NONE;
    Py_INCREF(stream);
    PyObject *result =
        arg != NULL ? PyObject_CallMethodOneArg(stream, name, arg) : PyObject_CallMethodNoArgs(stream, name);
    Py_DECREF(stream);
    return result;
}

static PyObject *write_text(PyObject *self, PyObject *text) {
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "wsgi.errors.write() needs a str, not %.100s", Py_TYPE(text)->tp_name);
    return call(vel_state_of(Py_TYPE(self))->write, text);
}

static PyObject *writelines(PyObject *self, PyObject *lines) {
    PyObject *line, *iterator = PyObject_GetIter(lines);
    if (iterator == NULL)
        return NULL;
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *result = write_text(self, line);
        Py_DECREF(line);
        if (result == NULL)
            break;
        Py_DECREF(result);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *flush(PyObject *self, PyObject *Py_UNUSED(none)) {
    return call(vel_state_of(Py_TYPE(self))->flush, NULL);
}

static PyMethodDef methods[] = {
    {"write", write_text, METH_O, "write($self, text, /)\n--\n\nWrites text to sys.stderr."},
    {"writelines", writelines, METH_O, "writelines($self, lines, /)\n--\n\nWrites each of lines."},
    {"flush", flush, METH_NOARGS, "flush($self, /)\n--\n\nFlushes sys.stderr."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "wsgi.errors: writes to sys.stderr (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_errors_type_spec = {
    .name = "velocem._core.Errors",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

/* What is wrong with the input of one request, collected for one answer. */
#include "py/native/core.h"

static int append(struct vel_faults *faults, PyObject *fault) {
    if (faults->list == NULL)
        faults->list = PyList_New(0);
    int err = faults->list != NULL && fault != NULL ? PyList_Append(faults->list, fault) : -1;
    Py_XDECREF(fault);
    if (faults->status == 0)
        faults->status = 422;
    return err;
}

int vel_faults_add(struct vel_faults *faults, const char *source, PyObject *name, const char *message) {
    PyObject *loc = name != NULL ? Py_BuildValue("[sO]", source, name) : Py_BuildValue("[s]", source);
    return append(faults, loc != NULL ? Py_BuildValue("{s:N,s:s}", "loc", loc, "msg", message) : NULL);
}

static int append_all(struct vel_faults *faults, PyObject *errors) {
    int err = 0;
    for (Py_ssize_t i = 0; err == 0 && i < PyList_GET_SIZE(errors); i++)
        err = append(faults, Py_NewRef(PyList_GET_ITEM(errors, i)));
    return err;
}

static int add_text(struct vel_faults *faults, PyObject *raised, const char *source, PyObject *name) {
    PyObject *text = PyObject_Str(raised);
    const char *message = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    int err = message != NULL ? vel_faults_add(faults, source, name, message) : -1;
    Py_XDECREF(text);
    return err;
}

/* velocem.exceptions.Invalid has a list of its own. */
int vel_faults_take(struct vel_faults *faults, const char *source, PyObject *name) {
    if (!PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyObject *raised = vel_take_raised(), *errors = PyObject_GetAttrString(raised, "errors");
    if (errors == NULL)
        PyErr_Clear();
    int err =
        errors != NULL && PyList_Check(errors) ? append_all(faults, errors) : add_text(faults, raised, source, name);
    Py_XDECREF(errors);
    Py_DECREF(raised);
    return err;
}

static int take_explained(struct vel_faults *faults, PyObject *explained) {
    int status;
    PyObject *errors;
    if (!PyTuple_Check(explained)) {
        PyErr_SetString(PyExc_TypeError, "explain gives (status, errors)");
        return -1;
    }
    if (!PyArg_ParseTuple(explained, "iO!", &status, &PyList_Type, &errors))
        return -1;
    faults->status = (unsigned)status;
    return append_all(faults, errors);
}

int vel_faults_explain(struct vel_core *core, struct vel_faults *faults) {
    if (core->explain == NULL)
        return vel_faults_take(faults, "body", NULL);
    if (!PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyObject *raised = vel_take_raised(), *explained = PyObject_CallOneArg(core->explain, raised);
    int err = explained != NULL ? take_explained(faults, explained) : -1;
    Py_XDECREF(explained);
    Py_DECREF(raised);
    return err;
}

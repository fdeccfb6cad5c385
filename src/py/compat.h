/* What differs between the CPython versions we build for (3.11 and later). */
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#include <stdbool.h>

/* Whether nobody but the caller holds o, so that it may be changed or used again. */
static inline bool vel_is_unique(PyObject *o) {
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniquelyReferenced(o);
#else
    return Py_REFCNT(o) == 1;
#endif
}

/* The raised exception, taken out of the thread state; NULL when there is none. A new reference. */
static inline PyObject *vel_take_raised(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL)
        PyException_SetTraceback(value, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Puts it back: steals the reference. */
static inline void vel_set_raised(PyObject *exception) {
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
#endif
}

/* The attribute, or NULL without an exception when there is none: *found tells. -1 on any other error. */
static inline int vel_optional_attr(PyObject *o, PyObject *name, PyObject **found) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(o, name, found);
#else
    *found = PyObject_GetAttr(o, name);
    if (*found != NULL)
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return 0;
#endif
}

/* What a weak reference is of, as a new reference; NULL, perhaps with an exception, when that is gone. */
static inline PyObject *vel_weak_get(PyObject *ref) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *o;
    return PyWeakref_GetRef(ref, &o) > 0 ? o : NULL;
#else
    PyObject *o = PyWeakref_GetObject(ref); // borrowed: made our own in the next line
    return o != NULL && o != Py_None ? Py_NewRef(o) : NULL;
#endif
}

/* Takes over value; NULL is an error that is raised already. 0 or -1. */
static inline int vel_dict_put(PyObject *dict, PyObject *key, PyObject *value) {
    int err = value != NULL ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(value);
    return err;
}

/* The value as a new reference: 1 found, 0 not, -1 error. */
static inline int vel_dict_get(PyObject *dict, PyObject *key, PyObject **value) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, value);
#else
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, key)); // borrowed: made our own in the same expression
    return *value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
#endif
}

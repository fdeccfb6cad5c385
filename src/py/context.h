/* Contexts of requests: each has its own, and mostly the one of the request before. */
#pragma once

#include "py/compat.h"

/* A copy of the present context, NULL with an exception. An empty one that came back untouched (*spare, or NULL) is as
 * good as a new copy of an empty one. */
static inline PyObject *vel_context_take(PyObject **spare) {
    PyObject *context = *spare;
    *spare = NULL;
    return context != NULL ? context : PyContext_CopyCurrent();
}

/* Takes over context. */
static inline void vel_context_give_back(PyObject **spare, PyObject *context) {
    if (*spare == NULL && vel_is_unique(context) && PyObject_Size(context) == 0)
        *spare = context;
    else
        Py_DECREF(context);
}

/* Slices and str, both ways. */
#pragma once

#include "py/compat.h"

#include "base/slice.h"

/* A str of the bytes as latin-1: PEP 3333's "bytes-as-unicode". */
PyObject *vel_text_new(struct vel_slice bytes);

/* The latin-1 bytes of a str, which must outlive the slice. False when a character is above U+00FF; no exception. */
bool vel_text_slice(PyObject *text, struct vel_slice *out);

/* Those of a bytes object, which must outlive the slice. */
static inline struct vel_slice vel_bytes_slice(PyObject *bytes) {
    return vel_slice(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* Whether the str is these bytes. */
bool vel_text_is(PyObject *text, struct vel_slice bytes);

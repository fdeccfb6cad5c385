/* Numbers of Python's that are options. */
#include "py/options.h"

#include <limits.h>
#include <math.h>

/* "I" and "K" would take a number that does not fit, without its high bits. */
int vel_to_uint(PyObject *given, void *to) {
    unsigned long value = PyLong_AsUnsignedLong(given);
    if (value == (unsigned long)-1 && PyErr_Occurred())
        return 0;
    if (value > UINT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "number too large");
        return 0;
    }
    *(unsigned int *)to = (unsigned int)value;
    return 1;
}

int vel_to_ullong(PyObject *given, void *to) {
    unsigned long long value = PyLong_AsUnsignedLongLong(given);
    if (value == (unsigned long long)-1 && PyErr_Occurred())
        return 0;
    *(unsigned long long *)to = value;
    return 1;
}

int vel_to_milliseconds(double seconds, uint32_t *out) {
    if (!(seconds >= 0 && seconds <= 1e6)) {
        PyErr_SetString(PyExc_ValueError, "a timeout must be from 0 to 1000000 seconds");
        return -1;
    }
    *out = (uint32_t)ceil(seconds * 1000);
    return 0;
}

/* Numbers of Python's that are options: taken whole or refused. */
#pragma once

#include "py/compat.h"

#include <stdint.h>

/* Converters for PyArg_Parse's "O&", to an unsigned int and an unsigned long long: 1, or 0 with an exception. */
int vel_to_uint(PyObject *given, void *to);
int vel_to_ullong(PyObject *given, void *to);

/* Seconds to milliseconds, rounded up. -1 with ValueError outside of 0 to 1,000,000. */
int vel_to_milliseconds(double seconds, uint32_t *out);

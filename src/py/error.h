/* Telling the log of what went wrong, with or without an exception. */
#pragma once

#include "py/compat.h"

enum vel_log_level { VEL_LOG_WARNING = 30, VEL_LOG_ERROR = 40 }; /* the numbers of Python's logging */

/* Calls log(level, message, exception): the raised exception, if there is one, is taken and goes with it. Whatever goes
 * wrong in there is written to stderr and forgotten: there is nobody left to tell. */
void vel_log(PyObject *log, enum vel_log_level level, const char *message);

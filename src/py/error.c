/* The way to the log. */
#include "py/error.h"

void vel_log(PyObject *log, enum vel_log_level level, const char *message) {
    PyObject *exception = vel_take_raised();
    PyObject *answer = PyObject_CallFunction(log, "isO", (int)level, message, exception != NULL ? exception : Py_None);
    if (answer == NULL)
        PyErr_WriteUnraisable(log);
    Py_XDECREF(answer);
    Py_XDECREF(exception);
}

/* How long a request has waited, for the application. */
#include "py/queue_time.h"

int vel_add_queue_time(struct vel_state *state, PyObject *dict, const struct vel_exchange *x) {
    PyObject *seconds = PyFloat_FromDouble((double)(x->started_us - x->arrived_us) / 1e6);
    int err = seconds != NULL ? PyDict_SetItem(dict, state->queue_time, seconds) : -1;
    Py_XDECREF(seconds);
    return err;
}

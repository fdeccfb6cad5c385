/* wsgi.input over a body that has been received. */
#pragma once

#include "py/state.h"

#include "server/body.h"

/* Takes the body over: *body is empty afterwards. NULL with an exception; the body is then still the caller's. */
PyObject *vel_wsgi_input_new(struct vel_state *state, struct vel_body *body);

/* The one argument of read, readline and readlines: None and negative numbers mean all. 0, or -1 with an exception. */
int vel_wsgi_input_size(PyObject *const *args, Py_ssize_t nargs, const char *name, Py_ssize_t *size);

/* environ of one request: a real dict of exact str, by PEP 3333 and RFC 3875. */
#pragma once

#include "py/wsgi/app.h"

/* A new dict, or NULL with an exception. Takes the request's body over into wsgi.input. */
PyObject *vel_wsgi_environ(struct vel_wsgi *w, struct vel_exchange *x);

/* wsgi.input over a body that is still coming. */
#pragma once

#include "py/wsgi/start_response.h"

/* Of the request that start belongs to, which answers in a thread of a pool. NULL with an exception. */
PyObject *vel_wsgi_stream_new(struct vel_state *state, struct vel_start_response *start);

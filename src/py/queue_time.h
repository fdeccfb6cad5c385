/* What environ and scope tell of a request's wait, under the same name. */
#pragma once

#include "py/state.h"

#include "server/app.h"

/* velocem.queue_time, seconds, of a timed exchange. 0, or -1 with an exception. */
int vel_add_queue_time(struct vel_state *state, PyObject *dict, const struct vel_exchange *x);

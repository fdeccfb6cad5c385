/* Listening sockets as Python gives them: tuples of (fd, name, port[, path[, protocol]]). */
#pragma once

#include "py/compat.h"

#include "server/worker.h"

/* One for each item of the tuple, for vel_free; the slices point into its strs. NULL with an exception. */
struct vel_socket *vel_take_sockets(PyObject *tuples);

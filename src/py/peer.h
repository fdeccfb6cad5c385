/* Addresses of both sides of a connection as Python has them: (host, port). */
#pragma once

#include "py/compat.h"

#include "base/slice.h"
#include "net/addr.h"

/* None for a peer without an address, as on a Unix socket. NULL with an exception. */
PyObject *vel_client_pair(const union vel_addr *peer);

/* The port is None where decimal is no number. NULL with an exception. */
PyObject *vel_server_pair(struct vel_slice name, struct vel_slice decimal);

/* Whom a Worker believes, and what: from lists of str to struct vel_config. */
#pragma once

#include "py/compat.h"

#include "server/config.h"

/* "*", "unix", addresses and networks. *nets is what out points into, to be freed with vel_free after the last use,
 * also after a failure. 0, or -1 with an exception. */
int vel_take_trust(PyObject *given, struct vel_trust *out, struct vel_cidr **nets);

/* Names of fields in lower case; "forwarded" only by itself. 0, or -1 with an exception. */
int vel_take_origin_fields(PyObject *given, unsigned *out);

/* wsgi.file_wrapper: a file that the server may send without reading it. */
#pragma once

#include "py/wsgi/app.h"

/* What of the file is to be sent. */
struct vel_file_range {
    int file;
    int64_t offset; /* the file object's position */
    int64_t length; /* from there to the end */
};

/* True when o is a file_wrapper over a regular file that sendfile(2) can take. Never raises: a file that cannot be
 * asked is read block by block instead. */
bool vel_file_wrapper_range(struct vel_state *state, PyObject *o, struct vel_file_range *out);

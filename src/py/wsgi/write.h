/* The write() that start_response returns, and the sending of one block that it shares with iteration. */
#pragma once

#include "py/wsgi/start_response.h"

/* NULL with an exception. */
PyObject *vel_wsgi_write_new(struct vel_wsgi *w, struct vel_start_response *start);

/* Sends a block, the head before it if it is still held. length: of the whole body when the caller knows it, else -1.
 * 0, or -1 with an exception: no head, not bytes, more than the announced length. An empty block does nothing. */
int vel_wsgi_send_block(struct vel_start_response *start, PyObject *block, int64_t length);

/* A PROXY header in front of what a connection speaks. */
#pragma once

#include "server/conn.h"

/* For a connection that is proxied: takes the header off the front of in. Returns how many bytes it has; the client
 * that it names is the connection's peer then, and the connection is proxied no more. 0 when more is needed, or when it
 * is none: the connection is doomed, with a complaint to the log. */
size_t vel_proxied_take(struct vel_conn *c, const char *in, size_t len);

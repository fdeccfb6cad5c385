/* uwsgi on a connection: a packet stands where HTTP/1 has a head; body and reply are HTTP/1's. */
#pragma once

#include "server/conn.h"

/* What vel_h1_conn_next does while a head is awaited. head is the worker's own. The names of fields are written where
 * they stand in in. A broken packet dooms the connection, with a complaint to the log, and is CLOSED. */
enum vel_h1_event vel_proto_uwsgi_next(struct vel_conn *c, char *in, size_t len, size_t *used, struct vel_head *head);

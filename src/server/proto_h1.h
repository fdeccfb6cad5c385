/* HTTP/1 on a connection: turns the protocol's events into exchanges and their replies into bytes. */
#pragma once

#include "server/conn.h"

extern const struct vel_proto vel_proto_h1;

/* Serves what is in in[0..len). Returns how many bytes from the front are spent; the rest is to be given again with
 * more behind it. May raise the connection's fate. */
size_t vel_proto_h1_input(struct vel_conn *c, char *in, size_t len);

/* Where the next *len bytes of input may be read to, at most, instead of a buffer of the caller's; all of them belong
 * to the body that is being collected. NULL: nowhere. */
char *vel_proto_h1_room(struct vel_conn *c, size_t *len);

/* The peer has ended its side. */
void vel_proto_h1_eof(struct vel_conn *c);

/* If the present exchange is complete both ways, ends it and makes ready for the next request. True when input that
 * waits may be looked at now. */
bool vel_proto_h1_next(struct vel_conn *c);

/* Ends the present exchange, if there is one, with its connection. */
void vel_proto_h1_drop(struct vel_conn *c);

/* A client that waits for 100 gets it, once. */
void vel_proto_h1_continue(struct vel_conn *c);

/* Refuses the present request, or what was to become one, with this status, if no reply has begun; the connection takes
 * no more. */
void vel_proto_h1_refuse(struct vel_conn *c, unsigned status);

/* A request head from the variables of a uwsgi packet. */
#pragma once

#include "base/scan.h"
#include "http/message.h"
#include "uwsgi/packet.h"

/* What is no status: not a uwsgi packet, or a broken one. Whoever sent it cannot be answered. */
#define VEL_UWSGI_MALFORMED (-1)

/* What the gateway says beside the head. Empty where it says nothing; the slices point into the packet. */
struct vel_uwsgi_vars {
    struct vel_slice remote_addr, remote_port;
    struct vel_slice server_name, server_port;
    struct vel_slice script_name; /* a plain path without a slash at its end; at is NULL when nothing is said of it */
    bool secure;                  /* the client came by https */
};

/* Reads the packet at in. Returns the bytes used (> 0); 0 when more are needed; a negative status when the request
 * breaks a rule or a limit; VEL_UWSGI_MALFORMED. With a negative result *why is a constant that says what was wrong.
 * Keeps nothing between calls: give the same bytes again with more behind them.
 *
 * HTTP_* become fields, whose names are turned into those of HTTP where they stand (in is written to, once the packet
 * is whole), in lower case; CONTENT_TYPE and CONTENT_LENGTH become fields too. The path is decoded and has lost a
 * SCRIPT_NAME that it began with; of a packet without PATH_INFO it is that of REQUEST_URI, not decoded. What the server
 * itself has no use for, and what applications read beside it (REQUEST_URI, HTTPS), is among the variables
 * of head, if its name has only capitals, digits and '_'; a pair with another name is not taken. head points into in.
 */
long vel_uwsgi_parse(const struct vel_scan *scan, const struct vel_limits *limits, char *in, size_t len,
                     struct vel_head *head, struct vel_uwsgi_vars *vars, const char **why);

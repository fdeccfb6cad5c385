/* One HTTP/1 connection without its socket: bytes go in, events come out; one exchange at a time, in order. */
#pragma once

#include "http1/chunked.h"
#include "http1/request.h"
#include "http1/response.h"

enum vel_h1_event {
    VEL_H1_MORE,    /* nothing more can be told from these bytes */
    VEL_H1_REQUEST, /* head is complete and legal */
    VEL_H1_DATA,    /* a run of the body, in data */
    VEL_H1_END,     /* the request is complete; comes also behind a request without body */
    VEL_H1_REFUSED, /* the bytes are not a legal request: status and why are set. The connection takes no more:
                       answer with it if no reply has begun, then close. */
    VEL_H1_WAIT,    /* the request is complete but its reply is not: input is not looked at until it is */
    VEL_H1_CLOSED,  /* no further request is served here: input is to be dropped */
};

struct vel_h1_conn {
    struct vel_h1_parser parser;
    struct vel_h1_chunked chunked;
    int64_t left;       /* of a LENGTH body to receive */
    int64_t reply_left; /* of a LENGTH reply body; checked against what the application sends */
    unsigned status;    /* of REFUSED */
    const char *why;    /* of REFUSED: a constant */
    uint8_t reading; /* what the input is at: between, head, length body, chunked body, end, complete, tunnel, closed */
    uint8_t replying;   /* what the output is at: none, head sent, complete */
    uint8_t ending;     /* enum vel_h1_ending of the reply */
    bool minor0;        /* the request is HTTP/1.0 */
    bool gateway;       /* the head came by another protocol: no chunks and nothing informational in the reply */
    bool head_method;   /* the request is HEAD */
    bool keep_alive;    /* after this exchange another may come */
    bool closing;       /* no request after the present one, whatever it asks */
    bool want_continue; /* the client waits for 100 and has not got it */
};

void vel_h1_conn_init(struct vel_h1_conn *c, const struct vel_scan *scan, const struct vel_limits *limits);

/* Heads are read by the help of these from now on. */
static inline void vel_h1_conn_remember(struct vel_h1_conn *c, struct vel_h1_lines *lines) {
    c->parser.lines = lines;
}

/* Tells the next event in in[0..len), and in *used how many bytes from the front are spent by it. Call in a loop,
 * moving on by *used after each event, until MORE, WAIT, CLOSED or REFUSED. WAIT, CLOSED and REFUSED use nothing; MORE
 * uses the framing bytes of a chunked body (they come without data) and nothing else.
 * Bytes of an incomplete head are not used: give them again with more behind them.
 * head is filled by REQUEST and points into in; while a head is incomplete the same object must be given. */
enum vel_h1_event vel_h1_conn_next(struct vel_h1_conn *c, const char *in, size_t len, size_t *used,
                                   struct vel_head *head, struct vel_slice *data);

/* The next event will be that of a head, or none. */
bool vel_h1_conn_awaits_head(const struct vel_h1_conn *c);

/* In place of vel_h1_conn_next while a head is awaited: another protocol has brought one, and of its reading came n, as
 * of vel_h1_parse_head: the head is complete, more is needed, or it is refused with this status for why. REQUEST, MORE
 * or REFUSED. What follows is as with next; the reply ends with the connection. */
enum vel_h1_event vel_h1_conn_head(struct vel_h1_conn *c, const struct vel_head *head, long n, const char *why);

/* Input ended (the peer's FIN); call it when every byte before it has been given. Returns true when it came between
 * requests or behind a complete one, false when it cut one short: the exchange is then to be aborted. No further
 * request is served. */
bool vel_h1_conn_eof(struct vel_h1_conn *c);

/* A request has begun and is not complete: the clock for heads or bodies is running. Empty lines before a request line
 * begin nothing. */
bool vel_h1_conn_in_request(const struct vel_h1_conn *c);

/* Bytes that a body of a known length still needs; 0 when none is being received. */
uint64_t vel_h1_conn_awaits(const struct vel_h1_conn *c);

/* --- the reply of the present exchange ------------------------------------------------------------------------- */

/* Settles how this reply ends and fills r but for the date and server lines. will_close asks for Connection: close
 * (the server drains, or the body was not read). A client that still waits for 100 is closed too: whether it sends its
 * body now cannot be known. Once an exchange, and once behind REFUSED when no reply had begun. */
void vel_h1_conn_reply(struct vel_h1_conn *c, const struct vel_reply_head *head, bool will_close,
                       struct vel_h1_rendering *r);

/* How len body bytes go out now: as they are, wrapped in a chunk, cut off at *len, or not at all (*len = 0).
 * More bytes than the announced length is VEL_ELIMIT, with *len what still fits. VEL_ESTATE when no head has gone out
 * or the body has ended. */
enum vel_h1_wrap { VEL_H1_PLAIN, VEL_H1_CHUNK };
int vel_h1_conn_data(struct vel_h1_conn *c, uint64_t *len, enum vel_h1_wrap *wrap);

/* The application has ended the body: *tail is what closes it on the wire (the last chunk, or empty). VEL_ELIMIT when
 * the body is shorter than announced: the connection must be cut so that the client can tell. VEL_ESTATE as above. */
int vel_h1_conn_end(struct vel_h1_conn *c, struct vel_slice *tail);

/* The connection speaks another protocol from here on, behind a 101 that the caller sends (RFC 9110 7.8): input is DATA
 * as it comes, and so is what vel_h1_conn_data is asked for. Only for a request of HTTP/1.1 that is complete and not
 * answered, on a connection that is not closing; VEL_ESTATE otherwise. */
int vel_h1_conn_tunnel(struct vel_h1_conn *c);

/* Request and reply are both complete: makes ready for the next request. Returns false when the connection is to close
 * instead, and also, with nothing changed, while one of the two is not complete: a reply that ended before the request
 * leaves the rest of the body to be drained (next goes on telling DATA and END) or the connection to be closed. */
bool vel_h1_conn_finish(struct vel_h1_conn *c);

/* No request after the present one; a head that has begun counts as present. */
void vel_h1_conn_close(struct vel_h1_conn *c);

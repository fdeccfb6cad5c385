/* The seam between server and applications: exchanges, whatever protocol carries them. */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "http/message.h"
#include "http/reply.h"
#include "net/addr.h"
#include "net/sendq.h"
#include "server/body.h"

/* Of a streamed body, the application holds about this much: once so many bytes are given and not consumed, the peer is
 * read no further. One receive of the worker's, so that a fast sender costs one for each round of consuming, and what
 * HTTP/2 begins with (65,535 bytes, RFC 9113 6.5.2). What the last receive brought is still given: twice this is the
 * most. */
#define VEL_READ_WINDOW 65536

struct vel_access_field;
struct vel_app;
struct vel_conn;
struct vel_exchange;

/* What is spoken at an address. */
enum vel_protocol { VEL_PROTOCOL_HTTP, VEL_PROTOCOL_UWSGI };

/* The address a request came in at, and what the application keeps for it. */
struct vel_endpoint {
    struct vel_slice name; /* as configured: "127.0.0.1", "example.org" */
    struct vel_slice port; /* decimal */
    struct vel_slice path; /* of a Unix socket, an abstract one with '@' in front; empty for others */
    void *app_data;        /* the application's own, made and freed by it */
    unsigned index;        /* among the worker's */
    enum vel_protocol protocol;
};

/* What trusted proxies and gateways say of a request, beside its client, which is x->peer then, and its host, which is
 * x->head->host. Slices are empty where nothing is said. */
struct vel_origin {
    union vel_addr client;
    struct vel_slice scheme;     /* "http" or "https" */
    struct vel_slice name, port; /* of the server, as the client has addressed it */
    struct vel_slice prefix;     /* path under which the client sees the application; at is set when it is said to be
                                    empty */
};

/* One request with its reply. The server makes and frees it. The application may use it from on_request until it has
 * called vel_exchange_end or vel_exchange_abort, or on_abort was called; not one call longer. */
struct vel_exchange {
    const struct vel_proto *proto;
    struct vel_conn *conn;
    struct vel_app *app;
    const struct vel_endpoint *endpoint;
    const union vel_addr *peer;      /* the client: the connection's peer, or whom trusted proxies name */
    const struct vel_origin *origin; /* in the arena; NULL: nothing is said that is believed */
    struct vel_head *head;  /* NULL only while the server itself refuses what was no request. Good during on_request;
                               after it the server has moved it to the arena: read it anew */
    struct vel_body body;   /* whole_body only; the application may take it over (copy it out, set place EMPTY) */
    void *app_data;         /* the application's own */
    struct vel_arena arena; /* freed with the exchange */
    struct vel_list turn;   /* in the worker's list of exchanges that asked for a turn, or are to be read on */
    uint64_t began_us;      /* when its head arrived, by vel_clock_us; 0 when it is not timed */
    uint64_t arrived_us;    /* when as much of it was here as the application waits for; 0: not timed, or not yet */
    uint64_t started_us;    /* when the application was called, in its thread if it has one */
    const struct vel_access_field *logged; /* in the arena: fields of the reply for the access log */
    uint64_t sent;                         /* body bytes handed to the connection */
    size_t unconsumed;                     /* bytes given by on_data and not consumed; the protocol counts them */
    unsigned status;                       /* of the reply head; 0 before it */
    bool given;                            /* the application has seen it: on_request was called */
    bool running;                          /* it counts among those that the application has */
    bool yielded;                          /* its turn is the application's: on_turn is to be called */
    bool wanted;                           /* the application has asked for the body */
    bool kept;                             /* head and body are in its own memory */
    bool received;                         /* the request is complete; of a tunnel, the peer has ended its side */
    bool tunnel;                           /* bytes of another protocol go both ways */
    bool ended;                            /* the application has ended the reply, or aborted it */
    bool failed;                           /* the reply was aborted: it must not look whole to the client */
    bool slow;                             /* it ended because the client took nothing, or sent nothing, for too long */
    bool held; /* set by an application that works on it in another thread: after on_abort its memory is
                  the application's, until vel_exchange_free */
};

struct vel_app_ops {
    /* True: on_request comes when the request is complete, its body collected in x->body, and on_data and on_end never
     * come. False: on_request comes with the head. */
    bool whole_body;

    /* A client that waits with its body for 100 gets it when vel_exchange_want_body is called, and not before. */
    bool asks_for_body;

    /* A request. Answers now, or later from on_turn. */
    void (*on_request)(struct vel_exchange *x);

    /* A run of the body, good during the call. It counts against VEL_READ_WINDOW until vel_exchange_consume. */
    void (*on_data)(struct vel_exchange *x, struct vel_slice data);

    /* The request is complete; or the peer has ended its side of a tunnel. */
    void (*on_end)(struct vel_exchange *x);

    /* What was asked for by vel_exchange_await_credit or vel_exchange_yield. */
    void (*on_turn)(struct vel_exchange *x);

    /* The client has gone, was too slow, or broke the protocol; or the worker is killed. Nothing sent now would arrive.
     * Only after on_request, and never after end or abort. The application drops what it holds. */
    void (*on_abort)(struct vel_exchange *x);

    /* Behind a complete request the peer has ended its side: mostly it is gone, but it may still read. May be NULL. */
    void (*on_leave)(struct vel_exchange *x);

    /* The worker stops, and this exchange is to come to its end. Once; may be NULL. */
    void (*on_drain)(struct vel_exchange *x);
};

struct vel_app {
    const struct vel_app_ops *ops;
};

/* What a protocol does for its exchanges. The functions below call these; nobody else does.
 *
 * All of them may be called in the worker's thread at any time while x is the application's: from its functions above,
 * for x or for another exchange, and outside of them, as from a callback of the loop. What is sent outside of x's own
 * call leaves when another exchange sends, and at the latest at the end of the worker's turn. */
struct vel_proto {
    int (*head)(struct vel_exchange *x, const struct vel_reply_head *head);
    int (*inform)(struct vel_exchange *x, const struct vel_reply_head *head);
    int (*data)(struct vel_exchange *x, struct vel_slice data, const struct vel_loan *loan);
    int (*file)(struct vel_exchange *x, int file, int64_t offset, uint64_t len, struct vel_loan loan);
    int (*end)(struct vel_exchange *x, const struct vel_field *trailers, size_t n);
    int (*tunnel)(struct vel_exchange *x, const struct vel_reply_head *head, struct vel_slice protocol);
    void (*abort)(struct vel_exchange *x);
    int (*flush)(struct vel_exchange *x);
    int (*wait)(struct vel_exchange *x, int ms);
    void (*await_credit)(struct vel_exchange *x);
    void (*yield)(struct vel_exchange *x);
    void (*consume)(struct vel_exchange *x, size_t n);
    uint64_t (*owed)(const struct vel_exchange *x);
    void (*want_body)(struct vel_exchange *x);
    bool (*is_lost)(const struct vel_exchange *x);
};

/* The final head. Once. VEL_OK, VEL_ESTATE (a second one), VEL_ENOMEM. Copied: nothing of it is kept. */
static inline int vel_exchange_head(struct vel_exchange *x, const struct vel_reply_head *head) {
    return x->proto->head(x, head);
}

/* An informational head (1xx but 101) before the final one; left out for HTTP/1.0. */
static inline int vel_exchange_inform(struct vel_exchange *x, const struct vel_reply_head *head) {
    return x->proto->inform(x, head);
}

/* Body bytes. With a loan they are not copied when they are many, and loan->release is called once, during the call or
 * later, whatever is returned but VEL_ENOMEM. Without one (NULL) they are copied. Bytes that a reply may not have
 * (HEAD, 204, 304) vanish. VEL_OK; VEL_ELIMIT: more than the announced length, what fits was taken; VEL_ESTATE: no head
 * yet; VEL_ENOMEM. */
static inline int vel_exchange_data(struct vel_exchange *x, struct vel_slice data, const struct vel_loan *loan) {
    return x->proto->data(x, data, loan);
}

/* The same from a regular file, by sendfile(2) where the stream can. loan keeps the descriptor open. */
static inline int vel_exchange_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len,
                                    struct vel_loan loan) {
    return x->proto->file(x, file, offset, len, loan);
}

/* The reply is complete; x is the server's again. VEL_ELIMIT: the body was shorter than announced, and the connection
 * is cut so that the client can tell; so it is with VEL_ESTATE (no head) and VEL_ENOMEM. What is not consumed of the
 * request is read away. */
static inline int vel_exchange_end(struct vel_exchange *x) {
    return x->proto->end(x, NULL, 0);
}

/* The same with trailer fields behind the body. Names and values are checked by the caller and ids set, as in a head;
 * copied. Dropped where they have no place: in HTTP/1 everywhere but behind a chunked body, as RFC 9110 6.5.1 allows.
 * VEL_EINVAL: one of them frames or routes the message or says how to read its content, and may not come so late; x is
 * then still the application's. */
int vel_exchange_end_with(struct vel_exchange *x, const struct vel_field *trailers, size_t n);

/* In place of a final head: the exchange becomes a tunnel for this protocol, as the client asked by Upgrade (RFC 9110
 * 7.8). on_data then gives what the peer sends, with what is here already; it counts as ever, but under no clock and no
 * limit of requests. vel_exchange_data sends bytes as they are, on_end tells that the peer has ended its side, and
 * vel_exchange_end ends ours once all is sent. The status of head is not looked at, its fields go out with the answer.
 * Not for an app that wants whole bodies. VEL_OK; VEL_ESTATE: there was a head already, the request is not complete, or
 * no tunnel can begin here any more (the worker drains); VEL_ENOMEM. */
static inline int vel_exchange_tunnel(struct vel_exchange *x, const struct vel_reply_head *head,
                                      struct vel_slice protocol) {
    return x->proto->tunnel(x, head, protocol);
}

/* The reply cannot be completed; x is the server's again. Without a head so far the client gets a 500, else the
 * connection is cut. */
static inline void vel_exchange_abort(struct vel_exchange *x) {
    x->proto->abort(x);
}

/* Gives what was sent so far to the kernel. VEL_OK: it took all; VEL_EAGAIN: some waits; VEL_ERESET: the client has
 * gone. May call releases of loans. */
static inline int vel_exchange_flush(struct vel_exchange *x) {
    return x->proto->flush(x);
}

/* Blocks until the kernel may take more, or ms are over. VEL_OK, also when the client took something meanwhile;
 * VEL_EAGAIN: it took nothing; VEL_ERESET. Calls no release: a lock held for
 * those may be given back meanwhile. */
static inline int vel_exchange_wait(struct vel_exchange *x, int ms) {
    return x->proto->wait(x, ms);
}

/* Bytes of what was sent that wait for the kernel: those of a dispatch that is not over are not counted. */
static inline uint64_t vel_exchange_owed(const struct vel_exchange *x) {
    return x->proto->owed(x);
}

/* For an app that asks for bodies: a client that waits for 100 gets it now, if there was no head yet. */
static inline void vel_exchange_want_body(struct vel_exchange *x) {
    x->proto->want_body(x);
}

/* The client has gone or the worker is being killed: what fails now is no fault of the application's. */
static inline bool vel_exchange_is_lost(const struct vel_exchange *x) {
    return x->proto->is_lost(x);
}

/* on_turn is called when everything sent so far is with the kernel. */
static inline void vel_exchange_await_credit(struct vel_exchange *x) {
    x->proto->await_credit(x);
}

/* on_turn is called in the loop's next turn, after others have had theirs. */
static inline void vel_exchange_yield(struct vel_exchange *x) {
    x->proto->yield(x);
}

/* The application is done with n more bytes that on_data gave it, or has at least a place for the next: below
 * VEL_READ_WINDOW the peer is read again. More than was given counts as all of it. */
static inline void vel_exchange_consume(struct vel_exchange *x, size_t n) {
    x->proto->consume(x, n);
}

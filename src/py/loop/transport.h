/* The transport of a stream socket: an asyncio.Transport with a C body. */
#pragma once

#include "py/loop/loop.h"

#include "net/addr.h"

/* Room for the slots of asyncio.Transport and of the mixin that the library asks for before it sends a file, which this
 * type does not use: there are five. */
#define VEL_TRANSPORT_BASE_SLOTS 6

/* Pieces of output that a transport has room for without asking for memory: a head and a body. */
#define VEL_OUT_PIECES 2

/* Some of a bytes object, which is held. */
struct vel_out_piece {
    PyObject *bytes;
    const char *at;
    size_t len;
};

/* What is written and not with the kernel: a ring of pieces. */
struct vel_out {
    struct vel_out_piece *pieces; /* owned; first, or allocated */
    size_t cap, head, len;        /* cap is a power of two */
    size_t bytes;
    struct vel_out_piece first[VEL_OUT_PIECES];
};

struct vel_transport {
    PyObject_HEAD
    PyObject *base_slots[VEL_TRANSPORT_BASE_SLOTS];
    PyObject *dict; /* what others have put on it, or NULL */
    PyObject *weakrefs;
    struct vel_watch watch;
    struct vel_loop_state *st; // borrowed: of the module, which the type keeps alive
    struct vel_aio *loop;      /* owned; NULL when connection_lost has been called */
    PyObject *protocol;        /* owned; the same */
    PyObject *context;         /* in which the protocol is called */
    PyObject *sock;            /* the socket object, which then owns the descriptor; or NULL: nobody has asked for it */
    PyObject *shown;           /* the TransportSocket around it, or NULL: the same */
    PyObject *server;          /* or NULL */
    PyObject *extra;           /* a dict of what get_extra_info gives besides, or NULL */
    PyObject *names[2];        /* sockname and peername, or NULL: still to be made from addrs */
    union vel_addr addrs[2];
    PyObject *empty_waiter; /* of sendfile: resolved when nothing is left to be written */
    struct vel_out out;
    size_t high, low; /* of the write buffer */
    /* Chains of the loop, each with a reference: written in this callback; with another interest than the kernel knows.
     */
    struct vel_transport *next_written, *next_unsettled;
    size_t expected; /* the last receive was large: the next goes straight into bytes of this size; else 0 */
    unsigned lost;   /* connection_lost is on its way; counts writes after that */
    bool written;    /* in the chain */
    bool unsettled;  /* in the chain */
    bool held;       /* the kernel watches it, so the loop has a reference */
    bool started;    /* connection_made was called: it reads */
    bool closing;
    bool paused;   /* by pause_reading */
    bool read_all; /* the peer has ended its side, and the protocol goes on */
    bool buffered; /* a BufferedProtocol */
    bool eof;      /* write_eof was called */
    bool blocked;  /* the kernel takes no more output until it says so */
    bool protocol_paused;
    bool lent;   /* sendfile has the descriptor */
    bool closed; /* the descriptor is gone */
};

/* A new one for sock, a socket object, or for a descriptor with its peer's address when sock is NULL: then fd is taken,
 * also on failure. connection_made comes in the next round, then waiter (a future, or NULL) is resolved. extra (a dict)
 * and server may be NULL. NULL with an exception. */
struct vel_aio__transport_args {
    PyObject *sock;
    int fd;
    const union vel_addr *peer;
    PyObject *protocol;
    PyObject *waiter;
    PyObject *extra;
    PyObject *server;
};
PyObject *vel_aio__transport_new(struct vel_aio *loop, const struct vel_aio__transport_args *args);

/* --- life (transport.c) ------------------------------------------------------------------------------------------ */

/* What is asked of the kernel follows before the next wait. */
void vel_aio__transport_unsettle(struct vel_transport *t);

/* The same at once. -1 with an exception. */
int vel_aio__transport_settle(struct vel_transport *t);

/* Flushes what is written, then connection_lost. -1 with an exception. */
int vel_aio__transport_close(struct vel_transport *t);

/* Without flushing, connection_lost(exception or None). */
int vel_aio__transport_force_close(struct vel_transport *t, PyObject *exception);

/* The descriptor is closed and the server told, and nothing else: for what nobody has closed. -1 with an exception. */
int vel_aio__transport_drop(struct vel_transport *t);

/* Reports the raised exception and closes by force: 0, or -1 with what ends the run. */
int vel_aio__transport_fail(struct vel_transport *t, const char *message);

/* Calls a method of the protocol, with an argument or NULL, in the transport's context. */
PyObject *vel_aio__transport_call(struct vel_transport *t, PyObject *method, PyObject *arg);

int vel_aio__transport_set_protocol(struct vel_transport *t, PyObject *protocol);

/* Made when somebody asks. New references. */
PyObject *vel_aio__transport_socket(struct vel_transport *t);
PyObject *vel_aio__transport_name(struct vel_transport *t, int which);

static inline bool vel_aio__transport_is_reading(const struct vel_transport *t) {
    return !t->closing && !t->paused;
}

/* --- in (transport_read.c) --------------------------------------------------------------------------------------- */

/* 0, or -1 with what ends the run. */
int vel_aio__transport_readable(struct vel_transport *t);

/* --- out (transport_write.c) ------------------------------------------------------------------------------------- */

void vel_aio__out_init(struct vel_out *out);
void vel_aio__out_clear(struct vel_out *out);
int vel_aio__out_visit(struct vel_out *out, visitproc visit, void *arg);

/* -1 with an exception of the caller's, or with what ends the run. */
int vel_aio__transport_write(struct vel_transport *t, PyObject *data);
int vel_aio__transport_writelines(struct vel_transport *t, PyObject *list);

/* Gives the kernel what it takes; a failed write closes. 0, or -1 with what ends the run. */
int vel_aio__transport_flush(struct vel_transport *t);
int vel_aio__transport_writable(struct vel_transport *t);
int vel_aio__transport_maybe_pause(struct vel_transport *t);

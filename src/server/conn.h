/* A connection: a stream, a protocol on it, what it owes and what it waits for. */
#pragma once

#include "http1/conn.h"
#include "net/loop.h"
#include "net/sendq.h"
#include "server/app.h"
#include "server/timeout.h"

struct vel_worker;

/* What becomes of a connection once the present dispatch is over. Only ever rises. */
enum vel_fate {
    VEL_FATE_OPEN,
    VEL_FATE_FLUSH, /* everything owed is sent, then it is closed */
    VEL_FATE_CUT,   /* closed now; nothing more would arrive */
};

/* Whether it is looked how fast the peer reads: only the time counts in which something is owed. */
enum vel_reader { VEL_READER_FREE, VEL_READER_TIMED, VEL_READER_HALTED };

/* Small, since ten thousand of them may be idle: what only a busy one needs is behind pointers. */
struct vel_conn {
    struct vel_watch watch;
    struct vel_timer timer;
    struct vel_list node; /* in the worker's list of connections */
    struct vel_worker *worker;
    const struct vel_endpoint *endpoint;
    struct vel_stream stream;
    struct vel_exchange *exchange; /* the present one; NULL between requests */
    struct vel_sendq *owed;        /* what the kernel did not take yet; NULL: nothing */
    struct vel_head *partial;      /* owned: of a head that has not all arrived; NULL otherwise */
    struct vel_buf in;             /* bytes received and not spent */
    uint64_t body_from;            /* loop.waited when the body began, for its rate */
    uint64_t body_bytes;
    size_t untaken;      /* what the kernel held for the peer when the write clock began */
    uint32_t write_from; /* of a timed reader: loop.waited, its low bits, when the time began; or the time, if halted */
    uint32_t write_sent; /* bytes it could have taken in that time; no more than UINT32_MAX */
    struct vel_h1_conn h1;
    union vel_addr peer;
    uint8_t fate;       /* enum vel_fate */
    uint8_t shown;      /* enum vel_conn_state, as what it is counted */
    bool proxied;       /* a PROXY header is to come first */
    bool secure;        /* the client came by TLS to the proxy, which has said so there */
    bool uwsgi;         /* packets come in place of heads */
    bool told;          /* something says where requests come from: the peer is trusted, or a gateway */
    bool eof;           /* the peer has ended its side */
    bool reset;         /* close by RST, since a FIN would make the reply look whole */
    bool lingering;     /* only reading away what still comes */
    bool awaits_credit; /* the exchange wants to know when nothing is owed */
    uint8_t reader;     /* enum vel_reader */
    bool progress;      /* something moved in this dispatch: the clock starts anew */
    bool served;        /* a request has been answered here: waiting is keep-alive from now on */
    bool unread;        /* the kernel may hold input that nobody will read */
    bool pushed;        /* while no input is taken some has come, or the end of it */
    bool left;          /* then the peer has ended its side */
};

/* Takes over fd, which is non-blocking; serves what already came. Closes fd when memory is short. */
void vel_conn_open(struct vel_worker *w, int fd, const union vel_addr *peer, const struct vel_endpoint *endpoint);

/* Closes now: an exchange that runs is aborted. The connection is gone after it. Not from within a dispatch. */
void vel_conn_close(struct vel_conn *c);

/* The worker drains, and idle connections have had their time: closed, but for a request that is already here. */
void vel_conn_drain(struct vel_conn *c);

/* The present exchange is next among the worker's turns: it gets the one it asked for, or is only read on. */
void vel_conn_turn(struct vel_conn *c);

/* Something was done to the present exchange: it is settled when its dispatch ends or, outside of one, in the next
 * turn. */
void vel_conn_attend(struct vel_conn *c);

/* The clock of the connection has run out. */
void vel_conn_timeout(struct vel_timer *t);

/* What it was sending stays unfinished: where a FIN would make that look whole, the close will be a reset. */
void vel_conn_unfinished(struct vel_conn *c);

/* Raises the fate. */
void vel_conn_doom(struct vel_conn *c, enum vel_fate fate);

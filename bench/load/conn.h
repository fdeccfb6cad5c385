/* A connection of the load generator: it opens, sends a train, takes the answers, and is free again. */
#pragma once

#include "response.h"
#include "tally.h"
#include "websocket.h"

enum conn_state {
    CONN_CLOSED,
    CONN_SHAKING, /* the WebSocket handshake is under way, the train waits */
    CONN_READY,
    CONN_HEARING, /* one of a crowd that hears of each train */
    CONN_BUSY,
    CONN_ENDING, /* its answers have come, and the server is to close it */
};

enum conn_outcome {
    CONN_GOES_ON,
    CONN_FREE, /* its train is answered, it may start the next; it may have been closed */
    CONN_LOST, /* closed by an error, which is counted; its train is not answered */
};

/* All zero but fd = -1 is a closed one. */
struct conn {
    int fd;
    enum conn_state state;
    bool armed;      /* epoll tells when it can be written to */
    bool resting;    /* one of the idle crowd */
    unsigned due;    /* answers of the train that have not come */
    const char *out; /* borrowed: of the plan, what is being sent */
    size_t out_size; /* of it */
    size_t out_sent; /* of it */
    uint64_t since;  /* when the train was sent, or should have been */
    uint64_t echoed; /* bytes that came back */
    uint64_t heard;  /* whole messages */
    struct response response;
    struct websocket websocket;
};

/* What the connections of a thread share. */
struct conn_host {
    const struct plan *plan;
    struct tally *tally;
    int epoll;
    char *in; /* CONN_READ bytes */
    bool counting;
    unsigned unheard;    /* of the crowd, who have not heard of the last train */
    uint64_t published;  /* when it was sent */
    uint64_t begin, end; /* an open loop counts the latency of what was due between these */
};

enum {
    CONN_READ = 256 << 10,
};

/* Sends a train on a free connection, which it opens first if it must. Never CONN_FREE. */
enum conn_outcome conn_start(struct conn_host *host, struct conn *c, uint64_t since);

/* epoll has something to say. */
enum conn_outcome conn_event(struct conn_host *host, struct conn *c, uint32_t events, uint64_t now);

void conn_close(struct conn *c);

/* What a run of the load generator is to do. Nothing changes in it once the threads run. */
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include "expect.h"

enum {
    PLAN_WATCHED_MOST = 256,
};

enum plan_way {
    PLAN_HTTP,
    PLAN_WEBSOCKET, /* after a handshake, each train is echoed in messages */
    PLAN_ECHO,      /* the train itself comes back */
};

/* The crowd beside: it rests, or hears of each train. */
enum plan_crowd {
    PLAN_RESTS,
    PLAN_HEARS_MESSAGES, /* by WebSocket */
    PLAN_HEARS_EVENTS,   /* as the body of a response that never ends */
};

struct plan {
    enum plan_way way;
    enum plan_crowd crowd;
    struct sockaddr_in address;
    unsigned threads;
    unsigned connections; /* in all threads */
    unsigned idle;        /* connections beside, which have had one answer and then rest */
    unsigned together;    /* answers to one train */
    bool closes;          /* the server ends the connection after each train */
    double rate;          /* trains per second, 0: each connection sends when it has its answers */
    uint64_t warm;        /* nanoseconds before it counts */
    uint64_t time;        /* nanoseconds in which it counts */
    uint64_t patience;    /* nanoseconds that connections may take to have their first answer */
    unsigned status;      /* what every answer must have, 0: anything */
    char *train;          /* what is sent in one piece */
    size_t train_size;
    struct expect expect; /* the body of an answer, the message, the bytes */
    struct expect heard;  /* what each of the crowd gets for each train */
    pid_t watched[PLAN_WATCHED_MOST];
    unsigned watched_count;
    bool weigh; /* the memory of these processes too, when the counting begins */
};

/* Reads the command line; writes what is wrong to standard error and returns false. plan_free undoes it either way. */
bool plan_read(struct plan *plan, int argc, char **argv);

void plan_free(struct plan *plan);

/* An ASGI application behind the seam: ASGI 3.0, its coroutines stepped from the server's own dispatch. */
#pragma once

#include "py/state.h"
#include "py/task/tasks.h"

#include "server/worker.h"
#include "ws/receive.h"

/* Values longer than this are not kept for the next request. */
#define VEL_ASGI_VALUE_MAX 512

/* Fields with names of their own: one slot by hash of the name. */
#define VEL_ASGI_NAMES 256
#define VEL_ASGI_NAME_MAX 40

/* Clients: one slot by the port. */
#define VEL_ASGI_CLIENTS 256

/* Calls that are kept to be used again. */
#define VEL_ASGI_SPARE 64

/* Above so many bytes that wait for the kernel, send() waits too. */
#define VEL_ASGI_HIGH_WATER 65536

struct vel_asgi_call;

struct vel_asgi_name {
    PyObject *name; /* in lower case, as bytes; NULL: the slot is free */
    unsigned char len;
    char text[VEL_ASGI_NAME_MAX]; /* the name as it came on the wire */
};

struct vel_asgi_client {
    PyObject *pair; /* (host, port); NULL: the slot is free */
    union vel_addr addr;
};

/* What WebSocket is given by its user. */
struct vel_asgi_ws_config {
    uint64_t message_max; /* bytes */
    uint32_t queue_max;   /* messages that wait for receive() before the peer is read no further */
    uint32_t ping_ms;     /* between pings, and for each pong; 0: none are sent */
    uint32_t pong_ms;
    uint32_t close_ms; /* for the peer's answer to a close */
    bool deflate;
};

/* Everything here belongs to one worker and so to one thread. */
struct vel_asgi {
    struct vel_app app;
    struct vel_state *state; // borrowed: of the module, which the Worker's type keeps alive
    PyObject *owner;         // borrowed: the Worker; coroutines that are not over hold it
    struct vel_tasks tasks;
    PyObject *callable;
    PyObject *log;
    PyObject *make_receive;   /* of velocem.asgi: closes a coroutine function over next_message and more */
    PyObject *await_it;       /* of velocem.asgi: makes a coroutine of any awaitable */
    PyObject *gone_error;     /* velocem.exceptions.ClientDisconnectedError */
    PyObject *lifespan_state; /* a dict, copied into scopes; or NULL */
    bool queue_time;          /* scopes tell how long requests have waited */
    PyObject *root;           /* root_path of every scope, and the beginning of every path: a str, or NULL for none */
    PyObject *done;           /* the awaitable that is finished */
    PyObject *request;        /* a message of http.request, what each one is a copy of */
    const struct vel_scan *scan;
    size_t running; /* coroutines that are not over */
    /* Caches: the last (name, value) of each known field, the last path and clients. */
    PyObject *pairs[VEL_FIELD_COUNT];
    PyObject *path, *raw_path;
    PyObject *said_start, *said_body; /* the types of messages, as the application says them; or NULL */
    struct vel_asgi_client clients[VEL_ASGI_CLIENTS];
    struct vel_asgi_name names[VEL_ASGI_NAMES];
    struct vel_asgi_call *spare[VEL_ASGI_SPARE];
    size_t nspare;
    struct vel_asgi_ws_config ws;
    struct vel_buf scratch; /* where messages are expanded to */
    struct vel_buf packed;  /* where they are compressed to */
    struct vel_timers pings, pongs, closes;
    struct vel_loop *timed; /* the loop that these are in, or NULL */
};

extern const struct vel_app_ops vel_asgi_ops;

/* What is given by Python: borrowed, of the Worker's arguments. */
struct vel_asgi_given {
    PyObject *owner, *callable, *log, *loop, *make_receive, *await_it, *gone_error;
    PyObject *lifespan_state; /* None: there is none */
};

/* 0 or -1 with an exception. The rest of *a must be zero. */
int vel_asgi_init(struct vel_asgi *a, struct vel_state *state, const struct vel_asgi_given *given);
int vel_asgi_visit(struct vel_asgi *a, visitproc visit, void *arg);
void vel_asgi_clear(struct vel_asgi *a);

/* The timers of WebSockets join the worker's loop, and leave it. */
void vel_asgi_attach(struct vel_asgi *a, struct vel_worker *w);
void vel_asgi_detach(struct vel_asgi *a);

static inline struct vel_asgi *vel_asgi_of(struct vel_exchange *x) {
    return (struct vel_asgi *)(void *)x->app; /* its first member */
}

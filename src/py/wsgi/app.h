/* A WSGI application behind the seam: PEP 3333, called on the loop. */
#pragma once

#include "py/state.h"

#include "server/worker.h"

/* Values longer than this are not kept for the next request. */
#define VEL_WSGI_VALUE_MAX 512

/* Fields with names of their own: one slot by hash of the name. */
#define VEL_WSGI_NAMES 256
#define VEL_WSGI_NAME_MAX 40

struct vel_wsgi_name {
    PyObject *key; /* "HTTP_X_..." with its hash; NULL: the slot is free */
    unsigned char len;
    char text[VEL_WSGI_NAME_MAX]; /* the name as it came on the wire */
};

/* Variables of a gateway: it sends the same few in the same order each time, so each has the slot of its place. */
#define VEL_WSGI_VARS 32

struct vel_wsgi_var {
    struct vel_wsgi_name name;
    PyObject *value; /* the last one, or NULL */
};

/* Ports of peers as str: one slot by the number. */
#define VEL_WSGI_PORTS 256

struct vel_wsgi_port {
    PyObject *text; /* NULL: the slot is free */
    uint16_t number;
};

/* Everything here belongs to one worker and so to one thread. */
struct vel_wsgi {
    struct vel_app app;
    struct vel_state *state; // borrowed: of the module, which the Worker's type keeps alive
    PyObject *callable;
    PyObject *log;
    PyObject *empty_input; /* wsgi.input of requests without body */
    bool queue_time;       /* environs tell how long requests have waited */
    PyObject *root;        /* SCRIPT_NAME of every request: latin-1, as PATH_INFO is; NULL: empty */
    const struct vel_scan *scan;
    unsigned long thread;         /* Python's number of the one thread that calls the application */
    uint32_t write_ms;            /* as in struct vel_config */
    bool forked;                  /* this is a child of the process that serves */
    struct vel_exchange *running; /* the one whose application has control; NULL between such stages */
    /* Caches: the last value of each known field, of the path and of the peer, used again when the bytes are equal. */
    PyObject *values[VEL_FIELD_COUNT];
    PyObject *path;
    char path_raw[VEL_WSGI_VALUE_MAX];
    size_t path_len;
    PyObject *peer_host;
    union vel_addr peer; /* whose host that is */
    struct vel_wsgi_port ports[VEL_WSGI_PORTS];
    struct vel_wsgi_name names[VEL_WSGI_NAMES];
    struct vel_wsgi_var vars[VEL_WSGI_VARS];
    PyObject *origin_name, *origin_port, *origin_prefix; /* as proxies and gateways say them */
    PyObject *spare_start;                               /* a start_response nobody else holds, or NULL */
    PyObject *spare_write;
    PyObject *spare_context; /* a context nobody else holds and nobody changed, or NULL */
};

extern const struct vel_app_ops vel_wsgi_ops;

/* 0 or -1 with an exception. The rest of *w must be zero. */
int vel_wsgi_init(struct vel_wsgi *w, struct vel_state *state, PyObject *callable, PyObject *log);

/* The path under which the application stands, "/app" or empty; before the first template is made. 0 or -1. */
int vel_wsgi_set_root(struct vel_wsgi *w, PyObject *root);
int vel_wsgi_visit(struct vel_wsgi *w, visitproc visit, void *arg);
void vel_wsgi_clear(struct vel_wsgi *w);

/* Control is back from the application, in a process that it has forked and did not end: which must not answer the
 * request a second time, nor look for others. Ends it. */
_Noreturn void vel_wsgi_leave(struct vel_wsgi *w);

static inline struct vel_wsgi *vel_wsgi_of(struct vel_exchange *x) {
    return (struct vel_wsgi *)(void *)x->app; /* its first member */
}

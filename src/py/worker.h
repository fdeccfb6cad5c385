/* velocem._core.Worker from the inside: what its files share. */
#pragma once

#include "py/asgi/app.h"
#include "py/native/native.h"
#include "py/wsgi/app.h"
#include "py/wsgi/pool.h"

#include "server/watchdog.h"

/* Lists of peers. */
enum worker_list { WORKER_FORWARDED, WORKER_UWSGI, WORKER_PROXY, WORKER_LISTS };

/* Who looks whether calls of the application come back. */
struct vel_worker_watch {
    struct vel_watchdog dog; /* dog.all is owned; NULL: nobody */
    pthread_t loop_thread;
    int number; /* the signal that has a thread print its stack */
    int log_fd; /* neither is ours */
    int reports_fd;
};

struct worker {
    PyObject_HEAD
    struct vel_worker core;
    struct vel_wsgi wsgi;
    struct vel_asgi asgi;
    struct vel_native native;                /* in front of asgi, if it has a core */
    struct vel_wsgi_pool pool;               /* the application runs in its threads, if it has any */
    PyObject *start_thread;                  /* called with work and a number, for each of them; NULL without a pool */
    PyObject *on_over;                       /* of an asgi worker: called when it is drained or killed */
    PyObject *sockets;                       /* the tuples whose strs the endpoints point into */
    PyObject *server_name;                   /* bytes of the Server field */
    PyObject *board;                         /* whose memory the core counts in; NULL: in its own */
    struct vel_cidr *nets[WORKER_LISTS];     /* owned: whom it believes */
    PyObject *access_text;                   /* bytes of the format, which points into them */
    struct vel_access_format *access_format; /* owned; NULL: it is one with a name */
    struct vel_worker_watch watch;
    PyObject *weakrefs;
    PyObject *raised;      /* what a signal handler raised, for run() to raise again */
    PyThreadState *thread; /* while the GIL is given back */
    bool is_asgi;          /* it runs on the asyncio loop that it was given */
    bool over;             /* on_over has been called */
    bool ready;            /* core is made */
    bool running;
};

/* What an ASGI worker needs beside the rest, from the dict that is its argument: the loop, functions of velocem.asgi,
 * the options of WebSockets. 0 or -1 with an exception. */
int vel_worker_take_asgi(struct worker *self, PyObject *app, PyObject *log, PyObject *asgi);

/* The arguments of Worker() that say whom it believes, and what; NULL: not given. */
struct worker_peers {
    PyObject *forwarded_allow, *forwarded_headers, *uwsgi_allow, *proxy_allow;
};

/* 0 or -1 with an exception. What config then points into is freed by the second. */
int vel_worker_take_peers(struct worker *self, const struct worker_peers *given, struct vel_config *config);
void vel_worker_free_peers(struct worker *self);

/* Peers that are cut off are told of in the log. */
void vel_worker_hear_complaints(struct worker *self);

/* The scopes of each listening address. 0 or -1 with an exception. */
int vel_worker_make_scopes(struct worker *self, PyObject *asgi);

/* The core tells the loop what it has to do. */
void vel_worker_join_loop(struct worker *self);

/* The core is gone: tasks that wait to be used end in the loop's next round. 0 or -1 with an exception. */
int vel_worker_leave_loop(struct worker *self);

/* Arguments about the access log; format may be NULL. */
struct vel_worker_access {
    PyObject *format;
    double sample;
    int fd, queue_time;
};

/* Before the templates are made. 0 or -1 with an exception. */
int vel_worker_take_access(struct worker *self, const struct vel_worker_access *a);
void vel_worker_free_access(struct worker *self);

/* Worker.watch(seconds, signal, log_fd, reports_fd). */
PyObject *vel_worker_watch(PyObject *self, PyObject *args);

/* Nobody looks any more, and nobody is told. Does nothing when nobody did. */
void vel_worker_unwatch(struct worker *self);

/* --- with threads ------------------------------------------------------------------------------------------------ */

/* After a wait of the loop; arg is the worker. */
void vel_worker_rise(void *arg);

/* Serves until it is drained or killed, with the GIL given back. VEL_OK, or VEL_ESYS with errno; self->raised: threads
 * cannot be started. */
int vel_worker_run_with_threads(struct worker *self);

/* Worker.work(number). */
PyObject *vel_worker_work(PyObject *self, PyObject *number);

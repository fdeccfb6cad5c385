/* The threads that call a WSGI application. */
#pragma once

#include "py/wsgi/app.h"

#include "server/remote.h"

/* One of them, with the application's caches of its own: what is kept from request to request is shared with nobody. */
struct vel_wsgi_thread {
    struct vel_remote_thread remote; /* first */
    struct vel_wsgi wsgi;
    struct vel_endpoint *places; /* owned: the worker's, with a template of this thread's each */
    size_t nplaces;
    PyThreadState *state; /* while the GIL is given back */
    bool working;
};

struct vel_wsgi_pool {
    struct vel_pool core;
    struct vel_remote remote; /* the worker's application */
    struct vel_wsgi_thread *threads;
    size_t n; /* 0: there is no pool, and nothing of this is used */
};

/* n threads for the worker that serves pool->remote.app, as the application of w. 0, or -1 with an exception; what was
 * made is left for vel_wsgi_pool_free. */
int vel_wsgi_pool_init(struct vel_wsgi_pool *pool, struct vel_worker *worker, const struct vel_wsgi *w, size_t n,
                       bool multithread, bool multiprocess);

/* In a new Python thread: answers requests until the pool is closed. 0, or -1 with an exception when number is none of
 * the pool's, or taken. */
int vel_wsgi_pool_work(struct vel_wsgi_pool *pool, size_t number);

int vel_wsgi_pool_visit(struct vel_wsgi_pool *pool, visitproc visit, void *arg);

/* With the worker's connections closed, before it is freed; no thread may be working. */
void vel_wsgi_pool_free(struct vel_wsgi_pool *pool);

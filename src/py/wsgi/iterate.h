/* The application's result on its way to the client: taken block by block, suspended while the client is slow. */
#pragma once

#include "py/wsgi/start_response.h"

/* From the call of the application to its close(): on the stack while it runs through, in the exchange's arena once it
 * has to wait. */
struct vel_wsgi_run {
    struct vel_wsgi *wsgi; // borrowed: the worker outlives its exchanges
    struct vel_exchange *exchange;
    struct vel_start_response *start; /* owned; NULL: the run is over */
    PyObject *context;                /* owned, and the caller's to give back */
    PyObject *result;                 /* owned: what the application returned; its close() is called once */
    PyObject *iterator;               /* owned; NULL for a file that is sent by the kernel */
    bool one_block;                   /* the result says it has one block: its size is the body's */
    bool sending_file;
};

/* Goes on with the iteration until it ends or has to wait. Inside the request's context. */
void vel_wsgi_iterate(struct vel_wsgi_run *run);

/* What to do with a fresh result: run->result is set. Inside the request's context. */
void vel_wsgi_answer(struct vel_wsgi_run *run);

/* The reply cannot be made or finished, with the raised exception, if there is one, to the log. */
void vel_wsgi_fail(struct vel_wsgi_run *run, const char *message);

/* Calls close() and lets go of everything but the context. */
void vel_wsgi_run_close(struct vel_wsgi_run *run);

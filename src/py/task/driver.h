/* The coroutine that an asyncio task runs for us: it steps another one in a context of its own, and tells when that is
 * over. */
#pragma once

#include "py/compat.h"

struct vel_tasks;
struct vel_driver;

/* The inner coroutine has returned result, or (NULL) raised, which has to be taken: what is left raised is raised by
 * the task's step, which for SystemExit and KeyboardInterrupt ends the loop. Still in the request's context. */
typedef void vel_driver_over_fn(void *owner, PyObject *result);

struct vel_driver {
    PyObject_HEAD
    struct vel_tasks *tasks; // borrowed: while there is an inner one, which keeps their owner alive
    PyObject *coroutine;     /* the inner one; NULL: there is none */
    PyObject *context;       /* of the inner one */
    vel_driver_over_fn *over;
    void *owner;
    PyObject *yielded;   /* by vel_driver_begin, for the task's own step; or NULL */
    PyObject *raised;    /* the same */
    PyObject *cancelled; /* what the task's own step was to throw instead; or NULL */
    PyObject *known;     /* a weak reference to the task, as asyncio.all_tasks() keeps it; or NULL */
    char *looks;         /* what the task looked like when it was new; NULL: it is not used again */
    PyObject *weak;
};

/* NULL with an exception. */
struct vel_driver *vel_driver_new(struct vel_tasks *tasks);

/* The first step, made while asyncio has not been asked for one. True: it is over. Else the task has to make its own,
 * which does nothing but to yield or raise what came of this one. */
bool vel_driver_begin(struct vel_driver *d);

/* Ends an inner coroutine that nobody will step any more: it hears GeneratorExit, and over hears raised. */
void vel_driver_fail(struct vel_driver *d, PyObject *raised);

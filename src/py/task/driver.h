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
    struct vel_tasks *tasks; // borrowed: only while it is fresh or parked, which they know of
    PyObject *task;          // borrowed, at the same time: the task holds this object, and is held by who steps it
    PyObject *coroutine;     /* the inner one; NULL: there is none */
    PyObject *context;       /* of the inner one */
    vel_driver_over_fn *over;
    void *owner;
    PyObject *weak;
    bool fresh;  /* the inner one has not been suspended so far */
    bool parked; /* the task waits for another inner one */
};

/* NULL with an exception. */
struct vel_driver *vel_driver_new(struct vel_tasks *tasks);

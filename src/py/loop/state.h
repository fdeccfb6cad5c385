/* What the event loop keeps for the module: made when the loop is first asked for, since it imports asyncio. */
#pragma once

#include "py/compat.h"

struct vel_loop_state {
#define VEL_LOOP_STR(name) PyObject *name;
#define VEL_LOOP_IMPORT(name, module, attribute) PyObject *name;
#define VEL_LOOP_TYPE(name, base) PyTypeObject *name;
#include "py/loop/state.def"
    PyObject *no_base; /* always NULL */
    PyObject *no_args; /* () */
    PyObject *minus_one;
    PyObject *try_native;        /* sendfile_mode's */
    bool server_takes_transport; /* Server._attach(transport): from 3.13 on */
    /* How the accelerated tasks of asyncio look; NULL where they are not as expected (vel_loop_learn_tasks). */
    PyTypeObject *step_type;
    PyCFunction wakeup;
};

/* Types are made only if the layout of their asyncio base is the expected one; where they are NULL asyncio's own are
 * used. NULL with an exception. */
struct vel_loop_state *vel_loop_state_new(PyObject *module);
int vel_loop_state_visit(struct vel_loop_state *st, visitproc visit, void *arg);

/* Objects only: what is left of loops and handles may still look at the struct. */
void vel_loop_state_clear(struct vel_loop_state *st);

/* With the struct. NULL is allowed. */
void vel_loop_state_free(struct vel_loop_state *st);

/* Tells what a task of this interpreter gives to call_soon: an instance of what its steps are, and the built-in
 * function that wakes it; either may be None: then such calls go the way of all callbacks. */
void vel_loop_learn_tasks(struct vel_loop_state *st, PyObject *step, PyObject *wakeup);

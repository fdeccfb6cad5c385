/* Handles: what call_soon and call_later return, asyncio.Handle and asyncio.TimerHandle with a C body. */
#pragma once

#include "py/loop/loop.h"

/* Arguments that lie in the handle; more are a tuple. */
#define VEL_HANDLE_ARGS 3

/* One struct for both types. In front stand the slots of asyncio.Handle in the order in which type() lays them out,
 * used as what they are, and behind them those of asyncio.TimerHandle; vel_aio__handles_fit looks whether that is so.
 */
struct vel_handle {
    PyObject_HEAD
    PyObject *args_slot; /* unused: _args is made from argv when somebody asks */
    PyObject *callback;  /* NULL once cancelled, or None */
    PyObject *cancelled; /* Py_True or Py_False */
    PyObject *context;
    struct vel_aio *loop; /* owned */
    PyObject *repr;
    PyObject *source_traceback;
#if PY_VERSION_HEX < 0x030C0000
    PyObject *weakrefs;
#endif
    PyObject *timer_slots[2]; /* unused: _scheduled and _when are below */
    double when;
    bool is_timer;
    bool scheduled;                      /* it is in the loop's heap */
    unsigned char nargs;                 /* VEL_HANDLE_ARGS + 1: argv[1] is a tuple */
    PyObject *argv[1 + VEL_HANDLE_ARGS]; /* the first is left free for who is called (PY_VECTORCALL_ARGUMENTS_OFFSET) */
};

/* Whether asyncio's classes have the layout that struct vel_handle copies. */
bool vel_aio__handles_fit(struct vel_loop_state *st);

/* New, for the callback and arguments of call; with context NULL in a copy of the present one. Where asyncio's layout
 * is unknown, one of asyncio's own. NULL with an exception. */
PyObject *vel_aio__handle_new(struct vel_aio *loop, const struct vel_aio__call *call);
PyObject *vel_aio__timer_handle_new(struct vel_aio *loop, double when, const struct vel_aio__call *call);

/* Ours, and not one of asyncio's own. */
static inline bool vel_aio__is_handle(struct vel_loop_state *st, PyObject *o) {
    return Py_TYPE(o) == st->handle_type || Py_TYPE(o) == st->timer_handle_type;
}

/* Calls it, cancelled or not, in its context and reports what it raises: 0, or -1 with what ends the run. */
int vel_aio__handle_run(struct vel_aio *loop, struct vel_handle *h);

/* Reports the raised exception as that of handle's callback. The same results. */
int vel_aio__report_callback(struct vel_aio *loop, PyObject *handle);

/* Frees the spare ones. */
void vel_aio__handles_free(struct vel_aio *loop);

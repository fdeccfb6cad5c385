/* An App behind the seam: plans answered in C, everything else handed on to its ASGI face. */
#pragma once

#include "py/native/core.h"
#include "py/task/tasks.h"

#include "server/app.h"

/* Above so many bytes that wait for the kernel, a stream waits too. */
#define VEL_NATIVE_HIGH_WATER 65536

struct vel_native {
    struct vel_app app;
    struct vel_app *other; // borrowed, as all to running: its worker has them; takes mounts and WebSockets
    struct vel_tasks *tasks;
    PyObject *owner;         /* the Worker; coroutines that are not over hold it */
    PyObject *done;          /* the awaitable that is finished */
    PyObject *gone_error;    /* velocem.exceptions.ClientDisconnectedError */
    size_t *running;         /* coroutines of the worker that are not over */
    struct vel_core *core;   /* owned */
    unsigned within;         /* an end of a coroutine is being told, in the step of its task */
    PyObject *spare_context; /* one that nobody else holds and nobody changed, or NULL */
};

extern const struct vel_app_ops vel_native_ops;

/* Takes core, and the rest is in *n already. 0 or -1 with an exception. */
int vel_native_init(struct vel_native *n, PyObject *core);
int vel_native_visit(struct vel_native *n, visitproc visit, void *arg);
void vel_native_clear(struct vel_native *n);

/* --- between the files of this folder ---------------------------------------------------------------------------- */

/* A request that is not over with its dispatch: its body comes, its coroutine runs, or its reply is a stream. Held by
 * the exchange (app_data) and by the coroutine. */
struct vel_native_call {
    struct vel_native *native; // borrowed: its worker is held by the coroutine
    struct vel_exchange *x;    /* not owned; NULL: the server is done with it */
    struct vel_plan *plan;     /* owned, as all below */
    PyObject *request, *task, *sink, *context;
    PyObject *after;              /* of a stream: a list of what is called when it is over */
    struct vel_native_form *form; /* reads the body as it comes, one with files; NULL: body has all of it */
    struct vel_buf body;
    uint64_t received; /* of the body */
    uint64_t number;
    int64_t limit; /* of the body; -1: none of its own */
    uint8_t holders;
    bool collecting;
    bool drains;
};

static inline struct vel_native *vel_native_of(struct vel_exchange *x) {
    return (struct vel_native *)(void *)x->app; /* its first member */
}

struct vel_native_call *vel_native_call_new(struct vel_native *n, struct vel_exchange *x, struct vel_plan *plan);
void vel_native_call_release(struct vel_native_call *call);
/* The exchange is over, or its client has gone. */
void vel_native_call_end(struct vel_native_call *call);

/* Sends an answer and frees it; x may be NULL: its client has gone. A stream is begun: by call, or by one that is made
 * for it. What is done afterwards is done in the context, or in a new one for NULL. */
void vel_native_send(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                     struct vel_answer *answer, PyObject *context);

/* Runs a coroutine in a task, its context stolen with it; counted as one of the application's. 0: over is called, now
 * or later. */
void vel_native_drive(struct vel_native_call *call, PyObject *coroutine, PyObject *context, vel_driver_over_fn *over);

/* In what vel_native_drive is told of: within is counted up at its beginning, and conclude, its last, counts it down.
 */
void vel_native_conclude(struct vel_native_call *call);
/* What a coroutine raised whose answer nobody hears, which is cleared unless it is to end more. */
void vel_native_log_unheard(struct vel_native_call *call);

/* --- forms with files: form.c ------------------------------------------------------------------------------------ */

/* Whether the body is a form that a reader takes. */
bool vel_native_is_form(const struct vel_native *n, const struct vel_plan *plan, const struct vel_head *head);
/* Makes the reader, and the context that it and the handler have. 0, or -1 with an exception, as the next two. */
int vel_native_form_begin(struct vel_native_call *call, const struct vel_head *head);
int vel_native_form_take(struct vel_native_call *call, struct vel_slice data);
/* All has come: what is left of it without its files is the call's body. */
int vel_native_form_finish(struct vel_native_call *call);
/* The call is over: files that nobody has taken go. */
void vel_native_form_end(struct vel_native_call *call);

/* --- streams: sink.c --------------------------------------------------------------------------------------------- */

/* What Python sends the body of a stream through: sink(bytes) gives an awaitable. NULL with an exception. */
PyObject *vel_sink_new(struct vel_native *n, struct vel_exchange *x);
/* The kernel has taken what waited. */
void vel_sink_credit(PyObject *sink);
/* Nothing can be sent any more: who tries hears that the client has gone. */
void vel_sink_end(PyObject *sink);
/* The client has ended its side: mostly it is gone, but it may still read. */
void vel_sink_leave(PyObject *sink);
/* The worker stops: a stream that would never end by itself is to come to its end. */
void vel_sink_drain(PyObject *sink);
/* bytes for a stream that nobody waits for: 1 when more than `most` wait already, 0, or -1 with an exception. */
int vel_sink_put(PyObject *sink, PyObject *bytes, uint64_t most);

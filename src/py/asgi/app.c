/* Calling the application: one request in, one coroutine, stepped in a task of its own. */
#include "py/asgi/app.h"

#include "py/asgi/call.h"
#include "py/context.h"
#include "py/error.h"
#include "server/reply.h"
#include "ws/handshake.h"

/* --- the end of the coroutine ------------------------------------------------------------------------------------ */

/* What is left raised has to reach asyncio: a cancellation, and what ends the loop. */
static void report(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return;
    if (call->gone && PyErr_ExceptionMatches(a->gone_error))
        PyErr_Clear(); /* it was told, and has nothing to do about it */
    else
        vel_log(a->log, VEL_LOG_ERROR, "the application failed");
}

static void abort_reply(struct vel_asgi_call *call) {
    struct vel_exchange *x = call->exchange;
    if (x == NULL)
        return;
    vel_exchange_abort(x);
    vel_asgi_call_end(call);
}

static void on_over(void *owner, PyObject *result) {
    struct vel_asgi_call *call = owner;
    struct vel_asgi *a = call->asgi;
    PyObject *worker = a->owner;
    if (result == NULL)
        report(call);
    PyObject *raised = vel_take_raised();
    if (call->socket != NULL)
        vel_asgi_socket_over(call, result == NULL);
    else if (call->exchange != NULL && result != NULL)
        vel_log(a->log, VEL_LOG_ERROR,
                call->reply == VEL_ASGI_REPLY_NONE ? "the application returned without a response"
                                                   : "the application returned before its response was complete");
    if (call->socket == NULL)
        abort_reply(call);
    call->driving = false;
    a->running--;
    Py_CLEAR(call->task);
    vel_asgi_call_release(call);
    if (raised != NULL)
        vel_set_raised(raised);
    Py_DECREF(worker);
}

/* --- the beginning ----------------------------------------------------------------------------------------------- */

/* The application's coroutine; any other awaitable is put into one. */
static PyObject *call_application(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    PyObject *scope = vel_asgi_scope(call);
    if (scope == NULL)
        return NULL;
    PyObject *args[] = {NULL, scope, call->receive, (PyObject *)call};
    PyObject *made = PyObject_Vectorcall(a->callable, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(scope);
    if (made == NULL || PyCoro_CheckExact(made))
        return made;
    PyObject *coroutine = PyObject_CallOneArg(a->await_it, made);
    Py_DECREF(made);
    return coroutine;
}

/* A new context for each request: nothing that one sets is seen by another. */
static void start(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    call->starting = false;
    PyObject *coroutine = call_application(call);
    PyObject *context = coroutine != NULL ? vel_context_take(&a->tasks.spare_context) : NULL;
    if (context == NULL) {
        Py_XDECREF(coroutine);
        vel_log(a->log, VEL_LOG_ERROR, "the application cannot be called");
        abort_reply(call);
        return;
    }
    call->driving = true;
    a->running++;
    Py_INCREF(a->owner);
    vel_asgi_call_hold(call); /* for on_over */
    PyObject *task = vel_tasks_run(&a->tasks, coroutine, context, on_over, call);
    if (task != NULL)
        call->task = task;
    else if (PyErr_Occurred())
        vel_aio_raise_later(a->tasks.loop);
}

static void refuse(struct vel_exchange *x, unsigned status) {
    int err = status == 426 ? vel_reply_websocket_version(x) : vel_reply_status(x, status);
    if (err != VEL_OK)
        vel_exchange_abort(x);
    else
        vel_exchange_end(x);
}

/* A request with a body waits for what of it is here already: mostly all, and the application then needs to be told
 * once. */
static void begin(struct vel_asgi_call *call, bool socket) {
    struct vel_exchange *x = call->exchange;
    if (socket && vel_asgi_socket_new(call) < 0) {
        vel_log(call->asgi->log, VEL_LOG_ERROR, "the request cannot be begun");
        abort_reply(call);
        return;
    }
    call->complete = !vel_framing_has_body(&x->head->framing);
    call->starting = !call->complete;
    if (call->starting)
        vel_exchange_yield(x);
    else
        start(call);
}

static void on_request(struct vel_exchange *x) {
    struct vel_asgi *a = vel_asgi_of(x);
    const char *why;
    int handshake = vel_ws_handshake(x->head, &why);
    if (handshake < 0) {
        refuse(x, (unsigned)-handshake);
        return;
    }
    struct vel_asgi_call *call = vel_asgi_call_new(a, x);
    if (call == NULL) {
        vel_log(a->log, VEL_LOG_ERROR, "the request cannot be begun");
        vel_exchange_abort(x);
        return;
    }
    x->app_data = call;
    vel_asgi_call_hold(call); /* it may end in here */
    begin(call, handshake > 0);
    vel_asgi_call_release(call);
}

/* --- what comes later -------------------------------------------------------------------------------------------- */

static void on_data(struct vel_exchange *x, struct vel_slice data) {
    struct vel_asgi_call *call = x->app_data;
    if (call->socket != NULL) {
        vel_asgi_socket_data(call, data);
    } else if (vel_buf_append(&call->body, data.at, data.len) != VEL_OK) {
        call->gone = true;
        abort_reply(call);
    } else {
        vel_asgi_wake(call);
    }
}

static void on_end(struct vel_exchange *x) {
    struct vel_asgi_call *call = x->app_data;
    if (x->tunnel) {
        vel_asgi_socket_eof(call);
        return;
    }
    call->complete = true;
    if (call->starting)
        start(call);
    else
        vel_asgi_wake(call);
}

static void on_turn(struct vel_exchange *x) {
    struct vel_asgi_call *call = x->app_data;
    if (call->starting)
        start(call);
    else
        vel_asgi_credit(call);
}

static void on_abort(struct vel_exchange *x) {
    struct vel_asgi_call *call = x->app_data;
    call->gone = true;
    if (call->socket != NULL)
        vel_asgi_socket_gone(call);
    else
        vel_asgi_call_end(call);
}

static void on_leave(struct vel_exchange *x) {
    struct vel_asgi_call *call = x->app_data;
    call->left = true;
    vel_asgi_wake(call);
}

static void on_drain(struct vel_exchange *x) {
    struct vel_asgi_call *call = x->app_data;
    call->drains = true;
    if (call->socket != NULL)
        vel_asgi_socket_drain(call);
    else
        vel_asgi_wake(call);
}

const struct vel_app_ops vel_asgi_ops = {
    .asks_for_body = true,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_turn = on_turn,
    .on_abort = on_abort,
    .on_leave = on_leave,
    .on_drain = on_drain,
};

/* --- life -------------------------------------------------------------------------------------------------------- */

int vel_asgi_init(struct vel_asgi *a, struct vel_state *state, const struct vel_asgi_given *given) {
    a->app.ops = &vel_asgi_ops;
    a->state = state;
    a->owner = given->owner;
    a->callable = Py_NewRef(given->callable);
    a->log = Py_NewRef(given->log);
    a->make_receive = Py_NewRef(given->make_receive);
    a->await_it = Py_NewRef(given->await_it);
    a->gone_error = Py_NewRef(given->gone_error);
    a->lifespan_state = given->lifespan_state != Py_None ? Py_NewRef(given->lifespan_state) : NULL;
    a->scan = vel_scan_best();
    a->done = state->done_type->tp_alloc(state->done_type, 0);
    a->request = vel_asgi_request_template(state);
    if (a->done == NULL || a->request == NULL)
        return -1;
    return vel_tasks_init(&a->tasks, state, (struct vel_aio *)given->loop, given->owner);
}

int vel_asgi_visit(struct vel_asgi *a, visitproc visit, void *arg) {
    Py_VISIT(a->callable);
    Py_VISIT(a->log);
    Py_VISIT(a->make_receive);
    Py_VISIT(a->await_it);
    Py_VISIT(a->gone_error);
    Py_VISIT(a->lifespan_state);
    return vel_tasks_visit(&a->tasks, visit, arg);
}

void vel_asgi_clear(struct vel_asgi *a) {
    vel_asgi_call_free_spare(a);
    vel_tasks_clear(&a->tasks);
    for (int i = 0; i < VEL_FIELD_COUNT; i++)
        Py_CLEAR(a->pairs[i]);
    for (int i = 0; i < VEL_ASGI_NAMES; i++)
        Py_CLEAR(a->names[i].name);
    for (int i = 0; i < VEL_ASGI_CLIENTS; i++)
        Py_CLEAR(a->clients[i].pair);
    Py_CLEAR(a->root);
    Py_CLEAR(a->path);
    Py_CLEAR(a->raw_path);
    Py_CLEAR(a->said_start);
    Py_CLEAR(a->said_body);
    Py_CLEAR(a->request);
    Py_CLEAR(a->done);
    Py_CLEAR(a->lifespan_state);
    Py_CLEAR(a->gone_error);
    Py_CLEAR(a->await_it);
    Py_CLEAR(a->make_receive);
    Py_CLEAR(a->log);
    Py_CLEAR(a->callable);
    vel_buf_free(&a->scratch);
    vel_buf_free(&a->packed);
}

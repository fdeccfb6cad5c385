/* What receive() gives: the request as it comes, and the end of it. */
#include "py/asgi/call.h"

/* --- messages ---------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi_request_template(struct vel_state *s) {
    PyObject *message = PyDict_New();
    if (message == NULL)
        return NULL;
    if (PyDict_SetItem(message, s->type, s->http_request) < 0 || PyDict_SetItem(message, s->body, s->no_bytes) < 0 ||
        PyDict_SetItem(message, s->more_body, Py_False) < 0)
        Py_CLEAR(message);
    return message;
}

/* A copy costs a third of what three items set in a new dict do. */
static PyObject *request_message(struct vel_asgi_call *call) {
    struct vel_state *s = call->asgi->state;
    PyObject *message = PyDict_Copy(call->asgi->request);
    if (message == NULL)
        return NULL;
    int err = call->complete ? 0 : PyDict_SetItem(message, s->more_body, Py_True);
    if (err == 0 && call->body.len > 0)
        err = vel_dict_put(message, s->body, PyBytes_FromStringAndSize(call->body.data, (Py_ssize_t)call->body.len));
    if (err < 0) {
        Py_DECREF(message);
        return NULL;
    }
    size_t n = call->body.len;
    vel_buf_free(&call->body);
    call->told = call->complete;
    if (n > 0)
        vel_exchange_consume(call->exchange, n);
    return message;
}

static PyObject *disconnect_message(struct vel_state *s) {
    PyObject *message = PyDict_New();
    if (message != NULL && PyDict_SetItem(message, s->type, s->http_disconnect) < 0)
        Py_CLEAR(message);
    return message;
}

/* Of a drain only a reply that has begun hears: it may be one that never ends by itself. */
static bool is_cut_off(const struct vel_asgi_call *call) {
    if (call->exchange == NULL)
        return true;
    return call->told && (call->left || (call->drains && call->exchange->status != 0));
}

PyObject *vel_asgi_next_message(struct vel_asgi_call *call) {
    if (call->socket != NULL)
        return vel_asgi_socket_next(call);
    if (call->exchange != NULL && !call->told && (call->complete || call->body.len > 0))
        return request_message(call);
    return is_cut_off(call) ? disconnect_message(vel_state_of(Py_TYPE(call))) : NULL;
}

PyObject *vel_asgi__next_message(PyObject *o, PyObject *unused) {
    PyObject *message = vel_asgi_next_message((struct vel_asgi_call *)o);
    (void)unused;
    if (message != NULL || PyErr_Occurred())
        return message;
    Py_RETURN_NONE;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

/* Mostly one waits; more than one, each with a future of its own, since a cancelled one is cancelled for all. */
static int add_receiver(struct vel_asgi_call *call, PyObject *future) {
    if (call->receivers == NULL) {
        call->receivers = Py_NewRef(future);
        return 0;
    }
    if (!PyList_CheckExact(call->receivers)) {
        PyObject *list = PyList_New(1);
        if (list == NULL)
            return -1;
        PyList_SET_ITEM(list, 0, call->receivers);
        call->receivers = list;
    }
    return PyList_Append(call->receivers, future);
}

/* A future that was cancelled need not be kept. */
static void drop_cancelled(struct vel_asgi_call *call) {
    if (call->receivers == NULL || PyList_CheckExact(call->receivers))
        return;
    PyObject *done = PyObject_CallMethodNoArgs(call->receivers, call->asgi->state->done);
    if (done == Py_True)
        Py_CLEAR(call->receivers);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
}

PyObject *vel_asgi__more(PyObject *o, PyObject *unused) {
    struct vel_asgi_call *call = (struct vel_asgi_call *)o;
    (void)unused;
    if (call->asgi == NULL) { /* next_message has told the end, and is to be asked again */
        PyErr_SetString(PyExc_RuntimeError, "the request is over");
        return NULL;
    }
    PyObject *future = vel_tasks_future(&call->asgi->tasks);
    if (future == NULL)
        return NULL;
    drop_cancelled(call);
    if (add_receiver(call, future) < 0)
        Py_CLEAR(future);
    else if (call->exchange != NULL)
        vel_exchange_want_body(call->exchange);
    return future;
}

void vel_asgi_wake(struct vel_asgi_call *call) {
    PyObject *receivers = call->receivers;
    call->receivers = NULL;
    if (receivers == NULL)
        return;
    if (!PyList_CheckExact(receivers)) {
        vel_tasks_resolve(&call->asgi->tasks, receivers, Py_None);
        return;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(receivers); i++)
        vel_tasks_resolve(&call->asgi->tasks, Py_NewRef(PyList_GET_ITEM(receivers, i)), Py_None);
    Py_DECREF(receivers);
}

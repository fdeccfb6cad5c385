/* Answers on their way: whole ones, streams, and what is done when they are over. */
#include "py/native/native.h"

#include "py/error.h"
#include "py/lend.h"

#include "files/file.h"

/* --- what is done afterwards ------------------------------------------------------------------------------------- */

static void on_after_over(void *owner, PyObject *result) {
    struct vel_native_call *call = owner;
    call->native->within++;
    if (result == NULL && PyErr_ExceptionMatches(PyExc_Exception))
        vel_log(call->native->core->log, VEL_LOG_ERROR, "what is done after a response failed");
    vel_native_conclude(call);
}

static int drive_after(struct vel_native *n, PyObject *coroutine, PyObject *context) {
    struct vel_native_call *call = vel_native_call_new(n, NULL, NULL);
    if (call == NULL) {
        Py_DECREF(coroutine);
        return -1;
    }
    vel_native_drive(call, coroutine, Py_NewRef(context), on_after_over);
    vel_native_call_release(call);
    return 0;
}

/* In the request's context: what was set there is taken back there. Within its task that is the current one. */
static int do_after(struct vel_native *n, PyObject *after, PyObject *context) {
    bool enters = n->within == 0;
    if (enters && PyContext_Enter(context) < 0)
        return -1;
    PyObject *result = PyObject_CallNoArgs(after), *raised = result == NULL ? vel_take_raised() : NULL;
    int err = enters ? PyContext_Exit(context) : 0;
    if (raised != NULL)
        vel_set_raised(raised);
    if (result == NULL || err < 0) {
        Py_XDECREF(result);
        return -1;
    }
    if (PyCoro_CheckExact(result))
        return drive_after(n, result, context);
    Py_DECREF(result);
    return 0;
}

/* Takes over list; context may be NULL. */
static void do_all_after(struct vel_native *n, PyObject *list, PyObject *context) {
    PyObject *raised = vel_take_raised(), *in = context != NULL ? Py_NewRef(context) : PyContext_CopyCurrent();
    for (Py_ssize_t i = 0; in != NULL && i < PyList_GET_SIZE(list); i++)
        if (do_after(n, PyList_GET_ITEM(list, i), in) < 0)
            vel_log(n->core->log, VEL_LOG_ERROR, "what is done after a response failed");
    PyErr_Clear();
    Py_XDECREF(in);
    Py_DECREF(list);
    if (raised != NULL)
        vel_set_raised(raised);
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

static void on_stream_over(void *owner, PyObject *result) {
    struct vel_native_call *call = owner;
    struct vel_exchange *x = call->x;
    PyObject *after = call->after;
    call->native->within++;
    call->after = NULL;
    if (result == NULL)
        vel_native_log_unheard(call);
    vel_native_call_end(call);
    if (x != NULL && result == NULL)
        vel_exchange_abort(x);
    else if (x != NULL && vel_exchange_end(x) == VEL_ELIMIT)
        vel_log(call->native->core->log, VEL_LOG_ERROR, "the response is shorter than its content-length");
    if (after != NULL)
        do_all_after(call->native, after, call->context);
    vel_native_conclude(call);
}

/* Gives a coroutine that sends the stream, or closes it when nobody can be sent anything. */
static PyObject *make_drive(struct vel_native *n, PyObject *sink, PyObject *stream) {
    PyObject *args[] = {NULL, sink, stream};
    PyObject *coroutine = PyObject_Vectorcall(n->core->drive, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (coroutine == NULL || PyCoro_CheckExact(coroutine))
        return coroutine;
    Py_DECREF(coroutine);
    PyErr_SetString(PyExc_TypeError, "drive gives a coroutine");
    return NULL;
}

/* x may be NULL: the client has gone. */
static int begin_stream(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                        struct vel_answer *answer, PyObject *context) {
    PyObject *sink = vel_sink_new(n, x);
    PyObject *coroutine = sink != NULL ? make_drive(n, sink, answer->stream) : NULL;
    PyObject *in = coroutine == NULL ? NULL : context != NULL ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (in == NULL || (x != NULL && vel_exchange_head(x, &answer->head) != VEL_OK)) {
        Py_XDECREF(in);
        Py_XDECREF(coroutine);
        Py_XDECREF(sink);
        return -1;
    }
    Py_XSETREF(call->sink, sink);
    if (call->drains)
        vel_sink_drain(sink);
    Py_XSETREF(call->context, Py_NewRef(in));
    call->after = answer->after;
    answer->after = NULL;
    vel_native_drive(call, coroutine, in, on_stream_over);
    return 0;
}

static void send_stream(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                        struct vel_answer *answer, PyObject *context) {
    bool made = call == NULL;
    if (made)
        call = vel_native_call_new(n, x, NULL);
    if (call != NULL && begin_stream(n, x, call, answer, context) == 0)
        return;
    vel_log(n->core->log, VEL_LOG_ERROR, "the response cannot be begun");
    if (call != NULL)
        vel_native_call_end(call);
    if (x != NULL)
        vel_exchange_abort(x);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static void close_file(void *owner) {
    vel_file_release(owner);
}

static int put_part(struct vel_exchange *x, const struct vel_parts *parts, size_t i) {
    int err = parts->before[i].len > 0 ? vel_exchange_data(x, parts->before[i], NULL) : VEL_OK;
    if (err != VEL_OK)
        return err;
    struct vel_loan loan = {.release = close_file, .owner = vel_file_hold(parts->file)};
    err = vel_exchange_file(x, parts->file->fd, (int64_t)parts->ranges[i].first, parts->ranges[i].count, loan);
    if (err == VEL_ENOMEM)
        vel_file_release(parts->file);
    return err;
}

static int put_parts(struct vel_exchange *x, const struct vel_parts *parts) {
    int err = VEL_OK;
    for (size_t i = 0; err == VEL_OK && i < parts->n; i++)
        err = put_part(x, parts, i);
    return err == VEL_OK && parts->tail.len > 0 ? vel_exchange_data(x, parts->tail, NULL) : err;
}

/* An object is lent to the server; the scratch is copied. */
static int put_body(struct vel_exchange *x, struct vel_answer *answer) {
    if (answer->parts != NULL)
        return put_parts(x, answer->parts);
    if (answer->data.len == 0)
        return VEL_OK;
    if (answer->body == NULL)
        return vel_exchange_data(x, answer->data, NULL);
    return vel_lend(x, answer->data, answer->body);
}

/* An answer to HEAD, and a 304, may say the length of what they stand for. */
static void set_length(const struct vel_exchange *x, struct vel_answer *answer) {
    if (answer->parts != NULL) {
        answer->head.length = answer->head.status != 304 ? (int64_t)answer->parts->length : -1;
        return;
    }
    bool stands_for = answer->head.status == 304 || (x->head->method == VEL_METHOD_HEAD && answer->data.len == 0);
    if (!stands_for || (answer->head.length < 0 && answer->head.status != 304))
        answer->head.length = (int64_t)answer->data.len;
}

static void send_whole(struct vel_exchange *x, struct vel_native_call *call, struct vel_answer *answer) {
    set_length(x, answer);
    int err = vel_exchange_head(x, &answer->head);
    if (err == VEL_OK)
        err = put_body(x, answer);
    if (call != NULL)
        vel_native_call_end(call);
    if (err == VEL_OK)
        vel_exchange_end(x);
    else
        vel_exchange_abort(x);
}

void vel_native_send(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                     struct vel_answer *answer, PyObject *context) {
    if (answer->stream != NULL)
        send_stream(n, x, call, answer, context);
    else if (x != NULL)
        send_whole(x, call, answer);
    PyObject *after = answer->after;
    answer->after = NULL;
    vel_answer_free(answer);
    if (after != NULL)
        do_all_after(n, after, context);
}

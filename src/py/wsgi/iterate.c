/* Sending what the application returned. */
#include "py/wsgi/iterate.h"

#include "py/error.h"
#include "py/wsgi/file_wrapper.h"
#include "py/wsgi/write.h"

#include "base/clock.h"

/* Of one reply in one turn of the loop: a fast client and a fast generator must not keep the others waiting, nor a slow
 * one for more than a block. Going on with one is cheaper than going round: its client takes several blocks at once. */
#define TURN_NS 200000

/* A list of more blocks than this is iterated: a slow reader then holds back the copying of small ones. */
#define BLOCKS_AT_ONCE 256

/* --- the end of a run -------------------------------------------------------------------------------------------- */

static void call_close(struct vel_wsgi_run *run, PyObject *result) {
    PyObject *close;
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result) || PyBytes_CheckExact(result))
        return;
    int found = vel_optional_attr(result, run->wsgi->state->close, &close);
    PyObject *answer = found > 0 ? PyObject_CallNoArgs(close) : NULL;
    if (found > 0)
        Py_DECREF(close);
    Py_XDECREF(answer);
    if (PyErr_Occurred())
        vel_log(run->wsgi->log, VEL_LOG_ERROR, "close() of the application's result failed");
}

void vel_wsgi_run_close(struct vel_wsgi_run *run) {
    PyObject *result = run->result, *iterator = run->iterator;
    struct vel_start_response *start = run->start;
    run->result = run->iterator = NULL;
    run->start = NULL;
    start->exchange = NULL; /* close() may not send any more */
    if (result != NULL)
        call_close(run, result);
    Py_XDECREF(iterator);
    Py_XDECREF(result);
    vel_start_response_done(run->wsgi, start);
}

/* close() comes after the last block and before the end is told: what it does belongs to the request, and an error in
 * it does not spoil a reply that is complete. */
static void finish(struct vel_wsgi_run *run) {
    struct vel_exchange *x = run->exchange;
    struct vel_wsgi *w = run->wsgi;
    vel_wsgi_run_close(run);
    if (vel_exchange_end(x) == VEL_ELIMIT)
        vel_log(w->log, VEL_LOG_ERROR, "the body was shorter than its Content-Length: the connection is cut");
}

void vel_wsgi_fail(struct vel_wsgi_run *run, const char *message) {
    struct vel_exchange *x = run->exchange;
    /* Ctrl-C in the middle of a request, or a client that went while write() was waiting, is no fault of the
     * application's. */
    if (vel_exchange_is_lost(x))
        PyErr_Clear();
    else
        vel_log(run->wsgi->log, VEL_LOG_ERROR, message);
    vel_wsgi_run_close(run);
    vel_exchange_abort(x);
}

/* The client is gone: nobody is to blame, nothing is logged. */
static void give_up(struct vel_wsgi_run *run) {
    struct vel_exchange *x = run->exchange;
    PyErr_Clear();
    vel_wsgi_run_close(run);
    vel_exchange_abort(x);
}

/* --- block by block ---------------------------------------------------------------------------------------------- */

/* Nothing of the body can go out once the head has: the rest need not be made. */
static bool is_bodiless(const struct vel_wsgi_run *run) {
    return run->exchange->head->method == VEL_METHOD_HEAD || run->start->head.status == 204 ||
           run->start->head.status == 304;
}

/* No block was sent: the head goes out alone, with the length of nothing unless the application said another. */
static void finish_empty(struct vel_wsgi_run *run) {
    if (vel_start_response_send(run->start, is_bodiless(run) ? -1 : 0) < 0)
        vel_wsgi_fail(run, "the application failed");
    else
        finish(run);
}

static void at_end(struct vel_wsgi_run *run) {
    if (PyErr_Occurred())
        vel_wsgi_fail(run, "the application failed");
    else if (run->exchange->status == 0)
        finish_empty(run);
    else
        finish(run);
}

/* Whether the iteration may go on at once. */
static bool send_next(struct vel_wsgi_run *run, PyObject *block) {
    struct vel_exchange *x = run->exchange;
    int64_t length = run->one_block && PyBytes_Check(block) ? (int64_t)PyBytes_GET_SIZE(block) : -1;
    int err = vel_wsgi_send_block(run->start, block, length);
    Py_DECREF(block);
    if (err < 0) {
        vel_wsgi_fail(run, "the application failed");
        return false;
    }
    if (x->status != 0 && is_bodiless(run)) {
        finish(run);
        return false;
    }
    if (run->one_block)
        return true; /* no other block is waited for: it leaves with the end */
    /* In a thread it waits there, and the application has no control meanwhile. */
    run->wsgi->running = NULL;
    int sent = vel_exchange_flush(x);
    run->wsgi->running = x;
    switch (sent) {
    case VEL_OK:
        return true;
    case VEL_EAGAIN:
        vel_exchange_await_credit(x);
        return false;
    default:
        give_up(run);
        return false;
    }
}

void vel_wsgi_iterate(struct vel_wsgi_run *run) {
    if (run->sending_file) {
        finish(run);
        return;
    }
    uint64_t end = vel_clock_ns() + TURN_NS;
    do {
        PyObject *block = PyIter_Next(run->iterator);
        if (run->wsgi->forked)
            vel_wsgi_leave(run->wsgi);
        if (block == NULL) {
            at_end(run);
            return;
        }
        if (!send_next(run, block))
            return;
    } while (vel_clock_ns() < end);
    vel_exchange_yield(run->exchange);
}

/* --- kinds of results -------------------------------------------------------------------------------------------- */

/* The blocks of a list are all here: they leave with the head and the length of all in one send. They are looked at
 * before the first goes out, so that a wrong one is a 500 and not half a body. */
static int64_t total_of(PyObject *const *blocks, Py_ssize_t n) {
    int64_t total = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyBytes_Check(blocks[i])) {
            PyErr_Format(PyExc_TypeError, "a block of the body must be bytes, not %.100s", Py_TYPE(blocks[i])->tp_name);
            return -1;
        }
        total += PyBytes_GET_SIZE(blocks[i]);
    }
    return total;
}

static int send_blocks(struct vel_wsgi_run *run, PyObject *const *blocks, Py_ssize_t n, int64_t total) {
    int64_t announced = run->start->head.length;
    if (run->start->status != NULL && announced >= 0 && announced < total && !is_bodiless(run) &&
        run->exchange->status == 0) {
        PyErr_Format(PyExc_ValueError, "the body is longer than its Content-Length of %lld", (long long)announced);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (vel_wsgi_send_block(run->start, blocks[i], total) < 0)
            return -1;
    return 0;
}

static void answer_blocks(struct vel_wsgi_run *run, PyObject *const *blocks, Py_ssize_t n) {
    int64_t total = total_of(blocks, n);
    if (total < 0 || send_blocks(run, blocks, n, total) < 0)
        vel_wsgi_fail(run, "the application failed");
    else
        at_end(run);
}

static bool file_fits(struct vel_wsgi_run *run, struct vel_file_range *range) {
    int64_t announced = run->start->head.length;
    if (announced >= 0 && announced <= range->length)
        range->length = announced;
    return announced < 0 || announced == range->length;
}

/* The kernel reads the file while others are served; the file object stays open until it is through. */
static void answer_file(struct vel_wsgi_run *run, struct vel_file_range *range) {
    struct vel_exchange *x = run->exchange;
    struct vel_loan loan = {0};
    if (run->start->status != NULL && !file_fits(run, range) && !is_bodiless(run)) {
        PyErr_Format(PyExc_ValueError, "the file has %lld bytes left, fewer than its Content-Length",
                     (long long)range->length);
        vel_wsgi_fail(run, "the application failed");
        return;
    }
    if (vel_start_response_send(run->start, range->length) < 0) {
        vel_wsgi_fail(run, "the application failed");
        return;
    }
    if (range->length == 0 || is_bodiless(run)) {
        finish(run);
        return;
    }
    run->sending_file = true;
    vel_exchange_file(x, range->file, range->offset, (uint64_t)range->length, loan);
    switch (vel_exchange_flush(x)) {
    case VEL_OK:
        finish(run);
        break;
    case VEL_EAGAIN:
        vel_exchange_await_credit(x);
        break;
    default:
        give_up(run);
    }
}

/* PEP 3333: a result whose len() is 1 tells the length of the body with its first block. */
static bool says_one(PyObject *result) {
    if (Py_TYPE(result)->tp_as_sequence == NULL || Py_TYPE(result)->tp_as_sequence->sq_length == NULL)
        return false;
    Py_ssize_t n = PyObject_Size(result);
    if (n < 0)
        PyErr_Clear();
    return n == 1;
}

static void answer_iterable(struct vel_wsgi_run *run) {
    run->iterator = PyObject_GetIter(run->result);
    if (run->iterator == NULL) {
        vel_wsgi_fail(run, "the application returned no iterable");
        return;
    }
    run->one_block = says_one(run->result);
    vel_wsgi_iterate(run);
}

void vel_wsgi_answer(struct vel_wsgi_run *run) {
    PyObject *result = run->result;
    struct vel_file_range range;
    /* borrowed blocks: the run holds the result, and no Python code runs before they are sent */
    if (PyBytes_CheckExact(result))
        answer_blocks(run, &result, 1);
    else if (PyList_CheckExact(result) && PyList_GET_SIZE(result) <= BLOCKS_AT_ONCE)
        answer_blocks(run, PySequence_Fast_ITEMS(result), PyList_GET_SIZE(result));
    else if (PyTuple_CheckExact(result) && PyTuple_GET_SIZE(result) <= BLOCKS_AT_ONCE)
        answer_blocks(run, PySequence_Fast_ITEMS(result), PyTuple_GET_SIZE(result));
    else if (vel_file_wrapper_range(run->wsgi->state, result, &range) && run->exchange->status == 0)
        answer_file(run, &range);
    else
        answer_iterable(run);
}

/* Bytes from the kernel to the protocol. */
#include "py/loop/transport.h"

#include "base/err.h"

#include <errno.h>

static const char failed_read[] = "Fatal read error on socket transport";

static ssize_t receive(int fd, void *at, size_t len) {
    ssize_t n;
    do {
        n = recv(fd, at, len, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

static int receive_failed(struct vel_transport *t) {
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return vel_aio__transport_fail(t, failed_read);
}

static int on_eof(struct vel_transport *t) {
    PyObject *answer = vel_aio__transport_call(t, t->loop->st->eof_received, NULL);
    int keep = answer != NULL ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (keep < 0)
        return vel_aio__transport_fail(t, "Fatal error: protocol.eof_received() call failed.");
    if (!keep)
        return t->loop != NULL ? vel_aio__transport_close(t) : 0;
    t->read_all = true;
    vel_aio__transport_unsettle(t);
    return 0;
}

/* --- protocols that are given bytes ------------------------------------------------------------------------------ */

/* Takes data. */
static int deliver(struct vel_transport *t, PyObject *data) {
    PyObject *answer = vel_aio__transport_call(t, t->loop->st->data_received, data);
    Py_DECREF(data);
    if (answer == NULL)
        return vel_aio__transport_fail(t, "Fatal error: protocol.data_received() call failed.");
    Py_DECREF(answer);
    return 0;
}

static int read_large(struct vel_transport *t) {
    size_t room = t->expected;
    PyObject *data = vel_aio__room(room);
    if (data == NULL)
        return vel_aio__transport_fail(t, failed_read);
    ssize_t n = receive(t->watch.fd, PyBytes_AS_STRING(data), room);
    t->expected = vel_aio__expected(n > 0 ? (size_t)n : 0, room);
    if (n <= 0) {
        int error = errno;
        Py_DECREF(data);
        errno = error;
        return n == 0 ? on_eof(t) : receive_failed(t);
    }
    if (_PyBytes_Resize(&data, n) < 0)
        return vel_aio__transport_fail(t, failed_read);
    return deliver(t, data);
}

static int read_small(struct vel_transport *t) {
    struct vel_aio *loop = t->loop;
    char *in = vel_aio__in(loop);
    if (in == NULL)
        return vel_aio__transport_fail(t, failed_read);
    ssize_t n = receive(t->watch.fd, in, VEL_AIO_IN);
    if (n <= 0)
        return n == 0 ? on_eof(t) : receive_failed(t);
    t->expected = vel_aio__expected((size_t)n, VEL_AIO_IN);
    PyObject *data = PyBytes_FromStringAndSize(in, n);
    return data != NULL ? deliver(t, data) : vel_aio__transport_fail(t, failed_read);
}

/* --- protocols that give a buffer -------------------------------------------------------------------------------- */

static PyObject *ask_for_buffer(struct vel_transport *t, Py_buffer *view) {
    PyObject *given = vel_aio__transport_call(t, t->loop->st->get_buffer, t->loop->st->minus_one);
    if (given == NULL)
        return NULL;
    if (PyObject_GetBuffer(given, view, PyBUF_WRITABLE) < 0)
        Py_CLEAR(given);
    if (given != NULL && view->len == 0) {
        PyBuffer_Release(view);
        Py_CLEAR(given);
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    }
    return given;
}

static int updated(struct vel_transport *t, ssize_t n) {
    PyObject *number = PyLong_FromSsize_t(n);
    PyObject *answer = number != NULL ? vel_aio__transport_call(t, t->loop->st->buffer_updated, number) : NULL;
    Py_XDECREF(number);
    if (answer == NULL)
        return vel_aio__transport_fail(t, "Fatal error: protocol.buffer_updated() call failed.");
    Py_DECREF(answer);
    return 0;
}

/* get_buffer may have closed, paused, or set another protocol. */
static int read_into(struct vel_transport *t) {
    Py_buffer view;
    PyObject *given = ask_for_buffer(t, &view);
    if (given == NULL)
        return vel_aio__transport_fail(t, "Fatal error: protocol.get_buffer() call failed.");
    if (t->loop == NULL || t->lost || t->closed) {
        PyBuffer_Release(&view);
        Py_DECREF(given);
        return 0;
    }
    ssize_t n = receive(t->watch.fd, view.buf, (size_t)view.len);
    int error = errno;
    PyBuffer_Release(&view);
    Py_DECREF(given);
    errno = error;
    if (n <= 0)
        return n == 0 ? on_eof(t) : receive_failed(t);
    return updated(t, n);
}

int vel_aio__transport_readable(struct vel_transport *t) {
    if (t->lost || t->read_all || !t->started || !vel_aio__transport_is_reading(t))
        return 0;
    if (t->buffered)
        return read_into(t);
    return t->expected > 0 ? read_large(t) : read_small(t);
}

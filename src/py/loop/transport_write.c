/* Bytes from the protocol to the kernel: what one callback writes leaves in one system call when it returns. */
#include "py/loop/transport.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/uio.h>

/* With more than this waiting the kernel is asked at once: the rest of the callback may take long. */
#define FLUSH_AT ((size_t)64 << 10)

/* A buffer that may change and is at least this large is offered to the kernel where it lies, to spare the copy. */
#define TRY_UNCOPIED ((size_t)4 << 10)

/* Pieces of one system call. */
#define IOV_BATCH 64

/* asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES. */
#define LOST_WRITES 5

static const char failed_write[] = "Fatal write error on socket transport";

/* --- the queue --------------------------------------------------------------------------------------------------- */

void vel_aio__out_init(struct vel_out *out) {
    *out = (struct vel_out){.cap = VEL_OUT_PIECES};
    out->pieces = out->first;
}

static struct vel_out_piece *piece_at(struct vel_out *out, size_t i) {
    return &out->pieces[(out->head + i) & (out->cap - 1)];
}

static int grow(struct vel_out *out) {
    struct vel_out_piece *pieces = vel_alloc_array(out->cap * 2, sizeof(*pieces));
    if (pieces == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < out->len; i++)
        pieces[i] = *piece_at(out, i);
    if (out->pieces != out->first)
        vel_free(out->pieces);
    out->pieces = pieces;
    out->cap *= 2;
    out->head = 0;
    return 0;
}

/* Takes bytes, of which what begins at offset is to be sent. */
static int append(struct vel_out *out, PyObject *bytes, size_t offset) {
    if (out->len == out->cap && grow(out) < 0) {
        Py_DECREF(bytes);
        return -1;
    }
    size_t len = (size_t)PyBytes_GET_SIZE(bytes) - offset;
    *piece_at(out, out->len++) = (struct vel_out_piece){bytes, PyBytes_AS_STRING(bytes) + offset, len};
    out->bytes += len;
    return 0;
}

static void drop_first(struct vel_out *out) {
    PyObject *bytes = out->pieces[out->head].bytes;
    out->bytes -= out->pieces[out->head].len;
    out->pieces[out->head].bytes = NULL;
    out->head = (out->head + 1) & (out->cap - 1);
    out->len--;
    Py_DECREF(bytes);
}

/* n bytes have gone. */
static void advance(struct vel_out *out, size_t n) {
    while (out->len > 0 && out->pieces[out->head].len <= n) {
        n -= out->pieces[out->head].len;
        drop_first(out);
    }
    if (n > 0) {
        struct vel_out_piece *piece = &out->pieces[out->head];
        piece->at += n;
        piece->len -= n;
        out->bytes -= n;
    }
}

void vel_aio__out_clear(struct vel_out *out) {
    while (out->len > 0)
        drop_first(out);
    if (out->pieces != out->first)
        vel_free(out->pieces);
    vel_aio__out_init(out);
}

int vel_aio__out_visit(struct vel_out *out, visitproc visit, void *arg) {
    for (size_t i = 0; i < out->len; i++)
        Py_VISIT(piece_at(out, i)->bytes);
    return 0;
}

/* --- system calls ------------------------------------------------------------------------------------------------ */

static ssize_t send_one(int fd, const void *at, size_t len) {
    ssize_t n;
    do {
        n = send(fd, at, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t send_many(int fd, struct iovec *iov, size_t count) {
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t n;
    do {
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* What waits, at most a batch, and behind it more when there is room. */
static size_t gather(struct vel_out *out, struct iovec *iov, size_t *total) {
    size_t count = 0;
    *total = 0;
    for (; count < out->len && count < IOV_BATCH; count++) {
        struct vel_out_piece *piece = piece_at(out, count);
        iov[count] = (struct iovec){.iov_base = (char *)piece->at, .iov_len = piece->len};
        *total += piece->len;
    }
    return count;
}

static ssize_t send_batch(struct vel_transport *t, size_t *total) {
    struct vel_out *out = &t->out;
    if (out->len == 1) {
        *total = out->bytes;
        return send_one(t->watch.fd, out->pieces[out->head].at, out->bytes);
    }
    struct iovec iov[IOV_BATCH];
    size_t count = gather(out, iov, total);
    return send_many(t->watch.fd, iov, count);
}

static int send_failed(struct vel_transport *t) {
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    vel_aio__out_clear(&t->out);
    if (t->empty_waiter == NULL)
        return vel_aio__transport_fail(t, failed_write);
    PyObject *raised = vel_take_raised(), *waiter = Py_NewRef(t->empty_waiter);
    vel_set_raised(Py_NewRef(raised));
    int rc = vel_aio__transport_fail(t, failed_write);
    if (rc == 0) {
        PyObject *done = PyObject_CallMethod(waiter, "set_exception", "O", raised);
        rc = done != NULL ? 0 : -1;
        Py_XDECREF(done);
    }
    Py_DECREF(waiter);
    Py_DECREF(raised);
    return rc;
}

/* A short send means that the socket is full: the kernel will tell when to go on. */
static int send_out(struct vel_transport *t) {
    size_t total = 0, sent = 0;
    while (t->out.len > 0 && sent == total) {
        ssize_t n = send_batch(t, &total);
        if (n < 0 && send_failed(t) < 0)
            return -1;
        sent = n > 0 ? (size_t)n : 0;
        advance(&t->out, sent);
    }
    t->blocked = t->out.len > 0;
    if (t->blocked)
        vel_aio__transport_unsettle(t);
    return 0;
}

/* --- flow control ------------------------------------------------------------------------------------------------ */

static int report(struct vel_transport *t, PyObject *protocol, const char *message) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised(), *loop = (PyObject *)t->loop;
    PyObject *done = PyObject_CallMethod(loop, "_protocol_failed", "OOsO", t, protocol, message, raised);
    Py_DECREF(raised);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* In the context of who writes. */
int vel_aio__transport_maybe_pause(struct vel_transport *t) {
    if (t->out.bytes <= t->high || t->protocol_paused || t->protocol == NULL)
        return 0;
    t->protocol_paused = true;
    PyObject *protocol = Py_NewRef(t->protocol);
    PyObject *answer = PyObject_CallMethodNoArgs(protocol, t->loop->st->pause_writing);
    int rc = answer != NULL ? 0 : report(t, protocol, "protocol.pause_writing() failed");
    Py_XDECREF(answer);
    Py_DECREF(protocol);
    return rc;
}

/* In the transport's own. */
static int maybe_resume(struct vel_transport *t) {
    if (!t->protocol_paused || t->out.bytes > t->low || t->protocol == NULL)
        return 0;
    t->protocol_paused = false;
    PyObject *protocol = Py_NewRef(t->protocol);
    PyObject *answer = vel_aio__transport_call(t, t->loop->st->resume_writing, NULL);
    int rc = answer != NULL ? 0 : report(t, protocol, "protocol.resume_writing() failed");
    Py_XDECREF(answer);
    Py_DECREF(protocol);
    return rc;
}

/* --- flushing ---------------------------------------------------------------------------------------------------- */

/* What had to wait for the last byte. */
static int all_is_out(struct vel_transport *t) {
    if (t->empty_waiter != NULL) {
        PyObject *argv[] = {t->empty_waiter, Py_None};
        PyObject *done = PyObject_Vectorcall(t->loop->st->set_unless_cancelled, argv, 2, NULL);
        Py_XDECREF(done);
        if (done == NULL)
            return -1;
    }
    if (t->closing)
        return vel_aio__transport_force_close(t, Py_None);
    if (t->eof)
        shutdown(t->watch.fd, SHUT_WR);
    return 0;
}

static bool is_out(const struct vel_transport *t) {
    return t->out.len == 0 && !t->lost && t->loop != NULL;
}

int vel_aio__transport_flush(struct vel_transport *t) {
    if (t->lost || t->closed || t->lent || t->blocked || t->out.len == 0)
        return 0;
    if (send_out(t) < 0)
        return -1;
    return is_out(t) ? all_is_out(t) : 0;
}

/* resume_writing may write more, or close. */
int vel_aio__transport_writable(struct vel_transport *t) {
    if (t->lost || t->closed || t->lent)
        return 0;
    if (send_out(t) < 0)
        return -1;
    vel_aio__transport_unsettle(t);
    if (!t->lost && maybe_resume(t) < 0)
        return -1;
    return is_out(t) ? all_is_out(t) : 0;
}

/* The callback has returned: what it wrote goes out. error: what the callback came to, for us to pass on. */
int vel_aio__flush_written(struct vel_aio *loop, int error) {
    PyObject *raised = error < 0 ? vel_take_raised() : NULL;
    struct vel_transport *t;
    int rc = 0;
    while ((t = loop->written) != NULL) {
        loop->written = t->next_written;
        t->written = false;
        if (rc == 0)
            rc = vel_aio__transport_flush(t);
        Py_DECREF(t);
    }
    if (raised == NULL)
        return rc;
    if (rc < 0)
        PyErr_Clear();
    vel_set_raised(raised);
    return -1;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static int write_after_loss(struct vel_transport *t) {
    int rc = 0;
    if (t->lost >= LOST_WRITES) {
        PyObject *done = PyObject_CallMethod(t->st->logger, "warning", "s", "socket.send() raised exception.");
        rc = done != NULL ? 0 : -1;
        Py_XDECREF(done);
    }
    t->lost++;
    return rc;
}

static void remember(struct vel_transport *t) {
    if (t->written)
        return;
    t->written = true;
    t->next_written = t->loop->written;
    t->loop->written = (struct vel_transport *)Py_NewRef(t);
}

/* With something queued: now or when the callback returns. What the kernel has refused already waits for it to ask. */
static int queued(struct vel_transport *t) {
    if (t->blocked)
        return vel_aio__transport_maybe_pause(t);
    if (t->loop->running && t->out.bytes <= FLUSH_AT && t->out.bytes <= t->high) {
        remember(t);
        return 0;
    }
    if (vel_aio__transport_flush(t) < 0)
        return -1;
    return t->loop != NULL ? vel_aio__transport_maybe_pause(t) : 0;
}

/* A buffer that the caller may change: what the kernel takes of it need not be copied. */
static int write_view(struct vel_transport *t, const Py_buffer *view) {
    ssize_t n = 0;
    if (view->len >= (Py_ssize_t)TRY_UNCOPIED && t->out.len == 0 && !t->lent && !t->closed) {
        n = send_one(t->watch.fd, view->buf, (size_t)view->len);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return send_failed(t);
        n = n > 0 ? n : 0;
        if (n == view->len)
            return 0;
        t->blocked = true;
        vel_aio__transport_unsettle(t);
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)view->buf + n, view->len - n);
    if (bytes == NULL || append(&t->out, bytes, 0) < 0)
        return -1;
    return queued(t);
}

static int check_writable(const struct vel_transport *t, const char *method) {
    if (t->eof)
        PyErr_Format(PyExc_RuntimeError, "Cannot call %s() after write_eof()", method);
    else if (t->empty_waiter != NULL)
        PyErr_Format(PyExc_RuntimeError, "unable to %s; sendfile is in progress", method);
    else
        return 0;
    return -1;
}

static int write_other(struct vel_transport *t, PyObject *data) {
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO) < 0)
        return -1;
    int rc = 0;
    if (view.len > 0)
        rc = t->lost ? write_after_loss(t) : write_view(t, &view);
    PyBuffer_Release(&view);
    return rc;
}

int vel_aio__transport_write(struct vel_transport *t, PyObject *data) {
    bool is_bytes = PyBytes_Check(data);
    if (!is_bytes && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyErr_Format(PyExc_TypeError, "data argument must be a bytes-like object, not '%s'", Py_TYPE(data)->tp_name);
        return -1;
    }
    if (check_writable(t, "write") < 0)
        return -1;
    if (!is_bytes)
        return write_other(t, data);
    if (PyBytes_GET_SIZE(data) == 0)
        return 0;
    if (t->lost)
        return write_after_loss(t);
    return append(&t->out, Py_NewRef(data), 0) < 0 ? -1 : queued(t);
}

/* Each is looked at before any is queued, as asyncio does it. */
static int append_all(struct vel_transport *t, PyObject *items) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *bytes = PyTuple_GET_ITEM(items, i); // borrowed: of a tuple of our own
        if (PyBytes_GET_SIZE(bytes) > 0 && append(&t->out, Py_NewRef(bytes), 0) < 0)
            return -1;
    }
    return 0;
}

static PyObject *bytes_of(PyObject *item) {
    if (PyBytes_Check(item))
        return Py_NewRef(item);
    Py_buffer view;
    if (PyObject_GetBuffer(item, &view, PyBUF_CONTIG_RO) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    return bytes;
}

static PyObject *all_as_bytes(PyObject *list) {
    PyObject *given = PySequence_Tuple(list);
    if (given == NULL)
        return NULL;
    PyObject *items = PyTuple_New(PyTuple_GET_SIZE(given));
    for (Py_ssize_t i = 0; items != NULL && i < PyTuple_GET_SIZE(given); i++) {
        PyObject *bytes = bytes_of(PyTuple_GET_ITEM(given, i));
        if (bytes != NULL)
            PyTuple_SET_ITEM(items, i, bytes);
        else
            Py_CLEAR(items);
    }
    Py_DECREF(given);
    return items;
}

int vel_aio__transport_writelines(struct vel_transport *t, PyObject *list) {
    if (check_writable(t, "writelines") < 0)
        return -1;
    PyObject *items = all_as_bytes(list);
    if (items == NULL)
        return -1;
    int rc = 0;
    if (t->lost)
        rc = PyTuple_GET_SIZE(items) > 0 ? write_after_loss(t) : 0;
    else
        rc = append_all(t, items);
    Py_DECREF(items);
    return rc < 0 || t->lost || t->out.len == 0 ? rc : queued(t);
}

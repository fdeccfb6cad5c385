/* sock_recv and its kin: a system call at once, and again when the kernel tells of a change. */
#include "py/loop/loop.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/sock.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

enum side { READER, WRITER };

struct wait;

/* Tries once. The result; NULL with an exception; NULL without one where the call would have blocked. */
typedef PyObject *attempt_fn(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w);

/* What one coroutine waits for. */
struct wait {
    attempt_fn *attempt;
    PyObject *future; /* NULL: nobody waits */
    PyObject *sock;   /* stays open that long */
    size_t n;         /* bytes wanted, or already sent */
    Py_buffer view;   /* received into, or sent; all zero without one */
    PyObject *peer;   /* the address that is connected to, or NULL */
};

/* One socket that somebody has had to wait for. The kernel tells of it at edges, for both sides, from then until it is
 * closed: a system call for each wait would be a tenth of the wait. A call is made until it would block, so no edge is
 * missed; what comes while nobody waits is told once, and found by the next call. */
struct vel_aio__sock {
    struct vel_watch watch;
    struct vel_aio *loop; // borrowed: the owner of this
    PyObject *ref;   /* a weak reference to the socket object: another one is another socket, whatever its number */
    size_t expected; /* as in struct vel_transport */
    bool stream;     /* to receive less than was asked for is to receive all there is */
    bool readable;   /* as far as is known; else receiving would block */
    bool ended;      /* it stays readable */
    struct wait waits[2]; /* by side */
};

/* --- life -------------------------------------------------------------------------------------------------------- */

static void drop(struct wait *w) {
    struct wait old = *w;
    *w = (struct wait){0};
    PyBuffer_Release(&old.view);
    Py_XDECREF(old.peer);
    Py_XDECREF(old.future);
    Py_XDECREF(old.sock);
}

void vel_aio__sock_release(struct vel_aio__sock *s) {
    vel_loop_unwatch(&s->loop->net, &s->watch);
}

void vel_aio__sock_forget(struct vel_aio__sock *s) {
    vel_aio__sock_release(s);
    drop(&s->waits[READER]);
    drop(&s->waits[WRITER]);
}

void vel_aio__sock_free(struct vel_aio__sock *s) {
    if (s == NULL)
        return;
    vel_aio__sock_forget(s);
    Py_CLEAR(s->ref);
    vel_free(s);
}

/* It may have been closed, which the kernel has not told. */
void vel_aio__sock_forked(struct vel_aio__sock *s) {
    if (vel_loop_rewatch(&s->loop->net, &s->watch) != VEL_OK)
        s->watch.io = 0;
}

int vel_aio__sock_visit(struct vel_aio__sock *s, visitproc visit, void *arg) {
    Py_VISIT(s->ref);
    for (int side = 0; side < 2; side++) {
        Py_VISIT(s->waits[side].future);
        Py_VISIT(s->waits[side].sock);
        Py_VISIT(s->waits[side].view.obj);
        Py_VISIT(s->waits[side].peer);
    }
    return 0;
}

unsigned vel_aio__sock_wanted(const struct vel_aio__sock *s) {
    if (s->watch.io != 0)
        return 0;
    return (s->waits[READER].future != NULL ? VEL_READ : 0u) | (s->waits[WRITER].future != NULL ? VEL_WRITE : 0u);
}

/* --- system calls ------------------------------------------------------------------------------------------------ */

static PyObject *blocked_or_failed(void) {
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        PyErr_SetFromErrno(PyExc_OSError);
    return NULL;
}

/* n bytes of room; below 0 when it would have blocked. */
static void note(struct vel_aio__sock *s, ssize_t n, size_t room) {
    if (s != NULL && (n < 0 || (s->stream && (size_t)n < room)))
        s->readable = s->ended;
}

static ssize_t receive(int fd, struct vel_aio__sock *s, void *at, size_t room) {
    ssize_t n;
    do {
        n = recv(fd, at, room, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    note(s, n, room);
    return n;
}

static PyObject *recv_straight(int fd, struct vel_aio__sock *s, size_t room) {
    PyObject *data = vel_aio__room(room);
    if (data == NULL)
        return NULL;
    ssize_t n = receive(fd, s, PyBytes_AS_STRING(data), room);
    int error = errno;
    if (s != NULL && s->stream && n >= 0)
        s->expected = vel_aio__expected((size_t)n, room);
    if (n < 0)
        Py_CLEAR(data);
    else if ((size_t)n < room)
        _PyBytes_Resize(&data, n);
    errno = error;
    return n < 0 ? blocked_or_failed() : data;
}

/* A datagram that does not fit is lost: only of a stream less may be asked for than the caller did. */
static PyObject *attempt_recv(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w) {
    if (s != NULL && s->expected > 0)
        return recv_straight(fd, s, w->n < s->expected ? w->n : s->expected);
    if (w->n > VEL_AIO_IN && (s == NULL || !s->stream))
        return recv_straight(fd, s, w->n);
    char *in = vel_aio__in(loop);
    if (in == NULL)
        return NULL;
    size_t room = w->n < VEL_AIO_IN ? w->n : VEL_AIO_IN;
    ssize_t n = receive(fd, s, in, room);
    if (n < 0)
        return blocked_or_failed();
    if (s != NULL && s->stream)
        s->expected = vel_aio__expected((size_t)n, room);
    return PyBytes_FromStringAndSize(in, n);
}

static PyObject *attempt_recv_into(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w) {
    (void)loop;
    ssize_t n = receive(fd, s, w->view.buf, (size_t)w->view.len);
    return n < 0 ? blocked_or_failed() : PyLong_FromSsize_t(n);
}

static PyObject *attempt_sendall(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w) {
    (void)loop, (void)s;
    const char *at = w->view.buf;
    size_t len = (size_t)w->view.len;
    do {
        ssize_t n = send(fd, at + w->n, len - w->n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return blocked_or_failed();
        w->n += n > 0 ? (size_t)n : 0;
    } while (w->n < len);
    Py_RETURN_NONE;
}

/* What sock.accept() gives, but not blocking. Takes fd. */
static PyObject *accepted(struct vel_loop_state *st, int fd, const union vel_addr *peer) {
    bool inet = peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6;
    PyObject *sock = vel_aio__socket_of(st, fd);
    if (sock == NULL) {
        close(fd);
        return NULL;
    }
    PyObject *name = inet ? vel_aio__name_of(peer) : PyObject_CallMethod(sock, "getpeername", NULL);
    PyObject *pair = name != NULL ? PyTuple_Pack(2, sock, name) : NULL;
    Py_XDECREF(name);
    Py_DECREF(sock);
    return pair;
}

/* One that was gone before it was accepted does not end the queue. */
static PyObject *attempt_accept(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w) {
    union vel_addr peer;
    int conn;
    (void)w;
    do {
        conn = vel_sock_accept(fd, &peer);
    } while (conn == VEL_EAGAIN && errno != EAGAIN && errno != EWOULDBLOCK);
    if (conn >= 0)
        return accepted(loop->st, conn, &peer);
    if (conn == VEL_EAGAIN)
        note(s, -1, 0);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return NULL;
}

static void connect_failed(int error, PyObject *peer) {
    PyObject *text = PyUnicode_FromFormat("Connect call failed %S", peer);
    PyObject *raised = text != NULL ? PyObject_CallFunction(PyExc_OSError, "iO", error, text) : NULL;
    if (raised != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
    Py_XDECREF(raised);
    Py_XDECREF(text);
}

/* What the kernel told of may be something of before. */
static PyObject *attempt_connect(struct vel_aio *loop, int fd, struct vel_aio__sock *s, struct wait *w) {
    union vel_addr peer;
    socklen_t len = sizeof(peer);
    int error = vel_sock_error(fd);
    (void)loop;
    if (error != 0) {
        connect_failed(error, w->peer);
        return NULL;
    }
    if (getpeername(fd, &peer.any, &len) < 0 && errno == ENOTCONN && !s->ended)
        return NULL;
    Py_RETURN_NONE;
}

/* --- told -------------------------------------------------------------------------------------------------------- */

/* It was cancelled, and its coroutine has not come to say so yet: nothing may be received for it. */
static bool is_over(const struct vel_aio *loop, PyObject *future) {
    PyObject *done = PyObject_CallMethodNoArgs(future, loop->st->done);
    bool is = done == Py_True;
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    return is;
}

/* The result, which it takes, or the raised exception. */
static int resolve(const struct vel_aio *loop, PyObject *future, PyObject *result) {
    PyObject *what = result != NULL ? result : vel_take_raised();
    PyObject *method = result != NULL ? loop->st->set_result : loop->st->set_exception; // borrowed: of the module
    PyObject *done = PyObject_CallMethodOneArg(future, method, what);
    Py_DECREF(what);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int go_on(struct vel_aio__sock *s, struct wait *w) {
    if (is_over(s->loop, w->future)) {
        drop(w);
        return 0;
    }
    PyObject *result = w->attempt(s->loop, s->watch.fd, s, w);
    if (result == NULL && !PyErr_Occurred())
        return 0;
    struct wait over = *w;
    *w = (struct wait){0};
    int rc = resolve(s->loop, over.future, result);
    PyObject *raised = rc < 0 ? vel_take_raised() : NULL;
    drop(&over);
    if (raised != NULL)
        vel_set_raised(raised);
    return rc;
}

int vel_aio__sock_told(struct vel_aio__sock *s, unsigned io) {
    int rc = 0;
    if (io & (VEL_HUP | VEL_ERROR))
        s->ended = true;
    if (io & (VEL_READ | VEL_HUP | VEL_ERROR)) {
        s->readable = true;
        if (s->waits[READER].future != NULL)
            rc = go_on(s, &s->waits[READER]);
    }
    if (rc == 0 && (io & (VEL_WRITE | VEL_ERROR)) && s->waits[WRITER].future != NULL)
        rc = go_on(s, &s->waits[WRITER]);
    return rc;
}

static void on_edge(struct vel_watch *w, unsigned io) {
    struct vel_aio__sock *s = VEL_CONTAINER(w, struct vel_aio__sock, watch);
    if (vel_aio__sock_told(s, io) < 0)
        vel_aio_raise_later(s->loop);
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

/* What is known of the socket object's descriptor, or NULL. */
static struct vel_aio__sock *known(const struct vel_aio *loop, int fd, PyObject *sock) {
    struct vel_aio__sock *s = vel_aio__sock_of(loop, (size_t)fd);
    if (s == NULL || s->watch.io == 0)
        return NULL;
    PyObject *ref = PyWeakref_NewRef(sock, NULL); /* the same each time */
    bool same = ref == s->ref;
    Py_XDECREF(ref);
    PyErr_Clear();
    return same ? s : NULL;
}

static bool is_stream(int fd) {
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* NULL with MemoryError. */
static struct vel_aio__sock *find_or_make(struct vel_aio *loop, int fd) {
    struct vel_aio__sock **at = vel_aio__sock_at(loop, fd);
    if (at == NULL || *at != NULL)
        return at != NULL ? *at : NULL;
    struct vel_aio__sock *s = vel_alloc_zero(sizeof(*s));
    if (s == NULL)
        return (struct vel_aio__sock *)PyErr_NoMemory();
    s->watch = (struct vel_watch){.fn = on_edge, .fd = fd};
    s->loop = loop;
    return *at = s;
}

/* From now on the kernel tells of this socket object. Whoever had its number is gone. */
static struct vel_aio__sock *watch(struct vel_aio *loop, int fd, PyObject *sock) {
    PyObject *ref = PyWeakref_NewRef(sock, NULL);
    struct vel_aio__sock *s = ref != NULL ? find_or_make(loop, fd) : NULL;
    if (s == NULL) {
        Py_XDECREF(ref);
        return NULL;
    }
    vel_aio__sock_forget(s);
    Py_XSETREF(s->ref, ref);
    s->stream = is_stream(fd);
    s->readable = s->ended = false;
    s->expected = 0;
    int rc = vel_loop_watch(&loop->net, &s->watch, VEL_READ | VEL_WRITE | VEL_EDGE);
    if (rc == VEL_OK)
        return s;
    vel_aio__set_error(rc);
    return NULL;
}

/* A future of what w asks for. Takes its view, but not on failure. */
static PyObject *wait_for(struct vel_aio *loop, int fd, PyObject *sock, enum side side, const struct wait *w) {
    PyObject *future = PyObject_CallMethodNoArgs((PyObject *)loop, loop->st->create_future);
    struct vel_aio__sock *s = future != NULL ? known(loop, fd, sock) : NULL;
    if (future != NULL && s == NULL)
        s = watch(loop, fd, sock);
    if (s == NULL) {
        Py_XDECREF(future);
        return NULL;
    }
    if (w->peer != NULL)
        s->ended = false;             /* that was of an earlier attempt to connect */
    struct wait old = s->waits[side]; /* as asyncio, which puts one reader in the place of another */
    s->waits[side] = *w;
    s->waits[side].peer = Py_XNewRef(w->peer);
    s->waits[side].future = Py_NewRef(future);
    s->waits[side].sock = Py_NewRef(sock);
    drop(&old);
    return future;
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

/* The descriptor that can be served here, or -1 without an exception: the library has its own way for everything else,
 * and its own errors. */
static int fd_of(const struct vel_aio *loop, PyObject *sock) {
    if (!Py_IS_TYPE(sock, (PyTypeObject *)loop->st->socket) || loop->debug || loop->closed || !loop->open)
        return -1;
    PyObject *number = PyObject_CallMethodNoArgs(sock, loop->st->fileno);
    long fd = number != NULL ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    PyErr_Clear();
    return fd >= 0 && fd <= INT_MAX && vel_aio__fd_is_free(loop, (int)fd) ? (int)fd : -1;
}

/* The result, a future of it, or NotImplemented. Takes the view of w. */
static PyObject *now_or_later(struct vel_aio *loop, PyObject *sock, enum side side, struct wait *w) {
    int fd = fd_of(loop, sock);
    const struct vel_aio__sock *s = fd >= 0 ? known(loop, fd, sock) : NULL;
    PyObject *result = NULL;
    if (fd < 0)
        result = Py_NewRef(Py_NotImplemented);
    else if (side == WRITER || s == NULL || s->readable)
        result = w->attempt(loop, fd, (struct vel_aio__sock *)s, w);
    if (result == NULL && !PyErr_Occurred()) {
        PyObject *future = wait_for(loop, fd, sock, side, w);
        if (future != NULL)
            return future;
    }
    PyBuffer_Release(&w->view);
    return result;
}

static bool take_two(Py_ssize_t nargs) {
    if (nargs != 2)
        PyErr_SetString(PyExc_TypeError, "two arguments are needed");
    return nargs == 2;
}

PyObject *vel_aio__recv_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    if (!take_two(nargs))
        return NULL;
    Py_ssize_t n = PyLong_CheckExact(args[1]) ? PyLong_AsSsize_t(args[1]) : -1;
    if (n > 0)
        return now_or_later((struct vel_aio *)o, args[0], READER,
                            &(struct wait){.attempt = attempt_recv, .n = (size_t)n});
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
}

/* Of what has no such buffer, or an empty one, the library speaks. */
static PyObject *with_buffer(PyObject *o, PyObject *const *args, enum side side, attempt_fn *attempt) {
    struct wait w = {.attempt = attempt};
    if (PyObject_GetBuffer(args[1], &w.view, side == READER ? PyBUF_WRITABLE : PyBUF_SIMPLE) == 0) {
        if (w.view.len > 0)
            return now_or_later((struct vel_aio *)o, args[0], side, &w);
        PyBuffer_Release(&w.view);
    }
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
}

PyObject *vel_aio__recv_into_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    return take_two(nargs) ? with_buffer(o, args, READER, attempt_recv_into) : NULL;
}

PyObject *vel_aio__sendall_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    return take_two(nargs) ? with_buffer(o, args, WRITER, attempt_sendall) : NULL;
}

PyObject *vel_aio__accept_now(PyObject *o, PyObject *sock) {
    return now_or_later((struct vel_aio *)o, sock, READER, &(struct wait){.attempt = attempt_accept});
}

/* The address is one that needs no look-up. */
PyObject *vel_aio__connect_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    struct vel_aio *loop = (struct vel_aio *)o;
    if (!take_two(nargs))
        return NULL;
    int fd = fd_of(loop, args[0]);
    if (fd < 0)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *answer = PyObject_CallMethodOneArg(args[0], loop->st->connect_ex, args[1]);
    long error = answer != NULL ? PyLong_AsLong(answer) : -1;
    Py_XDECREF(answer);
    if (error == 0)
        Py_RETURN_NONE;
    if (error == EINPROGRESS || error == EALREADY || error == EINTR)
        return wait_for(loop, fd, args[0], WRITER, &(struct wait){.attempt = attempt_connect, .peer = args[1]});
    if (error < 0)
        return NULL;
    errno = (int)error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static bool leave(struct vel_aio__sock *s, const PyObject *future) {
    for (int side = 0; s != NULL && side < 2; side++)
        if (s->waits[side].future == future) {
            drop(&s->waits[side]);
            return true;
        }
    return false;
}

/* A closed socket does not tell any more which it was. */
PyObject *vel_aio__sock_leave(PyObject *o, PyObject *const *args, Py_ssize_t nargs) {
    const struct vel_aio *loop = (struct vel_aio *)o;
    if (!take_two(nargs))
        return NULL;
    int fd = fd_of(loop, args[0]);
    if (fd < 0 || !leave(vel_aio__sock_of(loop, (size_t)fd), args[1]))
        for (size_t i = 0; i < loop->nfds && !leave(vel_aio__sock_of(loop, i), args[1]); i++)
            continue;
    Py_RETURN_NONE;
}

/* Accepting for create_server: connections become transports without a task, a future or a socket object. */
#include "py/loop/transport.h"

#include "py/loop/types.h"

#include "base/err.h"
#include "net/sock.h"

#include <errno.h>
#include <unistd.h>

/* One listening socket of a server; the loop's table of descriptors owns it. Not for Python's eyes, but an object: it
 * takes part in collecting garbage, and a timer calls it. */
struct acceptor {
    PyObject_HEAD
    struct vel_watch watch;
    struct vel_aio *loop; // borrowed: of the table that owns this; NULL when it has been stopped
    PyObject *protocol_factory;
    PyObject *sock;
    PyObject *context; /* of who started serving: each connection gets a copy */
    PyObject *server;  /* or NULL */
    PyObject *ssl; /* what accepted TLS connections are made with: (sslcontext, server, the two time-outs), or NULL */
    long backlog;
};

/* --- made and freed ---------------------------------------------------------------------------------------------- */

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct acceptor *self = (struct acceptor *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->protocol_factory);
    Py_VISIT(self->sock);
    Py_VISIT(self->context);
    Py_VISIT(self->server);
    Py_VISIT(self->ssl);
    return 0;
}

static int clear(PyObject *o) {
    struct acceptor *self = (struct acceptor *)o;
    Py_CLEAR(self->protocol_factory);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->context);
    Py_CLEAR(self->server);
    Py_CLEAR(self->ssl);
    return 0;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear(o);
    type->tp_free(o);
    Py_DECREF(type);
}

void vel_aio__acceptor_stop(PyObject *o) {
    struct acceptor *self = (struct acceptor *)o;
    if (self->loop == NULL)
        return;
    vel_loop_unwatch(&self->loop->net, &self->watch);
    self->loop = NULL;
}

int vel_aio__acceptor_forked(PyObject *o) {
    struct acceptor *self = (struct acceptor *)o;
    return vel_loop_rewatch(&self->loop->net, &self->watch) == VEL_OK ? 0 : -1;
}

/* --- one connection ---------------------------------------------------------------------------------------------- */

static PyObject *call_method(struct acceptor *self, const char *name, PyObject *arg) {
    return PyObject_CallMethod((PyObject *)self->loop, name, "OO", self, arg);
}

/* An accepted descriptor as a socket object, as sock.accept() gives it. Takes fd, also on failure. */
static PyObject *socket_of(struct acceptor *self, int fd) {
    PyObject *sock = vel_aio__socket_of(self->loop->st, fd);
    if (sock == NULL)
        close(fd);
    return sock;
}

/* The library's own way, in a task: a TLS connection needs a handshake before it is one. */
static int open_ssl(struct acceptor *self, int fd) {
    PyObject *sock = socket_of(self, fd);
    if (sock == NULL)
        return -1;
    PyObject *done =
        PyObject_CallMethod((PyObject *)self->loop, "_accept_ssl", "OOO", self->protocol_factory, sock, self->ssl);
    Py_DECREF(sock);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int open_plain(struct acceptor *self, int fd, const union vel_addr *peer) {
    struct vel_aio__transport_args args = {.fd = fd, .peer = peer, .server = self->server};
    bool inet = peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6;
    args.protocol = PyObject_CallNoArgs(self->protocol_factory);
    if (args.protocol == NULL || self->loop == NULL) { /* the factory may have closed the server */
        close(fd);
        Py_XDECREF(args.protocol);
        return args.protocol != NULL ? 0 : -1;
    }
    if (!inet && (args.sock = socket_of(self, fd)) == NULL) {
        Py_DECREF(args.protocol);
        return -1;
    }
    PyObject *transport = vel_aio__transport_new(self->loop, &args);
    Py_XDECREF(args.sock);
    Py_DECREF(args.protocol);
    Py_XDECREF(transport);
    return transport != NULL ? 0 : -1;
}

static int report(struct vel_aio *loop) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised();
    PyObject *done = PyObject_CallMethod((PyObject *)loop, "_accept_failed", "O", raised);
    Py_DECREF(raised);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Each in a context of its own: what one protocol sets is not seen by another's. */
static int open_connection(struct acceptor *self, struct vel_aio *loop, int fd, const union vel_addr *peer) {
    PyObject *context = PyContext_Copy(self->context);
    int rc = -1;
    if (context == NULL || PyContext_Enter(context) < 0) {
        close(fd);
    } else {
        rc = self->ssl != NULL ? open_ssl(self, fd) : open_plain(self, fd, peer);
        if (PyContext_Exit(context) < 0)
            rc = -1;
    }
    Py_XDECREF(context);
    return rc < 0 ? report(loop) : 0;
}

/* --- accepting --------------------------------------------------------------------------------------------------- */

/* Out of descriptors or memory: nothing is accepted for a second, or the loop would spin. */
static int rest(struct acceptor *self) {
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "is", errno, strerror(errno));
    vel_loop_unwatch(&self->loop->net, &self->watch);
    PyObject *done = error != NULL ? call_method(self, "_accept_rests", error) : NULL;
    Py_XDECREF(error);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int accept_one(struct acceptor *self, struct vel_aio *loop, bool *more) {
    union vel_addr peer;
    int fd = vel_sock_accept(self->watch.fd, &peer);
    *more = fd >= 0;
    if (fd >= 0)
        return open_connection(self, loop, fd, &peer);
    if (fd == VEL_ELIMIT)
        return rest(self);
    if (fd != VEL_ESYS)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return report(loop);
}

static void on_event(struct vel_watch *w, unsigned io) {
    struct acceptor *self = VEL_CONTAINER(w, struct acceptor, watch);
    struct vel_aio *loop = (struct vel_aio *)Py_NewRef(self->loop);
    bool more = true;
    int rc = 0;
    (void)io;
    Py_INCREF(self);
    for (long i = 0; rc == 0 && more && i < self->backlog && self->loop != NULL; i++)
        rc = accept_one(self, loop, &more);
    if (vel_aio__after_callback(loop, rc) < 0)
        vel_aio_raise_later(loop);
    Py_DECREF(self);
    Py_DECREF(loop);
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

/* acceptor.resume(), a second after accept failed. It may have been stopped meanwhile. */
static PyObject *resume(PyObject *o, PyObject *unused) {
    struct acceptor *self = (struct acceptor *)o;
    (void)unused;
    if (self->loop != NULL) {
        int rc = vel_loop_watch(&self->loop->net, &self->watch, VEL_READ);
        if (rc != VEL_OK && vel_aio__set_error(rc) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *get_sock(PyObject *o, void *closure) {
    PyObject *sock = ((struct acceptor *)o)->sock; // borrowed: made our own below
    (void)closure;
    return Py_NewRef(sock != NULL ? sock : Py_None);
}

static int start(struct acceptor *self, struct vel_aio *loop) {
    bool bad;
    self->watch = (struct vel_watch){.fn = on_event, .fd = vel_aio__fd_of(loop, self->sock, &bad)};
    if (self->watch.fd < 0 && !bad)
        PyErr_SetString(PyExc_ValueError, "Invalid file descriptor: -1");
    self->context = PyContext_CopyCurrent();
    if (self->watch.fd < 0 || self->context == NULL || vel_aio__put_acceptor(loop, self->watch.fd, Py_NewRef(self)) < 0)
        return -1;
    int rc = vel_loop_watch(&loop->net, &self->watch, VEL_READ);
    if (rc == VEL_OK) {
        self->loop = loop;
        return 0;
    }
    vel_aio__set_error(rc);
    PyObject *raised = vel_take_raised();
    vel_aio__take_acceptor(loop, self->watch.fd);
    vel_set_raised(raised);
    return -1;
}

/* What Server calls for each of its sockets. */
PyObject *vel_aio__start_serving(PyObject *o, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"protocol_factory",     "sock", "sslcontext", "server", "backlog", "ssl_handshake_timeout",
                            "ssl_shutdown_timeout", NULL};
    struct vel_aio *loop = (struct vel_aio *)o;
    PyObject *factory, *sock, *ssl = Py_None, *server = Py_None, *handshake = Py_None, *shut = Py_None;
    long backlog = 100;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOlOO:_start_serving", names, &factory, &sock, &ssl, &server,
                                     &backlog, &handshake, &shut) ||
        vel_aio__check_open(loop) < 0)
        return NULL;
    PyTypeObject *type = loop->st->acceptor_type;
    struct acceptor *self = (struct acceptor *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->protocol_factory = Py_NewRef(factory);
    self->sock = Py_NewRef(sock);
    self->server = server != Py_None ? Py_NewRef(server) : NULL;
    self->ssl = ssl != Py_None ? PyTuple_Pack(4, ssl, server, handshake, shut) : NULL;
    self->backlog = backlog;
    int rc = ssl != Py_None && self->ssl == NULL ? -1 : start(self, loop);
    Py_DECREF(self);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resume", resume, METH_NOARGS, "resume($self, /)\n--\n\nAccepts again."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"sock", get_sock, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Accepts the connections of one listening socket."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec vel_aio__acceptor_type_spec = {
    .name = "velocem._core.Acceptor",
    .basicsize = sizeof(struct acceptor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

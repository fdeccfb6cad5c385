/* The life of a transport: made, settled with the kernel, closed in one place (lose). */
#include "py/loop/transport.h"

#include "py/loop/handle.h"

#include "base/err.h"
#include "net/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* asyncio's: 64 KiB, and a quarter. */
#define HIGH_WATER ((size_t)64 << 10)

/* --- what the kernel watches ------------------------------------------------------------------------------------- */

static unsigned wanted(const struct vel_transport *t) {
    bool reads = t->started && !t->closing && !t->paused && !t->read_all;
    return t->closed || t->lent ? 0u : (reads ? VEL_READ : 0u) | (t->out.len > 0 && !t->lost ? VEL_WRITE : 0u);
}

/* The loop holds what the kernel watches. */
static void hold(struct vel_transport *t, bool held) {
    if (t->held == held)
        return;
    t->held = held;
    if (held)
        Py_INCREF(t);
    else
        Py_DECREF(t);
}

int vel_aio__transport_settle(struct vel_transport *t) {
    unsigned io = wanted(t);
    struct vel_loop *net = &t->loop->net;
    if (io == 0) {
        if (t->loop->open)
            vel_loop_unwatch(net, &t->watch);
        hold(t, false);
        return 0;
    }
    if (vel_aio__check_open(t->loop) < 0)
        return -1;
    int rc = vel_loop_watch(net, &t->watch, io);
    if (rc != VEL_OK)
        return vel_aio__set_error(rc);
    hold(t, true);
    return 0;
}

void vel_aio__transport_unsettle(struct vel_transport *t) {
    if (t->unsettled || t->loop == NULL || !t->loop->open)
        return;
    t->unsettled = true;
    t->next_unsettled = t->loop->unsettled;
    t->loop->unsettled = (struct vel_transport *)Py_NewRef(t);
}

/* Before the wait: a pause that was taken back in the same round has cost nothing. */
int vel_aio__settle_all(struct vel_aio *loop) {
    int rc = 0;
    struct vel_transport *t;
    while (rc == 0 && (t = loop->unsettled) != NULL) {
        loop->unsettled = t->next_unsettled;
        t->unsettled = false;
        if (t->loop != NULL && vel_aio__transport_settle(t) < 0)
            rc = vel_aio__transport_fail(t, "Fatal error: the socket cannot be watched");
        Py_DECREF(t);
    }
    return rc;
}

static void on_event(struct vel_watch *w, unsigned io) {
    struct vel_transport *t = VEL_CONTAINER(w, struct vel_transport, watch);
    struct vel_aio *loop = (struct vel_aio *)Py_NewRef(t->loop);
    int rc = 0;
    Py_INCREF(t);
    if (io & (VEL_READ | VEL_HUP | VEL_ERROR))
        rc = vel_aio__transport_readable(t);
    if (rc == 0 && (io & (VEL_WRITE | VEL_ERROR)) && t->out.len > 0)
        rc = vel_aio__transport_writable(t);
    if (vel_aio__after_callback(loop, rc) < 0)
        vel_aio_raise_later(loop);
    Py_DECREF(t);
    Py_DECREF(loop);
}

/* --- calls to the protocol --------------------------------------------------------------------------------------- */

PyObject *vel_aio__transport_call(struct vel_transport *t, PyObject *method, PyObject *arg) {
    PyObject *argv[] = {t->protocol, arg},
             *context = t->context; // borrowed: the caller holds t, which keeps its context
    if (PyContext_Enter(context) < 0)
        return NULL;
    Py_INCREF(argv[0]); /* set_protocol may be called meanwhile */
    PyObject *result = PyObject_VectorcallMethod(method, argv, arg != NULL ? 2 : 1, NULL);
    Py_DECREF(argv[0]);
    if (PyContext_Exit(context) < 0)
        Py_CLEAR(result);
    return result;
}

/* connection_made and connection_lost fail as callbacks do that the library would have filed for them. */
static int report_as_callback(struct vel_transport *t, PyObject *protocol, PyObject *method, PyObject *arg) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised();
    PyObject *bound = PyObject_GetAttr(protocol, method);
    struct vel_aio__call call = {.callback = bound, .args = &arg, .nargs = 1, .context = t->context};
    PyObject *handle = bound != NULL ? vel_aio__handle_new(t->loop, &call) : NULL;
    int rc = -1;
    if (handle != NULL) {
        vel_set_raised(raised);
        rc = vel_aio__report_callback(t->loop, handle);
    } else {
        Py_DECREF(raised);
    }
    Py_XDECREF(handle);
    Py_XDECREF(bound);
    return rc;
}

static int call_with(struct vel_transport *t, PyObject *method, PyObject *arg) {
    PyObject *protocol = Py_NewRef(t->protocol);
    PyObject *result = vel_aio__transport_call(t, method, arg);
    int rc = result != NULL ? 0 : report_as_callback(t, protocol, method, arg);
    Py_XDECREF(result);
    Py_DECREF(protocol);
    return rc;
}

/* --- made -------------------------------------------------------------------------------------------------------- */

/* Also after what ends the run, rc: a later one finds the transport there. */
static int resolve(struct vel_aio *loop, PyObject *waiter, int rc) {
    PyObject *raised = rc < 0 ? vel_take_raised() : NULL, *argv[] = {waiter, Py_None};
    PyObject *done = PyObject_Vectorcall(loop->st->set_unless_cancelled, argv, 2, NULL);
    Py_XDECREF(done);
    if (raised == NULL)
        return done != NULL ? 0 : -1;
    PyErr_Clear();
    vel_set_raised(raised);
    return -1;
}

/* connection_made, then reading starts, then who waits for the transport is told. */
static int run_made(struct vel_aio *loop, struct vel_ready *entry) {
    struct vel_transport *t = (struct vel_transport *)entry->what;
    int rc = t->loop != NULL ? call_with(t, loop->st->connection_made, (PyObject *)t) : 0;
    t->started = true;
    vel_aio__transport_unsettle(t);
    if (entry->arg != NULL)
        rc = resolve(loop, entry->arg, rc);
    vel_aio__drop(entry);
    return rc;
}

static void look_up_names(struct vel_transport *t, const union vel_addr *peer) {
    socklen_t len = sizeof(t->addrs[0]);
    if (getsockname(t->watch.fd, &t->addrs[0].any, &len) < 0)
        t->addrs[0].any.sa_family = AF_UNSPEC;
    if (peer != NULL) {
        t->addrs[1] = *peer;
        return;
    }
    len = sizeof(t->addrs[1]);
    if (getpeername(t->watch.fd, &t->addrs[1].any, &len) < 0)
        t->addrs[1].any.sa_family = AF_UNSPEC;
}

static bool is_inet(const union vel_addr *addr) {
    return addr->any.sa_family == AF_INET || addr->any.sa_family == AF_INET6;
}

/* Small writes go out at once, as in asyncio. */
static void set_nodelay(const struct vel_transport *t) {
    int on = 1;
    if (is_inet(&t->addrs[0]))
        setsockopt(t->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Names that are not of IP are asked for while they can be had: those of a closed socket cannot. */
static int keep_other_names(struct vel_transport *t) {
    for (int which = 0; which < 2; which++) {
        if (is_inet(&t->addrs[which]) || t->addrs[0].any.sa_family == AF_UNSPEC)
            continue;
        PyObject *name = vel_aio__transport_name(t, which);
        if (name == NULL)
            return -1;
        Py_DECREF(name);
    }
    return 0;
}

static int attach(struct vel_transport *t) {
    PyObject *argv[] = {t->server, (PyObject *)t};
    PyObject *done =
        PyObject_VectorcallMethod(t->loop->st->_attach, argv, t->loop->st->server_takes_transport ? 2 : 1, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int detach(struct vel_aio *loop, PyObject *server, struct vel_transport *t) {
    PyObject *argv[] = {server, (PyObject *)t};
    PyObject *done = PyObject_VectorcallMethod(loop->st->_detach, argv, loop->st->server_takes_transport ? 2 : 1, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int fd_of_socket(struct vel_aio *loop, PyObject *sock) {
    bool bad;
    int fd = vel_aio__fd_of(loop, sock, &bad);
    if (fd < 0 && !bad)
        PyErr_SetString(PyExc_ValueError, "the socket is closed");
    return fd < 0 || vel_aio__no_transport(loop, sock, fd) < 0 ? -1 : fd;
}

static int init(struct vel_transport *t, const struct vel_aio__transport_args *args) {
    if (args->sock != NULL) {
        t->watch.fd = fd_of_socket(t->loop, args->sock);
        if (t->watch.fd < 0)
            return -1;
        t->sock = Py_NewRef(args->sock);
    }
    t->closed = false;
    t->context = PyContext_CopyCurrent();
    if (t->context == NULL || vel_aio__transport_set_protocol(t, args->protocol) < 0)
        return -1;
    t->extra = Py_XNewRef(args->extra);
    look_up_names(t, args->peer);
    if (keep_other_names(t) < 0 || vel_aio__own_fd(t->loop, t->watch.fd, (PyObject *)t) < 0)
        return -1;
    set_nodelay(t);
    if (args->server != NULL) {
        t->server = Py_NewRef(args->server);
        if (attach(t) < 0) {
            Py_CLEAR(t->server);
            return -1;
        }
    }
    struct vel_ready made = {.run = run_made, .what = Py_NewRef(t), .arg = Py_XNewRef(args->waiter)};
    return vel_aio_soon(t->loop, made);
}

/* What could not be made is not worth a warning; a socket object stays its owner's. */
static void give_up(struct vel_transport *t) {
    if (t->server != NULL && detach(t->loop, t->server, t) < 0)
        PyErr_Clear();
    Py_CLEAR(t->server);
    vel_aio__disown_fd(t->loop, t->watch.fd, (PyObject *)t);
    if (t->sock == NULL && t->watch.fd >= 0)
        close(t->watch.fd);
    t->closed = true;
}

PyObject *vel_aio__transport_new(struct vel_aio *loop, const struct vel_aio__transport_args *args) {
    PyTypeObject *type = loop->st->transport_type;
    struct vel_transport *t = (struct vel_transport *)type->tp_alloc(type, 0);
    if (t == NULL) {
        if (args->sock == NULL)
            close(args->fd);
        return NULL;
    }
    t->st = loop->st;
    t->loop = (struct vel_aio *)Py_NewRef(loop);
    t->watch = (struct vel_watch){.fn = on_event, .fd = args->sock == NULL ? args->fd : -1};
    t->closed = true; /* not ours yet */
    t->high = HIGH_WATER;
    t->low = HIGH_WATER / 4;
    vel_aio__out_init(&t->out);
    if (init(t, args) == 0)
        return (PyObject *)t;
    PyObject *raised = vel_take_raised();
    give_up(t);
    Py_DECREF(t);
    vel_set_raised(raised);
    return NULL;
}

/* --- what is made when somebody asks ----------------------------------------------------------------------------- */

PyObject *vel_aio__transport_socket(struct vel_transport *t) {
    if (t->sock == NULL)
        t->sock = vel_aio__socket_of(t->st, t->closed ? -1 : t->watch.fd);
    return Py_XNewRef(t->sock);
}

/* As the socket object would tell it: of a socket that has none, None. */
static PyObject *ask_for_name(struct vel_transport *t, int which) {
    PyObject *sock = vel_aio__transport_socket(t);
    PyObject *name = sock != NULL ? PyObject_CallMethod(sock, which == 0 ? "getsockname" : "getpeername", NULL) : NULL;
    Py_XDECREF(sock);
    if (name != NULL || !PyErr_ExceptionMatches(PyExc_OSError))
        return name;
    PyErr_Clear();
    Py_RETURN_NONE;
}

PyObject *vel_aio__transport_name(struct vel_transport *t, int which) {
    if (t->names[which] == NULL)
        t->names[which] = is_inet(&t->addrs[which]) ? vel_aio__name_of(&t->addrs[which]) : ask_for_name(t, which);
    return Py_XNewRef(t->names[which]);
}

int vel_aio__transport_set_protocol(struct vel_transport *t, PyObject *protocol) {
    int buffered = PyObject_IsInstance(protocol, t->loop->st->buffered_protocol);
    if (buffered < 0)
        return -1;
    t->buffered = buffered;
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
    return 0;
}

/* --- closed ------------------------------------------------------------------------------------------------------ */

/* The descriptor goes, after the kernel has forgotten it. */
static int close_socket(struct vel_transport *t) {
    if (t->closed)
        return 0;
    t->closed = true;
    vel_aio__disown_fd(t->loop, t->watch.fd, (PyObject *)t);
    if (t->loop->open)
        vel_loop_unwatch(&t->loop->net, &t->watch);
    hold(t, false);
    if (t->sock == NULL)
        return close(t->watch.fd), 0;
    PyObject *done = PyObject_CallMethodNoArgs(t->sock, t->loop->st->close);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int wake_empty_waiter(struct vel_transport *t) {
    PyObject *waiter = t->empty_waiter;
    if (waiter == NULL)
        return 0;
    PyObject *done = PyObject_CallMethod((PyObject *)t->loop, "_sendfile_lost", "O", waiter);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* The end: everything but the object itself and what get_extra_info tells is let go. */
static int lose(struct vel_transport *t) {
    PyObject *raised = vel_take_raised();
    int rc = close_socket(t);
    if (rc == 0)
        rc = wake_empty_waiter(t);
    struct vel_aio *loop = t->loop;
    PyObject *server = t->server;
    t->server = NULL;
    t->loop = NULL;
    Py_CLEAR(t->protocol);
    Py_CLEAR(t->context);
    if (server != NULL && detach(loop, server, t) < 0)
        rc = -1;
    Py_XDECREF(server);
    Py_DECREF(loop);
    if (raised == NULL)
        return rc;
    PyErr_Clear();
    vel_set_raised(raised);
    return -1;
}

int vel_aio__transport_drop(struct vel_transport *t) {
    int rc = close_socket(t);
    PyObject *server = t->server;
    t->server = NULL;
    if (server != NULL && detach(t->loop, server, t) < 0)
        rc = -1;
    Py_XDECREF(server);
    return rc;
}

static int run_lost(struct vel_aio *loop, struct vel_ready *entry) {
    struct vel_transport *t = (struct vel_transport *)entry->what;
    int rc = 0;
    if (t->loop != NULL) {
        rc = call_with(t, loop->st->connection_lost, entry->arg);
        if (lose(t) < 0)
            rc = -1;
    }
    vel_aio__drop(entry);
    return rc;
}

static int soon_lost(struct vel_transport *t, PyObject *exception) {
    t->lost++;
    vel_aio__transport_unsettle(t);
    if (vel_aio__check_open(t->loop) < 0)
        return -1;
    return vel_aio_soon(t->loop,
                        (struct vel_ready){.run = run_lost, .what = Py_NewRef(t), .arg = Py_NewRef(exception)});
}

int vel_aio__transport_close(struct vel_transport *t) {
    if (t->closing)
        return 0;
    t->closing = true;
    vel_aio__transport_unsettle(t);
    return t->out.len > 0 ? vel_aio__transport_flush(t) : soon_lost(t, Py_None);
}

int vel_aio__transport_force_close(struct vel_transport *t, PyObject *exception) {
    if (t->lost || t->loop == NULL)
        return 0;
    t->closing = true;
    vel_aio__out_clear(&t->out);
    return soon_lost(t, exception);
}

int vel_aio__transport_fail(struct vel_transport *t, const char *message) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised();
    int rc = 0;
    if (t->loop != NULL) {
        PyObject *done = PyObject_CallMethod((PyObject *)t->loop, "_transport_failed", "OsO", t, message, raised);
        rc = done != NULL ? 0 : -1;
        Py_XDECREF(done);
    }
    if (rc == 0)
        rc = vel_aio__transport_force_close(t, raised);
    Py_DECREF(raised);
    return rc;
}

/* The loop closes, or goes: the kernel forgets its transports, which live on as long as somebody holds them. */
void vel_aio__transport_forget(PyObject *o) {
    struct vel_transport *t = (struct vel_transport *)o;
    vel_loop_unwatch(&t->loop->net, &t->watch);
    hold(t, false);
}

/* In a forked child the new poller learns of it. */
int vel_aio__transport_forked(PyObject *o) {
    struct vel_transport *t = (struct vel_transport *)o;
    return vel_loop_rewatch(&t->loop->net, &t->watch) == VEL_OK ? 0 : -1;
}

bool vel_aio__transport_is_held(PyObject *o) {
    return ((struct vel_transport *)o)->held;
}

bool vel_aio__transport_is_closing(PyObject *o) {
    return ((struct vel_transport *)o)->closing;
}

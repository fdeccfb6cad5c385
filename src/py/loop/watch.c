/* add_reader, add_writer and their opposites: handles that are called while a descriptor is ready. */
#include "py/loop/loop.h"

#include "py/loop/handle.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>

enum side { READER, WRITER };

/* One descriptor. Made when it is first watched, kept for the next time until the loop is closed. */
struct vel_aio_fd {
    struct vel_watch watch;
    struct vel_aio *loop; // borrowed: the owner of this
    PyObject *handles[2]; /* by side; NULL: not asked for */
    PyObject *file;       /* what has the fileno(), so that it can be taken off by it after it was closed; or NULL */
    PyObject *transport;  // borrowed: a transport takes itself off before it goes
    PyObject *acceptor;   /* owned; or NULL */
    struct vel_aio__sock *sock; /* owned; what sock_recv and its kin have here, or NULL */
};

/* --- what the kernel watches ------------------------------------------------------------------------------------- */

static unsigned wanted(const struct vel_aio_fd *slot) {
    unsigned socks = slot->sock != NULL ? vel_aio__sock_wanted(slot->sock) : 0;
    return (slot->handles[READER] != NULL ? VEL_READ : 0u) | (slot->handles[WRITER] != NULL ? VEL_WRITE : 0u) | socks;
}

/* A descriptor that was closed behind our back is not known to the kernel any more: its number, used again, is new. */
static int watch_anew(struct vel_aio_fd *slot, unsigned io) {
    vel_loop_unwatch(&slot->loop->net, &slot->watch);
    return vel_loop_watch(&slot->loop->net, &slot->watch, io);
}

static int settle(struct vel_aio_fd *slot) {
    struct vel_loop *net = &slot->loop->net;
    unsigned io = wanted(slot);
    if (io == 0) {
        vel_loop_unwatch(net, &slot->watch);
        return VEL_OK;
    }
    int rc = vel_loop_watch(net, &slot->watch, io);
    return rc == VEL_ESYS && errno == ENOENT ? watch_anew(slot, io) : rc;
}

/* --- told -------------------------------------------------------------------------------------------------------- */

static int make_ready(struct vel_aio_fd *slot, enum side side) {
    return vel_aio__soon_handle(slot->loop, Py_NewRef(slot->handles[side]));
}

/* A callback was added where sock_recv or its like waits: the one watch serves both. */
static int go_on(struct vel_aio_fd *slot, unsigned io) {
    int rc = vel_aio__sock_told(slot->sock, io);
    if (settle(slot) != VEL_OK)
        vel_loop_unwatch(&slot->loop->net, &slot->watch);
    return rc;
}

/* They wait for their turn as asyncio's do: behind what is ready already. An error is for both to find. */
static void on_event(struct vel_watch *w, unsigned io) {
    struct vel_aio_fd *slot = VEL_CONTAINER(w, struct vel_aio_fd, watch);
    int rc = 0;
    if ((io & (VEL_READ | VEL_HUP | VEL_ERROR)) && slot->handles[READER] != NULL)
        rc = make_ready(slot, READER);
    if (rc == 0 && (io & (VEL_WRITE | VEL_ERROR)) && slot->handles[WRITER] != NULL)
        rc = make_ready(slot, WRITER);
    if (rc == 0 && slot->sock != NULL)
        rc = go_on(slot, io);
    if (rc < 0)
        vel_aio_raise_later(slot->loop);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static struct vel_aio_fd *find(const struct vel_aio *loop, int fd) {
    return fd >= 0 && (size_t)fd < loop->nfds ? loop->fds[fd] : NULL;
}

static int grow(struct vel_aio *loop, size_t need) {
    size_t n = loop->nfds > 0 ? loop->nfds : 64;
    while (n < need)
        n *= 2;
    struct vel_aio_fd **fds = vel_realloc(loop->fds, n * sizeof(struct vel_aio_fd *));
    if (fds == NULL)
        return VEL_ENOMEM;
    memset(fds + loop->nfds, 0, (n - loop->nfds) * sizeof(struct vel_aio_fd *));
    loop->fds = fds;
    loop->nfds = n;
    return VEL_OK;
}

/* NULL with MemoryError. */
static struct vel_aio_fd *find_or_make(struct vel_aio *loop, int fd) {
    if ((size_t)fd >= loop->nfds && grow(loop, (size_t)fd + 1) != VEL_OK)
        return (struct vel_aio_fd *)PyErr_NoMemory();
    if (loop->fds[fd] == NULL) {
        struct vel_aio_fd *slot = vel_alloc_zero(sizeof(*slot));
        if (slot == NULL)
            return (struct vel_aio_fd *)PyErr_NoMemory();
        slot->watch = (struct vel_watch){.fn = on_event, .fd = fd};
        slot->loop = loop;
        loop->fds[fd] = slot;
    }
    return loop->fds[fd];
}

struct vel_aio__sock **vel_aio__sock_at(struct vel_aio *loop, int fd) {
    struct vel_aio_fd *slot = find_or_make(loop, fd);
    return slot != NULL ? &slot->sock : NULL;
}

struct vel_aio__sock *vel_aio__sock_of(const struct vel_aio *loop, size_t fd) {
    return fd < loop->nfds && loop->fds[fd] != NULL ? loop->fds[fd]->sock : NULL;
}

bool vel_aio__fd_is_free(const struct vel_aio *loop, int fd) {
    const struct vel_aio_fd *slot = find(loop, fd);
    return slot == NULL || (slot->transport == NULL && slot->acceptor == NULL && slot->watch.io == 0);
}

/* --- transports and acceptors ------------------------------------------------------------------------------------ */

int vel_aio__own_fd(struct vel_aio *loop, int fd, PyObject *transport) {
    struct vel_aio_fd *slot = find_or_make(loop, fd);
    if (slot == NULL)
        return -1;
    if (slot->sock != NULL)
        vel_aio__sock_forget(slot->sock);
    slot->transport = transport;
    return 0;
}

void vel_aio__disown_fd(struct vel_aio *loop, int fd, PyObject *transport) {
    struct vel_aio_fd *slot = find(loop, fd);
    if (slot != NULL && slot->transport == transport)
        slot->transport = NULL;
}

bool vel_aio__take_acceptor(struct vel_aio *loop, int fd) {
    struct vel_aio_fd *slot = find(loop, fd);
    PyObject *acceptor = slot != NULL ? slot->acceptor : NULL; // borrowed: made our own by taking it from the field
    if (acceptor == NULL)
        return false;
    slot->acceptor = NULL;
    vel_aio__acceptor_stop(acceptor);
    Py_DECREF(acceptor);
    return true;
}

int vel_aio__put_acceptor(struct vel_aio *loop, int fd, PyObject *acceptor) {
    struct vel_aio_fd *slot = find_or_make(loop, fd);
    if (slot == NULL) {
        Py_DECREF(acceptor);
        return -1;
    }
    vel_aio__take_acceptor(loop, fd);
    if (slot->sock != NULL)
        vel_aio__sock_forget(slot->sock);
    slot->acceptor = acceptor;
    return 0;
}

/* --- adding and removing ----------------------------------------------------------------------------------------- */

/* The old handle of that side, if any, is cancelled. */
static int cancel_old(PyObject *old) {
    if (old == NULL)
        return 0;
    PyObject *done = PyObject_CallMethod(old, "cancel", NULL);
    Py_DECREF(old);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* Takes the handle. */
static int put(struct vel_aio *loop, int fd, PyObject *file, enum side side, PyObject *handle) {
    struct vel_aio_fd *slot = find_or_make(loop, fd);
    if (slot == NULL) {
        Py_DECREF(handle);
        return -1;
    }
    PyObject *old = slot->handles[side];
    slot->handles[side] = handle;
    if (slot->sock != NULL)
        vel_aio__sock_release(slot->sock);
    int rc = settle(slot);
    if (rc != VEL_OK) {
        slot->handles[side] = old;
        Py_DECREF(handle);
        return vel_aio__set_error(rc);
    }
    Py_XSETREF(slot->file, PyLong_CheckExact(file) ? NULL : Py_NewRef(file));
    return cancel_old(old);
}

/* 1 when there was one, 0 when not. */
static int take_off(struct vel_aio *loop, int fd, enum side side) {
    struct vel_aio_fd *slot = find(loop, fd);
    if (side == READER && vel_aio__take_acceptor(loop, fd))
        return 1;
    if (loop->closed || slot == NULL || slot->handles[side] == NULL)
        return 0;
    PyObject *old = slot->handles[side];
    slot->handles[side] = NULL;
    if (settle(slot) != VEL_OK) /* it was closed: the kernel knows nothing of it any more */
        vel_loop_unwatch(&loop->net, &slot->watch);
    if (wanted(slot) == 0)
        Py_CLEAR(slot->file);
    return cancel_old(old) < 0 ? -1 : 1;
}

/* --- what is given for a descriptor ------------------------------------------------------------------------------ */

/* It has no number now, as a closed socket: the one that it was added with. */
static int fd_of_file(const struct vel_aio *loop, PyObject *file) {
    for (size_t fd = 0; fd < loop->nfds; fd++)
        if (loop->fds[fd] != NULL && loop->fds[fd]->file == file)
            return (int)fd;
    return -1;
}

/* int(given.fileno()), as the library has it. */
static PyObject *number_of(struct vel_aio *loop, PyObject *given) {
    if (PyLong_Check(given))
        return Py_NewRef(given);
    PyObject *told = PyObject_CallMethodNoArgs(given, loop->st->fileno);
    PyObject *number = told != NULL ? PyNumber_Long(told) : NULL;
    Py_XDECREF(told);
    if (number == NULL && (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError) ||
                           PyErr_ExceptionMatches(PyExc_ValueError)))
        PyErr_Format(PyExc_ValueError, "Invalid file object: %R", given);
    return number;
}

int vel_aio__fd_of(struct vel_aio *loop, PyObject *given, bool *bad) {
    PyObject *number = number_of(loop, given);
    long fd = number != NULL ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    *bad = PyErr_Occurred() != NULL;
    if (*bad || fd > INT_MAX)
        return -1;
    return fd >= 0 ? (int)fd : fd_of_file(loop, given);
}

int vel_aio__no_transport(struct vel_aio *loop, PyObject *given, int fd) {
    const struct vel_aio_fd *slot = find(loop, fd);
    PyObject *transport = slot != NULL ? slot->transport : NULL; // borrowed: see the field
    if (transport == NULL || vel_aio__transport_is_closing(transport))
        return 0;
    PyErr_Format(PyExc_RuntimeError, "File descriptor %R is used by transport %R", given, transport);
    return -1;
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

/* _add_reader(fd, callback, *args) and its three likes, which are add_reader and add_writer and, with an underscore,
 * what the library's own transports use: those may watch what a transport owns. */
static PyObject *add(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, enum side side,
                     bool internal) {
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__call call;
    bool bad;
    if (vel_aio__take_call(loop, side == READER ? "add_reader" : "add_writer", "fd", args, nargs, kwnames, &call) < 0)
        return NULL;
    int fd = vel_aio__fd_of(loop, call.own, &bad);
    if (bad || (!internal && vel_aio__no_transport(loop, call.own, fd) < 0) || vel_aio__check_open(loop) < 0)
        return NULL;
    if (fd < 0)
        return PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %R", call.own);
    PyObject *handle = vel_aio__handle_new(loop, &call);
    if (handle == NULL || put(loop, fd, call.own, side, Py_NewRef(handle)) < 0) {
        Py_XDECREF(handle);
        return NULL;
    }
    if (internal)
        return handle;
    Py_DECREF(handle);
    Py_RETURN_NONE;
}

static PyObject *take(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, enum side side,
                      bool internal) {
    struct vel_aio *loop = (struct vel_aio *)o;
    bool bad, named = kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0;
    if (nargs + named != 1 || (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "fd") != 0))
        return PyErr_Format(PyExc_TypeError, "%s() takes one argument: 'fd'",
                            side == READER ? "remove_reader" : "remove_writer");
    PyObject *given = args[0]; // borrowed: an argument of the running call
    int fd = vel_aio__fd_of(loop, given, &bad);
    if (bad || (!internal && vel_aio__no_transport(loop, given, fd) < 0))
        return NULL;
    int had = take_off(loop, fd, side);
    return had < 0 ? NULL : PyBool_FromLong(had);
}

PyObject *vel_aio__add_reader(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return add(o, args, nargs, kwnames, READER, false);
}

PyObject *vel_aio__add_writer(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return add(o, args, nargs, kwnames, WRITER, false);
}

PyObject *vel_aio__add_reader_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return add(o, args, nargs, kwnames, READER, true);
}

PyObject *vel_aio__add_writer_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return add(o, args, nargs, kwnames, WRITER, true);
}

PyObject *vel_aio__remove_reader(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return take(o, args, nargs, kwnames, READER, false);
}

PyObject *vel_aio__remove_writer(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return take(o, args, nargs, kwnames, WRITER, false);
}

PyObject *vel_aio__remove_reader_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return take(o, args, nargs, kwnames, READER, true);
}

PyObject *vel_aio__remove_writer_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    return take(o, args, nargs, kwnames, WRITER, true);
}

PyObject *vel_aio__ensure_no_transport(PyObject *o, PyObject *given) {
    bool bad;
    int fd = vel_aio__fd_of((struct vel_aio *)o, given, &bad);
    if (bad || vel_aio__no_transport((struct vel_aio *)o, given, fd) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *vel_aio__watched(PyObject *o, PyObject *given) {
    bool bad;
    int fd = vel_aio__fd_of((struct vel_aio *)o, given, &bad);
    const struct vel_aio_fd *slot = find((struct vel_aio *)o, fd);
    unsigned accepts = slot != NULL && slot->acceptor != NULL ? VEL_READ : 0u;
    return bad ? NULL : PyLong_FromUnsignedLong(slot != NULL ? wanted(slot) | accepts : 0);
}

/* --- for the loop ------------------------------------------------------------------------------------------------ */

int vel_aio__fds_visit(struct vel_aio *loop, visitproc visit, void *arg) {
    for (size_t fd = 0; fd < loop->nfds; fd++) {
        struct vel_aio_fd *slot = loop->fds[fd];
        if (slot == NULL)
            continue;
        Py_VISIT(slot->handles[READER]);
        Py_VISIT(slot->handles[WRITER]);
        Py_VISIT(slot->file);
        Py_VISIT(slot->acceptor);
        int rc = slot->sock != NULL ? vel_aio__sock_visit(slot->sock, visit, arg) : 0;
        if (rc != 0)
            return rc;
        if (slot->transport != NULL && vel_aio__transport_is_held(slot->transport))
            Py_VISIT(slot->transport);
    }
    return 0;
}

/* It is no longer in the table, and what goes may look there. */
static void clear_slot(struct vel_aio *loop, struct vel_aio_fd *slot) {
    if (slot->transport != NULL)
        vel_aio__transport_forget(slot->transport);
    if (slot->acceptor != NULL)
        vel_aio__acceptor_stop(slot->acceptor);
    vel_loop_unwatch(&loop->net, &slot->watch);
    Py_CLEAR(slot->handles[READER]);
    Py_CLEAR(slot->handles[WRITER]);
    Py_CLEAR(slot->file);
    Py_CLEAR(slot->acceptor);
    vel_aio__sock_free(slot->sock);
    vel_free(slot);
}

void vel_aio__fds_clear(struct vel_aio *loop) {
    struct vel_aio_fd **fds = loop->fds;
    size_t n = loop->nfds;
    loop->fds = NULL;
    loop->nfds = 0;
    for (size_t fd = 0; fd < n; fd++)
        if (fds[fd] != NULL)
            clear_slot(loop, fds[fd]);
    vel_free(fds);
}

int vel_aio__fds_forked(struct vel_aio *loop) {
    int rc = 0;
    for (size_t fd = 0; rc == 0 && fd < loop->nfds; fd++) {
        struct vel_aio_fd *slot = loop->fds[fd];
        if (slot == NULL)
            continue;
        rc = vel_loop_rewatch(&loop->net, &slot->watch) == VEL_OK ? 0 : -1;
        if (rc == 0 && slot->transport != NULL)
            rc = vel_aio__transport_forked(slot->transport);
        if (rc == 0 && slot->acceptor != NULL)
            rc = vel_aio__acceptor_forked(slot->acceptor);
        if (slot->sock != NULL)
            vel_aio__sock_forked(slot->sock);
    }
    return rc;
}

/* What Python sees of a transport. */
#include "py/loop/transport.h"

#include "py/loop/types.h"

#include "base/mem.h"

#include <unistd.h>

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

static struct vel_transport *self_of(PyObject *o) {
    return (struct vel_transport *)o;
}

static PyObject *none_or_error(int rc) {
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* --- freed ------------------------------------------------------------------------------------------------------- */

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_transport *t = self_of(o);
    Py_VISIT(Py_TYPE(o));
    for (int i = 0; i < VEL_TRANSPORT_BASE_SLOTS; i++)
        Py_VISIT(t->base_slots[i]);
    Py_VISIT(t->dict);
    Py_VISIT(t->loop);
    Py_VISIT(t->protocol);
    Py_VISIT(t->context);
    Py_VISIT(t->sock);
    Py_VISIT(t->shown);
    Py_VISIT(t->server);
    Py_VISIT(t->extra);
    Py_VISIT(t->names[0]);
    Py_VISIT(t->names[1]);
    Py_VISIT(t->empty_waiter);
    return vel_aio__out_visit(&t->out, visit, arg);
}

static int clear(PyObject *o) {
    struct vel_transport *t = self_of(o);
    for (int i = 0; i < VEL_TRANSPORT_BASE_SLOTS; i++)
        Py_CLEAR(t->base_slots[i]);
    Py_CLEAR(t->dict);
    Py_CLEAR(t->protocol);
    Py_CLEAR(t->context);
    Py_CLEAR(t->sock);
    Py_CLEAR(t->shown);
    Py_CLEAR(t->server);
    Py_CLEAR(t->extra);
    Py_CLEAR(t->names[0]);
    Py_CLEAR(t->names[1]);
    Py_CLEAR(t->empty_waiter);
    vel_aio__out_clear(&t->out);
    return 0;
}

/* Nobody has closed it: the descriptor goes with it, as it does in asyncio, which warns in the same words. */
static void finalize(PyObject *o) {
    struct vel_transport *t = self_of(o);
    if (t->closed || t->loop == NULL)
        return;
    PyObject *raised = vel_take_raised();
    PyObject *done = PyObject_CallMethod((PyObject *)t->loop, "_transport_is_unclosed", "O", o);
    if (done == NULL)
        PyErr_WriteUnraisable(o);
    Py_XDECREF(done);
    if (vel_aio__transport_drop(t) < 0)
        PyErr_WriteUnraisable(o);
    if (raised != NULL)
        vel_set_raised(raised);
}

static void dealloc(PyObject *o) {
    struct vel_transport *t = self_of(o);
    PyTypeObject *type = Py_TYPE(o);
    if (PyObject_CallFinalizerFromDealloc(o) < 0)
        return;
    PyObject_GC_UnTrack(o);
    if (t->weakrefs != NULL)
        PyObject_ClearWeakRefs(o);
    clear(o);
    Py_CLEAR(t->loop);
    type->tp_free(o);
    Py_DECREF(type);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static PyObject *write_python(PyObject *o, PyObject *data) {
    return none_or_error(vel_aio__transport_write(self_of(o), data));
}

static PyObject *writelines(PyObject *o, PyObject *list) {
    return none_or_error(vel_aio__transport_writelines(self_of(o), list));
}

static PyObject *write_eof(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (t->closing || t->eof)
        Py_RETURN_NONE;
    t->eof = true;
    if (t->out.len > 0)
        return none_or_error(vel_aio__transport_flush(t));
    shutdown(t->watch.fd, SHUT_WR);
    Py_RETURN_NONE;
}

static PyObject *can_write_eof(PyObject *o, PyObject *unused) {
    (void)o, (void)unused;
    Py_RETURN_TRUE;
}

/* What the end of the callback would flush does not count: elsewhere it would have gone already. */
static PyObject *get_write_buffer_size(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (vel_aio__transport_flush(t) < 0)
        return NULL;
    return PyLong_FromSize_t(t->out.bytes);
}

static PyObject *get_write_buffer_limits(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    return Py_BuildValue("(nn)", (Py_ssize_t)t->low, (Py_ssize_t)t->high);
}

static int limit_of(PyObject *given, Py_ssize_t *limit) {
    if (given == NULL || given == Py_None)
        return 0;
    *limit = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    return *limit == -1 && PyErr_Occurred() ? -1 : 1;
}

static PyObject *set_write_buffer_limits(PyObject *o, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"high", "low", NULL};
    struct vel_transport *t = self_of(o);
    PyObject *given_high = NULL, *given_low = NULL;
    Py_ssize_t high = 64 << 10, low = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", names, &given_high, &given_low))
        return NULL;
    int has_low = limit_of(given_low, &low), has_high = limit_of(given_high, &high);
    if (has_low < 0 || has_high < 0)
        return NULL;
    if (!has_high && has_low)
        high = 4 * low;
    if (!has_low)
        low = high / 4;
    if (high < low || low < 0)
        return PyErr_Format(PyExc_ValueError, "high (%zd) must be >= low (%zd) must be >= 0", high, low);
    t->high = (size_t)high;
    t->low = (size_t)low;
    if (t->out.bytes <= t->high)
        Py_RETURN_NONE;
    if (vel_aio__transport_flush(t) < 0)
        return NULL;
    return none_or_error(t->loop != NULL ? vel_aio__transport_maybe_pause(t) : 0);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int log_debug(struct vel_transport *t, const char *format) {
    if (!t->loop->debug)
        return 0;
    PyObject *done = PyObject_CallMethod((PyObject *)t->loop, "_log_debug", "sO", format, t);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyObject *is_reading(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(vel_aio__transport_is_reading(self_of(o)));
}

static PyObject *pause_reading(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (!vel_aio__transport_is_reading(t))
        Py_RETURN_NONE;
    t->paused = true;
    vel_aio__transport_unsettle(t);
    return none_or_error(log_debug(t, "%r pauses reading"));
}

static PyObject *resume_reading(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (t->closing || !t->paused)
        Py_RETURN_NONE;
    if (vel_aio__check_open(t->loop) < 0)
        return NULL;
    t->paused = false;
    vel_aio__transport_unsettle(t);
    return none_or_error(log_debug(t, "%r resumes reading"));
}

/* --- closing ----------------------------------------------------------------------------------------------------- */

static PyObject *close_python(PyObject *o, PyObject *unused) {
    (void)unused;
    return none_or_error(vel_aio__transport_close(self_of(o)));
}

static PyObject *abort_python(PyObject *o, PyObject *unused) {
    (void)unused;
    return none_or_error(vel_aio__transport_force_close(self_of(o), Py_None));
}

static PyObject *force_close(PyObject *o, PyObject *exception) {
    return none_or_error(vel_aio__transport_force_close(self_of(o), exception));
}

static PyObject *fatal_error(PyObject *o, PyObject *args) {
    PyObject *exception;
    const char *message = "Fatal error on transport";
    if (!PyArg_ParseTuple(args, "O|s:_fatal_error", &exception, &message))
        return NULL;
    vel_set_raised(Py_NewRef(exception));
    return none_or_error(vel_aio__transport_fail(self_of(o), message));
}

static PyObject *is_closing(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(self_of(o)->closing);
}

/* --- protocol, extra information --------------------------------------------------------------------------------- */

static PyObject *set_protocol(PyObject *o, PyObject *protocol) {
    struct vel_transport *t = self_of(o);
    if (t->loop == NULL)
        Py_RETURN_NONE; /* nobody will call it */
    return none_or_error(vel_aio__transport_set_protocol(t, protocol));
}

static PyObject *or_none(PyObject *o) {
    return Py_NewRef(o != NULL ? o : Py_None);
}

static PyObject *get_protocol(PyObject *o, PyObject *unused) {
    (void)unused;
    return or_none(self_of(o)->protocol);
}

static PyObject *shown_socket(struct vel_transport *t) {
    if (t->shown == NULL) {
        PyObject *sock = vel_aio__transport_socket(t);
        t->shown = sock != NULL ? PyObject_CallOneArg(t->st->transport_socket, sock) : NULL;
        Py_XDECREF(sock);
    }
    return Py_XNewRef(t->shown);
}

/* NULL without an exception for what it does not know. */
static PyObject *known_info(struct vel_transport *t, PyObject *name) {
    if (!PyUnicode_Check(name))
        return NULL;
    if (PyUnicode_CompareWithASCIIString(name, "socket") == 0)
        return shown_socket(t);
    if (PyUnicode_CompareWithASCIIString(name, "peername") == 0)
        return vel_aio__transport_name(t, 1);
    if (PyUnicode_CompareWithASCIIString(name, "sockname") == 0)
        return vel_aio__transport_name(t, 0);
    return NULL;
}

static PyObject *get_extra_info(PyObject *o, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"name", "default", NULL};
    struct vel_transport *t = self_of(o);
    PyObject *name, *otherwise = Py_None, *found = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_extra_info", names, &name, &otherwise))
        return NULL;
    if (t->extra != NULL && vel_dict_get(t->extra, name, &found) < 0)
        return NULL;
    if (found == NULL)
        found = known_info(t, name);
    return found != NULL || PyErr_Occurred() ? found : Py_NewRef(otherwise);
}

/* The dict that the library's transports have: whoever changes it finds the changes in get_extra_info. */
static PyObject *get_extra(PyObject *o, void *closure) {
    static const char *const known[] = {"socket", "sockname", "peername"};
    struct vel_transport *t = self_of(o);
    (void)closure;
    if (t->extra == NULL && (t->extra = PyDict_New()) == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        PyObject *name = PyUnicode_FromString(known[i]);
        PyObject *value = name != NULL ? known_info(t, name) : NULL;
        PyObject *kept = value != NULL ? PyDict_SetDefault(t->extra, name, value) : NULL; // borrowed: only looked at
        Py_XDECREF(value);
        Py_XDECREF(name);
        if (kept == NULL)
            return NULL;
    }
    return Py_NewRef(t->extra);
}

/* --- sendfile ---------------------------------------------------------------------------------------------------- */

static PyObject *make_empty_waiter(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (t->empty_waiter != NULL)
        return PyErr_Format(PyExc_RuntimeError, "Empty waiter is already set");
    if (t->loop == NULL)
        return PyErr_Format(PyExc_RuntimeError, "Transport is closing");
    if (vel_aio__transport_flush(t) < 0)
        return NULL;
    PyObject *waiter = PyObject_CallMethod((PyObject *)t->loop, "create_future", NULL);
    if (waiter == NULL)
        return NULL;
    t->empty_waiter = Py_NewRef(waiter);
    PyObject *done = t->out.len == 0 ? PyObject_CallMethod(waiter, "set_result", "O", Py_None) : Py_NewRef(Py_None);
    if (done == NULL)
        Py_CLEAR(waiter);
    Py_XDECREF(done);
    return waiter;
}

static PyObject *reset_empty_waiter(PyObject *o, PyObject *unused) {
    (void)unused;
    Py_CLEAR(self_of(o)->empty_waiter);
    Py_RETURN_NONE;
}

/* The descriptor is for others to watch. */
static PyObject *lend(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (t->loop == NULL || t->lost)
        Py_RETURN_NONE;
    t->lent = true;
    vel_aio__disown_fd(t->loop, t->watch.fd, o);
    return none_or_error(vel_aio__transport_settle(t));
}

static PyObject *take_back(PyObject *o, PyObject *unused) {
    struct vel_transport *t = self_of(o);
    (void)unused;
    if (!t->lent)
        Py_RETURN_NONE;
    t->lent = false;
    if (t->loop == NULL || t->closed)
        Py_RETURN_NONE;
    vel_aio__transport_unsettle(t);
    return none_or_error(vel_aio__own_fd(t->loop, t->watch.fd, o));
}

/* --- attributes -------------------------------------------------------------------------------------------------- */

/* closure is the offset of a bool, or of an object that may be NULL. */
static PyObject *get_flag(PyObject *o, void *closure) {
    return PyBool_FromLong(*(bool *)((char *)o + (size_t)closure));
}

static PyObject *get_object(PyObject *o, void *closure) {
    return or_none(*(PyObject **)(void *)((char *)o + (size_t)closure));
}

static PyObject *get_sock(PyObject *o, void *closure) {
    struct vel_transport *t = self_of(o);
    (void)closure;
    if (t->closed)
        Py_RETURN_NONE;
    return vel_aio__transport_socket(t);
}

static PyObject *get_sock_fd(PyObject *o, void *closure) {
    (void)closure;
    return PyLong_FromLong(self_of(o)->watch.fd);
}

static PyObject *get_lost(PyObject *o, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(self_of(o)->lost);
}

static PyObject *get_true(PyObject *o, void *closure) {
    (void)o, (void)closure;
    Py_RETURN_TRUE;
}

static PyObject *get_sendfile_mode(PyObject *o, void *closure) {
    (void)closure;
    return Py_NewRef(self_of(o)->st->try_native);
}

static PyObject *repr(PyObject *o) {
    struct vel_transport *t = self_of(o);
    const char *name = strrchr(Py_TYPE(o)->tp_name, '.');
    name = name != NULL ? name + 1 : Py_TYPE(o)->tp_name;
    const char *state = t->closed ? " closed" : t->closing ? " closing" : "";
    if (t->loop == NULL || t->loop->closed)
        return PyUnicode_FromFormat("<%s%s fd=%d>", name, state, t->watch.fd);
    bool reads = t->started && vel_aio__transport_is_reading(t) && !t->read_all;
    return PyUnicode_FromFormat("<%s%s fd=%d read=%s write=<%s, bufsize=%zu>>", name, state, t->watch.fd,
                                reads ? "polling" : "idle", t->out.len > 0 ? "polling" : "idle", t->out.bytes);
}

#define VARARGS(function) ((PyCFunction)(void (*)(void))(function))
#define FLAG(name, field)                                                                                              \
    { name, get_flag, NULL, NULL, (void *)offsetof(struct vel_transport, field) }
#define OBJECT(name, field)                                                                                            \
    { name, get_object, NULL, NULL, (void *)offsetof(struct vel_transport, field) }

static PyMethodDef methods[] = {
    {"write", write_python, METH_O, "write($self, data, /)\n--\n\nSends data when the callback returns, or later."},
    {"writelines", writelines, METH_O, "writelines($self, list_of_data, /)\n--\n\nSends each of them."},
    {"write_eof", write_eof, METH_NOARGS, "write_eof($self, /)\n--\n\nEnds the sending side when all is sent."},
    {"can_write_eof", can_write_eof, METH_NOARGS, "can_write_eof($self, /)\n--\n\nTrue."},
    {"get_write_buffer_size", get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nBytes that the kernel has not taken."},
    {"get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\nlow and high."},
    {"set_write_buffer_limits", VARARGS(set_write_buffer_limits), METH_VARARGS | METH_KEYWORDS,
     "set_write_buffer_limits($self, /, high=None, low=None)\n--\n\nWhen pause_writing and resume_writing are called."},
    {"is_reading", is_reading, METH_NOARGS, "is_reading($self, /)\n--\n\nNeither closing nor paused."},
    {"pause_reading", pause_reading, METH_NOARGS, "pause_reading($self, /)\n--\n\nNothing is received until resumed."},
    {"resume_reading", resume_reading, METH_NOARGS, "resume_reading($self, /)\n--\n\nReceives again."},
    {"close", close_python, METH_NOARGS, "close($self, /)\n--\n\nSends what waits, then ends the connection."},
    {"abort", abort_python, METH_NOARGS, "abort($self, /)\n--\n\nEnds the connection; what waits is lost."},
    {"is_closing", is_closing, METH_NOARGS, "is_closing($self, /)\n--\n\nWhether it is closing, or closed."},
    {"set_protocol", set_protocol, METH_O, "set_protocol($self, protocol, /)\n--\n\nWhat comes goes to this one."},
    {"get_protocol", get_protocol, METH_NOARGS, "get_protocol($self, /)\n--\n\nThe present one."},
    {"get_extra_info", VARARGS(get_extra_info), METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\nsocket, peername, sockname and what else was given."},
    {"_force_close", force_close, METH_O, NULL},
    {"_fatal_error", fatal_error, METH_VARARGS, NULL},
    {"_make_empty_waiter", make_empty_waiter, METH_NOARGS, NULL},
    {"_reset_empty_waiter", reset_empty_waiter, METH_NOARGS, NULL},
    {"_lend", lend, METH_NOARGS, NULL},
    {"_take_back", take_back, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    FLAG("_closing", closing),
    FLAG("_paused", paused),
    FLAG("_eof", eof),
    FLAG("_protocol_paused", protocol_paused),
    OBJECT("_loop", loop),
    OBJECT("_protocol", protocol),
    OBJECT("_server", server),
    OBJECT("_empty_waiter", empty_waiter),
    {"_sock", get_sock, NULL, NULL, NULL},
    {"_sock_fd", get_sock_fd, NULL, NULL, NULL},
    {"_extra", get_extra, NULL, NULL, NULL},
    {"_conn_lost", get_lost, NULL, NULL, NULL},
    {"_start_tls_compatible", get_true, NULL, NULL, NULL},
    {"_sendfile_compatible", get_sendfile_mode, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(struct vel_transport, dict), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(struct vel_transport, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The transport of a stream socket."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_finalize, finalize},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_repr, repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_aio__transport_type_spec = {
    .name = "velocem._core.SocketTransport",
    .basicsize = sizeof(struct vel_transport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

/* --- for the loop ------------------------------------------------------------------------------------------------ */

PyObject *vel_aio__make_socket_transport(PyObject *o, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"sock", "protocol", "waiter", "extra", "server", NULL};
    struct vel_aio *loop = (struct vel_aio *)o;
    struct vel_aio__transport_args given = {.fd = -1};
    PyObject *waiter = NULL, *extra = NULL, *server = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O$OO:_make_socket_transport", names, &given.sock,
                                     &given.protocol, &waiter, &extra, &server))
        return NULL;
    given.waiter = waiter != Py_None ? waiter : NULL;
    given.server = server != Py_None ? server : NULL;
    if (extra != NULL && extra != Py_None && (given.extra = PyDict_Copy(extra)) == NULL)
        return NULL;
    PyObject *transport = vel_aio__transport_new(loop, &given);
    Py_XDECREF(given.extra);
    return transport;
}

static int visit_chain(struct vel_transport *t, bool written, visitproc visit, void *arg) {
    for (; t != NULL; t = written ? t->next_written : t->next_unsettled)
        Py_VISIT(t);
    return 0;
}

int vel_aio__chains_visit(struct vel_aio *loop, visitproc visit, void *arg) {
    int rc = visit_chain(loop->written, true, visit, arg);
    return rc != 0 ? rc : visit_chain(loop->unsettled, false, visit, arg);
}

void vel_aio__chains_clear(struct vel_aio *loop) {
    struct vel_transport *t;
    while ((t = loop->written) != NULL) {
        loop->written = t->next_written;
        t->written = false;
        Py_DECREF(t);
    }
    while ((t = loop->unsettled) != NULL) {
        loop->unsettled = t->next_unsettled;
        t->unsettled = false;
        Py_DECREF(t);
    }
}

/* Before a fork: what this thread has written is sent by the parent, and only once. */
PyObject *vel_aio__flush_python(PyObject *o, PyObject *unused) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)unused;
    if (loop->running && loop->thread == PyThread_get_thread_ident() && vel_aio__after_callback(loop, 0) < 0)
        return NULL;
    Py_RETURN_NONE;
}

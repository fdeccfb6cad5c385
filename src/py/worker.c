/* velocem._core.Worker: a worker of src/server with a Python application, and the GIL around its waiting. */
#include "py/worker.h"

#include "py/asgi/call.h"
#include "py/board.h"
#include "py/error.h"
#include "py/options.h"
#include "py/sockets.h"
#include "py/types.h"
#include "py/wsgi/template.h"

#include "base/mem.h"

#include <structmember.h>

/* Requests that wait for a thread, unless the user says otherwise. */
#define LIMIT_QUEUE 1024

/* Bytes of a reply in a file: nearly all that a program makes fits, and a thousand of them fit on a disk. */
#define LIMIT_SPOOL (64 << 20)

/* --- the loop and the GIL ---------------------------------------------------------------------------------------- */

static void on_block(void *arg) {
    struct worker *self = arg;
    self->thread = PyEval_SaveThread();
}

/* A handler that raises ends the worker: run() raises it again. */
static void run_signal_handlers(struct worker *self) {
    if (PyErr_CheckSignals() == 0)
        return;
    Py_XSETREF(self->raised, vel_take_raised());
    vel_worker_kill(&self->core);
}

static void on_unblock(void *arg) {
    struct worker *self = arg;
    PyEval_RestoreThread(self->thread);
    self->thread = NULL;
    run_signal_handlers(self);
}

/* With a pool the loop has no GIL, and is in need of it only here. */
static void on_wake(void *arg) {
    struct worker *self = arg;
    bool without = self->thread != NULL;
    if (without)
        PyEval_RestoreThread(self->thread);
    run_signal_handlers(self);
    if (without)
        self->thread = PyEval_SaveThread();
}

/* --- making ------------------------------------------------------------------------------------------------------ */

/* The arguments of Worker(), as they come. */
struct arguments {
    PyObject *app, *sockets, *log, *server_header, *start_thread, *root_path;
    struct worker_peers peers;
    unsigned long long limit_body, body_memory, requests_max, limit_spool;
    unsigned int limit_target, limit_head, limit_fields, limit_field, limit_trailers, limit_chunk_ext, min_body_rate;
    unsigned int min_write_rate;
    unsigned int threads, limit_queue;
    int stream_body;
    struct vel_worker_access access;
    double header, body, keep_alive, write, graceful, drain_idle;
    int date_header, requests_fd, multithread, multiprocess;
    PyObject *board; /* NULL or None: it counts for itself */
    unsigned int slot;
    unsigned long long limit_concurrency;
    PyObject *asgi; /* a dict, see vel_worker_take_asgi; NULL: the interface is WSGI */
};

static int parse(struct arguments *a, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"app",
                                        "sockets",
                                        "log",
                                        "limit_target",
                                        "limit_head",
                                        "limit_fields",
                                        "limit_field",
                                        "limit_body",
                                        "limit_trailers",
                                        "limit_chunk_ext",
                                        "timeout_header",
                                        "timeout_body",
                                        "timeout_keep_alive",
                                        "timeout_write",
                                        "timeout_graceful",
                                        "min_body_rate",
                                        "body_memory",
                                        "server_header",
                                        "forwarded_allow",
                                        "forwarded_headers",
                                        "root_path",
                                        "date_header",
                                        "access_fd",
                                        "access_format",
                                        "multithread",
                                        "multiprocess",
                                        "timeout_drain_idle",
                                        "requests_max",
                                        "requests_fd",
                                        "threads",
                                        "start_thread",
                                        "limit_queue",
                                        "asgi",
                                        "stream_body",
                                        "min_write_rate",
                                        "limit_spool",
                                        "uwsgi_allow",
                                        "proxy_allow",
                                        "board",
                                        "slot",
                                        "limit_concurrency",
                                        "access_sample",
                                        "queue_time",
                                        NULL};
    return PyArg_ParseTupleAndKeywords(
               args, kwargs, "O|$OOO&O&O&O&O&O&O&dddddO&O&OOOUpiUppdO&iO&OO&O!pO&O&OOOO&O&dp:Worker", (char **)names,
               &a->app, &a->sockets, &a->log, vel_to_uint, &a->limit_target, vel_to_uint, &a->limit_head, vel_to_uint,
               &a->limit_fields, vel_to_uint, &a->limit_field, vel_to_ullong, &a->limit_body, vel_to_uint,
               &a->limit_trailers, vel_to_uint, &a->limit_chunk_ext, &a->header, &a->body, &a->keep_alive, &a->write,
               &a->graceful, vel_to_uint, &a->min_body_rate, vel_to_ullong, &a->body_memory, &a->server_header,
               &a->peers.forwarded_allow, &a->peers.forwarded_headers, &a->root_path, &a->date_header, &a->access.fd,
               &a->access.format, &a->multithread, &a->multiprocess, &a->drain_idle, vel_to_ullong, &a->requests_max,
               &a->requests_fd, vel_to_uint, &a->threads, &a->start_thread, vel_to_uint, &a->limit_queue, &PyDict_Type,
               &a->asgi, &a->stream_body, vel_to_uint, &a->min_write_rate, vel_to_ullong, &a->limit_spool,
               &a->peers.uwsgi_allow, &a->peers.proxy_allow, &a->board, vel_to_uint, &a->slot, vel_to_ullong,
               &a->limit_concurrency, &a->access.sample, &a->access.queue_time)
               ? 0
               : -1;
}

static int configure_times(const struct arguments *a, struct vel_config *config) {
    if (vel_to_milliseconds(a->header, &config->header_ms) < 0 || vel_to_milliseconds(a->body, &config->body_ms) < 0)
        return -1;
    if (vel_to_milliseconds(a->keep_alive, &config->keep_alive_ms) < 0 ||
        vel_to_milliseconds(a->write, &config->write_ms) < 0)
        return -1;
    if (vel_to_milliseconds(a->drain_idle, &config->drain_idle_ms) < 0)
        return -1;
    return vel_to_milliseconds(a->graceful, &config->drain_ms);
}

static int configure_limits(const struct arguments *a, struct vel_limits *limits) {
    if (a->limit_fields < 1 || a->limit_fields > VEL_FIELDS_MAX) {
        PyErr_Format(PyExc_ValueError, "limit_fields must be from 1 to %d", VEL_FIELDS_MAX);
        return -1;
    }
    if (a->limit_head < 256 || a->limit_head > 1u << 24) {
        PyErr_SetString(PyExc_ValueError, "limit_head must be from 256 to 16777216");
        return -1;
    }
    limits->target = a->limit_target;
    limits->head = a->limit_head;
    limits->fields = a->limit_fields;
    limits->field = a->limit_field;
    limits->trailers = a->limit_trailers;
    limits->chunk_ext = a->limit_chunk_ext;
    limits->body = a->limit_body <= INT64_MAX ? a->limit_body : INT64_MAX;
    return 0;
}

/* A bytes object for the Server field, or None. */
static int take_server_header(struct worker *self, PyObject *given, struct vel_config *config) {
    config->server = NULL;
    if (given == Py_None)
        return 0;
    if (!PyUnicode_Check(given)) {
        PyErr_Format(PyExc_TypeError, "server_header must be a str or None, not %.100s", Py_TYPE(given)->tp_name);
        return -1;
    }
    Py_XSETREF(self->server_name, PyUnicode_AsLatin1String(given)); /* an earlier call may have failed after this */
    if (self->server_name == NULL)
        return -1;
    config->server = PyBytes_AS_STRING(self->server_name);
    struct vel_slice value = vel_slice(config->server, (size_t)PyBytes_GET_SIZE(self->server_name));
    if (value.len > 100 || value.len == 0 || vel_scan_plain.value(value.at, value.len) != value.len) {
        PyErr_SetString(PyExc_ValueError, "server_header must be 1 to 100 latin-1 characters without controls");
        return -1;
    }
    return 0;
}

/* Where it counts; who looks there wants durations too. */
static int take_board(struct worker *self, const struct arguments *a, struct vel_config *config) {
    if (a->board == NULL || a->board == Py_None)
        return 0;
    struct vel_board *board = vel_board_of(vel_state_of(Py_TYPE(self)), a->board);
    if (board == NULL)
        return -1;
    if (a->slot >= VEL_BOARD_SLOTS) {
        PyErr_SetString(PyExc_ValueError, "slot is none of the board's");
        return -1;
    }
    Py_XSETREF(self->board, Py_NewRef(a->board));
    config->stats = &board->slots[a->slot].stats;
    config->timed = true;
    return 0;
}

static int make_core(struct worker *self, const struct vel_config *config, struct vel_app *app) {
    Py_ssize_t n = PyTuple_GET_SIZE(self->sockets);
    struct vel_socket *sockets = vel_take_sockets(self->sockets);
    int err = sockets != NULL ? 0 : -1;
    if (err == 0) {
        int made = self->is_asgi
                       ? vel_worker_init_on(&self->core, &self->asgi.tasks.loop->net, app, config, sockets, (size_t)n)
                       : vel_worker_init(&self->core, app, config, sockets, (size_t)n);
        if (made == VEL_ENOMEM)
            PyErr_NoMemory();
        else if (made != VEL_OK)
            PyErr_SetFromErrno(PyExc_OSError);
        self->ready = made == VEL_OK;
        err = self->ready ? 0 : -1;
    }
    vel_free(sockets);
    return err;
}

/* Where the application runs: here, or in the threads. */
static int make_templates(struct worker *self, const struct arguments *a) {
    if (self->is_asgi)
        return vel_worker_make_scopes(self, a->asgi);
    if (a->threads > 0)
        return vel_wsgi_pool_init(&self->pool, &self->core, &self->wsgi, a->threads, a->multithread, a->multiprocess);
    for (size_t i = 0; i < self->core.nports; i++) {
        struct vel_endpoint *endpoint = &self->core.ports[i].endpoint;
        endpoint->app_data = vel_wsgi_template_new(&self->wsgi, endpoint, a->multithread, a->multiprocess);
        if (endpoint->app_data == NULL)
            return -1;
    }
    return 0;
}

/* While connections close, their applications may still be told of the end: before anything of wsgi goes. */
static void free_core(struct worker *self) {
    if (!self->ready)
        return;
    self->ready = false;
    vel_worker_unwatch(self);
    for (size_t i = 0; i < self->core.nports; i++) {
        if (self->is_asgi)
            vel_asgi_template_free(self->core.ports[i].endpoint.app_data);
        else
            vel_wsgi_template_free(self->core.ports[i].endpoint.app_data);
        self->core.ports[i].endpoint.app_data = NULL;
    }
    vel_worker_close_all(&self->core);
    vel_wsgi_pool_free(&self->pool);
    vel_worker_free(&self->core);
    vel_asgi_detach(&self->asgi);
}

static void hook_loop(struct worker *self) {
    if (self->is_asgi) {
        vel_worker_join_loop(self);
        return;
    }
    bool inline_ = self->pool.n == 0;
    self->core.loop->on_block = inline_ ? on_block : NULL;
    self->core.loop->on_unblock = inline_ ? on_unblock : vel_worker_rise;
    self->core.loop->hook_arg = self;
    self->core.on_wake = on_wake;
    self->core.on_wake_arg = self;
}

static struct vel_app *app_of(struct worker *self, const struct arguments *a) {
    if (self->native.core != NULL)
        return &self->native.app;
    if (self->is_asgi)
        return &self->asgi.app;
    return a->threads > 0 ? &self->pool.remote.app : &self->wsgi.app;
}

static int init(PyObject *o, PyObject *args, PyObject *kwargs) {
    struct worker *self = (struct worker *)o;
    struct vel_config config = VEL_CONFIG_DEFAULT;
    struct arguments a = {.server_header = Py_None, .date_header = 1, .access = {.fd = -1, .sample = 1}};
    a.start_thread = Py_None;
    a.limit_queue = LIMIT_QUEUE;
    a.limit_spool = LIMIT_SPOOL;
    a.stream_body = 0;
    a.limit_target = config.limits.target;
    a.limit_head = config.limits.head;
    a.limit_fields = config.limits.fields;
    a.limit_field = config.limits.field;
    a.limit_body = config.limits.body;
    a.limit_trailers = config.limits.trailers;
    a.limit_chunk_ext = config.limits.chunk_ext;
    a.min_body_rate = config.body_rate;
    a.min_write_rate = config.write_rate;
    a.body_memory = config.body_memory;
    a.header = config.header_ms / 1e3;
    a.body = config.body_ms / 1e3;
    a.keep_alive = config.keep_alive_ms / 1e3;
    a.write = config.write_ms / 1e3;
    a.graceful = config.drain_ms / 1e3;
    if (self->ready || self->sockets != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a Worker is made once");
        return -1;
    }
    if (parse(&a, args, kwargs) < 0)
        return -1;
    if (a.sockets == NULL || a.log == NULL) {
        PyErr_SetString(PyExc_TypeError, "Worker() needs sockets and log");
        return -1;
    }
    if (a.threads > 0 && a.start_thread == Py_None) {
        PyErr_SetString(PyExc_TypeError, "Worker() with threads needs start_thread");
        return -1;
    }
    if (!PyCallable_Check(a.app) || !PyCallable_Check(a.log)) {
        PyErr_SetString(PyExc_TypeError, "app and log must be callable");
        return -1;
    }
    config.body_rate = a.min_body_rate;
    config.write_rate = a.min_write_rate;
    config.body_memory = a.body_memory;
    config.date = a.date_header;
    config.requests_max = a.requests_max;
    config.requests_fd = a.requests_fd;
    config.running_max = a.limit_concurrency;
    if (take_board(self, &a, &config) < 0)
        return -1;
    if (configure_limits(&a, &config.limits) < 0 || configure_times(&a, &config) < 0)
        return -1;
    if (take_server_header(self, a.server_header, &config) < 0 || vel_worker_take_peers(self, &a.peers, &config) < 0)
        return -1;
    self->start_thread = Py_NewRef(a.start_thread);
    self->sockets = PySequence_Tuple(a.sockets);
    if (self->sockets == NULL)
        return -1;
    if (a.asgi != NULL ? vel_worker_take_asgi(self, a.app, a.log, a.asgi) < 0
                       : vel_wsgi_init(&self->wsgi, vel_state_of(Py_TYPE(o)), a.app, a.log) < 0)
        return -1;
    if (a.root_path != NULL && vel_wsgi_set_root(&self->wsgi, a.root_path) < 0)
        return -1;
    self->wsgi.write_ms = config.write_ms;
    vel_remote_init(&self->pool.remote, &self->pool.core, a.limit_queue, a.stream_body);
    self->pool.remote.spool_max = a.limit_spool;
    if (make_core(self, &config, app_of(self, &a)) < 0)
        return -1;
    if (vel_worker_take_access(self, &a.access) < 0 || make_templates(self, &a) < 0) {
        free_core(self); /* half made, it must not run */
        return -1;
    }
    hook_loop(self);
    vel_worker_hear_complaints(self);
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct worker *self = (struct worker *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->sockets);
    Py_VISIT(self->raised);
    Py_VISIT(self->start_thread);
    int answer = vel_wsgi_pool_visit(&self->pool, visit, arg);
    if (answer != 0)
        return answer;
    Py_VISIT(self->on_over);
    answer = vel_native_visit(&self->native, visit, arg);
    if (answer == 0)
        answer = vel_asgi_visit(&self->asgi, visit, arg);
    return answer != 0 ? answer : vel_wsgi_visit(&self->wsgi, visit, arg);
}

static int clear(PyObject *o) {
    struct worker *self = (struct worker *)o;
    free_core(self);
    vel_wsgi_clear(&self->wsgi);
    vel_native_clear(&self->native);
    vel_asgi_clear(&self->asgi);
    Py_CLEAR(self->on_over);
    Py_CLEAR(self->sockets);
    Py_CLEAR(self->server_name);
    Py_CLEAR(self->board);
    vel_worker_free_access(self);
    Py_CLEAR(self->raised);
    Py_CLEAR(self->start_thread);
    vel_worker_free_peers(self);
    return 0;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    PyObject *raised = vel_take_raised();
    PyObject_GC_UnTrack(o);
    if (((struct worker *)o)->weakrefs != NULL)
        PyObject_ClearWeakRefs(o);
    clear(o);
    if (raised != NULL)
        vel_set_raised(raised);
    type->tp_free(o);
    Py_DECREF(type);
}

/* --- methods ----------------------------------------------------------------------------------------------------- */

static bool is_ready(struct worker *self) {
    if (!self->ready)
        PyErr_SetString(PyExc_RuntimeError, "this Worker is closed");
    return self->ready;
}

static PyObject *run(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct worker *self = (struct worker *)o;
    if (!is_ready(self))
        return NULL;
    if (self->running || self->is_asgi) {
        PyErr_SetString(PyExc_RuntimeError,
                        self->is_asgi ? "this Worker runs on its asyncio loop" : "this Worker runs already");
        return NULL;
    }
    self->running = true;
    self->wsgi.thread = PyThread_get_thread_ident();
    int err = self->pool.n > 0 ? vel_worker_run_with_threads(self) : vel_worker_run(&self->core);
    int saved = errno;
    vel_worker_unwatch(self);
    vel_worker_close_all(&self->core);
    self->running = false;
    if (self->raised != NULL) {
        PyObject *raised = self->raised;
        self->raised = NULL;
        vel_set_raised(raised);
        return NULL;
    }
    errno = saved;
    if (err != VEL_OK)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static int retire(struct worker *self, PyObject *fds) {
    PyObject *items = PySequence_Fast(fds, "retire must be a sequence of descriptors");
    if (items == NULL)
        return -1;
    int err = 0;
    for (Py_ssize_t i = 0; err == 0 && i < PySequence_Fast_GET_SIZE(items); i++) {
        long fd = PyLong_AsLong(PySequence_Fast_GET_ITEM(items, i)); // borrowed: of items, which we hold
        err = fd == -1 && PyErr_Occurred() ? -1 : 0;
        if (err == 0 && self->ready && fd == (int)fd)
            vel_worker_retire(&self->core, (int)fd);
    }
    Py_DECREF(items);
    return err;
}

static PyObject *stop(PyObject *o, PyObject *args, PyObject *kwargs) {
    struct worker *self = (struct worker *)o;
    static const char *const names[] = {"retire", NULL};
    PyObject *fds = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:stop", (char **)names, &fds))
        return NULL;
    if (fds != NULL && retire(self, fds) < 0)
        return NULL;
    if (self->ready)
        vel_worker_drain(&self->core);
    Py_RETURN_NONE;
}

static PyObject *kill_now(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct worker *self = (struct worker *)o;
    if (self->ready)
        vel_worker_kill(&self->core);
    Py_RETURN_NONE;
}

/* Of an asgi worker, whose loop goes on without it. */
static PyObject *close_python(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct worker *self = (struct worker *)o;
    if (!self->is_asgi) {
        PyErr_SetString(PyExc_RuntimeError, "only a Worker on an asyncio loop is closed");
        return NULL;
    }
    free_core(self);
    if (vel_worker_leave_loop(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_calls(PyObject *o, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(((struct worker *)o)->asgi.running);
}

/* From another process's view: the application has forked, and this is the child or the parent. */
static PyObject *forked(PyObject *o, PyObject *is_child) {
    struct worker *self = (struct worker *)o;
    int child = PyObject_IsTrue(is_child);
    if (child < 0)
        return NULL;
    self->core.shared = true;
    self->wsgi.forked = child;
    for (size_t i = 0; i < self->pool.n; i++)
        self->pool.threads[i].wsgi.forked = child;
    Py_RETURN_NONE;
}

static PyObject *stats(PyObject *o, PyObject *Py_UNUSED(none)) {
    struct worker *self = (struct worker *)o;
    const struct vel_stats *s = self->core.stats != NULL ? self->core.stats : &self->core.own_stats;
    return Py_BuildValue("{sKsKsKsKsKsK}", "accepted", s->accepted, "requests", s->requests, "refused", s->refused,
                         "aborted", s->aborted, "open", s->open, "log_lines_dropped", self->core.access.dropped);
}

static PyObject *get_wake_fd(PyObject *o, void *Py_UNUSED(closure)) {
    struct worker *self = (struct worker *)o;
    return is_ready(self) ? PyLong_FromLong(self->core.wake.write_fd) : NULL;
}

static PyMethodDef methods[] = {
    {"run", run, METH_NOARGS, "run($self, /)\n--\n\nServes in this thread until stop() or kill()."},
    {"work", vel_worker_work, METH_O,
     "work($self, number, /)\n--\n\nIn a thread that start_thread started: calls the application."},
    {"stop", (PyCFunction)(void (*)(void))stop, METH_VARARGS | METH_KEYWORDS,
     "stop($self, /, *, retire=())\n--\n\nFrom any thread: accepts no more, lets running requests finish, then run() "
     "returns. Connections that wait on the descriptors in retire are served first, then refused."},
    {"kill", kill_now, METH_NOARGS,
     "kill($self, /)\n--\n\nFrom any thread: run() returns as soon as the application gives control back."},
    {"close", close_python, METH_NOARGS,
     "close($self, /)\n--\n\nOf a Worker on an asyncio loop: ends every connection. Coroutines go on."},
    {"watch", vel_worker_watch, METH_VARARGS,
     "watch($self, seconds, signal, log_fd, reports_fd, /)\n--\n\nEnds the process when a call of the application "
     "takes "
     "longer."},
    {"forked", forked, METH_O,
     "forked($self, is_child, /)\n--\n\nThe process has been forked: others may hold its connections from now on, and "
     "a "
     "child must not answer on them."},
    {"stats", stats, METH_NOARGS, "stats($self, /)\n--\n\nCounters since the start, by name."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"wake_fd", get_wake_fd, NULL, "A descriptor for signal.set_wakeup_fd().", NULL},
    {"calls", get_calls, NULL, "Coroutines of an asgi application that are not over.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct worker, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "One loop with its listening sockets and one application."},
    {Py_tp_init, init},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_worker_type_spec = {
    .name = "velocem._core.Worker",
    .basicsize = sizeof(struct worker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

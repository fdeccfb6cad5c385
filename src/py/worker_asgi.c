/* A worker on an asyncio loop. */
#include "py/worker.h"

#include "py/asgi/call.h"
#include "py/options.h"

/* In the loop's next round. */
static int run_after(struct vel_aio *loop, struct vel_ready *entry) {
    struct worker *self = (struct worker *)entry->what;
    PyObject *answer = Py_None;
    (void)loop;
    if (self->ready && !vel_worker_after(&self->core) && !self->over) {
        self->over = true;
        answer = PyObject_CallNoArgs(self->on_over);
        if (answer != NULL)
            Py_DECREF(answer);
    }
    Py_DECREF(self);
    return answer != NULL ? 0 : -1;
}

static void on_due(void *arg) {
    struct worker *self = arg;
    struct vel_ready entry = {.run = run_after, .what = Py_NewRef((PyObject *)self)};
    if (vel_aio_soon(self->asgi.tasks.loop, entry) < 0)
        vel_aio_raise_later(self->asgi.tasks.loop);
}

static int bad_asgi(const char *what) {
    PyErr_Format(PyExc_TypeError, "asgi lacks %s, or it is of another type", what);
    return -1;
}

static int take_seconds(PyObject *dict, const char *name, uint32_t *ms) {
    PyObject *value = PyDict_GetItemString(dict, name); // borrowed: the dict is an argument
    double seconds = value != NULL ? PyFloat_AsDouble(value) : -1;
    return PyErr_Occurred() ? -1 : vel_to_milliseconds(seconds, ms);
}

static int take_socket_config(PyObject *dict, struct vel_asgi_ws_config *ws) {
    PyObject *size = PyDict_GetItemString(dict, "ws_max_size"), *queue = PyDict_GetItemString(dict, "ws_max_queue");
    PyObject *deflate = PyDict_GetItemString(dict, "ws_per_message_deflate"); // borrowed, as those above
    unsigned int most;
    unsigned long long bytes;
    if (size == NULL || queue == NULL || deflate == NULL)
        return bad_asgi("a WebSocket option");
    if (!vel_to_ullong(size, &bytes) || !vel_to_uint(queue, &most))
        return -1;
    ws->message_max = bytes <= INT64_MAX ? bytes : INT64_MAX;
    ws->queue_max = most;
    ws->deflate = deflate == Py_True;
    if (take_seconds(dict, "ws_ping_interval", &ws->ping_ms) < 0 ||
        take_seconds(dict, "ws_ping_timeout", &ws->pong_ms) < 0)
        return -1;
    return take_seconds(dict, "ws_close_timeout", &ws->close_ms);
}

/* An App answers its own; what is mounted in it, and its WebSockets, are ASGI's. */
static int take_native(struct worker *self, PyObject *core) {
    self->native = (struct vel_native){
        .other = &self->asgi.app,
        .tasks = &self->asgi.tasks,
        .owner = (PyObject *)self,
        .done = self->asgi.done,
        .gone_error = self->asgi.gone_error,
        .running = &self->asgi.running,
    };
    return vel_native_init(&self->native, core);
}

int vel_worker_take_asgi(struct worker *self, PyObject *app, PyObject *log, PyObject *d) {
    PyObject *on_over = PyDict_GetItemString(d, "on_over"); // borrowed: the dict is an argument
    struct vel_state *state = vel_state_of(Py_TYPE(self));
    struct vel_asgi_given given = {
        .owner = (PyObject *)self,
        .callable = app,
        .log = log,
        .loop = PyDict_GetItemString(d, "loop"), // borrowed, as all below
        .make_receive = PyDict_GetItemString(d, "make_receive"),
        .await_it = PyDict_GetItemString(d, "await_it"),
        .gone_error = PyDict_GetItemString(d, "gone_error"),
        .lifespan_state = PyDict_GetItemString(d, "state"),
    };
    if (state->loop == NULL || given.loop == NULL || !vel_aio_check(state->loop, given.loop))
        return bad_asgi("loop");
    if (given.make_receive == NULL || given.await_it == NULL || given.gone_error == NULL || on_over == NULL)
        return bad_asgi("a callable");
    if (given.lifespan_state == NULL || (given.lifespan_state != Py_None && !PyDict_Check(given.lifespan_state)))
        return bad_asgi("state");
    self->is_asgi = true;
    self->on_over = Py_NewRef(on_over);
    if (take_socket_config(d, &self->asgi.ws) < 0)
        return -1;
    if (vel_asgi_init(&self->asgi, state, &given) < 0)
        return -1;
    PyObject *core = PyDict_GetItemString(d, "native");
    return core != NULL && core != Py_None ? take_native(self, core) : 0;
}

int vel_worker_make_scopes(struct worker *self, PyObject *asgi) {
    PyObject *root = PyDict_GetItemString(asgi, "root_path"); // borrowed: the dict is an argument
    if (root == NULL || !PyUnicode_Check(root))
        return bad_asgi("root_path");
    self->asgi.root = Py_NewRef(root);
    for (size_t i = 0; i < self->core.nports; i++) {
        struct vel_endpoint *endpoint = &self->core.ports[i].endpoint;
        endpoint->app_data = vel_asgi_template_new(&self->asgi, endpoint);
        if (endpoint->app_data == NULL)
            return -1;
    }
    return 0;
}

void vel_worker_join_loop(struct worker *self) {
    self->core.on_due = on_due;
    self->core.on_due_arg = self;
    vel_asgi_attach(&self->asgi, &self->core);
}

/* Not within the task that closes the worker: no task is stepped while another is current. */
static int run_leave(struct vel_aio *loop, struct vel_ready *entry) {
    struct worker *self = (struct worker *)entry->what;
    (void)loop;
    vel_tasks_end_parked(&self->asgi.tasks);
    Py_DECREF(self);
    return 0;
}

int vel_worker_leave_loop(struct worker *self) {
    struct vel_ready entry = {.run = run_leave, .what = Py_NewRef((PyObject *)self)};
    return vel_aio_soon(self->asgi.tasks.loop, entry);
}

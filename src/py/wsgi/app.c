/* Calling the application: one request in, one result out, in a context of its own. */
#include "py/wsgi/app.h"

#include "py/context.h"
#include "py/error.h"
#include "py/wsgi/environ.h"
#include "py/wsgi/iterate.h"
#include "py/wsgi/stream.h"

#include <unistd.h>

/* Runs one stage of a request inside its context. What ends the request lets go of the run, so the context is held
 * here. */
static void in_context(struct vel_wsgi_run *run, void (*stage)(struct vel_wsgi_run *run)) {
    struct vel_wsgi *w = run->wsgi;
    PyObject *context = Py_NewRef(run->context);
    if (PyContext_Enter(context) < 0) {
        vel_wsgi_fail(run, "the request's context cannot be entered");
    } else {
        w->running = run->exchange;
        stage(run);
        w->running = NULL;
        if (PyContext_Exit(context) < 0)
            vel_log(w->log, VEL_LOG_ERROR, "the request's context cannot be left");
    }
    Py_DECREF(context);
}

/* --- forks ------------------------------------------------------------------------------------------------------- */

/* As sys.exit() was told, or as a program that ends by an exception. */
static int exit_status(void) {
    PyObject *raised = vel_take_raised();
    if (raised == NULL)
        return 0;
    if (!PyErr_GivenExceptionMatches(raised, PyExc_SystemExit)) {
        vel_set_raised(raised);
        PyErr_Print();
        return 1;
    }
    PyObject *code = PyObject_GetAttrString(raised, "code");
    long status = code == NULL || code == Py_None ? 0 : PyLong_Check(code) ? PyLong_AsLong(code) : 1;
    Py_XDECREF(code);
    return (int)status;
}

static void flush(const char *name) {
    PyObject *stream = PySys_GetObject(name); // borrowed: made our own at once
    Py_XINCREF(stream);
    PyObject *result = stream != NULL && stream != Py_None ? PyObject_CallMethod(stream, "flush", NULL) : NULL;
    Py_XDECREF(result);
    Py_XDECREF(stream);
    PyErr_Clear();
}

void vel_wsgi_leave(struct vel_wsgi *w) {
    (void)w;
    int status = exit_status();
    flush("stdout");
    flush("stderr");
    _exit(status);
}

/* --- the call ---------------------------------------------------------------------------------------------------- */

/* The rest of the body comes while the application runs. */
static PyObject *with_stream(struct vel_wsgi_run *run, PyObject *env) {
    struct vel_state *s = run->wsgi->state;
    PyObject *stream = vel_wsgi_stream_new(s, run->start);
    if (stream == NULL || PyDict_SetItem(env, s->wsgi_input, stream) < 0)
        Py_CLEAR(env);
    Py_XDECREF(stream);
    return env;
}

static void call(struct vel_wsgi_run *run) {
    struct vel_wsgi *w = run->wsgi;
    PyObject *env = vel_wsgi_environ(w, run->exchange);
    if (env != NULL && !run->exchange->received)
        env = with_stream(run, env);
    if (env != NULL) {
        PyObject *args[3] = {NULL, env, (PyObject *)run->start};
        run->result = PyObject_Vectorcall(w->callable, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (w->forked)
            vel_wsgi_leave(w);
        Py_DECREF(env);
    }
    if (run->result == NULL)
        vel_wsgi_fail(run, "the application failed");
    else
        vel_wsgi_answer(run);
}

/* --- the seam ---------------------------------------------------------------------------------------------------- */

/* After a stage: a run that is over gives its context back; another waits in the exchange. */
static void after(struct vel_wsgi_run *run) {
    struct vel_wsgi *w = run->wsgi;
    if (run->start != NULL)
        return;
    PyObject *context = run->context;
    run->context = NULL;
    vel_context_give_back(&w->spare_context, context);
}

/* The run has to outlive the call that began it. */
static void suspend(struct vel_exchange *x, struct vel_wsgi_run *run) {
    struct vel_wsgi_run *kept = vel_arena_alloc(&x->arena, sizeof(*kept));
    if (kept == NULL) {
        PyErr_NoMemory();
        vel_wsgi_fail(run, "the reply cannot be continued");
        after(run);
        return;
    }
    *kept = *run;
    x->app_data = kept;
}

static void on_request(struct vel_exchange *x) {
    struct vel_wsgi *w = vel_wsgi_of(x);
    struct vel_wsgi_run run = {.wsgi = w, .exchange = x};
    run.context = vel_context_take(&w->spare_context);
    run.start = run.context != NULL ? vel_start_response_new(w, x) : NULL;
    if (run.start == NULL) {
        Py_XDECREF(run.context);
        vel_log(w->log, VEL_LOG_ERROR, "the request cannot be begun");
        vel_exchange_abort(x);
        return;
    }
    in_context(&run, call);
    after(&run);
    if (run.start != NULL)
        suspend(x, &run);
}

static void on_turn(struct vel_exchange *x) {
    struct vel_wsgi_run *run = x->app_data;
    in_context(run, vel_wsgi_iterate);
    after(run);
}

static void on_abort(struct vel_exchange *x) {
    struct vel_wsgi_run *run = x->app_data;
    in_context(run, vel_wsgi_run_close);
    after(run);
}

const struct vel_app_ops vel_wsgi_ops = {
    .whole_body = true,
    .on_request = on_request,
    .on_turn = on_turn,
    .on_abort = on_abort,
};

/* --- life -------------------------------------------------------------------------------------------------------- */

int vel_wsgi_init(struct vel_wsgi *w, struct vel_state *state, PyObject *callable, PyObject *log) {
    w->app.ops = &vel_wsgi_ops;
    w->state = state;
    w->callable = Py_NewRef(callable);
    w->log = Py_NewRef(log);
    w->scan = vel_scan_best();
    w->empty_input = state->input_type->tp_alloc(state->input_type, 0);
    return w->empty_input != NULL ? 0 : -1;
}

int vel_wsgi_set_root(struct vel_wsgi *w, PyObject *root) {
    if (!PyUnicode_Check(root) || PyUnicode_KIND(root) != PyUnicode_1BYTE_KIND) {
        PyErr_SetString(PyExc_ValueError, "root_path must be a str of latin-1 characters");
        return -1;
    }
    Py_XSETREF(w->root, PyUnicode_GET_LENGTH(root) > 0 ? Py_NewRef(root) : NULL);
    return 0;
}

int vel_wsgi_visit(struct vel_wsgi *w, visitproc visit, void *arg) {
    Py_VISIT(w->callable);
    Py_VISIT(w->log);
    Py_VISIT(w->spare_context);
    return 0;
}

static void clear_var(struct vel_wsgi_var *var) {
    Py_CLEAR(var->name.key);
    Py_CLEAR(var->value);
}

static void clear_caches(struct vel_wsgi *w) {
    for (int i = 0; i < VEL_FIELD_COUNT; i++)
        Py_CLEAR(w->values[i]);
    for (int i = 0; i < VEL_WSGI_NAMES; i++)
        Py_CLEAR(w->names[i].key);
    for (int i = 0; i < VEL_WSGI_VARS; i++)
        clear_var(&w->vars[i]);
    Py_CLEAR(w->origin_name);
    Py_CLEAR(w->origin_port);
    Py_CLEAR(w->origin_prefix);
    Py_CLEAR(w->path);
    Py_CLEAR(w->peer_host);
    for (int i = 0; i < VEL_WSGI_PORTS; i++)
        Py_CLEAR(w->ports[i].text);
    Py_CLEAR(w->spare_start);
    Py_CLEAR(w->spare_write);
    Py_CLEAR(w->spare_context);
}

void vel_wsgi_clear(struct vel_wsgi *w) {
    clear_caches(w);
    Py_CLEAR(w->empty_input);
    Py_CLEAR(w->root);
    Py_CLEAR(w->log);
    Py_CLEAR(w->callable);
}

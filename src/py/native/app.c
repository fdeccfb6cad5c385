/* The seam's side of an App: requests in, plans run, answers out. */
#include "py/native/native.h"

#include "py/error.h"

#include "http/field_check.h"

/* --- contexts ---------------------------------------------------------------------------------------------------- */

/* An empty one that came back untouched is as good as a new copy of an empty one. */
static PyObject *take_context(struct vel_native *n) {
    PyObject *context = n->spare_context;
    n->spare_context = NULL;
    return context != NULL ? context : PyContext_CopyCurrent();
}

static void give_back_context(struct vel_native *n, PyObject *context) {
    if (n->spare_context == NULL && vel_is_unique(context) && PyObject_Size(context) == 0)
        n->spare_context = context;
    else
        Py_DECREF(context);
}

/* --- one request ------------------------------------------------------------------------------------------------- */

/* All that a request needs while it is looked at. */
struct work {
    struct vel_asking asking;
    struct vel_carrier carrier;
    struct vel_reading r;
    struct vel_answer answer;
    enum vel_lead lead;
    unsigned status;
};

static void look(struct vel_native *n, struct vel_exchange *x, struct work *w) {
    w->r.core = n->core;
    w->r.head = x->head;
    w->r.asking = &w->asking;
    w->r.carrier = &w->carrier;
    w->r.body = (struct vel_slice){0};
    w->r.request = NULL;
    w->r.faults = (struct vel_faults){0};
    vel_answer_init(&w->answer);
    w->carrier.x = x;
    w->lead = vel_core_route(n->core, x->head, &w->asking, &w->r.plan, &w->status);
}

static void unlook(struct work *w) {
    if (w->lead != VEL_LEAD_FAILED)
        vel_asking_end(&w->asking);
    Py_XDECREF(w->r.request);
    Py_XDECREF(w->r.faults.list);
}

static void raise_later(struct vel_native *n, PyObject *broken) {
    if (broken == NULL)
        return;
    vel_set_raised(broken);
    vel_aio_raise_later(n->tasks->loop);
}

static void refuse(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w,
                   enum vel_lead lead, unsigned status) {
    vel_run_refuse(&w->r, lead, status, &w->answer);
    vel_native_send(n, x, call, &w->answer, NULL);
}

static void on_over(void *owner, PyObject *result);

/* The coroutine of a request, which may be over in here. */
static void go_on(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w,
                  PyObject *coroutine, PyObject *context) {
    if (call == NULL)
        call = vel_native_call_new(n, x, w->r.plan);
    if (call == NULL) {
        Py_DECREF(coroutine);
        Py_DECREF(context);
        vel_log(n->core->log, VEL_LOG_ERROR, "the request cannot be begun");
        vel_exchange_abort(x);
        return;
    }
    Py_XSETREF(call->request, Py_XNewRef(w->r.request));
    Py_XSETREF(call->context, Py_NewRef(context));
    vel_native_drive(call, coroutine, context, on_over);
}

static void run_in(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w,
                   PyObject *context) {
    PyObject *broken = NULL, *result = vel_run(&w->r, &w->answer, &broken);
    bool goes_on = result != NULL && PyCoro_CheckExact(result);
    if (result != NULL && !goes_on)
        vel_run_finish(&w->r, result, &w->answer);
    if (PyContext_Exit(context) < 0)
        vel_log(n->core->log, VEL_LOG_ERROR, "the request's context cannot be left");
    if (goes_on) {
        go_on(n, x, call, w, result, context);
        return;
    }
    Py_XDECREF(result);
    vel_native_send(n, x, call, &w->answer, context);
    give_back_context(n, context);
    raise_later(n, broken);
}

/* call: the one that has collected the body, or NULL. */
static void run(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w) {
    PyObject *context = take_context(n);
    if (context != NULL && PyContext_Enter(context) == 0) {
        run_in(n, x, call, w, context);
        return;
    }
    Py_XDECREF(context);
    vel_log(n->core->log, VEL_LOG_ERROR, "the request cannot be begun");
    vel_answer_500(&w->answer);
    vel_native_send(n, x, call, &w->answer, NULL);
}

/* --- coroutines -------------------------------------------------------------------------------------------------- */

/* The answer of one that is over. The route is looked for again: what was found lived in its dispatch. */
static void look_again(struct vel_native_call *call, struct work *w) {
    PyObject *raised = vel_take_raised();
    look(call->native, call->x, w);
    if (w->lead == VEL_LEAD_FAILED)
        PyErr_Clear();
    if (w->lead != VEL_LEAD_PLAN)
        w->r.asking = NULL;
    w->r.plan = call->plan;
    w->r.body = vel_slice(call->body.data, call->body.len);
    w->r.request = Py_XNewRef(call->request);
    if (raised != NULL)
        vel_set_raised(raised);
}

static void answer_late(struct vel_native_call *call, PyObject *result) {
    struct vel_exchange *x = call->x;
    struct work w;
    PyObject *broken = NULL;
    look_again(call, &w);
    if (result != NULL)
        vel_run_finish(&w.r, result, &w.answer);
    else
        vel_run_fail(&w.r, &w.answer, &broken);
    unlook(&w);
    vel_native_send(call->native, x, call, &w.answer, call->context);
    if (broken != NULL)
        vel_set_raised(broken); /* for the task to end with */
}

static void log_unheard(struct vel_native_call *call) {
    struct vel_native *n = call->native;
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return;
    if (PyErr_ExceptionMatches(n->gone_error))
        PyErr_Clear();
    else
        vel_log(n->core->log, VEL_LOG_ERROR, "the application failed");
}

static void conclude(struct vel_native_call *call) {
    struct vel_native *n = call->native;
    n->within--;
    PyObject *worker = n->owner, *raised = vel_take_raised();
    *n->running -= 1;
    Py_CLEAR(call->task);
    vel_native_call_release(call);
    if (raised != NULL)
        vel_set_raised(raised);
    Py_DECREF(worker);
}

/* Nobody hears it, but what is to be done after it is done. */
static void drop_late(struct vel_native_call *call, PyObject *result) {
    struct vel_answer answer;
    vel_answer_init(&answer);
    if (vel_answer_result(call->native->core, call->plan, result, &answer) < 0) {
        log_unheard(call);
        vel_answer_500(&answer);
    }
    vel_native_send(call->native, NULL, call, &answer, call->context);
}

static void on_over(void *owner, PyObject *result) {
    struct vel_native_call *call = owner;
    call->native->within++;
    if (call->x != NULL)
        answer_late(call, result);
    else if (result != NULL)
        drop_late(call, result);
    else
        log_unheard(call);
    conclude(call);
}

/* Within the step of a task no other may begin: it does so in the loop's next round. */
struct later {
    struct vel_native_call *call; /* held */
    PyObject *coroutine, *context;
    vel_driver_over_fn *over;
};

static void free_later(struct later *later) {
    Py_XDECREF(later->coroutine);
    Py_XDECREF(later->context);
    vel_native_call_release(later->call);
    PyMem_Free(later);
}

/* The loop has ended before. */
static void drop_later(PyObject *capsule) {
    struct later *later = PyCapsule_GetPointer(capsule, NULL);
    if (later != NULL)
        free_later(later);
}

static void begin_task(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                       vel_driver_over_fn *over_fn) {
    struct vel_native *n = call->native;
    *n->running += 1;
    Py_INCREF(n->owner);
    call->holders++;
    call->holders++; /* it may be over in here */
    PyObject *task = vel_tasks_run(n->tasks, coroutine, context, over_fn, call);
    if (task != NULL)
        Py_XSETREF(call->task, task);
    else if (PyErr_Occurred())
        vel_aio_raise_later(n->tasks->loop);
    vel_native_call_release(call);
}

static int run_later(struct vel_aio *loop, struct vel_ready *entry) {
    struct later *later = PyCapsule_GetPointer(entry->what, NULL);
    PyObject *coroutine = later->coroutine, *context = later->context;
    (void)loop;
    later->coroutine = later->context = NULL;
    begin_task(later->call, coroutine, context, later->over);
    Py_DECREF(entry->what);
    return 0;
}

static void begin_task_later(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                             vel_driver_over_fn *over_fn) {
    struct vel_native *n = call->native;
    struct later *later = PyMem_Malloc(sizeof(*later));
    PyObject *capsule = NULL;
    if (later != NULL) {
        *later = (struct later){.call = call, .coroutine = coroutine, .context = context, .over = over_fn};
        call->holders++;
        capsule = PyCapsule_New(later, NULL, drop_later);
        if (capsule == NULL)
            free_later(later);
    } else {
        Py_DECREF(coroutine);
        Py_DECREF(context);
        PyErr_NoMemory();
    }
    struct vel_ready entry = {.run = run_later, .what = capsule};
    if (capsule == NULL || vel_aio_soon(n->tasks->loop, entry) < 0)
        vel_aio_raise_later(n->tasks->loop);
}

void vel_native_drive(struct vel_native_call *call, PyObject *coroutine, PyObject *context,
                      vel_driver_over_fn *over_fn) {
    if (call->native->within > 0)
        begin_task_later(call, coroutine, context, over_fn);
    else
        begin_task(call, coroutine, context, over_fn);
}

/* --- what is done afterwards ------------------------------------------------------------------------------------- */

static void on_after_over(void *owner, PyObject *result) {
    struct vel_native_call *call = owner;
    call->native->within++;
    if (result == NULL && PyErr_ExceptionMatches(PyExc_Exception))
        vel_log(call->native->core->log, VEL_LOG_ERROR, "what is done after a response failed");
    conclude(call);
}

static int drive_after(struct vel_native *n, PyObject *coroutine, PyObject *context) {
    struct vel_native_call *call = vel_native_call_new(n, NULL, NULL);
    if (call == NULL) {
        Py_DECREF(coroutine);
        return -1;
    }
    vel_native_drive(call, coroutine, Py_NewRef(context), on_after_over);
    vel_native_call_release(call);
    return 0;
}

/* In the request's context: what was set there is taken back there. Within its task that is the current one. */
static int do_after(struct vel_native *n, PyObject *after, PyObject *context) {
    bool enters = n->within == 0;
    if (enters && PyContext_Enter(context) < 0)
        return -1;
    PyObject *result = PyObject_CallNoArgs(after), *raised = result == NULL ? vel_take_raised() : NULL;
    int err = enters ? PyContext_Exit(context) : 0;
    if (raised != NULL)
        vel_set_raised(raised);
    if (result == NULL || err < 0) {
        Py_XDECREF(result);
        return -1;
    }
    if (PyCoro_CheckExact(result))
        return drive_after(n, result, context);
    Py_DECREF(result);
    return 0;
}

/* Takes over list; context may be NULL. */
static void do_all_after(struct vel_native *n, PyObject *list, PyObject *context) {
    PyObject *raised = vel_take_raised(), *in = context != NULL ? Py_NewRef(context) : PyContext_CopyCurrent();
    for (Py_ssize_t i = 0; in != NULL && i < PyList_GET_SIZE(list); i++)
        if (do_after(n, PyList_GET_ITEM(list, i), in) < 0)
            vel_log(n->core->log, VEL_LOG_ERROR, "what is done after a response failed");
    PyErr_Clear();
    Py_XDECREF(in);
    Py_DECREF(list);
    if (raised != NULL)
        vel_set_raised(raised);
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

static void on_stream_over(void *owner, PyObject *result) {
    struct vel_native_call *call = owner;
    struct vel_exchange *x = call->x;
    PyObject *after = call->after;
    call->native->within++;
    call->after = NULL;
    if (result == NULL)
        log_unheard(call);
    vel_native_call_end(call);
    if (x != NULL && result == NULL)
        vel_exchange_abort(x);
    else if (x != NULL && vel_exchange_end(x) == VEL_ELIMIT)
        vel_log(call->native->core->log, VEL_LOG_ERROR, "the response is shorter than its content-length");
    if (after != NULL)
        do_all_after(call->native, after, call->context);
    conclude(call);
}

/* Gives a coroutine that sends the stream, or closes it when nobody can be sent anything. */
static PyObject *make_drive(struct vel_native *n, PyObject *sink, PyObject *stream) {
    PyObject *args[] = {NULL, sink, stream};
    PyObject *coroutine = PyObject_Vectorcall(n->core->drive, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (coroutine == NULL || PyCoro_CheckExact(coroutine))
        return coroutine;
    Py_DECREF(coroutine);
    PyErr_SetString(PyExc_TypeError, "drive gives a coroutine");
    return NULL;
}

/* x may be NULL: the client has gone. */
static int begin_stream(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                        struct vel_answer *answer, PyObject *context) {
    PyObject *sink = vel_sink_new(n, x);
    PyObject *coroutine = sink != NULL ? make_drive(n, sink, answer->stream) : NULL;
    PyObject *in = coroutine == NULL ? NULL : context != NULL ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (in == NULL || (x != NULL && vel_exchange_head(x, &answer->head) != VEL_OK)) {
        Py_XDECREF(in);
        Py_XDECREF(coroutine);
        Py_XDECREF(sink);
        return -1;
    }
    Py_XSETREF(call->sink, sink);
    Py_XSETREF(call->context, Py_NewRef(in));
    call->after = answer->after;
    answer->after = NULL;
    vel_native_drive(call, coroutine, in, on_stream_over);
    return 0;
}

static void send_stream(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                        struct vel_answer *answer, PyObject *context) {
    bool made = call == NULL;
    if (made)
        call = vel_native_call_new(n, x, NULL);
    if (call != NULL && begin_stream(n, x, call, answer, context) == 0)
        return;
    vel_log(n->core->log, VEL_LOG_ERROR, "the response cannot be begun");
    if (call != NULL)
        vel_native_call_end(call);
    if (x != NULL)
        vel_exchange_abort(x);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static void give_back(void *owner) {
    Py_DECREF((PyObject *)owner);
}

/* An object is lent to the server; the scratch is copied. */
static int put_body(struct vel_exchange *x, struct vel_answer *answer) {
    if (answer->data.len == 0)
        return VEL_OK;
    if (answer->body == NULL)
        return vel_exchange_data(x, answer->data, NULL);
    struct vel_loan loan = {.release = give_back, .owner = Py_NewRef(answer->body)};
    int err = vel_exchange_data(x, answer->data, &loan);
    if (err == VEL_ENOMEM)
        Py_DECREF(answer->body);
    return err;
}

/* An answer to HEAD, and a 304, may say the length of what they stand for. */
static void set_length(const struct vel_exchange *x, struct vel_answer *answer) {
    bool stands_for = answer->head.status == 304 || (x->head->method == VEL_METHOD_HEAD && answer->data.len == 0);
    if (!stands_for || (answer->head.length < 0 && answer->head.status != 304))
        answer->head.length = (int64_t)answer->data.len;
}

static void send_whole(struct vel_exchange *x, struct vel_native_call *call, struct vel_answer *answer) {
    set_length(x, answer);
    int err = vel_exchange_head(x, &answer->head);
    if (err == VEL_OK)
        err = put_body(x, answer);
    if (call != NULL)
        vel_native_call_end(call);
    if (err == VEL_OK)
        vel_exchange_end(x);
    else
        vel_exchange_abort(x);
}

void vel_native_send(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call,
                     struct vel_answer *answer, PyObject *context) {
    if (answer->stream != NULL)
        send_stream(n, x, call, answer, context);
    else if (x != NULL)
        send_whole(x, call, answer);
    PyObject *after = answer->after;
    answer->after = NULL;
    vel_answer_free(answer);
    if (after != NULL)
        do_all_after(n, after, context);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

struct vel_native_call *vel_native_call_new(struct vel_native *n, struct vel_exchange *x, struct vel_plan *plan) {
    struct vel_native_call *call = PyMem_Calloc(1, sizeof(*call));
    if (call == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    call->native = n;
    call->x = x;
    call->plan = (struct vel_plan *)Py_XNewRef((PyObject *)plan);
    call->holders = 1;
    if (x != NULL)
        x->app_data = call;
    return call;
}

void vel_native_call_release(struct vel_native_call *call) {
    if (--call->holders > 0)
        return;
    Py_XDECREF((PyObject *)call->plan);
    Py_XDECREF(call->request);
    Py_XDECREF(call->task);
    Py_XDECREF(call->sink);
    Py_XDECREF(call->after);
    Py_XDECREF(call->context);
    vel_buf_free(&call->body);
    PyMem_Free(call);
}

void vel_native_call_end(struct vel_native_call *call) {
    if (call->x == NULL)
        return;
    call->x->app_data = NULL;
    call->x = NULL;
    if (call->sink != NULL)
        vel_sink_end(call->sink);
    vel_native_call_release(call);
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

static void begin_body(struct vel_native *n, struct vel_exchange *x, struct work *w) {
    int64_t limit = vel_body_limit(n->core, w->r.plan);
    if (limit >= 0 && x->head->framing.kind == VEL_BODY_LENGTH && x->head->framing.length > limit) {
        refuse(n, x, NULL, w, VEL_LEAD_REFUSED, 413);
        return;
    }
    struct vel_native_call *call = vel_native_call_new(n, x, w->r.plan);
    if (call == NULL) {
        vel_log(n->core->log, VEL_LOG_ERROR, "the request cannot be begun");
        vel_exchange_abort(x);
        return;
    }
    call->limit = limit;
    call->collecting = true;
    vel_exchange_want_body(x);
}

static bool has_body(const struct vel_head *head) {
    return head->framing.kind == VEL_BODY_CHUNKED ||
           (head->framing.kind == VEL_BODY_LENGTH && head->framing.length > 0);
}

/* A refusal that is known before the body is over. */
static void refuse_body(struct vel_native_call *call, unsigned status) {
    struct vel_native *n = call->native;
    struct vel_exchange *x = call->x;
    struct work w;
    look_again(call, &w);
    refuse(n, x, call, &w, VEL_LEAD_REFUSED, status);
    unlook(&w);
}

static void collect(struct vel_native_call *call, struct vel_slice data) {
    if (call->limit >= 0 && call->body.len + data.len > (uint64_t)call->limit)
        refuse_body(call, 413);
    else if (vel_buf_append(&call->body, data.at, data.len) != VEL_OK)
        refuse_body(call, 503);
}

/* --- the seam ---------------------------------------------------------------------------------------------------- */

/* Mounts and WebSockets. */
static void hand_on(struct vel_native *n, struct vel_exchange *x) {
    x->app = n->other;
    x->app->ops->on_request(x);
}

static void on_request(struct vel_exchange *x) {
    struct vel_native *n = vel_native_of(x);
    struct work w;
    const struct vel_field *upgrade = vel_head_field(x->head, VEL_FIELD_UPGRADE);
    if (upgrade != NULL && vel_list_has(upgrade->value, VEL_SLICE("websocket"))) {
        hand_on(n, x);
        return;
    }
    look(n, x, &w);
    if (w.lead == VEL_LEAD_MOUNT)
        hand_on(n, x);
    else if (w.lead != VEL_LEAD_PLAN)
        refuse(n, x, NULL, &w, w.lead, w.status);
    else if (!w.r.plan->wants_body || !has_body(x->head))
        run(n, x, NULL, &w);
    else if (!vel_plan_takes(w.r.plan, x->head))
        refuse(n, x, NULL, &w, VEL_LEAD_REFUSED, 415);
    else
        begin_body(n, x, &w);
    unlook(&w);
}

static void on_data(struct vel_exchange *x, struct vel_slice data) {
    struct vel_native_call *call = x->app_data;
    vel_exchange_consume(x, data.len);
    if (call != NULL && call->collecting)
        collect(call, data);
}

static void on_end(struct vel_exchange *x) {
    struct vel_native *n = vel_native_of(x);
    struct vel_native_call *call = x->app_data;
    struct work w;
    if (call == NULL || !call->collecting)
        return;
    call->collecting = false;
    look_again(call, &w);
    call->holders++; /* it may end in here */
    run(n, x, call, &w);
    unlook(&w);
    vel_native_call_release(call);
}

static void on_turn(struct vel_exchange *x) {
    struct vel_native_call *call = x->app_data;
    if (call != NULL && call->sink != NULL)
        vel_sink_credit(call->sink);
}

static void on_abort(struct vel_exchange *x) {
    struct vel_native_call *call = x->app_data;
    if (call != NULL)
        vel_native_call_end(call);
}

const struct vel_app_ops vel_native_ops = {
    .asks_for_body = true,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_turn = on_turn,
    .on_abort = on_abort,
};

/* --- life -------------------------------------------------------------------------------------------------------- */

int vel_native_init(struct vel_native *n, PyObject *core) {
    if (Py_TYPE(core) != n->tasks->state->core_type) {
        PyErr_Format(PyExc_TypeError, "native is a Core, not %.100s", Py_TYPE(core)->tp_name);
        return -1;
    }
    n->app.ops = &vel_native_ops;
    n->core = (struct vel_core *)Py_NewRef(core);
    return 0;
}

int vel_native_visit(struct vel_native *n, visitproc visit, void *arg) {
    Py_VISIT(n->core);
    Py_VISIT(n->spare_context);
    return 0;
}

void vel_native_clear(struct vel_native *n) {
    Py_CLEAR(n->spare_context);
    Py_CLEAR(n->core);
}

/* The seam's side of an App: requests in, plans run, answers out. */
#include "py/native/native.h"

#include "py/context.h"
#include "py/error.h"

#include "http/field_check.h"

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
    w->r.number = n->core->count++;
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

/* As a task of asyncio's has it: of what is no Exception, two end the loop, and the others only what has raised them.
 */
static void raise_later(struct vel_native *n, PyObject *broken) {
    if (broken == NULL)
        return;
    bool ends = PyErr_GivenExceptionMatches(broken, PyExc_SystemExit) ||
                PyErr_GivenExceptionMatches(broken, PyExc_KeyboardInterrupt);
    vel_set_raised(broken);
    if (ends)
        vel_aio_raise_later(n->tasks->loop);
    else
        vel_log(n->core->log, VEL_LOG_ERROR, "the handler failed");
}

static void refuse(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w,
                   enum vel_lead lead, unsigned status) {
    vel_run_refuse(&w->r, lead, status, &w->answer);
    vel_run_apply(&w->r, &w->answer);
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
    call->number = w->r.number;
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
    vel_run_apply(&w->r, &w->answer);
    vel_native_send(n, x, call, &w->answer, context);
    vel_context_give_back(&n->spare_context, context);
    raise_later(n, broken);
}

/* call: the one that has collected the body, or NULL. */
static void run(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w) {
    bool has_context = call != NULL && call->context != NULL; /* a form's reader has set something in it */
    PyObject *context = has_context ? Py_NewRef(call->context) : vel_context_take(&n->spare_context);
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
    w->r.number = call->number;
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
    vel_run_apply(&w.r, &w.answer);
    unlook(&w);
    vel_native_send(call->native, x, call, &w.answer, call->context);
    if (broken != NULL)
        vel_set_raised(broken); /* for the task to end with */
}

/* Nobody hears it, but what is to be done after it is done. */
static void drop_late(struct vel_native_call *call, PyObject *result) {
    struct vel_answer answer;
    vel_answer_init(&answer);
    if (vel_answer_result(call->native->core, NULL, call->plan, result, &answer) < 0) {
        vel_native_log_unheard(call);
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
        vel_native_log_unheard(call);
    vel_native_conclude(call);
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

/* The raised exception is the answer. */
static void fail(struct vel_native *n, struct vel_exchange *x, struct vel_native_call *call, struct work *w) {
    PyObject *broken = NULL;
    vel_run_fail(&w->r, &w->answer, &broken);
    vel_run_apply(&w->r, &w->answer);
    vel_native_send(n, x, call, &w->answer, NULL);
    raise_later(n, broken);
}

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
    call->number = w->r.number;
    if (vel_native_is_form(n, w->r.plan, x->head) && vel_native_form_begin(call, x->head) < 0) {
        fail(n, x, call, w);
        return;
    }
    call->collecting = true;
    vel_exchange_want_body(x);
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

/* What the form's reader has raised is the answer. */
static void fail_form(struct vel_native_call *call) {
    struct work w;
    call->collecting = false;
    look_again(call, &w);
    fail(call->native, call->x, call, &w);
    unlook(&w);
}

static void collect(struct vel_native_call *call, struct vel_slice data) {
    call->received += data.len;
    if (call->limit >= 0 && call->received > (uint64_t)call->limit)
        refuse_body(call, 413);
    else if (call->form != NULL && vel_native_form_take(call, data) < 0)
        fail_form(call);
    else if (call->form != NULL)
        return;
    else if (vel_buf_append(&call->body, data.at, data.len) != VEL_OK)
        refuse_body(call, 503);
}

/* --- the seam ---------------------------------------------------------------------------------------------------- */

/* Mounts, WebSockets, and forms with files where the core has nobody to read them. */
static void hand_on(struct vel_native *n, struct vel_exchange *x) {
    x->app = n->other;
    x->app->ops->on_request(x);
}

static void answer_static(struct vel_native *n, struct vel_exchange *x, struct work *w) {
    vel_run_static(&w->r, &w->answer);
    vel_run_apply(&w->r, &w->answer);
    vel_native_send(n, x, NULL, &w->answer, NULL);
}

static void answer_preflight(struct vel_native *n, struct vel_exchange *x, struct work *w) {
    vel_run_apply(&w->r, &w->answer);
    vel_native_send(n, x, NULL, &w->answer, NULL);
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
    if (vel_run_preflight(&w.r, &w.answer))
        answer_preflight(n, x, &w);
    else if (w.lead == VEL_LEAD_STATIC)
        answer_static(n, x, &w);
    else if (w.lead == VEL_LEAD_MOUNT)
        hand_on(n, x);
    else if (w.lead != VEL_LEAD_PLAN)
        refuse(n, x, NULL, &w, w.lead, w.status);
    else if (w.r.plan->handed && n->core->form == NULL)
        hand_on(n, x);
    else if (!w.r.plan->wants_body || !vel_framing_has_body(&x->head->framing))
        run(n, x, NULL, &w);
    else if (!vel_plan_takes(w.r.plan, x->head) && !vel_native_is_form(n, w.r.plan, x->head))
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
    call->holders++; /* it may end in here */
    if (call->form != NULL && vel_native_form_finish(call) < 0) {
        fail_form(call);
    } else {
        look_again(call, &w);
        run(n, x, call, &w);
        unlook(&w);
    }
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

static void on_leave(struct vel_exchange *x) {
    struct vel_native_call *call = x->app_data;
    if (call != NULL && call->sink != NULL)
        vel_sink_leave(call->sink);
}

static void on_drain(struct vel_exchange *x) {
    struct vel_native_call *call = x->app_data;
    if (call == NULL)
        return;
    call->drains = true;
    if (call->sink != NULL)
        vel_sink_drain(call->sink);
}

const struct vel_app_ops vel_native_ops = {
    .asks_for_body = true,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_turn = on_turn,
    .on_abort = on_abort,
    .on_leave = on_leave,
    .on_drain = on_drain,
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

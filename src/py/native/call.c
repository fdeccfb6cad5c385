/* Core.call: a request of another server, or of a test, by the same plans. */
#include "py/native/core.h"

#include "py/text.h"
#include "py/types.h"

#include "base/mem.h"

#include <stddef.h>
#include <structmember.h>

struct call {
    PyObject_HEAD
    struct vel_core *core; /* owned, as all below */
    struct vel_head *head;
    struct vel_plan *plan; /* NULL: mounted, or refused */
    PyObject *reply, *request, *client, *server, *scheme, *root_path;
    PyObject *body; /* kept for a Request that is made later; or NULL */
    uint64_t number;
    char mounted;
};

/* --- the head ---------------------------------------------------------------------------------------------------- */

static int put(struct vel_buf *to, struct vel_slice s) {
    if (vel_buf_append(to, s.at, s.len) == VEL_OK)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int take_pair(PyObject *pair, PyObject **name, PyObject **value) {
    if (!PyTuple_Check(pair) && !PyList_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "headers are pairs of bytes");
        return -1;
    }
    bool two = PySequence_Fast_GET_SIZE(pair) == 2;
    *name = two ? PySequence_Fast_GET_ITEM(pair, 0) : NULL;
    *value = two ? PySequence_Fast_GET_ITEM(pair, 1) : NULL;
    if (two && PyBytes_Check(*name) && PyBytes_Check(*value))
        return 0;
    PyErr_SetString(PyExc_TypeError, "headers are pairs of bytes");
    return -1;
}

static int put_headers(struct vel_buf *to, PyObject *list) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        PyObject *name, *value;
        if (take_pair(PySequence_Fast_GET_ITEM(list, i), &name, &value) < 0 || put(to, vel_bytes_slice(name)) < 0 ||
            put(to, vel_bytes_slice(value)) < 0)
            return -1;
    }
    return 0;
}

/* The same once more, now that the block stays where it is. */
static void point(struct vel_head *head, PyObject *list, const char *at) {
    for (size_t i = 0; i < head->nfields; i++) {
        PyObject *pair = PySequence_Fast_GET_ITEM(list, (Py_ssize_t)i);
        struct vel_field *field = &head->fields[i];
        struct vel_slice name = vel_bytes_slice(PySequence_Fast_GET_ITEM(pair, 0));
        struct vel_slice value = vel_bytes_slice(PySequence_Fast_GET_ITEM(pair, 1));
        field->name = vel_slice(at, name.len);
        field->value = vel_slice(at + name.len, value.len);
        field->id = vel_field_find(field->name);
        at += name.len + value.len;
        if (field->id == VEL_FIELD_HOST && !head->has_host) {
            head->has_host = true;
            head->host = field->value;
        }
    }
}

/* Takes over the bytes: they are behind the head in one block. */
static struct vel_head *make_head(struct vel_buf *bytes, size_t method, size_t path, size_t query, PyObject *list) {
    size_t n = (size_t)PySequence_Fast_GET_SIZE(list),
           size = offsetof(struct vel_head, fields) + n * sizeof(struct vel_field);
    struct vel_head *head = PyMem_Calloc(1, size + bytes->len + 1);
    if (head == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    char *at = (char *)head + size;
    if (bytes->len > 0)
        memcpy(at, bytes->data, bytes->len);
    head->bytes = vel_slice(at, bytes->len);
    head->method_text = vel_slice(at, method);
    head->method = vel_method_find(head->method_text);
    head->target.path = head->target.raw = vel_slice(at + method, path);
    head->target.query = vel_slice(at + method + path, query);
    head->minor = 1;
    head->nfields = n;
    point(head, list, at + method + path + query);
    return head;
}

static struct vel_head *build_head(PyObject *method, PyObject *path, PyObject *query, PyObject *headers) {
    struct vel_buf bytes = {0};
    struct vel_head *head = NULL;
    struct vel_slice name;
    PyObject *list = PySequence_Fast(headers, "headers are an iterable of pairs");
    if (list == NULL)
        return NULL;
    if (PySequence_Fast_GET_SIZE(list) > VEL_FIELDS_MAX)
        PyErr_Format(PyExc_ValueError, "more than %d headers", VEL_FIELDS_MAX);
    else if (!vel_text_slice(method, &name))
        PyErr_SetString(PyExc_ValueError, "the method is no token");
    else if (put(&bytes, name) == 0 && put(&bytes, vel_bytes_slice(path)) == 0 &&
             put(&bytes, vel_bytes_slice(query)) == 0 && put_headers(&bytes, list) == 0)
        head = make_head(&bytes, name.len, vel_bytes_slice(path).len, vel_bytes_slice(query).len, list);
    vel_buf_free(&bytes);
    Py_DECREF(list);
    return head;
}

/* --- answering --------------------------------------------------------------------------------------------------- */

static PyObject *headers_of(const struct vel_answer *answer) {
    PyObject *list = PyList_New((Py_ssize_t)answer->head.nfields);
    for (size_t i = 0; list != NULL && i < answer->head.nfields; i++) {
        const struct vel_field *field = &answer->head.fields[i];
        PyObject *pair = vel_field_pair(field);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

/* Takes what is sent apart from the memory of the answer. */
static PyObject *body_of(struct call *call, struct vel_answer *answer) {
    struct vel_parts *parts = answer->parts;
    if (parts != NULL) {
        answer->parts = NULL;
        return vel_file_parts_new(call->core->state, parts);
    }
    if (answer->stream != NULL)
        return Py_NewRef(answer->stream);
    if (answer->body != NULL && PyBytes_CheckExact(answer->body))
        return Py_NewRef(answer->body);
    return PyBytes_FromStringAndSize(answer->data.at, (Py_ssize_t)answer->data.len);
}

/* One is given as it is, several as a tuple, none as None. */
static PyObject *after_of(const struct vel_answer *answer) {
    if (answer->after == NULL)
        return Py_NewRef(Py_None);
    if (PyList_GET_SIZE(answer->after) == 1)
        return Py_NewRef(PyList_GET_ITEM(answer->after, 0));
    return PyList_AsTuple(answer->after);
}

/* Frees the answer. -1 with an exception. */
static int set_reply(struct call *call, struct vel_answer *answer) {
    struct vel_reading r = {.core = call->core, .head = call->head, .number = call->number};
    vel_run_apply(&r, answer);
    PyObject *headers = headers_of(answer), *body = body_of(call, answer), *after = after_of(answer);
    if (headers != NULL && body != NULL && after != NULL)
        Py_XSETREF(call->reply, after == Py_None ? Py_BuildValue("(IOO)", answer->head.status, headers, body)
                                                 : Py_BuildValue("(IOOO)", answer->head.status, headers, body, after));
    Py_XDECREF(after);
    Py_XDECREF(headers);
    Py_XDECREF(body);
    vel_answer_free(answer);
    return PyErr_Occurred() ? -1 : 0;
}

/* What a reading needs, with the route found again: the answer to one question is not kept for the next. */
struct work {
    struct vel_asking asking;
    struct vel_carrier carrier;
    struct vel_reading r;
    enum vel_lead lead;
    unsigned status;
};

static void begin(struct call *call, struct work *w) {
    struct vel_plan *plan;
    w->lead = vel_core_route(call->core, call->head, &w->asking, &plan, &w->status);
    w->carrier = (struct vel_carrier){
        .client = call->client, .server = call->server, .scheme = call->scheme, .root_path = call->root_path};
    w->r = (struct vel_reading){.core = call->core,
                                .head = call->head,
                                .asking = &w->asking,
                                .carrier = &w->carrier,
                                .plan = plan,
                                .number = call->number,
                                .request = Py_XNewRef(call->request)};
    if (call->body != NULL)
        w->r.body = vel_bytes_slice(call->body);
}

static void end(struct call *call, struct work *w) {
    if (w->lead != VEL_LEAD_FAILED)
        vel_asking_end(&w->asking);
    Py_XSETREF(call->request, w->r.request);
    Py_XDECREF(w->r.faults.list);
}

/* What is known before the body. */
static int look(struct call *call) {
    struct work w;
    struct vel_answer answer = {0};
    int err = 0;
    begin(call, &w);
    if (vel_run_preflight(&w.r, &answer)) {
        err = set_reply(call, &answer);
    } else if (w.lead == VEL_LEAD_PLAN) {
        call->plan = (struct vel_plan *)Py_NewRef((PyObject *)w.r.plan);
    } else if (w.lead == VEL_LEAD_STATIC) {
        vel_run_static(&w.r, &answer);
        err = set_reply(call, &answer);
    } else if (w.lead == VEL_LEAD_MOUNT) {
        call->mounted = 1;
    } else {
        vel_run_refuse(&w.r, w.lead, w.status, &answer);
        err = set_reply(call, &answer);
    }
    end(call, &w);
    return err;
}

static PyObject *raise_order(void) {
    PyErr_SetString(PyExc_RuntimeError, "the call has no plan, or is answered");
    return NULL;
}

/* The status that a body is refused with, or 0. */
static unsigned refused(struct call *call, PyObject *body) {
    int64_t limit = vel_body_limit(call->core, call->plan), size = PyBytes_GET_SIZE(body);
    if (!call->plan->wants_body || size == 0)
        return 0;
    if (!vel_plan_takes(call->plan, call->head))
        return 415;
    return limit >= 0 && size > limit ? 413 : 0;
}

/* Ends the work: what it answered is the reply. */
static PyObject *conclude(struct call *call, struct work *w, struct vel_answer *answer) {
    end(call, w);
    return set_reply(call, answer) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *answer_refusal(struct call *call, unsigned status) {
    struct vel_answer answer = {0};
    struct work w;
    begin(call, &w);
    vel_run_refuse(&w.r, VEL_LEAD_REFUSED, status, &answer);
    return conclude(call, &w, &answer);
}

/* A coroutine is the caller's to run. */
static PyObject *start(PyObject *o, PyObject *body) {
    struct call *call = (struct call *)o;
    struct vel_answer answer = {0};
    struct work w;
    PyObject *broken;
    if (call->plan == NULL || call->reply != NULL)
        return raise_order();
    if (!PyBytes_Check(body))
        return PyErr_Format(PyExc_TypeError, "the body is bytes, not %.100s", Py_TYPE(body)->tp_name);
    unsigned status = refused(call, body);
    if (status != 0)
        return answer_refusal(call, status);
    Py_XSETREF(call->body, Py_NewRef(body));
    begin(call, &w);
    PyObject *result = vel_run(&w.r, &answer, &broken);
    if (result != NULL && PyCoro_CheckExact(result)) {
        end(call, &w);
        return result;
    }
    if (result != NULL)
        vel_run_finish(&w.r, result, &answer);
    Py_XDECREF(result);
    PyObject *done = conclude(call, &w, &answer);
    if (done == NULL || broken == NULL) {
        Py_XDECREF(broken);
        return done;
    }
    Py_DECREF(done);
    vel_set_raised(broken);
    return NULL;
}

static PyObject *finish(PyObject *o, PyObject *result) {
    struct call *call = (struct call *)o;
    struct vel_answer answer = {0};
    struct work w;
    if (call->plan == NULL || call->reply != NULL)
        return raise_order();
    begin(call, &w);
    vel_run_finish(&w.r, result, &answer);
    return conclude(call, &w, &answer);
}

static PyObject *fail(PyObject *o, PyObject *exception) {
    struct call *call = (struct call *)o;
    struct vel_answer answer = {0};
    struct work w;
    PyObject *broken;
    if (call->reply != NULL)
        return raise_order();
    if (!PyExceptionInstance_Check(exception))
        return PyErr_Format(PyExc_TypeError, "%R is no exception", exception);
    begin(call, &w);
    vel_set_raised(Py_NewRef(exception));
    vel_run_fail(&w.r, &answer, &broken);
    Py_XDECREF(broken);
    return conclude(call, &w, &answer);
}

/* For what the caller has found: a body above a limit. */
static PyObject *refuse(PyObject *o, PyObject *status) {
    long code = PyLong_AsLong(status);
    if (code < 400 || code > 599)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "%ld is no status of a refusal", code);
    return answer_refusal((struct call *)o, (unsigned)code);
}

/* --- made -------------------------------------------------------------------------------------------------------- */

static struct call *make(struct vel_core *core) {
    PyTypeObject *type = core->state->native_call_type;
    struct call *call = (struct call *)type->tp_alloc(type, 0);
    if (call != NULL)
        call->core = (struct vel_core *)Py_NewRef((PyObject *)core);
    if (call != NULL)
        call->number = core->count++;
    return call;
}

PyObject *vel_core_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"method", "raw_path",  "query",        "headers", "client", "server",
                                        "scheme", "root_path", "http_version", "decoded", NULL};
    struct vel_core *core = (struct vel_core *)self;
    struct vel_state *s = core->state;
    PyObject *method, *path, *query, *headers, *client = Py_None, *server = Py_None;
    PyObject *scheme = s->http, *root = s->empty, *version = s->version_1_1;
    int decoded = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "USSO|$OOUUUp:call", (char **)names, &method, &path, &query,
                                     &headers, &client, &server, &scheme, &root, &version, &decoded))
        return NULL;
    struct call *call = make(core);
    if (call == NULL)
        return NULL;
    call->client = Py_NewRef(client);
    call->server = Py_NewRef(server);
    call->scheme = Py_NewRef(scheme);
    call->root_path = Py_NewRef(root);
    call->head = build_head(method, path, query, headers);
    if (call->head != NULL) {
        call->head->minor = PyUnicode_CompareWithASCIIString(version, "1.0") == 0 ? 0 : 1;
        call->head->path_is_decoded = decoded;
    }
    if (call->head == NULL || look(call) < 0)
        Py_CLEAR(call);
    return (PyObject *)call;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

static PyObject *get_wants_body(PyObject *o, void *unused) {
    struct call *call = (struct call *)o;
    (void)unused;
    return PyBool_FromLong(call->plan != NULL && call->plan->wants_body && call->reply == NULL);
}

static PyObject *get_body_limit(PyObject *o, void *unused) {
    struct call *call = (struct call *)o;
    (void)unused;
    return PyLong_FromLongLong(call->plan != NULL ? vel_body_limit(call->core, call->plan) : -1);
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct call *call = (struct call *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(call->core);
    Py_VISIT(call->plan);
    Py_VISIT(call->reply);
    Py_VISIT(call->request);
    return 0;
}

static int clear(PyObject *o) {
    struct call *call = (struct call *)o;
    Py_CLEAR(call->reply);
    Py_CLEAR(call->request);
    return 0;
}

static void dealloc(PyObject *o) {
    struct call *call = (struct call *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear(o);
    Py_CLEAR(call->plan);
    Py_CLEAR(call->core);
    Py_CLEAR(call->client);
    Py_CLEAR(call->server);
    Py_CLEAR(call->scheme);
    Py_CLEAR(call->root_path);
    Py_CLEAR(call->body);
    PyMem_Free(call->head);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"start", start, METH_O,
     "start($self, body, /)\n--\n\nCalls the handler: a coroutine to await, or None, and then reply is there."},
    {"finish", finish, METH_O, "finish($self, result, /)\n--\n\nWhat the coroutine returned."},
    {"fail", fail, METH_O, "fail($self, exception, /)\n--\n\nWhat it raised."},
    {"refuse", refuse, METH_O, "refuse($self, status, /)\n--\n\nThe problem of that status, as 413."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"wants_body", get_wants_body, NULL, "The body is needed for start().", NULL},
    {"body_limit", get_body_limit, NULL, "Bytes of it at most; -1: the server's limit.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"reply", T_OBJECT, offsetof(struct call, reply), READONLY, "(status, headers, body), or None."},
    {"plan", T_OBJECT, offsetof(struct call, plan), READONLY, "The route's Plan, or None."},
    {"mounted", T_BOOL, offsetof(struct call, mounted), READONLY, "It is another application's."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "One request, answered by a Core."},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_native_call_type_spec = {
    .name = "velocem._core.Call",
    .basicsize = sizeof(struct call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

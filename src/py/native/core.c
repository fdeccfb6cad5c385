/* velocem._core.Core: made once, when all that an App knows is decided; and the routing of requests by it. */
#include "py/native/core.h"

#include "py/native/policies.h"
#include "py/types.h"

/* --- routing ----------------------------------------------------------------------------------------------------- */

static enum vel_lead refuse(unsigned *status, unsigned with) {
    *status = with;
    return VEL_LEAD_REFUSED;
}

static enum vel_lead found(struct vel_core *core, struct vel_asking *a, struct vel_plan **plan) {
    PyObject *target = core->router->routes[a->match.route].target; // borrowed: routes are never taken away
    if (Py_TYPE(target) == core->state->static_type)
        return VEL_LEAD_STATIC;
    if (Py_TYPE(target) != core->state->plan_type)
        return VEL_LEAD_MOUNT;
    *plan = (struct vel_plan *)target;
    return VEL_LEAD_PLAN;
}

/* Of a server of ours it always is, but for gateways that decode. */
static bool is_ascii(struct vel_slice s) {
    uint64_t all = 0, word;
    size_t i = 0;
    for (; s.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.at + i, sizeof(word));
        all |= word;
    }
    for (; i < s.len; i++)
        all |= (unsigned char)s.at[i];
    return (all & 0x8080808080808080u) == 0;
}

enum vel_lead vel_core_route(struct vel_core *core, const struct vel_head *head, struct vel_asking *a,
                             struct vel_plan **plan, unsigned *status) {
    struct vel_query query = {
        .method = head->method_text, .path = head->target.path, .host = head->host, .encoded = !head->path_is_decoded};
    *plan = NULL;
    if (vel_asking_begin_raw(a, core->router, &query, is_ascii(query.path)) < 0)
        return VEL_LEAD_FAILED;
    if (vel_asking_run(a) < 0) {
        vel_asking_end(a);
        return VEL_LEAD_FAILED;
    }
    switch (a->match.found) {
    case VEL_FOUND:
        return found(core, a, plan);
    case VEL_FOUND_SLASH:
        return VEL_LEAD_REDIRECT;
    case VEL_FOUND_METHODS:
        return refuse(status, head->method == VEL_METHOD_OPTIONS ? 204 : 405);
    case VEL_FOUND_BAD:
        return refuse(status, 400);
    default:
        return refuse(status, 404);
    }
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

static int check_type(PyObject *given, PyTypeObject *base, const char *what) {
    if (PyType_Check(given) && (base == NULL || PyType_IsSubtype((PyTypeObject *)given, base)))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s is a type, not %R", what, given);
    return -1;
}

static PyObject *optional(PyObject *given) {
    return given != NULL && given != Py_None ? Py_NewRef(given) : NULL;
}

static int take(struct vel_core *core, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"router", "request_type", "response_type", "encode",  "stream",   "drive",
                                        "failed", "log",          "explain",       "problem", "policies", "form",
                                        NULL};
    struct vel_state *s = core->state;
    PyObject *router = NULL, *request = NULL, *response = NULL, *encode = NULL, *stream = NULL, *drive = NULL;
    PyObject *failed = NULL, *log = NULL;
    PyObject *explain = NULL, *problem = NULL, *policies = NULL, *form = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$OOOOOOOOOO!O:Core", (char **)names, s->router_type, &router,
                                     &request, &response, &encode, &stream, &drive, &failed, &log, &explain, &problem,
                                     &PyDict_Type, &policies, &form))
        return -1;
    if (request == NULL || response == NULL || encode == NULL || stream == NULL || drive == NULL || failed == NULL ||
        log == NULL) {
        PyErr_SetString(PyExc_TypeError, "Core() lacks an argument");
        return -1;
    }
    if (check_type(request, s->request_type, "request_type") < 0 || check_type(response, NULL, "response_type") < 0)
        return -1;
    core->router = (struct vel_py_router *)Py_NewRef(router);
    core->request_type = Py_NewRef(request);
    core->response_type = Py_NewRef(response);
    core->encode = Py_NewRef(encode);
    core->stream = Py_NewRef(stream);
    core->drive = Py_NewRef(drive);
    core->failed = Py_NewRef(failed);
    core->log = Py_NewRef(log);
    core->explain = optional(explain);
    core->problem = optional(problem);
    core->form = optional(form);
    core->scan = vel_scan_best();
    core->body_limit = -1;
    if (policies != NULL && PyDict_GET_SIZE(policies) > 0 && vel_policies_take(core, policies) < 0)
        return -1;
    return vel_py_router_freeze(core->router);
}

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct vel_core *core = (struct vel_core *)type->tp_alloc(type, 0);
    if (core == NULL)
        return NULL;
    core->state = vel_state_of(type);
    if (take(core, args, kwargs) < 0)
        Py_CLEAR(core);
    return (PyObject *)core;
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_core *core = (struct vel_core *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(core->router);
    Py_VISIT(core->request_type);
    Py_VISIT(core->response_type);
    Py_VISIT(core->encode);
    Py_VISIT(core->stream);
    Py_VISIT(core->drive);
    Py_VISIT(core->failed);
    Py_VISIT(core->log);
    Py_VISIT(core->explain);
    Py_VISIT(core->problem);
    Py_VISIT(core->form);
    return 0;
}

/* The parts stay: whoever holds the core in a cycle with them may still be answering. */
static void dealloc(PyObject *o) {
    struct vel_core *core = (struct vel_core *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    Py_CLEAR(core->router);
    Py_CLEAR(core->request_type);
    Py_CLEAR(core->response_type);
    Py_CLEAR(core->encode);
    Py_CLEAR(core->stream);
    Py_CLEAR(core->drive);
    Py_CLEAR(core->failed);
    Py_CLEAR(core->log);
    Py_CLEAR(core->explain);
    Py_CLEAR(core->problem);
    Py_CLEAR(core->form);
    vel_policies_free(core->policies);
    vel_buf_free(&core->text);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"call", (PyCFunction)(void (*)(void))vel_core_call, METH_VARARGS | METH_KEYWORDS,
     "call($self, method, raw_path, query, headers, *, client=None, server=None, scheme='http', root_path='',\n"
     "     http_version='1.1', decoded=False)\n--\n\nA request of somebody else's server."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An App, compiled: answers requests of any server."},
    {Py_tp_new, new},
    {Py_tp_traverse, traverse},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_core_type_spec = {
    .name = "velocem._core.Core",
    .basicsize = sizeof(struct vel_core),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

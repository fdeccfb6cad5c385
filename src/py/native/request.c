/* RequestBase: what a handler may ask of its request; a copy, so that it may be kept. */
#include "py/native/core.h"

#include "py/native/policies.h"
#include "py/peer.h"
#include "py/text.h"
#include "py/types.h"

#include "base/mem.h"
#include "server/app.h"

#include <stddef.h>
#include <structmember.h>

struct request {
    PyObject_HEAD
    struct vel_head *head; /* owned, with its bytes behind it */
    PyObject *client, *server, *scheme, *root_path, *body, *params, *state, *plan, *weak;
};

/* --- the head ---------------------------------------------------------------------------------------------------- */

/* One block: head, fields, bytes. */
static struct vel_head *copy_head(const struct vel_head *head) {
    size_t size = offsetof(struct vel_head, fields) + (head->nfields + head->nvars) * sizeof(head->fields[0]);
    struct vel_head *copy = PyMem_Malloc(size + head->bytes.len + 1);
    if (copy == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(copy, head, size);
    memcpy((char *)copy + size, head->bytes.at, head->bytes.len);
    vel_head_rebase(copy, (char *)copy + size);
    return copy;
}

/* --- who asks ---------------------------------------------------------------------------------------------------- */

static PyObject *server_of(const struct vel_exchange *x) {
    const struct vel_endpoint *e = x->endpoint;
    struct vel_slice none = {0};
    bool named = x->origin != NULL && x->origin->name.len > 0;
    if (e->path.len > 0 && !named)
        return vel_server_pair(e->path, none);
    return vel_server_pair(named ? x->origin->name : e->name,
                           x->origin != NULL && x->origin->port.len > 0 ? x->origin->port : e->port);
}

static int take_exchange(struct vel_core *core, struct request *self, const struct vel_exchange *x) {
    bool secure = x->origin != NULL && vel_slice_eq(x->origin->scheme, VEL_SLICE("https"));
    self->scheme = Py_NewRef(secure ? core->state->https : core->state->http);
    self->root_path = x->origin != NULL && x->origin->prefix.at != NULL ? vel_text_new(x->origin->prefix)
                                                                        : Py_NewRef(core->state->empty);
    self->client = vel_client_pair(x->peer);
    self->server = server_of(x);
    return self->root_path != NULL && self->client != NULL && self->server != NULL ? 0 : -1;
}

static int take_carrier(struct vel_core *core, struct request *self, const struct vel_carrier *carrier) {
    if (carrier->x != NULL)
        return take_exchange(core, self, carrier->x);
    self->client = Py_NewRef(carrier->client);
    self->server = Py_NewRef(carrier->server);
    self->scheme = Py_NewRef(carrier->scheme);
    self->root_path = Py_NewRef(carrier->root_path);
    return 0;
}

static PyObject *make_params(struct vel_reading *r) {
    bool bad = false;
    if (r->plan == NULL || r->asking == NULL)
        return PyDict_New();
    PyObject *params = vel_asking_params((struct vel_asking *)(uintptr_t)r->asking, &bad);
    return params == NULL && bad ? PyDict_New() : params;
}

/* The state has the id of the request, where requests have ids. */
static int add_id(struct vel_reading *r, struct request *self) {
    char text[VEL_REQUEST_ID_MAX];
    struct vel_slice id = vel_request_id(r->core, r->head, r->number, text);
    if (id.len == 0)
        return 0;
    self->state = Py_BuildValue("{s:s#}", "request_id", id.at, (Py_ssize_t)id.len);
    return self->state != NULL ? 0 : -1;
}

static PyObject *make(struct vel_reading *r) {
    PyTypeObject *type = (PyTypeObject *)r->core->request_type;
    struct request *self = (struct request *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->head = copy_head(r->head);
    self->plan = Py_NewRef(r->plan != NULL ? (PyObject *)r->plan : Py_None);
    self->body =
        r->body.at != NULL ? PyBytes_FromStringAndSize(r->body.at, (Py_ssize_t)r->body.len) : Py_NewRef(Py_None);
    self->params = make_params(r);
    if (self->head == NULL || self->body == NULL || self->params == NULL ||
        take_carrier(r->core, self, r->carrier) < 0 || add_id(r, self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

PyObject *vel_reading_request(struct vel_reading *r) {
    if (r->request == NULL)
        r->request = make(r);
    return Py_XNewRef(r->request);
}

/* --- attributes -------------------------------------------------------------------------------------------------- */

static const struct vel_head *head_of(PyObject *o) {
    return ((struct request *)o)->head;
}

static PyObject *bytes_of(struct vel_slice s) {
    return PyBytes_FromStringAndSize(s.at, (Py_ssize_t)s.len);
}

static PyObject *get_method(PyObject *o, void *unused) {
    (void)unused;
    return vel_text_new(head_of(o)->method_text);
}

/* What is not UTF-8 stays to be seen, as in os.fsdecode(). */
static PyObject *get_path(PyObject *o, void *unused) {
    struct vel_slice raw = head_of(o)->target.path;
    char *text = PyMem_Malloc(raw.len + 1);
    (void)unused;
    if (text == NULL)
        return PyErr_NoMemory();
    size_t len = raw.len;
    if (head_of(o)->path_is_decoded)
        memcpy(text, raw.at, raw.len);
    else
        len = vel_percent_decode(raw, text);
    PyObject *path = PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, "surrogateescape");
    PyMem_Free(text);
    return path;
}

static PyObject *get_raw_path(PyObject *o, void *unused) {
    (void)unused;
    return bytes_of(vel_head_raw_path(head_of(o)));
}

static PyObject *get_query_string(PyObject *o, void *unused) {
    (void)unused;
    return bytes_of(head_of(o)->target.query);
}

static PyObject *get_http_version(PyObject *o, void *unused) {
    struct vel_state *s = vel_state_of_subtype(Py_TYPE(o));
    (void)unused;
    return s != NULL ? Py_NewRef(head_of(o)->minor == 0 ? s->version_1_0 : s->version_1_1) : NULL;
}

/* Bytes of one letter are shared by all that have them: they may not be lowered in place. */
static PyObject *lower_name(struct vel_slice name) {
    char small[64] = "";
    char *text = name.len <= sizeof(small) ? small : PyMem_Malloc(name.len);
    if (text == NULL)
        return PyErr_NoMemory();
    for (size_t i = 0; i < name.len; i++)
        text[i] = vel_ascii_lower(name.at[i]);
    PyObject *bytes = PyBytes_FromStringAndSize(text, (Py_ssize_t)name.len);
    if (text != small)
        PyMem_Free(text);
    return bytes;
}

PyObject *vel_field_pair(const struct vel_field *field) {
    PyObject *name = lower_name(field->name), *value = bytes_of(field->value);
    PyObject *pair = name != NULL && value != NULL ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return pair;
}

static PyObject *get_headers(PyObject *o, void *unused) {
    const struct vel_head *head = head_of(o);
    PyObject *list = PyList_New((Py_ssize_t)head->nfields);
    (void)unused;
    for (size_t i = 0; list != NULL && i < head->nfields; i++) {
        PyObject *pair = vel_field_pair(&head->fields[i]);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

static PyObject *get_state(PyObject *o, void *unused) {
    struct request *self = (struct request *)o;
    (void)unused;
    if (self->state == NULL)
        self->state = PyDict_New();
    return Py_XNewRef(self->state);
}

static PyGetSetDef getset[] = {
    {"method", get_method, NULL, "The method, as it was sent.", NULL},
    {"path", get_path, NULL, "The path, decoded.", NULL},
    {"raw_path", get_raw_path, NULL, "The path as it was sent.", NULL},
    {"query_string", get_query_string, NULL, "What is behind the question mark.", NULL},
    {"http_version", get_http_version, NULL, "1.1 or 1.0.", NULL},
    {"raw_headers", get_headers, NULL, "Pairs of bytes, names in lower case.", NULL},
    {"state", get_state, NULL, "A dict for whoever handles the request.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"client", T_OBJECT, offsetof(struct request, client), READONLY, "(host, port), or None."},
    {"server", T_OBJECT, offsetof(struct request, server), READONLY, "(host, port), or None."},
    {"scheme", T_OBJECT, offsetof(struct request, scheme), READONLY, "http or https."},
    {"root_path", T_OBJECT, offsetof(struct request, root_path), READONLY, "The path under which the app is seen."},
    {"body", T_OBJECT, offsetof(struct request, body), READONLY, "Where a leaf has it: the bytes of the body."},
    {"path_params", T_OBJECT, offsetof(struct request, params), READONLY, "The parameters of the path, by name."},
    {"plan", T_OBJECT, offsetof(struct request, plan), READONLY, "The route's Plan, or None."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct request, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* --- the type ---------------------------------------------------------------------------------------------------- */

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct request *self = (struct request *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->params);
    Py_VISIT(self->state);
    Py_VISIT(self->plan);
    return 0;
}

static int clear(PyObject *o) {
    struct request *self = (struct request *)o;
    Py_CLEAR(self->params);
    Py_CLEAR(self->state);
    Py_CLEAR(self->plan);
    return 0;
}

static void dealloc(PyObject *o) {
    struct request *self = (struct request *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(o);
    clear(o);
    Py_CLEAR(self->client);
    Py_CLEAR(self->server);
    Py_CLEAR(self->scheme);
    Py_CLEAR(self->root_path);
    Py_CLEAR(self->body);
    PyMem_Free(self->head);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *refuse_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError, "a %.100s is made by the server", type->tp_name);
    return NULL;
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "A request, as C has it."},
    {Py_tp_new, refuse_new},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_request_type_spec = {
    .name = "velocem._core.RequestBase",
    .basicsize = sizeof(struct request),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

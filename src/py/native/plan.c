/* Making a plan of what Python has decided. */
#include "py/native/plan.h"

#include "py/types.h"

#include <structmember.h>

static int bad_leaf(PyObject *given) {
    PyErr_Format(PyExc_TypeError, "a leaf is (source, name, convert, flags, default), not %R", given);
    return -1;
}

/* A number stands for a conversion of ours; PATH and BODY also know None. */
static int take_convert(struct vel_leaf *leaf, PyObject *given) {
    if (PyLong_CheckExact(given)) {
        long number = PyLong_AsLong(given);
        if (number < VEL_CONVERT_STR || number >= VEL_CONVERT_PYTHON) {
            PyErr_Format(PyExc_ValueError, "there is no conversion %R", given);
            return -1;
        }
        leaf->convert = (enum vel_convert)number;
        return 0;
    }
    leaf->convert = VEL_CONVERT_PYTHON;
    if (given == Py_None)
        return 0;
    if (!PyCallable_Check(given)) {
        PyErr_Format(PyExc_TypeError, "a conversion is a number or a callable, not %R", given);
        return -1;
    }
    leaf->callable = Py_NewRef(given);
    return 0;
}

static int take_name(struct vel_leaf *leaf, PyObject *given) {
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(given, &len);
    if (at == NULL)
        return -1;
    leaf->name = Py_NewRef(given);
    leaf->text = vel_slice(at, (size_t)len);
    if (leaf->source == VEL_SOURCE_HEADER)
        leaf->field = vel_field_find(leaf->text);
    return 0;
}

static int take_leaf(struct vel_state *state, struct vel_leaf *leaf, PyObject *given) {
    int source, flags;
    PyObject *name, *convert, *fallback;
    if (!PyTuple_Check(given) || !PyArg_ParseTuple(given, "iUOiO", &source, &name, &convert, &flags, &fallback)) {
        PyErr_Clear();
        return bad_leaf(given);
    }
    if (source < 0 || source >= VEL_SOURCE_COUNT)
        return bad_leaf(given);
    leaf->source = (enum vel_source)source;
    leaf->many = (flags & 1) != 0;
    leaf->fallback = fallback != state->missing ? Py_NewRef(fallback) : NULL;
    if (leaf->source == VEL_SOURCE_CONST && leaf->fallback == NULL)
        return bad_leaf(given);
    return take_name(leaf, name) < 0 ? -1 : take_convert(leaf, convert);
}

static bool is_of_body(enum vel_source source) {
    return source == VEL_SOURCE_BODY || source == VEL_SOURCE_FORM || source == VEL_SOURCE_BYTES;
}

static int take_leaves(struct vel_state *state, struct vel_plan *plan, PyObject *given) {
    Py_ssize_t n = PyTuple_GET_SIZE(given);
    if (n > VEL_LEAVES_MAX) {
        PyErr_Format(PyExc_ValueError, "a handler takes at most %d arguments, not %zd", VEL_LEAVES_MAX, n);
        return -1;
    }
    plan->leaves = PyMem_Calloc(n > 0 ? (size_t)n : 1, sizeof(*plan->leaves));
    if (plan->leaves == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    plan->nleaves = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (take_leaf(state, &plan->leaves[i], PyTuple_GET_ITEM(given, i)) < 0)
            return -1;
        plan->wants_body |= is_of_body(plan->leaves[i].source);
    }
    return 0;
}

static PyObject *or_null(PyObject *given) {
    return given != NULL && given != Py_None ? Py_NewRef(given) : NULL;
}

static int take(struct vel_plan *plan, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"call",       "leaves",     "is_async", "status", "encode", "content_type",
                                        "body_limit", "body_types", "about",    "handed", NULL};
    struct vel_state *state = vel_state_of(Py_TYPE(plan));
    PyObject *call, *leaves, *encode = NULL, *content_type = NULL, *body_types = NULL, *about = NULL;
    int is_async = 0, status = 200, handed = 0;
    long long limit = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!|$piOOLO!Op:Plan", (char **)names, &call, &PyTuple_Type, &leaves,
                                     &is_async, &status, &encode, &content_type, &limit, &PyTuple_Type, &body_types,
                                     &about, &handed))
        return -1;
    if (status < 200 || status > 999) {
        PyErr_Format(PyExc_ValueError, "status must be from 200 to 999, not %d", status);
        return -1;
    }
    plan->call = Py_NewRef(call);
    plan->given = Py_NewRef(leaves);
    plan->encode = or_null(encode);
    plan->content_type = or_null(content_type);
    if (plan->content_type != NULL && !PyBytes_CheckExact(plan->content_type)) {
        PyErr_SetString(PyExc_TypeError, "content_type must be bytes");
        return -1;
    }
    plan->body_types = body_types != NULL ? Py_NewRef(body_types) : PyTuple_New(0);
    plan->about = Py_NewRef(about != NULL ? about : Py_None);
    plan->body_limit = limit;
    plan->status = (unsigned)status;
    plan->is_async = is_async;
    plan->handed = handed;
    return plan->body_types != NULL ? take_leaves(state, plan, leaves) : -1;
}

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct vel_plan *plan = (struct vel_plan *)type->tp_alloc(type, 0);
    if (plan != NULL && take(plan, args, kwargs) < 0)
        Py_CLEAR(plan);
    return (PyObject *)plan;
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_plan *plan = (struct vel_plan *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(plan->call);
    Py_VISIT(plan->encode);
    Py_VISIT(plan->about);
    for (Py_ssize_t i = 0; i < plan->nleaves; i++) {
        Py_VISIT(plan->leaves[i].callable);
        Py_VISIT(plan->leaves[i].fallback);
    }
    return 0;
}

static int clear(PyObject *o) {
    struct vel_plan *plan = (struct vel_plan *)o;
    Py_CLEAR(plan->call);
    Py_CLEAR(plan->encode);
    Py_CLEAR(plan->about);
    for (Py_ssize_t i = 0; i < plan->nleaves; i++) {
        Py_CLEAR(plan->leaves[i].callable);
        Py_CLEAR(plan->leaves[i].fallback);
    }
    return 0;
}

static void dealloc(PyObject *o) {
    struct vel_plan *plan = (struct vel_plan *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear(o);
    Py_CLEAR(plan->content_type);
    Py_CLEAR(plan->body_types);
    Py_CLEAR(plan->given);
    for (Py_ssize_t i = 0; i < plan->nleaves; i++)
        Py_CLEAR(plan->leaves[i].name);
    PyMem_Free(plan->leaves);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"about", T_OBJECT, offsetof(struct vel_plan, about), READONLY, "Whatever was given for it."},
    {"call", T_OBJECT, offsetof(struct vel_plan, call), READONLY, "What is called with the leaves."},
    {"is_async", T_BOOL, offsetof(struct vel_plan, is_async), READONLY, "The call gives a coroutine."},
    {"handed", T_BOOL, offsetof(struct vel_plan, handed), READONLY, "A form of several parts is read as it comes."},
    {"wants_body", T_BOOL, offsetof(struct vel_plan, wants_body), READONLY, "One of the leaves is of the body."},
    {"encode", T_OBJECT, offsetof(struct vel_plan, encode), READONLY, "Makes bytes of a result, or None."},
    {"content_type", T_OBJECT, offsetof(struct vel_plan, content_type), READONLY, "Of what encode makes, or None."},
    {"leaves", T_OBJECT, offsetof(struct vel_plan, given), READONLY, "As they were given."},
    {"body_limit", T_LONGLONG, offsetof(struct vel_plan, body_limit), READONLY, "Bytes, or -1."},
    {"body_types", T_OBJECT, offsetof(struct vel_plan, body_types), READONLY, "Media types of bodies; none: any."},
    {"status", T_UINT, offsetof(struct vel_plan, status), READONLY, "Of an answer that says none."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Where the arguments of one route's handler come from, and what becomes of its result."},
    {Py_tp_new, new},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_plan_type_spec = {
    .name = "velocem._core.Plan",
    .basicsize = sizeof(struct vel_plan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

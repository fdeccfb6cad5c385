/* What a router answers: lookup, match, allowed, candidates. */
#include "py/router/route.h"

#include "py/types.h"

#include <structmember.h>

/* --- arguments --------------------------------------------------------------------------------------------------- */

struct arguments {
    PyObject *method, *path, *host; /* borrowed: of the call */
    bool decoded;
};

static int take_keyword(struct arguments *out, PyObject *name, PyObject *value) {
    if (PyUnicode_CompareWithASCIIString(name, "host") == 0) {
        out->host = value;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "decoded") == 0) {
        int is = PyObject_IsTrue(value);
        out->decoded = is > 0;
        return is < 0 ? -1 : 0;
    }
    PyErr_Format(PyExc_TypeError, "unexpected keyword argument %R", name);
    return -1;
}

/* (method, path, host=None, *, decoded=False); without the method where there is none. */
static int parse(struct arguments *out, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool with_method) {
    Py_ssize_t needed = with_method ? 2 : 1;
    if (nargs < needed || nargs > needed + 1) {
        PyErr_Format(PyExc_TypeError, "%zd or %zd positional arguments are needed, not %zd", needed, needed + 1, nargs);
        return -1;
    }
    *out =
        (struct arguments){.method = args[0], .path = args[needed - 1], .host = nargs > needed ? args[needed] : NULL};
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++)
        if (take_keyword(out, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0)
            return -1;
    return 0;
}

/* --- misses ------------------------------------------------------------------------------------------------------ */

/* Importing what is there already would cost as much as all the rest of a miss. */
static PyObject *router_module(void) {
    PyObject *name = PyUnicode_FromString("velocem.router");
    PyObject *module = name != NULL ? PyImport_GetModule(name) : NULL;
    if (module == NULL && name != NULL && !PyErr_Occurred())
        module = PyImport_Import(name);
    Py_XDECREF(name);
    return module;
}

/* Raises an exception of velocem.router's, made from the arguments, which are stolen. Always NULL. */
static PyObject *raise_error(const char *name, PyObject *first, PyObject *second) {
    PyObject *module = first != NULL ? router_module() : NULL; /* else that is raised already */
    PyObject *type = module != NULL ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *error = type != NULL ? PyObject_CallFunctionObjArgs(type, first, second, NULL) : NULL;
    if (error != NULL)
        PyErr_SetObject(type, error);
    Py_XDECREF(error);
    Py_XDECREF(type);
    Py_XDECREF(module);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return NULL;
}

static PyObject *raise_bad(PyObject *path) {
    return raise_error("BadPath", Py_NewRef(path), NULL);
}

static PyObject *raise_missed(const struct vel_asking *a, PyObject *path) {
    if (a->match.found == VEL_FOUND_BAD)
        return raise_bad(path);
    if (a->match.found == VEL_FOUND_METHODS)
        return raise_error("MethodNotAllowed", vel_asking_allow(a), Py_NewRef(path));
    return raise_error("NotFound", Py_NewRef(path), NULL);
}

/* --- lookup ------------------------------------------------------------------------------------------------------ */

static PyObject *target_and_params(struct vel_asking *a, PyObject *path) {
    bool bad;
    PyObject *params = vel_asking_params(a, &bad);
    if (params == NULL)
        return bad ? raise_bad(path) : NULL;
    PyObject *pair = PyTuple_New(2);
    if (pair == NULL) {
        Py_DECREF(params);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(a->router->routes[a->match.route].target));
    PyTuple_SET_ITEM(pair, 1, params);
    return pair;
}

PyObject *vel_py_router_lookup(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct arguments with;
    struct vel_asking a;
    if (parse(&with, args, nargs, kwnames, true) < 0)
        return NULL;
    if (vel_asking_begin(&a, (struct vel_py_router *)o, with.method, with.path, with.host, with.decoded) < 0)
        return NULL;
    PyObject *result = NULL;
    if (vel_asking_run(&a) == 0)
        result = a.match.found == VEL_FOUND ? target_and_params(&a, with.path) : raise_missed(&a, with.path);
    vel_asking_end(&a);
    return result;
}

/* --- match ------------------------------------------------------------------------------------------------------- */

struct match {
    PyObject_HEAD
    PyObject *target, *params, *route, *allow, *rest;
    char slash;
};

static int traverse_match(PyObject *o, visitproc visit, void *arg) {
    struct match *m = (struct match *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(m->target);
    Py_VISIT(m->params);
    Py_VISIT(m->route);
    Py_VISIT(m->allow);
    Py_VISIT(m->rest);
    return 0;
}

static int clear_match(PyObject *o) {
    struct match *m = (struct match *)o;
    Py_CLEAR(m->target);
    Py_CLEAR(m->params);
    Py_CLEAR(m->route);
    Py_CLEAR(m->allow);
    Py_CLEAR(m->rest);
    return 0;
}

static void dealloc_match(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear_match(o);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMemberDef match_members[] = {
    {"target", T_OBJECT, offsetof(struct match, target), READONLY, "What was added for the path, or None."},
    {"params", T_OBJECT, offsetof(struct match, params), READONLY, "The values of its parameters, by name."},
    {"route", T_OBJECT, offsetof(struct match, route), READONLY, "The Route, or None when only the method was wrong."},
    {"allow", T_OBJECT, offsetof(struct match, allow), READONLY,
     "The path's methods, when it has not the one asked for."},
    {"rest", T_OBJECT, offsetof(struct match, rest), READONLY, "Of a mount: what is left of the path."},
    {"slash", T_BOOL, offsetof(struct match, slash), READONLY, "The path has a slash too many or too few at its end."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot match_slots[] = {
    {Py_tp_traverse, traverse_match}, {Py_tp_clear, clear_match},          {Py_tp_dealloc, dealloc_match},
    {Py_tp_members, match_members},   {Py_tp_doc, "What a router found."}, {0, NULL},
};

PyType_Spec vel_match_type_spec = {
    .name = "velocem._core.Match",
    .basicsize = sizeof(struct match),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC,
    .slots = match_slots,
};

/* What is left of the path as it was given. */
static PyObject *rest_of(const struct vel_asking *a) {
    size_t rest = a->match.rest;
    if (a->match.found != VEL_FOUND || rest == a->query.path.len)
        return PyUnicode_FromStringAndSize(NULL, 0);
    return PyUnicode_DecodeUTF8(a->query.path.at + rest, (Py_ssize_t)(a->query.path.len - rest), "surrogateescape");
}

static int fill_match(struct match *m, struct vel_asking *a, bool *bad) {
    const struct vel_py_route *route = &a->router->routes[a->match.route];
    bool has_route = a->match.found != VEL_FOUND_METHODS;
    *bad = false;
    m->slash = a->match.found == VEL_FOUND_SLASH;
    m->target = Py_NewRef(a->match.found == VEL_FOUND ? route->target : Py_None);
    m->route = Py_NewRef(has_route ? route->about : Py_None);
    m->params = has_route ? vel_asking_params(a, bad) : PyDict_New();
    if (m->params == NULL)
        return -1;
    m->allow = has_route ? Py_NewRef(a->router->state->no_items) : vel_asking_allow(a);
    m->rest = rest_of(a);
    return m->allow != NULL && m->rest != NULL ? 0 : -1;
}

static PyObject *make_match(struct vel_asking *a, PyObject *path) {
    PyTypeObject *type = a->router->state->match_type;
    struct match *m = (struct match *)type->tp_alloc(type, 0);
    bool bad;
    if (m == NULL || fill_match(m, a, &bad) == 0)
        return (PyObject *)m;
    Py_DECREF(m);
    return bad ? raise_bad(path) : NULL;
}

static bool is_safe(struct vel_slice method) {
    return vel_slice_eq(method, VEL_SLICE("GET")) || vel_slice_eq(method, VEL_SLICE("HEAD"));
}

static bool is_nothing(const struct vel_asking *a) {
    enum vel_found found = a->match.found;
    return found == VEL_FOUND_NOTHING ||
           (found == VEL_FOUND_SLASH && !(a->router->redirect && is_safe(a->query.method)));
}

PyObject *vel_py_router_match(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct arguments with;
    struct vel_asking a;
    if (parse(&with, args, nargs, kwnames, true) < 0)
        return NULL;
    if (vel_asking_begin(&a, (struct vel_py_router *)o, with.method, with.path, with.host, with.decoded) < 0)
        return NULL;
    PyObject *result = NULL;
    if (vel_asking_run(&a) == 0) {
        if (a.match.found == VEL_FOUND_BAD)
            result = raise_bad(with.path);
        else
            result = is_nothing(&a) ? Py_NewRef(Py_None) : make_match(&a, with.path);
    }
    vel_asking_end(&a);
    return result;
}

/* --- all routes of a path ---------------------------------------------------------------------------------------- */

/* No route names an empty method, so every place that has the path is visited; one for any method ends the search
 * early. */
static PyObject *allow_with_any(const struct vel_asking *a) {
    PyObject *allow = vel_asking_allow(a);
    if (allow == NULL || a->match.found != VEL_FOUND)
        return allow;
    PyObject *any = Py_BuildValue("(s)", "*");
    PyObject *both = any != NULL ? PySequence_Concat(allow, any) : NULL;
    Py_XDECREF(any);
    Py_DECREF(allow);
    return both;
}

PyObject *vel_py_router_allowed(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_py_router *router = (struct vel_py_router *)o;
    struct arguments with;
    struct vel_asking a;
    if (parse(&with, args, nargs, kwnames, false) < 0)
        return NULL;
    if (vel_asking_begin(&a, router, router->state->empty, with.path, with.host, with.decoded) < 0)
        return NULL;
    PyObject *result = NULL;
    if (vel_asking_run(&a) == 0)
        result = a.match.found == VEL_FOUND_BAD ? raise_bad(with.path) : allow_with_any(&a);
    vel_asking_end(&a);
    return result;
}

PyObject *vel_py_router_visited(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct arguments with;
    struct vel_asking a;
    if (parse(&with, args, nargs, kwnames, true) < 0)
        return NULL;
    if (vel_asking_begin(&a, (struct vel_py_router *)o, with.method, with.path, with.host, with.decoded) < 0)
        return NULL;
    PyObject *result = vel_asking_run(&a) == 0 ? PyLong_FromUnsignedLong(a.match.visited) : NULL;
    vel_asking_end(&a);
    return result;
}

#define SOME 64

static PyObject *numbers(const uint32_t *routes, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLong(routes[i]);
        if (number == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, number);
    }
    return list;
}

static PyObject *candidates(struct vel_asking *a, uint32_t *routes, size_t most) {
    size_t count = vel_router_all(a->frozen->r, &a->query, &a->match, routes, most);
    if (a->match.found == VEL_FOUND_STOPPED)
        return NULL;
    if (count <= most)
        return numbers(routes, count);
    uint32_t *more = PyMem_New(uint32_t, count);
    if (more == NULL)
        return PyErr_NoMemory();
    PyObject *list = candidates(a, more, count);
    PyMem_Free(more);
    return list;
}

PyObject *vel_py_router_candidates(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct vel_py_router *router = (struct vel_py_router *)o;
    struct arguments with;
    struct vel_asking a;
    uint32_t routes[SOME];
    if (parse(&with, args, nargs, kwnames, false) < 0)
        return NULL;
    if (vel_asking_begin(&a, router, router->state->empty, with.path, with.host, with.decoded) < 0)
        return NULL;
    PyObject *list = candidates(&a, routes, SOME);
    vel_asking_end(&a);
    return list;
}

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

static int take_keywords(struct arguments *out, PyObject *names, PyObject *const *values) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
        if (take_keyword(out, PyTuple_GET_ITEM(names, i), values[i]) < 0)
            return -1;
    return 0;
}

/* (method, path, host=None, *, decoded=False); without the method where there is none. */
static inline int parse(struct arguments *out, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                        bool with_method) {
    Py_ssize_t needed = with_method ? 2 : 1;
    if (nargs < needed || nargs > needed + 1) {
        PyErr_Format(PyExc_TypeError, "%zd or %zd positional arguments are needed, not %zd", needed, needed + 1, nargs);
        return -1;
    }
    *out =
        (struct arguments){.method = args[0], .path = args[needed - 1], .host = nargs > needed ? args[needed] : NULL};
    return kwnames != NULL ? take_keywords(out, kwnames, args + nargs) : 0;
}

struct question {
    struct vel_asking asking;
    PyObject *path; /* borrowed: of the call */
};

/* -1 with an exception, and then there is nothing to end. Without a method it asks with one that no route names, so
 * that every place that has the path is visited. */
static inline int begin(struct question *q, PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                        bool with_method) {
    struct vel_py_router *router = (struct vel_py_router *)o;
    struct arguments with;
    if (parse(&with, args, nargs, kwnames, with_method) < 0)
        return -1;
    q->path = with.path;
    return vel_asking_begin(&q->asking, router, with_method ? with.method : router->state->empty, with.path, with.host,
                            with.decoded);
}

/* The same, and its answer is there. */
static inline int begin_and_run(struct question *q, PyObject *o, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames, bool with_method) {
    if (begin(q, o, args, nargs, kwnames, with_method) < 0)
        return -1;
    if (vel_asking_run(&q->asking) == 0)
        return 0;
    vel_asking_end(&q->asking);
    return -1;
}

/* --- misses ------------------------------------------------------------------------------------------------------ */

enum error { NOT_FOUND, METHOD_NOT_ALLOWED, BAD_PATH };

PyObject *vel_py_router_errors(PyObject *type, PyObject *args) {
    struct vel_state *state = vel_state_of_subtype((PyTypeObject *)type);
    PyObject *errors[3];
    if (state == NULL || !PyArg_ParseTuple(args, "OOO:_errors", &errors[0], &errors[1], &errors[2]))
        return NULL;
    for (int i = 0; i < 3; i++)
        if (!PyExceptionClass_Check(errors[i]))
            return PyErr_Format(PyExc_TypeError, "%R is no exception", errors[i]);
    Py_XSETREF(state->route_errors, Py_NewRef(args));
    Py_RETURN_NONE;
}

/* velocem.router names them when it is imported, which a router of another module need not have done. */
static PyObject *errors_of(struct vel_state *state) {
    if (state->route_errors == NULL) {
        PyObject *module = PyImport_ImportModule("velocem.router");
        if (module == NULL)
            return NULL;
        Py_DECREF(module);
    }
    return state->route_errors;
}

/* Raises an exception of velocem.router's with what it is made from: one argument, or a tuple of them, stolen. Always
 * NULL. */
static PyObject *raise_error(const struct question *q, enum error error, PyObject *from) {
    PyObject *errors = from != NULL ? errors_of(q->asking.router->state) : NULL; /* else that is raised already */
    if (errors != NULL)
        PyErr_SetObject(PyTuple_GET_ITEM(errors, error), from);
    Py_XDECREF(from);
    return NULL;
}

static PyObject *raise_bad(const struct question *q) {
    return raise_error(q, BAD_PATH, Py_NewRef(q->path));
}

static PyObject *raise_missed(const struct question *q) {
    if (q->asking.match.found == VEL_FOUND_BAD)
        return raise_bad(q);
    if (q->asking.match.found != VEL_FOUND_METHODS)
        return raise_error(q, NOT_FOUND, Py_NewRef(q->path));
    PyObject *allow = vel_asking_allow(&q->asking);
    return raise_error(q, METHOD_NOT_ALLOWED, allow != NULL ? Py_BuildValue("(NO)", allow, q->path) : NULL);
}

/* --- lookup ------------------------------------------------------------------------------------------------------ */

/* A path's values are not kept for a later question when they are long. */
#define SPARE_PATH 512

static struct vel_py_route *route_of(const struct vel_asking *a) {
    return &a->router->routes[a->match.route];
}

static PyObject *make_pair(const struct vel_asking *a, PyObject *params) {
    PyObject *pair = PyTuple_New(2);
    if (pair == NULL) {
        Py_DECREF(params);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(route_of(a)->target));
    PyTuple_SET_ITEM(pair, 1, params);
    if (route_of(a)->is_plain && a->query.path.len <= SPARE_PATH)
        Py_XSETREF(route_of(a)->spare, Py_NewRef(pair));
    return pair;
}

/* As many, and all but the last in their order: whoever had the dict may have changed it. */
static bool has_names(PyObject *params, const struct vel_py_route *route) {
    Py_ssize_t at = 0;
    PyObject *name = NULL;
    if (PyDict_GET_SIZE(params) != (Py_ssize_t)route->nparams)
        return false;
    for (unsigned i = 1; i < route->nparams; i++)
        if (!PyDict_Next(params, &at, &name, NULL) || name != route->params[i - 1].name)
            return false;
    return true;
}

/* What the last lookup of the route gave, when nobody has it any more: made anew it would cost as much as all the rest
 * of a lookup. Our reference is the second, so that a question asked meanwhile does not take it too. */
static PyObject *take_spare(const struct vel_asking *a) {
#ifdef Py_GIL_DISABLED
    return NULL; /* a count of one is not the last word there */
#endif
    PyObject *pair = route_of(a)->spare;
    return pair != NULL && Py_REFCNT(pair) == 1 && a->query.path.len <= SPARE_PATH ? Py_NewRef(pair) : NULL;
}

/* Its values become this path's: in the same dict, when nobody has that either and it has the names. */
static PyObject *refill(struct vel_asking *a, PyObject *pair, bool *bad) {
    PyObject *params = PyTuple_GET_ITEM(pair, 1); // borrowed: of the pair
    *bad = false;
    if (Py_REFCNT(params) == 1 && has_names(params, route_of(a))) {
        Py_ssize_t size = PyDict_GET_SIZE(params);
        if (vel_asking_fill(a, params, bad) < 0)
            return NULL;
        if (PyDict_GET_SIZE(params) == size)
            return Py_NewRef(pair);
    }
    PyObject *fresh = vel_asking_params(a, bad);
    if (fresh == NULL)
        return NULL;
    PyTuple_SET_ITEM(pair, 1, fresh);
    Py_DECREF(params);
    return Py_NewRef(pair);
}

static PyObject *target_and_params(struct question *q) {
    struct vel_asking *a = &q->asking;
    PyObject *spare = take_spare(a), *pair = NULL;
    bool bad;
    if (spare != NULL) {
        pair = refill(a, spare, &bad);
        Py_DECREF(spare);
    } else {
        PyObject *params = vel_asking_params(a, &bad);
        pair = params != NULL ? make_pair(a, params) : NULL;
    }
    return pair == NULL && bad ? raise_bad(q) : pair;
}

PyObject *vel_py_router_lookup(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct question q;
    if (begin_and_run(&q, o, args, nargs, kwnames, true) < 0)
        return NULL;
    PyObject *result = q.asking.match.found == VEL_FOUND ? target_and_params(&q) : raise_missed(&q);
    vel_asking_end(&q.asking);
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

static PyObject *make_match(struct question *q) {
    struct vel_asking *a = &q->asking;
    PyTypeObject *type = a->router->state->match_type;
    struct match *m = (struct match *)type->tp_alloc(type, 0);
    bool bad;
    if (m == NULL || fill_match(m, a, &bad) == 0)
        return (PyObject *)m;
    Py_DECREF(m);
    return bad ? raise_bad(q) : NULL;
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
    struct question q;
    PyObject *result;
    if (begin_and_run(&q, o, args, nargs, kwnames, true) < 0)
        return NULL;
    if (q.asking.match.found == VEL_FOUND_BAD)
        result = raise_bad(&q);
    else
        result = is_nothing(&q.asking) ? Py_NewRef(Py_None) : make_match(&q);
    vel_asking_end(&q.asking);
    return result;
}

/* --- all routes of a path ---------------------------------------------------------------------------------------- */

/* A route for any method ends the search early. */
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
    struct question q;
    if (begin_and_run(&q, o, args, nargs, kwnames, false) < 0)
        return NULL;
    PyObject *result = q.asking.match.found == VEL_FOUND_BAD ? raise_bad(&q) : allow_with_any(&q.asking);
    vel_asking_end(&q.asking);
    return result;
}

PyObject *vel_py_router_visited(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    struct question q;
    if (begin_and_run(&q, o, args, nargs, kwnames, true) < 0)
        return NULL;
    PyObject *result = PyLong_FromUnsignedLong(q.asking.match.visited);
    vel_asking_end(&q.asking);
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
    struct question q;
    uint32_t routes[SOME];
    if (begin(&q, o, args, nargs, kwnames, false) < 0)
        return NULL;
    PyObject *list = candidates(&q.asking, routes, SOME);
    vel_asking_end(&q.asking);
    return list;
}

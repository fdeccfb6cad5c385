/* The type RouterBase: adding routes, freezing them. */
#include "py/router/route.h"

#include "py/types.h"

/* --- a frozen one ------------------------------------------------------------------------------------------------ */

void vel_py_frozen_release(struct vel_py_frozen *frozen) {
    if (frozen == NULL || --frozen->refs > 0)
        return;
    for (size_t i = 0; i < frozen->nconverters; i++)
        Py_XDECREF(frozen->converters[i]);
    PyMem_Free(frozen->converters);
    vel_router_free(frozen->r);
    PyMem_Free(frozen);
}

/* self._converter(name, args) gives what takes a str: fullmatch of an expression, or a callable. */
static int make_converters(struct vel_py_router *self, struct vel_py_frozen *frozen) {
    size_t count = vel_router_foreign_count(frozen->r);
    frozen->converters = PyMem_Calloc(count > 0 ? count : 1, sizeof(*frozen->converters));
    if (frozen->converters == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    frozen->nconverters = count;
    for (size_t i = 0; i < count; i++) {
        const struct vel_foreign *foreign = vel_router_foreign(frozen->r, i);
        frozen->converters[i] =
            PyObject_CallMethod((PyObject *)self, "_converter", "s#s#", foreign->name.at, (Py_ssize_t)foreign->name.len,
                                foreign->args.at, (Py_ssize_t)foreign->args.len);
        if (frozen->converters[i] == NULL)
            return -1;
    }
    return 0;
}

static struct vel_py_frozen *freeze(struct vel_py_router *self) {
    struct vel_py_frozen *frozen = PyMem_Calloc(1, sizeof(*frozen));
    if (frozen == NULL)
        return (void *)PyErr_NoMemory();
    frozen->refs = 1;
    frozen->r = vel_router_new(self->builder);
    if (frozen->r == NULL)
        PyErr_NoMemory();
    if (frozen->r != NULL && make_converters(self, frozen) == 0)
        return frozen;
    vel_py_frozen_release(frozen);
    return NULL;
}

/* What is made while _converter runs, which may ask this router, is as good. */
int vel_py_router_freeze(struct vel_py_router *self) {
    while (self->frozen == NULL) {
        size_t nroutes = self->nroutes;
        struct vel_py_frozen *frozen = freeze(self);
        if (frozen == NULL)
            return -1;
        if (self->frozen == NULL && self->nroutes == nroutes)
            self->frozen = frozen;
        else
            vel_py_frozen_release(frozen);
    }
    return 0;
}

/* --- adding ------------------------------------------------------------------------------------------------------ */

static void free_route(struct vel_py_route *route) {
    for (unsigned i = 0; i < route->nparams; i++)
        Py_XDECREF(route->params[i].name);
    PyMem_Free(route->params);
    Py_XDECREF(route->target);
    Py_XDECREF(route->about);
    Py_XDECREF(route->spare);
}

static int add_param(struct vel_py_route *route, struct vel_slice name, enum vel_param_kind kind) {
    if (route->nparams == VEL_MATCH_PARAMS)
        return 0; /* which the builder refuses */
    struct vel_py_param *param = &route->params[route->nparams++];
    param->kind = kind;
    if (name.len == 0)
        return 0;
    param->name = PyUnicode_DecodeASCII(name.at, (Py_ssize_t)name.len, NULL);
    if (param->name == NULL)
        return -1;
    PyUnicode_InternInPlace(&param->name);
    for (const struct vel_py_param *other = route->params; other < param; other++)
        if (other->name == param->name) {
            PyErr_Format(PyExc_ValueError, "two parameters of one name: %U", param->name);
            return -1;
        }
    return 0;
}

/* As far as it is one: the builder, which is asked next, says what is wrong. */
static int add_params(struct vel_py_route *route, struct vel_slice pattern) {
    struct vel_pattern p;
    struct vel_piece piece;
    vel_pattern_init(&p, pattern);
    while (vel_pattern_next(&p, &piece))
        if (piece.kind == VEL_PIECE_PARAM && add_param(route, piece.text, piece.param) < 0)
            return -1;
    return 0;
}

/* From the last label to the first, as they are matched. */
static int add_host_params(struct vel_py_route *route, struct vel_slice host) {
    char text[VEL_PATTERN_MAX];
    for (size_t end = host.len, start = end; host.len > 0; end = --start) {
        while (start > 0 && host.at[start - 1] != '.')
            start--;
        text[0] = '/';
        memcpy(text + 1, host.at + start, end - start);
        bool star = end - start == 1 && host.at[start] == '*';
        if (star ? add_param(route, (struct vel_slice){0}, VEL_PARAM_PATH) < 0
                 : add_params(route, vel_slice(text, end - start + 1)) < 0)
            return -1;
        if (start == 0)
            break;
    }
    return 0;
}

static int make_room(struct vel_py_router *self) {
    if (self->nroutes < self->room)
        return 0;
    size_t room = self->room > 0 ? self->room * 2 : 16;
    struct vel_py_route *routes = PyMem_Realloc(self->routes, room * sizeof(*routes));
    if (routes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->routes = routes;
    self->room = room;
    return 0;
}

static int refuse(int err, const struct vel_route_problem *problem) {
    if (err == VEL_ENOMEM)
        PyErr_NoMemory();
    else if (err == VEL_ELIMIT)
        PyErr_SetString(PyExc_ValueError, "a router has at most 65535 routes and 62 methods");
    else
        PyErr_Format(PyExc_ValueError, "%s (at %zu)", problem->why, problem->at);
    return -1;
}

/* Methods as slices of their str; *count is -1 with an exception. */
static struct vel_slice *methods_of(PyObject *methods, Py_ssize_t *count) {
    *count = methods != Py_None ? PyTuple_GET_SIZE(methods) : 0;
    struct vel_slice *slices = PyMem_New(struct vel_slice, *count + 1);
    if (slices == NULL)
        return (void *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < *count; i++) {
        Py_ssize_t len;
        slices[i].at = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(methods, i), &len);
        slices[i].len = (size_t)len;
        if (slices[i].at == NULL) {
            PyMem_Free(slices);
            return NULL;
        }
    }
    return slices;
}

/* Other names than the pattern has: str, or None for a parameter that is not told. */
static void rename_params(struct vel_py_route *route, PyObject *names) {
    for (unsigned i = 0; i < route->nparams && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i); // borrowed: of the tuple
        Py_XSETREF(route->params[i].name, name != Py_None ? Py_NewRef(name) : NULL);
    }
}

static bool is_plain(const struct vel_py_route *route) {
    for (unsigned i = 0; i < route->nparams; i++)
        if (route->params[i].name == NULL || route->params[i].kind == VEL_PARAM_CUSTOM)
            return false;
    return true;
}

/* The route's objects, not yet in the list. */
static int make_route(struct vel_py_route *made, const struct vel_route *route, PyObject *target, PyObject *about,
                      PyObject *names) {
    *made = (struct vel_py_route){.target = Py_NewRef(target), .about = Py_NewRef(about)};
    made->params = PyMem_Calloc(VEL_MATCH_PARAMS, sizeof(*made->params));
    if (made->params == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (add_host_params(made, route->host) < 0 || add_params(made, route->pattern) < 0)
        return -1;
    if (names != Py_None)
        rename_params(made, names);
    made->is_plain = is_plain(made);
    struct vel_py_param *fit = PyMem_Realloc(made->params, (made->nparams + 1) * sizeof(*fit));
    if (fit != NULL)
        made->params = fit;
    return 0;
}

/* The builder's number and that of the list are one. */
static PyObject *add_built(struct vel_py_router *self, const struct vel_route *route, PyObject *target, PyObject *about,
                           PyObject *names) {
    struct vel_py_route made;
    struct vel_route_problem problem;
    if (make_room(self) < 0)
        return NULL;
    if (make_route(&made, route, target, about, names) < 0) {
        free_route(&made);
        return NULL;
    }
    int err = vel_builder_add(self->builder, route, &problem);
    if (err) {
        free_route(&made);
        return err == VEL_ESTATE ? PyLong_FromLong(-1 - (long)problem.other) : (refuse(err, &problem), NULL);
    }
    self->routes[self->nroutes++] = made;
    struct vel_py_frozen *before = self->frozen;
    self->frozen = NULL;
    vel_py_frozen_release(before);
    return PyLong_FromSize_t(self->nroutes - 1);
}

static PyObject *add(PyObject *o, PyObject *args) {
    PyObject *methods, *target, *about, *names = Py_None;
    struct vel_route route = {0};
    Py_ssize_t host_len, pattern_len, count;
    int mount;
    if (!PyArg_ParseTuple(args, "Os#s#pOO|O:_add", &methods, &route.pattern.at, &pattern_len, &route.host.at, &host_len,
                          &mount, &target, &about, &names))
        return NULL;
    if (methods != Py_None && (!PyTuple_Check(methods) || PyTuple_GET_SIZE(methods) == 0)) {
        PyErr_SetString(PyExc_TypeError, "methods are a tuple of str that is not empty, or None");
        return NULL;
    }
    if (names != Py_None && !PyTuple_Check(names)) {
        PyErr_SetString(PyExc_TypeError, "names are a tuple, or None");
        return NULL;
    }
    if (host_len >= VEL_PATTERN_MAX) {
        PyErr_SetString(PyExc_ValueError, "a host is too long");
        return NULL;
    }
    struct vel_slice *slices = methods_of(methods, &count);
    if (slices == NULL)
        return NULL;
    route.pattern.len = (size_t)pattern_len;
    route.host.len = (size_t)host_len;
    route.methods = slices;
    route.nmethods = (size_t)count;
    route.mount = mount;
    PyObject *number = add_built((struct vel_py_router *)o, &route, target, about, names);
    PyMem_Free(slices);
    return number;
}

static PyObject *freeze_now(PyObject *o, PyObject *ignored) {
    (void)ignored;
    if (vel_py_router_freeze((struct vel_py_router *)o) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* --- the pieces of a pattern -------------------------------------------------------------------------------------- */

static PyObject *make_piece(const struct vel_piece *piece) {
    if (piece->kind == VEL_PIECE_SLASH)
        return PyUnicode_FromString("/");
    if (piece->kind == VEL_PIECE_LITERAL)
        return PyUnicode_DecodeUTF8(piece->text.at, (Py_ssize_t)piece->text.len, NULL);
    return Py_BuildValue("(s#s#s#)", piece->text.at, (Py_ssize_t)piece->text.len,
                         piece->converter.len > 0 ? piece->converter.at : "str",
                         (Py_ssize_t)(piece->converter.len > 0 ? piece->converter.len : 3),
                         piece->args.len > 0 ? piece->args.at : "", (Py_ssize_t)piece->args.len);
}

static PyObject *pieces(PyObject *type, PyObject *text) {
    (void)type;
    struct vel_pattern p;
    struct vel_piece piece;
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(text, &len);
    PyObject *list = at != NULL ? PyList_New(0) : NULL;
    if (list == NULL)
        return NULL;
    vel_pattern_init(&p, vel_slice(at, (size_t)len));
    while (list != NULL && vel_pattern_next(&p, &piece)) {
        PyObject *made = make_piece(&piece);
        if (made == NULL || PyList_Append(list, made) < 0)
            Py_CLEAR(list);
        Py_XDECREF(made);
    }
    if (list != NULL && p.why != NULL) {
        Py_CLEAR(list);
        PyErr_Format(PyExc_ValueError, "%s (at %zu)", p.why, p.at);
    }
    return list;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

/* The subclass's own arguments are its own affair. */
static PyObject *new_router(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args, (void)kwargs;
    struct vel_state *state = vel_state_of_subtype(type);
    struct vel_py_router *self = state != NULL ? (struct vel_py_router *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL)
        return NULL;
    self->state = state;
    self->builder = vel_builder_new(0);
    if (self->builder == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* Before the first route. head: HEAD is answered by what answers GET. decoded: every path is. */
static PyObject *options(PyObject *o, PyObject *args) {
    struct vel_py_router *self = (struct vel_py_router *)o;
    int ignore_slash, keep_all, redirect, head, decoded;
    if (!PyArg_ParseTuple(args, "ppppp:_options", &ignore_slash, &keep_all, &redirect, &head, &decoded))
        return NULL;
    if (self->nroutes > 0) {
        PyErr_SetString(PyExc_RuntimeError, "there are routes already");
        return NULL;
    }
    struct vel_builder *b =
        vel_builder_new((ignore_slash ? VEL_ROUTER_IGNORE_SLASH : 0) | (keep_all ? VEL_ROUTER_KEEP_ALL : 0));
    if (b == NULL || (head && vel_builder_fall_back(b, VEL_SLICE("HEAD"), VEL_SLICE("GET")))) {
        vel_builder_free(b);
        return PyErr_NoMemory();
    }
    vel_builder_free(self->builder);
    self->builder = b;
    self->redirect = redirect;
    self->decoded = decoded;
    struct vel_py_frozen *before = self->frozen;
    self->frozen = NULL;
    vel_py_frozen_release(before);
    Py_RETURN_NONE;
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_py_router *self = (struct vel_py_router *)o;
    Py_VISIT(Py_TYPE(o));
    for (size_t i = 0; i < self->nroutes; i++) {
        Py_VISIT(self->routes[i].target);
        Py_VISIT(self->routes[i].about);
        Py_VISIT(self->routes[i].spare);
    }
    for (size_t i = 0; self->frozen != NULL && i < self->frozen->nconverters; i++)
        Py_VISIT(self->frozen->converters[i]);
    return 0;
}

/* Only what could be part of a ring; a router that is asked later has its routes still, with None for targets. */
static int clear(PyObject *o) {
    struct vel_py_router *self = (struct vel_py_router *)o;
    struct vel_py_frozen *frozen = self->frozen;
    self->frozen = NULL;
    vel_py_frozen_release(frozen);
    for (size_t i = 0; i < self->nroutes; i++) {
        Py_XSETREF(self->routes[i].target, Py_NewRef(Py_None));
        Py_XSETREF(self->routes[i].about, Py_NewRef(Py_None));
        Py_CLEAR(self->routes[i].spare);
    }
    return 0;
}

static void dealloc(PyObject *o) {
    struct vel_py_router *self = (struct vel_py_router *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    struct vel_py_frozen *frozen = self->frozen;
    self->frozen = NULL;
    vel_py_frozen_release(frozen);
    for (size_t i = 0; i < self->nroutes; i++)
        free_route(&self->routes[i]);
    PyMem_Free(self->routes);
    vel_builder_free(self->builder);
    type->tp_free(o);
    Py_DECREF(type);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
static PyMethodDef methods[] = {
    {"lookup", FAST(vel_py_router_lookup), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"match", FAST(vel_py_router_match), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"allowed", FAST(vel_py_router_allowed), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"freeze", freeze_now, METH_NOARGS, NULL},
    {"_candidates", FAST(vel_py_router_candidates), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_visited", FAST(vel_py_router_visited), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_add", add, METH_VARARGS, NULL},
    {"_options", options, METH_VARARGS, NULL},
    {"_errors", vel_py_router_errors, METH_VARARGS | METH_CLASS, NULL},
    {"_pieces", pieces, METH_O | METH_STATIC, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new_router},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The C part of velocem.Router."},
    {0, NULL},
};

PyType_Spec vel_router_type_spec = {
    .name = "velocem._core.RouterBase",
    .basicsize = sizeof(struct vel_py_router),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* A question to a router: str into slices, converters that are Python's, values into objects. */
#include "py/router/route.h"

#include "py/text.h"

#include "base/num.h"

/* --- the question ------------------------------------------------------------------------------------------------ */

static int other_text_of(PyObject *text, struct vel_slice *out, bool *none) {
    if (PyBytes_Check(text)) {
        *out = vel_bytes_slice(text);
        return 0;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "a str is needed, not %.100s", Py_TYPE(text)->tp_name);
        return -1;
    }
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(text, &len);
    if (at == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        *none = true;
        return 0;
    }
    *out = vel_slice(at, (size_t)len);
    return at != NULL ? 0 : -1;
}

/* UTF-8 of a str, or the bytes themselves. A lone surrogate is in no path: *none, without an exception. */
static inline int text_of(PyObject *text, struct vel_slice *out, bool *ascii, bool *none) {
    if (PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
        *out = vel_slice((const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
        return 0;
    }
    *ascii = false;
    return other_text_of(text, out, none);
}

static PyObject *value_text(struct vel_slice value) {
    return PyUnicode_DecodeUTF8(value.at, (Py_ssize_t)value.len, NULL);
}

/* Whether a converter that raised has only said no. */
static int refused(void) {
    if (!PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyErr_Clear();
    return 0;
}

/* An expression keeps the text; what another converter made is kept for the answer. */
static int ask(void *owner, uint32_t foreign, unsigned param, struct vel_slice value) {
    struct vel_asking *a = owner;
    PyObject *text = value_text(value);
    if (text == NULL)
        return refused();
    PyObject *made = PyObject_CallOneArg(a->frozen->converters[foreign], text);
    if (made == NULL || vel_router_foreign(a->frozen->r, foreign)->kind == VEL_PARAM_CUSTOM) {
        Py_DECREF(text);
        if (made == NULL)
            return refused();
        Py_XSETREF(a->made[param], made);
        return 1;
    }
    int matched = made != Py_None;
    Py_DECREF(made);
    Py_XSETREF(a->made[param], text);
    return matched;
}

static int prepare_scratch(struct vel_asking *a) {
    size_t len = a->query.path.len;
    a->query.scratch = a->small;
    if (len <= sizeof(a->small) || !a->query.encoded)
        return 0;
    a->query.scratch = a->large = PyMem_Malloc(len);
    if (a->large == NULL)
        PyErr_NoMemory();
    return a->large != NULL ? 0 : -1;
}

static void start(struct vel_asking *a, struct vel_py_router *router, bool decoded) {
    a->router = router;
    a->ascii = true;
    a->large = NULL;
    a->values = NULL;
    a->query.host = (struct vel_slice){0};
    a->query.encoded = !decoded && !router->decoded;
    a->query.ask = NULL;
}

/* With what was frozen, whatever the router becomes meanwhile. */
static int hold(struct vel_asking *a) {
    if (prepare_scratch(a) < 0)
        return -1;
    a->frozen = a->router->frozen;
    a->frozen->refs++;
    if (a->frozen->nconverters > 0) {
        a->values = memset(a->made, 0, sizeof(a->made));
        a->query.ask = ask;
        a->query.owner = a;
    }
    return 0;
}

int vel_asking_begin_raw(struct vel_asking *a, struct vel_py_router *router, const struct vel_query *query,
                         bool ascii) {
    start(a, router, !query->encoded);
    a->ascii = ascii;
    if (router->frozen == NULL && vel_py_router_freeze(router) < 0)
        return -1;
    a->query.method = query->method;
    a->query.path = query->path;
    a->query.host = query->host;
    return hold(a);
}

int vel_asking_begin(struct vel_asking *a, struct vel_py_router *router, PyObject *method, PyObject *path,
                     PyObject *host, bool decoded) {
    bool none = false, ignored = true;
    start(a, router, decoded);
    if (router->frozen == NULL && vel_py_router_freeze(router) < 0)
        return -1;
    if (text_of(method, &a->query.method, &ignored, &none) < 0 || text_of(path, &a->query.path, &a->ascii, &none) < 0)
        return -1;
    if (host != NULL && host != Py_None && text_of(host, &a->query.host, &a->ascii, &none) < 0)
        return -1;
    if (none)
        a->query.path = (struct vel_slice){0};
    return hold(a);
}

int vel_asking_run(struct vel_asking *a) {
    vel_router_match(a->frozen->r, &a->query, &a->match);
    return a->match.found != VEL_FOUND_STOPPED ? 0 : -1;
}

void vel_asking_end(struct vel_asking *a) {
    struct vel_py_frozen *frozen = a->frozen;
    for (unsigned i = 0; a->values != NULL && i < VEL_MATCH_PARAMS; i++)
        Py_CLEAR(a->values[i]);
    if (a->large != NULL)
        PyMem_Free(a->large);
    vel_py_frozen_release(frozen);
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

static PyObject *make_text(const struct vel_asking *a, struct vel_slice value) {
    uintptr_t in_scratch = (uintptr_t)value.at - (uintptr_t)a->query.scratch;
    if (!a->ascii || in_scratch < a->query.path.len)
        return value_text(value);
    PyObject *text = PyUnicode_New((Py_ssize_t)value.len, 127);
    if (text != NULL)
        memcpy(PyUnicode_1BYTE_DATA(text), value.at, value.len);
    return text;
}

/* At most 18 digits, which the router has checked. */
static PyObject *make_int(struct vel_slice value) {
    bool negative = value.at[0] == '-';
    long long number = 0;
    for (size_t i = negative; i < value.len; i++)
        number = number * 10 + (value.at[i] - '0');
    return PyLong_FromLongLong(negative ? -number : number);
}

static PyObject *make_float(struct vel_slice value) {
    char text[257];
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    double number = PyOS_string_to_double(text, NULL, NULL);
    return number == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(number);
}

/* By a constructor of the standard library's, which is imported when it is first needed. */
static PyObject *make_by(const char *module, const char *type, const char *constructor, struct vel_slice value) {
    PyObject *made = NULL, *imported = PyImport_ImportModule(module);
    PyObject *class = imported != NULL ? PyObject_GetAttrString(imported, type) : NULL;
    PyObject *maker = class == NULL         ? NULL
                      : constructor == NULL ? Py_NewRef(class)
                                            : PyObject_GetAttrString(class, constructor);
    if (maker != NULL)
        made = PyObject_CallFunction(maker, "s#", value.at, (Py_ssize_t)value.len);
    Py_XDECREF(maker);
    Py_XDECREF(class);
    Py_XDECREF(imported);
    return made;
}

static inline PyObject *value_of(const struct vel_asking *a, enum vel_param_kind kind, unsigned i) {
    struct vel_slice value = a->match.params[i];
    switch (kind) {
    case VEL_PARAM_INT:
        return make_int(value);
    case VEL_PARAM_FLOAT:
        return make_float(value);
    case VEL_PARAM_UUID:
        return make_by("uuid", "UUID", NULL, value);
    case VEL_PARAM_DATE:
        return make_by("datetime", "date", "fromisoformat", value);
    case VEL_PARAM_RE:
    case VEL_PARAM_CUSTOM:
        return Py_NewRef(a->values[i]);
    default:
        return make_text(a, value);
    }
}

PyObject *vel_asking_value(const struct vel_asking *a, unsigned i) {
    return value_of(a, a->router->routes[a->match.route].params[i].kind, i);
}

int vel_asking_fill(struct vel_asking *a, PyObject *params, bool *bad) {
    /* Neither moves when a value that is replaced runs code as it goes, and that code adds routes. */
    const struct vel_py_param *param = a->router->routes[a->match.route].params;
    unsigned nparams = a->router->routes[a->match.route].nparams;
    *bad = false;
    for (unsigned i = 0; i < nparams; i++, param++) {
        if (param->name == NULL)
            continue;
        PyObject *value = value_of(a, param->kind, i);
        if (value == NULL) {
            *bad = PyErr_ExceptionMatches(PyExc_UnicodeDecodeError);
            if (*bad)
                PyErr_Clear();
            return -1;
        }
        int err = PyDict_SetItem(params, param->name, value);
        Py_DECREF(value);
        if (err < 0)
            return -1;
    }
    return 0;
}

PyObject *vel_asking_params(struct vel_asking *a, bool *bad) {
    PyObject *params = PyDict_New();
    *bad = false;
    if (params != NULL && vel_asking_fill(a, params, bad) < 0)
        Py_CLEAR(params);
    return params;
}

PyObject *vel_asking_allow(const struct vel_asking *a) {
    PyObject *list = PyList_New(0);
    size_t count = vel_router_method_count(a->frozen->r);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (!(a->match.allow >> i & 1))
            continue;
        struct vel_slice name = vel_router_method_name(a->frozen->r, i);
        PyObject *text = value_text(name);
        if (text == NULL || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    if (list == NULL || PyList_Sort(list) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    PyObject *tuple = PyList_AsTuple(list);
    Py_DECREF(list);
    return tuple;
}

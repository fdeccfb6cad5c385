/* Arguments of a handler: each leaf from where it is in the request, all of what is wrong at once. */
#include "py/native/core.h"

#include "http/form.h"

/* Values of one name that are looked at. */
#define MANY_MAX 1000

/* --- one value or many ------------------------------------------------------------------------------------------- */

static const char *source_name(enum vel_source source) {
    static const char *const names[] = {"", "path", "query", "header", "cookie", "form", "body", "", "body"};
    return names[source];
}

/* No value came: the default, a list copied so that a handler may change it. */
static PyObject *fall_back(struct vel_reading *r, const struct vel_leaf *leaf) {
    if (leaf->fallback == NULL) {
        if (vel_faults_add(&r->faults, source_name(leaf->source), leaf->name, "is missing") < 0)
            return NULL;
        return NULL;
    }
    if (PyList_CheckExact(leaf->fallback))
        return PyList_GetSlice(leaf->fallback, 0, PyList_GET_SIZE(leaf->fallback));
    return Py_NewRef(leaf->fallback);
}

/* NULL without an exception: a fault was noted. */
static PyObject *convert(struct vel_reading *r, const struct vel_leaf *leaf, struct vel_slice text) {
    bool latin1 = leaf->source == VEL_SOURCE_HEADER || leaf->source == VEL_SOURCE_COOKIE;
    PyObject *value = vel_convert_slice(leaf, text, latin1);
    if (value == NULL)
        vel_faults_take(&r->faults, source_name(leaf->source), leaf->name);
    return value;
}

/* Takes over nothing: *to is the list of many, or the one value. False: enough, or it failed. */
static bool take_value(struct vel_reading *r, const struct vel_leaf *leaf, struct vel_slice text, PyObject **to) {
    PyObject *value = convert(r, leaf, text);
    if (!leaf->many || value == NULL) {
        Py_XSETREF(*to, value);
        return false;
    }
    if (*to == NULL)
        *to = PyList_New(0);
    if (*to == NULL || PyList_GET_SIZE(*to) == MANY_MAX || PyList_Append(*to, value) < 0) {
        if (!PyErr_Occurred())
            vel_faults_add(&r->faults, source_name(leaf->source), leaf->name, "has too many values");
        Py_CLEAR(*to);
    }
    Py_DECREF(value);
    return *to != NULL;
}

/* Decoded into memory of its own when it has to be. */
static bool take_encoded(struct vel_reading *r, const struct vel_leaf *leaf, struct vel_pair *pair, PyObject **to) {
    char small[256];
    char *out = pair->value.len <= sizeof(small) ? small : PyMem_Malloc(pair->value.len);
    if (out == NULL) {
        PyErr_NoMemory();
        return false;
    }
    bool more = take_value(r, leaf, vel_slice(out, vel_form_decode(pair->value, out)), to);
    if (out != small)
        PyMem_Free(out);
    return more;
}

static bool take_pair(struct vel_reading *r, const struct vel_leaf *leaf, struct vel_pair *pair, PyObject **to) {
    return pair->encoded ? take_encoded(r, leaf, pair, to) : take_value(r, leaf, pair->value, to);
}

/* --- where they are ---------------------------------------------------------------------------------------------- */

static bool is_named(const struct vel_pair *pair, struct vel_slice name) {
    return pair->encoded ? vel_form_is(pair->name, name) : vel_slice_eq(pair->name, name);
}

/* NULL: none, or a fault, or an exception; *found tells the first from the others. */
static PyObject *from_pairs(struct vel_reading *r, const struct vel_leaf *leaf, struct vel_slice rest,
                            bool (*next)(struct vel_slice *rest, struct vel_pair *pair), bool *found) {
    struct vel_pair pair;
    PyObject *value = NULL;
    while (next(&rest, &pair)) {
        if (!is_named(&pair, leaf->text))
            continue;
        *found = true;
        if (!take_pair(r, leaf, &pair, &value))
            break;
    }
    return value;
}

static bool is_field(const struct vel_field *field, const struct vel_leaf *leaf) {
    return leaf->field != VEL_FIELD_OTHER
               ? field->id == leaf->field
               : field->id == VEL_FIELD_OTHER && vel_slice_eq_nocase(field->name, leaf->text);
}

/* Lines of one name are one list (RFC 9110 5.2). */
static PyObject *join(struct vel_reading *r, const struct vel_leaf *leaf) {
    struct vel_buf all = {0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < r->head->nfields; i++) {
        const struct vel_field *field = &r->head->fields[i];
        if (!is_field(field, leaf))
            continue;
        if (all.len > 0)
            err = vel_buf_append(&all, ", ", 2);
        if (err == 0)
            err = vel_buf_append(&all, field->value.at, field->value.len);
    }
    PyObject *value = NULL;
    if (err != 0)
        PyErr_NoMemory();
    else
        value = convert(r, leaf, vel_slice(all.data, all.len));
    vel_buf_free(&all);
    return value;
}

static PyObject *from_fields(struct vel_reading *r, const struct vel_leaf *leaf, bool *found) {
    const struct vel_field *only = NULL;
    PyObject *value = NULL;
    for (size_t i = 0; i < r->head->nfields; i++) {
        const struct vel_field *field = &r->head->fields[i];
        if (!is_field(field, leaf))
            continue;
        if (!leaf->many && *found)
            return join(r, leaf);
        *found = true;
        only = field;
        if (leaf->many && !take_value(r, leaf, field->value, &value))
            return NULL;
    }
    return leaf->many || only == NULL ? value : convert(r, leaf, only->value);
}

static PyObject *from_cookies(struct vel_reading *r, const struct vel_leaf *leaf, bool *found) {
    PyObject *value = NULL;
    for (size_t i = 0; i < r->head->nfields && !*found; i++)
        if (r->head->fields[i].id == VEL_FIELD_COOKIE)
            value = from_pairs(r, leaf, r->head->fields[i].value, vel_cookie_next, found);
    return value;
}

/* The router has the parameters of a host before those of the path. */
static PyObject *from_path(struct vel_reading *r, const struct vel_leaf *leaf) {
    const struct vel_py_route *route = r->asking != NULL ? &r->asking->router->routes[r->asking->match.route] : NULL;
    for (unsigned i = 0; route != NULL && i < route->nparams; i++) {
        PyObject *name = route->params[i].name;
        if (name == NULL || (name != leaf->name && PyUnicode_Compare(name, leaf->name) != 0))
            continue;
        PyObject *value = vel_asking_value(r->asking, i);
        PyObject *made = value != NULL ? vel_convert(leaf, value) : NULL;
        Py_XDECREF(value);
        if (made == NULL)
            vel_faults_take(&r->faults, "path", leaf->name);
        return made;
    }
    PyErr_Format(PyExc_RuntimeError, "the path has no parameter %R", leaf->name);
    return NULL;
}

/* --- the body ---------------------------------------------------------------------------------------------------- */

static PyObject *body_bytes(struct vel_reading *r) {
    return PyBytes_FromStringAndSize(r->body.at, (Py_ssize_t)r->body.len);
}

static PyObject *from_body(struct vel_reading *r, const struct vel_leaf *leaf) {
    if (r->body.len == 0) {
        if (leaf->fallback != NULL)
            return fall_back(r, leaf);
        vel_faults_add(&r->faults, "body", NULL, "is missing");
        return NULL;
    }
    PyObject *bytes = body_bytes(r);
    if (bytes == NULL || leaf->callable == NULL)
        return bytes;
    PyObject *value = PyObject_CallOneArg(leaf->callable, bytes);
    Py_DECREF(bytes);
    if (value == NULL)
        vel_faults_explain(r->core, &r->faults);
    return value;
}

static PyObject *read_leaf(struct vel_reading *r, const struct vel_leaf *leaf) {
    bool found = false;
    PyObject *value = NULL;
    switch (leaf->source) {
    case VEL_SOURCE_PATH:
        return from_path(r, leaf);
    case VEL_SOURCE_BODY:
        return from_body(r, leaf);
    case VEL_SOURCE_BYTES:
        return body_bytes(r);
    case VEL_SOURCE_REQUEST:
        return vel_reading_request(r);
    case VEL_SOURCE_QUERY:
        value = from_pairs(r, leaf, r->head->target.query, vel_form_next, &found);
        break;
    case VEL_SOURCE_FORM:
        value = from_pairs(r, leaf, r->body, vel_form_next, &found);
        break;
    case VEL_SOURCE_HEADER:
        value = from_fields(r, leaf, &found);
        break;
    case VEL_SOURCE_COOKIE:
        value = from_cookies(r, leaf, &found);
        break;
    default:
        return Py_NewRef(leaf->fallback);
    }
    return found ? value : fall_back(r, leaf);
}

static void drop(PyObject **args, Py_ssize_t n) {
    while (n-- > 0)
        Py_CLEAR(args[n]);
}

int vel_read_leaves(struct vel_reading *r, PyObject **args) {
    const struct vel_plan *plan = r->plan;
    for (Py_ssize_t i = 0; i < plan->nleaves; i++) {
        args[i] = read_leaf(r, &plan->leaves[i]);
        if (args[i] == NULL && PyErr_Occurred()) {
            drop(args, i);
            return -1;
        }
    }
    if (r->faults.status == 0)
        return 0;
    drop(args, plan->nleaves);
    return 1;
}

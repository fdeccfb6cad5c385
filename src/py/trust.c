/* Reading the trust list and the names of forwarded fields. */
#include "py/trust.h"

#include "base/mem.h"
#include "http/field.h"

/* The text of a str, borrowed from it. */
static int text_of(PyObject *item, struct vel_slice *out) {
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(item, &len); /* a TypeError for what is no str */
    if (at == NULL)
        return -1;
    *out = vel_slice(at, (size_t)len);
    return 0;
}

static int take_one(PyObject *item, struct vel_trust *out, struct vel_cidr *nets) {
    struct vel_slice text;
    if (text_of(item, &text) < 0)
        return -1;
    if (vel_slice_eq(text, VEL_SLICE("*"))) {
        out->everyone = true;
    } else if (vel_slice_eq(text, VEL_SLICE("unix"))) {
        out->unix_peers = true;
    } else if (vel_cidr_parse(text, &nets[out->n])) {
        out->n++;
    } else {
        PyErr_Format(PyExc_ValueError, "%R is no address, network, '*' or 'unix'", item);
        return -1;
    }
    return 0;
}

int vel_take_trust(PyObject *given, struct vel_trust *out, struct vel_cidr **nets) {
    PyObject *items = PySequence_Tuple(given);
    if (items == NULL)
        return -1;
    Py_ssize_t n = PyTuple_GET_SIZE(items);
    *out = (struct vel_trust){0};
    *nets = vel_alloc_array((size_t)(n > 0 ? n : 1), sizeof(**nets));
    int err = *nets != NULL ? 0 : -1;
    if (err < 0)
        PyErr_NoMemory();
    out->nets = *nets;
    for (Py_ssize_t i = 0; err == 0 && i < n; i++)
        err = take_one(PyTuple_GET_ITEM(items, i), out, *nets); // borrowed: of items, which we hold
    Py_DECREF(items);
    return err;
}

static unsigned field_of(struct vel_slice name) {
    switch (name.len > 0 ? vel_field_find(name) : VEL_FIELD_OTHER) {
    case VEL_FIELD_X_FORWARDED_FOR:
        return VEL_ORIGIN_FOR;
    case VEL_FIELD_X_FORWARDED_PROTO:
        return VEL_ORIGIN_PROTO;
    case VEL_FIELD_X_FORWARDED_HOST:
        return VEL_ORIGIN_HOST;
    case VEL_FIELD_X_FORWARDED_PORT:
        return VEL_ORIGIN_PORT;
    case VEL_FIELD_X_FORWARDED_PREFIX:
        return VEL_ORIGIN_PREFIX;
    case VEL_FIELD_FORWARDED:
        return VEL_ORIGIN_FORWARDED;
    default:
        return 0;
    }
}

static int add_field(PyObject *item, unsigned *out) {
    struct vel_slice name;
    if (text_of(item, &name) < 0)
        return -1;
    unsigned field = field_of(name);
    if (field == 0) {
        PyErr_Format(PyExc_ValueError, "%R is no field that says where a request comes from", item);
        return -1;
    }
    *out |= field;
    return 0;
}

int vel_take_origin_fields(PyObject *given, unsigned *out) {
    PyObject *items = PySequence_Tuple(given);
    if (items == NULL)
        return -1;
    int err = 0;
    *out = 0;
    for (Py_ssize_t i = 0; err == 0 && i < PyTuple_GET_SIZE(items); i++)
        err = add_field(PyTuple_GET_ITEM(items, i), out); // borrowed: of items, which we hold
    Py_DECREF(items);
    if (err == 0 && (*out & VEL_ORIGIN_FORWARDED) && *out != VEL_ORIGIN_FORWARDED) {
        PyErr_SetString(PyExc_ValueError, "Forwarded and X-Forwarded-* exclude each other");
        err = -1;
    }
    return err;
}

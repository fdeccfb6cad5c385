/* start_response(status, headers, exc_info=None): checked at the call, so that the application sees what it did wrong.
 */
#include "py/wsgi/start_response.h"

#include "base/num.h"
#include "http/field_check.h"
#include "py/text.h"
#include "py/types.h"
#include "py/wsgi/write.h"

#include <structmember.h>

/* --- what was announced ------------------------------------------------------------------------------------------ */

static void forget(struct vel_start_response *self) {
    PyObject *status = self->status, **texts = self->texts;
    struct vel_field *fields = self->fields;
    size_t n = self->ntexts;
    self->status = NULL;
    self->ntexts = 0;
    self->texts = self->inline_texts;
    self->fields = self->inline_fields;
    self->head.fields = self->inline_fields;
    self->head.nfields = 0;
    Py_XDECREF(status);
    for (size_t i = 0; i < n; i++)
        Py_DECREF(texts[i]);
    if (fields != self->inline_fields) {
        PyMem_Free(fields);
        PyMem_Free(texts);
    }
}

static int reserve(struct vel_start_response *self, size_t n) {
    if (n <= VEL_WSGI_FIELDS_INLINE)
        return 0;
    struct vel_field *fields = PyMem_New(struct vel_field, n);
    PyObject **texts = PyMem_New(PyObject *, 2 * n);
    if (fields == NULL || texts == NULL) {
        PyMem_Free(fields);
        PyMem_Free(texts);
        PyErr_NoMemory();
        return -1;
    }
    self->fields = fields;
    self->texts = texts;
    self->head.fields = fields;
    return 0;
}

static int bad_type(const char *what, const char *wanted, PyObject *given) {
    PyErr_Format(PyExc_TypeError, "%s must be %s, not %.100s", what, wanted, Py_TYPE(given)->tp_name);
    return -1;
}

static int bad_value(const char *what, PyObject *given) {
    PyErr_Format(PyExc_ValueError, "%s: %R", what, given);
    return -1;
}

/* Our own reference to an exact str: one of a derived class could run code when it goes, or hold us in a cycle. NULL
 * with an exception. */
static PyObject *exact_text(PyObject *given) {
    return PyUnicode_CheckExact(given) ? Py_NewRef(given) : PyUnicode_FromObject(given);
}

/* "999 Reason": three digits, a space, a reason without controls (PEP 3333, RFC 9112 4). */
static int take_status(struct vel_start_response *self, PyObject *status) {
    struct vel_slice s;
    if (!PyUnicode_Check(status))
        return bad_type("status", "a str", status);
    self->status = exact_text(status);
    if (self->status == NULL)
        return -1;
    if (!vel_text_slice(self->status, &s) || s.len < 4 || s.at[3] != ' ' || !vel_check_value(self->wsgi->scan, s))
        return bad_value("status must be three digits, a space and a reason in latin-1", status);
    int64_t code;
    if (!vel_num_parse(vel_slice(s.at, 3), &code) || code < 200)
        return bad_value("status must be a number from 200 to 999", status);
    self->head.status = (unsigned)code;
    self->head.reason = vel_slice(s.at + 4, s.len - 4);
    return 0;
}

static int take_length(struct vel_start_response *self, struct vel_slice value, PyObject *text) {
    int64_t length;
    if (!vel_num_parse(value, &length))
        return bad_value("Content-Length must be a number", text);
    if (self->head.length >= 0 && self->head.length != length)
        return bad_value("Content-Length is given twice", text);
    self->head.length = length;
    return 0;
}

static int check_field(struct vel_start_response *self, PyObject *name, PyObject *value, struct vel_field *field) {
    if (!vel_text_slice(name, &field->name) || !vel_check_token(field->name))
        return bad_value("not a legal header name", name);
    if (!vel_text_slice(value, &field->value) || !vel_check_value(self->wsgi->scan, field->value))
        return bad_value("a header value must be latin-1 without control characters", value);
    field->id = vel_field_find(field->name);
    if (field->id != VEL_FIELD_OTHER && (vel_field_flags(field->id) & VEL_FIELD_HOP))
        return bad_value("hop-by-hop headers are the server's own (PEP 3333)", name);
    return 0;
}

/* The object holds it from here on. */
static PyObject *take_text(struct vel_start_response *self, const char *what, PyObject *given) {
    if (!PyUnicode_Check(given)) {
        bad_type(what, "a str", given);
        return NULL;
    }
    PyObject *text = exact_text(given);
    if (text != NULL)
        self->texts[self->ntexts++] = text;
    return text; // borrowed: texts holds it
}

/* Content-Length is the server's to write: it becomes the head's length. */
static int take_field(struct vel_start_response *self, PyObject *pair) {
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
        return bad_type("a header", "a tuple of two str", pair);
    PyObject *name = take_text(self, "a header name", PyTuple_GET_ITEM(pair, 0));
    PyObject *value = name != NULL ? take_text(self, "a header value", PyTuple_GET_ITEM(pair, 1)) : NULL;
    struct vel_field *field = &self->fields[self->head.nfields];
    if (value == NULL || check_field(self, name, value, field) < 0)
        return -1;
    if (field->id == VEL_FIELD_CONTENT_LENGTH)
        return take_length(self, field->value, value);
    self->head.nfields++;
    return 0;
}

/* Nothing here runs Python code, so the list cannot change under us. */
static int take_head(struct vel_start_response *self, PyObject *status, PyObject *headers) {
    if (!PyList_Check(headers))
        return bad_type("headers", "a list", headers);
    forget(self);
    self->head.length = -1;
    Py_ssize_t n = PyList_GET_SIZE(headers);
    int err = reserve(self, (size_t)n);
    for (Py_ssize_t i = 0; err == 0 && i < n; i++)
        err = take_field(self, PyList_GET_ITEM(headers, i));
    if (err == 0)
        err = take_status(self, status);
    if (err < 0)
        forget(self);
    return err;
}

/* --- the call ---------------------------------------------------------------------------------------------------- */

/* exc_info is a tuple from sys.exc_info(): once the head is out its exception is raised again (PEP 3333). */
static int raise_again(PyObject *exc_info) {
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3)
        return bad_type("exc_info", "a tuple of three", exc_info);
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1), *traceback = PyTuple_GET_ITEM(exc_info, 2); // borrowed: arguments
    if (!PyExceptionInstance_Check(value))
        return bad_type("exc_info[1]", "an exception", value);
    if (traceback != Py_None && PyException_SetTraceback(value, traceback) < 0)
        return -1;
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    return -1;
}

static PyObject *start(struct vel_start_response *self, PyObject *status, PyObject *headers, PyObject *exc_info) {
    if (self->exchange == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "start_response called after the request has ended");
        return NULL;
    }
    bool replaces = exc_info != NULL && exc_info != Py_None;
    if (replaces && self->exchange->status != 0) {
        raise_again(exc_info);
        return NULL;
    }
    if (self->status != NULL && !replaces) {
        PyErr_SetString(PyExc_RuntimeError, "start_response called twice without exc_info");
        return NULL;
    }
    return take_head(self, status, headers) < 0 ? NULL : vel_wsgi_write_new(self->wsgi, self);
}

/* Which of the three parameters a keyword names, or -1. wsgiref calls the second "headers", PEP 3333
 * "response_headers". */
static int parameter(struct vel_state *s, PyObject *name) {
    PyObject *names[4] = {s->status, s->headers, s->exc_info, s->response_headers};
    for (int i = 0; i < 4; i++)
        if (name == names[i] || PyUnicode_Compare(name, names[i]) == 0)
            return i == 3 ? 1 : i;
    return -1;
}

static int bind_keywords(struct vel_state *s, PyObject *const *values, PyObject *names, PyObject *bound[3]) {
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i); // borrowed: an argument of the running call
        int at = parameter(s, name);
        if (at < 0 || bound[at] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         at < 0 ? "start_response() has no parameter %R" : "start_response() got two values for %R",
                         name);
            return -1;
        }
        bound[at] = values[i];
    }
    return 0;
}

static PyObject *call(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *names) {
    struct vel_start_response *self = (struct vel_start_response *)o;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    PyObject *bound[3] = {NULL, NULL, NULL};
    if (n > 3)
        return PyErr_Format(PyExc_TypeError, "start_response() takes 2 or 3 arguments (%zd given)", n);
    for (Py_ssize_t i = 0; i < n; i++)
        bound[i] = args[i];
    if (names != NULL && bind_keywords(vel_state_of(Py_TYPE(o)), args + n, names, bound) < 0)
        return NULL;
    if (bound[0] == NULL || bound[1] == NULL) {
        PyErr_SetString(PyExc_TypeError, "start_response() needs status and headers");
        return NULL;
    }
    return start(self, bound[0], bound[1], bound[2]);
}

int vel_start_response_send(struct vel_start_response *self, int64_t length) {
    if (self->status == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the application sent a body, or ended, before it called start_response");
        return -1;
    }
    /* What a 304 could say is the length of the 200 it stands for (RFC 9110 8.6), which only the application knows. */
    if (self->head.length < 0 && self->head.status != 304)
        self->head.length = length;
    if (vel_exchange_head(self->exchange, &self->head) != VEL_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct vel_start_response *vel_start_response_new(struct vel_wsgi *w, struct vel_exchange *x) {
    struct vel_start_response *self = (struct vel_start_response *)w->spare_start;
    w->spare_start = NULL;
    if (self == NULL) {
        self = (struct vel_start_response *)w->state->start_response_type->tp_alloc(w->state->start_response_type, 0);
        if (self == NULL)
            return NULL;
        self->vectorcall = call;
        self->fields = self->inline_fields;
        self->texts = self->inline_texts;
    }
    self->wsgi = w;
    self->exchange = x;
    return self;
}

void vel_start_response_done(struct vel_wsgi *w, struct vel_start_response *self) {
    self->exchange = NULL;
    self->wsgi = NULL;
    if (w->spare_start == NULL && vel_is_unique((PyObject *)self)) {
        forget(self);
        w->spare_start = (PyObject *)self; /* with our reference */
    } else {
        Py_DECREF(self);
    }
}

/* No cycle can go through it: it holds strs and nothing else, so the collector need not know it. */
static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    forget((struct vel_start_response *)o);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct vel_start_response, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "start_response(status, headers, exc_info=None)\n--\n\nAnnounces the head of the reply (PEP 3333)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_start_response_type_spec = {
    .name = "velocem._core.StartResponse",
    .basicsize = sizeof(struct vel_start_response),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

/* Status and fields of a message, checked when they come, so that the application sees what it did wrong. */
#include "py/asgi/call.h"

#include "py/text.h"

#include "base/num.h"
#include "http/field_check.h"
#include "http/status.h"

void vel_asgi_forget_head(struct vel_asgi_call *call) {
    PyObject **texts = call->texts;
    struct vel_field *fields = call->fields;
    size_t n = call->ntexts;
    call->ntexts = 0;
    call->texts = call->inline_texts;
    call->fields = call->inline_fields;
    call->head.fields = NULL;
    call->head.nfields = 0;
    for (size_t i = 0; i < n; i++)
        Py_DECREF(texts[i]);
    if (fields != call->inline_fields) {
        PyMem_Free(fields);
        PyMem_Free(texts);
    }
}

static int reserve(struct vel_asgi_call *call, size_t n) {
    if (n <= VEL_ASGI_FIELDS_INLINE)
        return 0;
    struct vel_field *fields = PyMem_New(struct vel_field, n);
    PyObject **texts = PyMem_New(PyObject *, 2 * n);
    if (fields == NULL || texts == NULL) {
        PyMem_Free(fields);
        PyMem_Free(texts);
        PyErr_NoMemory();
        return -1;
    }
    call->fields = fields;
    call->texts = texts;
    return 0;
}

/* The bytes of a header's name or value. A str is what people forget to encode: the error names it. */
static int take_bytes(struct vel_asgi_call *call, const char *what, PyObject *given, struct vel_slice *out) {
    if (!PyBytes_CheckExact(given)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes, not %.100s", what, Py_TYPE(given)->tp_name);
        return -1;
    }
    call->texts[call->ntexts++] = Py_NewRef(given);
    *out = vel_bytes_slice(given);
    return 0;
}

static int bad_value(const char *what, struct vel_slice given) {
    PyObject *bytes = PyBytes_FromStringAndSize(given.at, (Py_ssize_t)given.len);
    if (bytes != NULL)
        PyErr_Format(PyExc_ValueError, "%s: %R", what, bytes);
    Py_XDECREF(bytes);
    return -1;
}

static int take_length(struct vel_asgi_call *call, struct vel_slice value) {
    int64_t length;
    if (!vel_num_parse(value, &length))
        return bad_value("content-length is not a number", value);
    if (call->head.length >= 0 && call->head.length != length)
        return bad_value("content-length says two lengths", value);
    call->head.length = length;
    return 0;
}

/* Framing and connections are the server's: what the application says of them is left out, but for its wish to close
 * (ASGI: servers ignore a transfer-encoding). */
static void take_hop(struct vel_asgi_call *call, const struct vel_field *field) {
    if (field->id == VEL_FIELD_CONNECTION && vel_list_has(field->value, VEL_SLICE("close")))
        call->head.close = true;
}

static int take_field(struct vel_asgi_call *call, PyObject *name, PyObject *value) {
    struct vel_field *field = &call->fields[call->head.nfields];
    if (take_bytes(call, "a header name", name, &field->name) < 0 ||
        take_bytes(call, "a header value", value, &field->value) < 0)
        return -1;
    if (!vel_check_token(field->name))
        return bad_value("header name is not a token", field->name);
    if (!vel_check_value(call->asgi->scan, field->value))
        return bad_value("header value has control characters", field->value);
    field->value = vel_slice_trim(field->value);
    field->id = vel_field_find(field->name);
    if (field->id == VEL_FIELD_CONTENT_LENGTH)
        return take_length(call, field->value);
    if (vel_field_flags(field->id) & VEL_FIELD_HOP)
        take_hop(call, field);
    else
        call->head.nfields++;
    return 0;
}

/* A list or tuple of two. */
static int take_pair(struct vel_asgi_call *call, PyObject *pair) {
    PyObject *two = PySequence_Fast(pair, "a header must be a pair of bytes");
    int err = -1;
    if (two == NULL)
        return -1;
    if (PySequence_Fast_GET_SIZE(two) == 2)
        err = take_field(call, PySequence_Fast_GET_ITEM(two, 0), PySequence_Fast_GET_ITEM(two, 1));
    else
        PyErr_SetString(PyExc_ValueError, "a header must be a pair of bytes");
    Py_DECREF(two);
    return err;
}

/* Any iterable; what may run Python does so before anything is noted. */
static int take_headers(struct vel_asgi_call *call, PyObject *headers) {
    PyObject *list = PySequence_Fast(headers, "headers must be an iterable of pairs");
    if (list == NULL)
        return -1;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    int err = reserve(call, (size_t)n);
    for (Py_ssize_t i = 0; err == 0 && i < PySequence_Fast_GET_SIZE(list) && i < n; i++)
        err = take_pair(call, PySequence_Fast_GET_ITEM(list, i));
    Py_DECREF(list);
    return err;
}

static int take_status(struct vel_asgi_call *call, PyObject *given) {
    long status = PyLong_Check(given) ? PyLong_AsLong(given) : -1;
    if (status < 200 || status > 999) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "status must be an int from 200 to 999, not %R", given);
        return -1;
    }
    call->head.status = (unsigned)status;
    call->head.reason = vel_status_reason((unsigned)status);
    return 0;
}

int vel_asgi_note_fields(struct vel_asgi_call *call, PyObject *headers) {
    vel_asgi_forget_head(call);
    call->head = (struct vel_reply_head){.length = -1};
    int err = headers != NULL ? take_headers(call, headers) : 0;
    call->head.fields = call->fields;
    if (err < 0)
        vel_asgi_forget_head(call);
    return err;
}

/* Rare enough for a list, and all of it noted anew with each message. */
int vel_asgi_note_trailers(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *s = call->asgi->state;
    PyObject *headers = vel_asgi_get(message, s->headers, s->no_items), *all = NULL;
    PyObject *list = headers != NULL ? PySequence_List(headers) : NULL;
    if (list != NULL)
        all = call->trailer_list != NULL ? PySequence_Concat(call->trailer_list, list) : Py_NewRef(list);
    int err = all != NULL ? vel_asgi_note_fields(call, all) : -1;
    if (err == 0)
        Py_XSETREF(call->trailer_list, Py_NewRef(all));
    Py_XDECREF(all);
    Py_XDECREF(list);
    Py_XDECREF(headers);
    return err;
}

int vel_asgi_note_head(struct vel_asgi_call *call, PyObject *status, PyObject *headers) {
    int err = vel_asgi_note_fields(call, headers);
    if (err == 0 && (err = take_status(call, status != NULL ? status : Py_None)) < 0)
        vel_asgi_forget_head(call);
    return err;
}

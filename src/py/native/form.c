/* Forms with files: a reader of Python's parses them as they come, and what can only be a file's is written here. */
#include "py/native/native.h"

#include "py/error.h"

#include <errno.h>
#include <unistd.h>

struct vel_native_form {
    PyObject *reader;    /* owned, as the next */
    PyObject *delimiter; /* bytes: what ends the file; NULL: the reader takes everything that comes */
    int file;            // borrowed: the reader's, open until the delimiter has come
    uint64_t room;       /* bytes that it may still have */
    uint64_t written;    /* bytes that the reader has not been told of */
};

/* --- what a form is ---------------------------------------------------------------------------------------------- */

static struct vel_slice content_type(const struct vel_head *head) {
    const struct vel_field *field = vel_head_field(head, VEL_FIELD_CONTENT_TYPE);
    return field != NULL ? field->value : (struct vel_slice){0};
}

bool vel_native_is_form(const struct vel_native *n, const struct vel_plan *plan, const struct vel_head *head) {
    if (!plan->handed || n->core->form == NULL)
        return false;
    struct vel_slice type = content_type(head);
    return vel_slice_eq_nocase(vel_slice_trim(vel_slice_take(&type, ';')), VEL_SLICE("multipart/form-data"));
}

/* --- its reader -------------------------------------------------------------------------------------------------- */

/* Made in the context that the handler will run in. NULL with an exception. */
static PyObject *make_reader(struct vel_native *n, struct vel_plan *plan, struct vel_slice type, PyObject *context) {
    PyObject *text = PyBytes_FromStringAndSize(type.at, (Py_ssize_t)type.len), *reader = NULL;
    PyObject *args[] = {NULL, (PyObject *)plan, text};
    if (text != NULL && PyContext_Enter(context) == 0) {
        reader = PyObject_Vectorcall(n->core->form, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        PyObject *raised = vel_take_raised();
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(reader);
        if (raised != NULL)
            vel_set_raised(raised);
    }
    Py_XDECREF(text);
    return reader;
}

int vel_native_form_begin(struct vel_native_call *call, const struct vel_head *head) {
    struct vel_native_form *form = PyMem_Calloc(1, sizeof(*form));
    PyObject *context = PyContext_CopyCurrent();
    if (form == NULL || context == NULL) {
        PyMem_Free(form);
        Py_XDECREF(context);
        return PyErr_Occurred() ? -1 : (PyErr_NoMemory(), -1);
    }
    call->form = form;
    Py_XSETREF(call->context, context);
    form->reader = make_reader(call->native, call->plan, content_type(head), context);
    return form->reader != NULL ? 0 : -1;
}

/* (descriptor, delimiter, room) while nothing but the delimiter ends a file, or None. */
static int take_file(struct vel_native_form *form, PyObject *told) {
    PyObject *delimiter;
    unsigned long long room;
    if (told == Py_None)
        return 0;
    if (!PyTuple_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "feed() of a form gives a tuple or None");
        return -1;
    }
    if (!PyArg_ParseTuple(told, "iSK", &form->file, &delimiter, &room))
        return -1;
    form->delimiter = Py_NewRef(delimiter);
    form->room = room;
    return 0;
}

/* Tells of what has been written meanwhile. */
static int settle(struct vel_native_form *form) {
    Py_CLEAR(form->delimiter);
    if (form->written == 0)
        return 0;
    PyObject *told = PyObject_CallMethod(form->reader, "written", "K", (unsigned long long)form->written);
    form->written = 0;
    Py_XDECREF(told);
    return told != NULL ? 0 : -1;
}

static int feed(struct vel_native_form *form, struct vel_slice data) {
    if (settle(form) < 0)
        return -1;
    PyObject *told = PyObject_CallMethod(form->reader, "feed", "y#", data.at, (Py_ssize_t)data.len);
    int err = told != NULL ? take_file(form, told) : -1;
    Py_XDECREF(told);
    return err;
}

/* --- what needs no parser ---------------------------------------------------------------------------------------- */

/* Whether none of it can be a part of the delimiter, whatever comes next. */
static bool is_plain(struct vel_slice data, PyObject *delimiter) {
    const char *text = PyBytes_AS_STRING(delimiter), *end = data.at + data.len;
    size_t size = (size_t)PyBytes_GET_SIZE(delimiter), tail = data.len < size ? data.len : size - 1;
    if (memmem(data.at, data.len, text, size) != NULL)
        return false;
    for (const char *at = end - tail; (at = memchr(at, text[0], (size_t)(end - at))) != NULL; at++)
        if (memcmp(at, text, (size_t)(end - at)) == 0)
            return false;
    return true;
}

static int write_all(int file, struct vel_slice data) {
    ssize_t n = 0;
    Py_BEGIN_ALLOW_THREADS
        while (data.len > 0 && ((n = write(file, data.at, data.len)) >= 0 || errno == EINTR))
            if (n > 0)
                data = vel_slice(data.at + n, data.len - (size_t)n);
    Py_END_ALLOW_THREADS
    if (data.len == 0)
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int vel_native_form_take(struct vel_native_call *call, struct vel_slice data) {
    struct vel_native_form *form = call->form;
    if (form->delimiter == NULL || data.len > form->room || !is_plain(data, form->delimiter))
        return feed(form, data);
    form->room -= data.len;
    form->written += data.len;
    return write_all(form->file, data);
}

/* --- its end ----------------------------------------------------------------------------------------------------- */

int vel_native_form_finish(struct vel_native_call *call) {
    if (settle(call->form) < 0)
        return -1;
    PyObject *left = PyObject_CallMethod(call->form->reader, "finish", NULL);
    if (left == NULL)
        return -1;
    if (!PyBytes_Check(left))
        PyErr_SetString(PyExc_TypeError, "finish() of a form gives bytes");
    else if (vel_buf_append(&call->body, PyBytes_AS_STRING(left), (size_t)PyBytes_GET_SIZE(left)) != VEL_OK)
        PyErr_NoMemory();
    Py_DECREF(left);
    return PyErr_Occurred() ? -1 : 0;
}

void vel_native_form_end(struct vel_native_call *call) {
    struct vel_native_form *form = call->form;
    if (form == NULL)
        return;
    PyObject *raised = vel_take_raised(), *told = NULL;
    if (form->reader != NULL && (told = PyObject_CallMethod(form->reader, "over", NULL)) == NULL)
        vel_log(call->native->core->log, VEL_LOG_ERROR, "a form cannot be ended");
    Py_XDECREF(told);
    Py_XDECREF(form->reader);
    Py_XDECREF(form->delimiter);
    PyMem_Free(form);
    call->form = NULL;
    if (raised != NULL)
        vel_set_raised(raised);
}

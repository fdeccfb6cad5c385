/* FileBody, a file that a handler answers with; and FileParts, what another server is to send of one. */
#include "py/native/core.h"

#include "py/types.h"

#include "files/file.h"

#include <errno.h>
#include <fcntl.h>

struct file_body {
    PyObject_HEAD
    struct vel_file *file; /* owned */
};

/* --- FileBody ---------------------------------------------------------------------------------------------------- */

static struct vel_file *open_file(PyObject *path) {
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes))
        return NULL;
    struct vel_file *file = NULL;
    int fd = open(PyBytes_AS_STRING(bytes), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0)
        file = vel_file_new(fd);
    if (file == NULL)
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    Py_DECREF(bytes);
    return file;
}

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"path", NULL};
    PyObject *path;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:FileBody", (char **)names, &path))
        return NULL;
    struct vel_file *file = open_file(path);
    struct file_body *self = file != NULL ? (struct file_body *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        vel_file_release(file);
        return NULL;
    }
    self->file = file;
    return (PyObject *)self;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    vel_file_release(((struct file_body *)o)->file);
    type->tp_free(o);
    Py_DECREF(type);
}

struct vel_file *vel_file_body_get(struct vel_state *state, PyObject *o) {
    return Py_TYPE(o) == state->file_body_type ? vel_file_hold(((struct file_body *)o)->file) : NULL;
}

static PyObject *get_size(PyObject *o, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((struct file_body *)o)->file->size);
}

static PyObject *get_mtime(PyObject *o, void *unused) {
    const struct timespec *t = &((struct file_body *)o)->file->mtime;
    (void)unused;
    return PyLong_FromLongLong((long long)t->tv_sec * 1000000000 + t->tv_nsec);
}

static PyObject *get_fileno(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(((struct file_body *)o)->file->fd);
}

static PyGetSetDef getset[] = {
    {"size", get_size, NULL, "Bytes, when it was opened.", NULL},
    {"mtime_ns", get_mtime, NULL, "When it was changed last, in nanoseconds since 1970.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"fileno", get_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nIts descriptor, which stays its own."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "FileBody(path)\n--\n\nA regular file, open: the body of a reply. OSError when it cannot be opened."},
    {Py_tp_new, new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec vel_file_body_type_spec = {
    .name = "velocem._core.FileBody",
    .basicsize = sizeof(struct file_body),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

/* --- FileParts --------------------------------------------------------------------------------------------------- */

struct file_parts {
    PyObject_HEAD
    struct vel_parts *parts; /* owned */
    PyObject *list;          /* of bytes and (offset, count) */
};

static int append(PyObject *list, PyObject *item) {
    int err = item != NULL ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return err;
}

static int append_bytes(PyObject *list, struct vel_slice s) {
    return s.len > 0 ? append(list, PyBytes_FromStringAndSize(s.at, (Py_ssize_t)s.len)) : 0;
}

static PyObject *make_list(const struct vel_parts *parts) {
    PyObject *list = PyList_New(0);
    int err = list != NULL ? 0 : -1;
    for (size_t i = 0; err == 0 && i < parts->n; i++) {
        err = append_bytes(list, parts->before[i]);
        if (err == 0)
            err = append(list, Py_BuildValue("(KK)", (unsigned long long)parts->ranges[i].first,
                                             (unsigned long long)parts->ranges[i].count));
    }
    if (err == 0)
        err = append_bytes(list, parts->tail);
    if (err < 0)
        Py_CLEAR(list);
    return list;
}

PyObject *vel_file_parts_new(struct vel_state *state, struct vel_parts *parts) {
    PyTypeObject *type = state->file_parts_type;
    PyObject *list = make_list(parts);
    struct file_parts *self = list != NULL ? (struct file_parts *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        Py_XDECREF(list);
        vel_parts_free(parts);
        return NULL;
    }
    self->parts = parts;
    self->list = list;
    return (PyObject *)self;
}

static PyObject *iterate(PyObject *o) {
    return PyObject_GetIter(((struct file_parts *)o)->list);
}

static PyObject *get_length(PyObject *o, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((struct file_parts *)o)->parts->length);
}

static PyObject *get_parts_fileno(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(((struct file_parts *)o)->parts->file->fd);
}

static void dealloc_parts(PyObject *o) {
    struct file_parts *self = (struct file_parts *)o;
    PyTypeObject *type = Py_TYPE(o);
    vel_parts_free(self->parts);
    Py_CLEAR(self->list);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyGetSetDef parts_getset[] = {
    {"length", get_length, NULL, "Bytes of all that is to be sent; of a 304, of what it stands for.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef parts_methods[] = {
    {"fileno", get_parts_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nThe descriptor that offsets are of."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot parts_slots[] = {
    {Py_tp_doc, "What to send of a file: bytes, and (offset, count), in their order."},
    {Py_tp_dealloc, dealloc_parts},
    {Py_tp_iter, iterate},
    {Py_tp_getset, parts_getset},
    {Py_tp_methods, parts_methods},
    {0, NULL},
};

PyType_Spec vel_file_parts_type_spec = {
    .name = "velocem._core.FileParts",
    .basicsize = sizeof(struct file_parts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = parts_slots,
};

/* Listening sockets from Python. */
#include "py/sockets.h"

#include "base/mem.h"

/* The strs are ASCII, so that the slices stay good as long as they do. */
static int take_text(PyObject *text, struct vel_slice *out) {
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(text, &len);
    *out = vel_slice(at, at != NULL ? (size_t)len : 0);
    return at != NULL ? 0 : -1;
}

static int take_socket(PyObject *tuple, struct vel_socket *out) {
    static const char expected[] = "iUU|Us;sockets must be tuples of (fd, name, port[, path[, protocol]])";
    PyObject *name, *port, *path = NULL;
    const char *protocol = "http";
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, strchr(expected, ';') + 1);
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, expected, &out->fd, &name, &port, &path, &protocol))
        return -1;
    out->protocol = strcmp(protocol, "uwsgi") == 0 ? VEL_PROTOCOL_UWSGI : VEL_PROTOCOL_HTTP;
    if (out->protocol == VEL_PROTOCOL_HTTP && strcmp(protocol, "http") != 0) {
        PyErr_Format(PyExc_ValueError, "protocol must be http or uwsgi, not %s", protocol);
        return -1;
    }
    out->path = (struct vel_slice){0};
    if (take_text(name, &out->name) < 0 || take_text(port, &out->port) < 0)
        return -1;
    return path != NULL ? take_text(path, &out->path) : 0;
}

struct vel_socket *vel_take_sockets(PyObject *tuples) {
    Py_ssize_t n = PyTuple_GET_SIZE(tuples);
    struct vel_socket *sockets = vel_alloc_array((size_t)(n > 0 ? n : 1), sizeof(*sockets));
    if (sockets == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; sockets != NULL && i < n; i++) {
        if (take_socket(PyTuple_GET_ITEM(tuples, i), &sockets[i]) < 0) { // borrowed: of the tuple, which we are given
            vel_free(sockets);
            return NULL;
        }
    }
    return sockets;
}

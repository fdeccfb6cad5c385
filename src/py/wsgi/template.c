/* The environ template. */
#include "py/wsgi/template.h"

#include "base/mem.h"
#include "py/text.h"

static int fill_request_defaults(PyObject *d, struct vel_wsgi *w) {
    struct vel_state *s = w->state;
    if (vel_dict_put(d, s->REQUEST_METHOD, Py_NewRef(s->methods[VEL_METHOD_GET])) < 0)
        return -1;
    if (vel_dict_put(d, s->SCRIPT_NAME, Py_NewRef(w->root != NULL ? w->root : s->empty)) < 0)
        return -1;
    if (vel_dict_put(d, s->PATH_INFO, Py_NewRef(s->slash)) < 0)
        return -1;
    if (vel_dict_put(d, s->QUERY_STRING, Py_NewRef(s->empty)) < 0)
        return -1;
    if (vel_dict_put(d, s->SERVER_PROTOCOL, Py_NewRef(s->HTTP_1_1)) < 0)
        return -1;
    if (vel_dict_put(d, s->REMOTE_ADDR, Py_NewRef(s->empty)) < 0)
        return -1;
    if (vel_dict_put(d, s->REMOTE_PORT, Py_NewRef(s->empty)) < 0)
        return -1;
    return vel_dict_put(d, s->HTTP_HOST, Py_NewRef(s->empty));
}

static int fill_server(PyObject *d, struct vel_state *s, const struct vel_endpoint *endpoint) {
    if (vel_dict_put(d, s->SERVER_NAME, vel_text_new(endpoint->name)) < 0)
        return -1;
    if (vel_dict_put(d, s->SERVER_PORT, vel_text_new(endpoint->port)) < 0)
        return -1;
    return vel_dict_put(d, s->SERVER_SOFTWARE, PyUnicode_FromString("velocem"));
}

static PyObject *errors_new(struct vel_state *s) {
    return s->errors_type->tp_alloc(s->errors_type, 0);
}

static int fill_wsgi(PyObject *d, struct vel_wsgi *w, bool multithread, bool multiprocess) {
    struct vel_state *s = w->state;
    if (vel_dict_put(d, s->wsgi_version, Py_BuildValue("(ii)", 1, 0)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_url_scheme, Py_NewRef(s->http)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_input, Py_NewRef(w->empty_input)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_errors, errors_new(s)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_multithread, PyBool_FromLong(multithread)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_multiprocess, PyBool_FromLong(multiprocess)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_run_once, Py_NewRef(Py_False)) < 0)
        return -1;
    if (vel_dict_put(d, s->wsgi_input_terminated, Py_NewRef(Py_True)) < 0)
        return -1;
    return vel_dict_put(d, s->wsgi_file_wrapper, Py_NewRef((PyObject *)s->file_wrapper_type));
}

static PyObject *fill(struct vel_wsgi *w, const struct vel_endpoint *endpoint, bool multithread, bool multiprocess) {
    PyObject *d = PyDict_New();
    if (d == NULL)
        return NULL;
    if (fill_request_defaults(d, w) < 0 || fill_server(d, w->state, endpoint) < 0 ||
        fill_wsgi(d, w, multithread, multiprocess) < 0) {
        Py_DECREF(d);
        return NULL;
    }
    return d;
}

/* Pushes the dict over 21 entries and back, so that its table has room for 42; PyDict_Copy keeps the table as long as
 * two thirds of its entries are in use. Measured: without it 14 browser fields make each copy grow once, 0.4 us. */
static int stretch(PyObject *d) {
    PyObject *extra[4] = {NULL};
    int err = 0;
    for (int i = 0; i < 4 && err == 0; i++) {
        extra[i] = PyUnicode_FromFormat("velocem.%d", i);
        err = extra[i] == NULL ? -1 : PyDict_SetItem(d, extra[i], Py_None);
    }
    for (int i = 0; i < 4; i++) {
        if (err == 0)
            err = PyDict_DelItem(d, extra[i]);
        Py_XDECREF(extra[i]);
    }
    return err;
}

struct vel_wsgi_template *vel_wsgi_template_new(struct vel_wsgi *w, const struct vel_endpoint *endpoint,
                                                bool multithread, bool multiprocess) {
    struct vel_wsgi_template *t = vel_alloc_zero(sizeof(*t));
    if (t == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    t->few = fill(w, endpoint, multithread, multiprocess);
    t->many = t->few != NULL ? PyDict_Copy(t->few) : NULL;
    if (t->many == NULL || stretch(t->many) < 0) {
        vel_wsgi_template_free(t);
        return NULL;
    }
    return t;
}

int vel_wsgi_template_follow(struct vel_wsgi_template *t, PyObject *key, PyObject *value, PyObject **follows) {
    if (*follows == value)
        return 0;
    *follows = NULL; /* one dict may be set and the other not */
    if (PyDict_SetItem(t->few, key, value) < 0 || PyDict_SetItem(t->many, key, value) < 0)
        return -1;
    *follows = value;
    return 0;
}

void vel_wsgi_template_free(struct vel_wsgi_template *t) {
    if (t == NULL)
        return;
    Py_XDECREF(t->few);
    Py_XDECREF(t->many);
    vel_free(t);
}

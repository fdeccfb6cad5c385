/* wsgi.file_wrapper(filelike, block_size=8192). */
#include "py/wsgi/file_wrapper.h"

#include "py/types.h"

#include <structmember.h>
#include <sys/stat.h>

struct file_wrapper {
    PyObject_HEAD
    PyObject *filelike;
    Py_ssize_t block_size;
};

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *filelike;
    Py_ssize_t block_size = 8192;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "file_wrapper() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O|n:file_wrapper", &filelike, &block_size))
        return NULL;
    if (block_size <= 0)
        return PyErr_Format(PyExc_ValueError, "block_size must be positive, not %zd", block_size);
    struct file_wrapper *self = (struct file_wrapper *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->filelike = Py_NewRef(filelike);
    self->block_size = block_size;
    return (PyObject *)self;
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(((struct file_wrapper *)o)->filelike);
    return 0;
}

static int clear(PyObject *o) {
    Py_CLEAR(((struct file_wrapper *)o)->filelike);
    return 0;
}

static void dealloc(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear(o);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *iternext(PyObject *o) {
    struct file_wrapper *self = (struct file_wrapper *)o;
    PyObject *size = PyLong_FromSsize_t(self->block_size);
    PyObject *read = size != NULL ? vel_state_of(Py_TYPE(o))->read : NULL;
    PyObject *block = read != NULL ? PyObject_CallMethodOneArg(self->filelike, read, size) : NULL;
    Py_XDECREF(size);
    if (block != NULL && PyBytes_Check(block) && PyBytes_GET_SIZE(block) == 0)
        Py_CLEAR(block); /* the end */
    return block;
}

/* A file-like object without close() has nothing to close. */
static PyObject *close_file(PyObject *o, PyObject *Py_UNUSED(none)) {
    PyObject *close;
    int found = vel_optional_attr(((struct file_wrapper *)o)->filelike, vel_state_of(Py_TYPE(o))->close, &close);
    if (found < 0)
        return NULL;
    if (found == 0)
        Py_RETURN_NONE;
    PyObject *result = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    return result;
}

/* A call that must give an integer, or -1 with the exception cleared. */
static int64_t ask(PyObject *filelike, PyObject *method) {
    PyObject *answer = PyObject_CallMethodNoArgs(filelike, method);
    long long value = answer != NULL && PyLong_Check(answer) ? PyLong_AsLongLong(answer) : -1;
    Py_XDECREF(answer);
    PyErr_Clear();
    return value;
}

/* Whether read() gives the bytes of fileno(). Classes of the io module that are none of its binary files decode or
 * decompress (TextIOWrapper, gzip) and tell the descriptor of what they read from; an object from outside is believed.
 */
static bool reads_its_descriptor(struct vel_state *s, PyObject *o) {
    if (!PyObject_TypeCheck(o, s->io_base) || PyObject_TypeCheck(o, s->io_file))
        return true; /* whatever a FileIO was derived for, its bytes are the descriptor's */
    if (!Py_IS_TYPE(o, s->io_reader) && !Py_IS_TYPE(o, s->io_random))
        return false;
    PyObject *raw = PyObject_GetAttr(o, s->raw);
    bool is_file = raw != NULL && PyObject_TypeCheck(raw, s->io_file);
    Py_XDECREF(raw);
    PyErr_Clear(); /* it has been detached: reading will say so */
    return is_file;
}

bool vel_file_wrapper_range(struct vel_state *state, PyObject *o, struct vel_file_range *out) {
    struct stat st;
    if (!Py_IS_TYPE(o, state->file_wrapper_type))
        return false;
    PyObject *filelike = Py_NewRef(((struct file_wrapper *)o)->filelike);
    int64_t file = reads_its_descriptor(state, filelike) ? ask(filelike, state->fileno) : -1;
    out->offset = file >= 0 && file <= INT_MAX ? ask(filelike, state->tell) : -1;
    Py_DECREF(filelike);
    if (out->offset < 0 || fstat((int)file, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    out->file = (int)file;
    out->length = st.st_size > out->offset ? st.st_size - out->offset : 0;
    return true;
}

static PyMethodDef methods[] = {
    {"close", close_file, METH_NOARGS, "close($self, /)\n--\n\nCloses the wrapped file, if it can be closed."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"filelike", T_OBJECT_EX, offsetof(struct file_wrapper, filelike), READONLY, "The wrapped object."},
    {"block_size", T_PYSSIZET, offsetof(struct file_wrapper, block_size), READONLY, "Bytes a block."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "file_wrapper(filelike, block_size=8192, /)\n--\n\nAn iterable of the file's blocks that the server "
                "sends by sendfile(2) when it can (PEP 3333)."},
    {Py_tp_new, new},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iternext},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_file_wrapper_type_spec = {
    .name = "velocem._core.FileWrapper",
    .basicsize = sizeof(struct file_wrapper),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

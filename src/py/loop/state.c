/* What the event loop keeps for the module, generated from state.def. */
#include "py/loop/state.h"

#include "py/loop/handle.h"
#include "py/loop/types.h"

#include "base/mem.h"

static PyObject *import(const char *module_name, const char *attribute) {
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module != NULL ? PyObject_GetAttrString(module, attribute) : NULL;
    Py_XDECREF(module);
    return found;
}

/* A base that has grown past what the struct leaves for it gives no type. */
static int make_type(PyTypeObject **type, PyObject *module, PyType_Spec *spec, PyObject *base) {
    if (base != NULL && (!PyType_Check(base) || ((PyTypeObject *)base)->tp_basicsize > spec->basicsize))
        return 0;
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base);
    return *type != NULL ? 0 : -1;
}

/* How many arguments Server._attach takes: itself, and from 3.13 on the transport. */
static int look_at_server(struct vel_loop_state *st) {
    PyObject *attach = PyObject_GetAttr(st->server, st->_attach);
    PyObject *code = attach != NULL ? PyObject_GetAttrString(attach, "__code__") : NULL;
    PyObject *count = code != NULL ? PyObject_GetAttrString(code, "co_argcount") : NULL;
    long n = count != NULL ? PyLong_AsLong(count) : -1;
    Py_XDECREF(count);
    Py_XDECREF(code);
    Py_XDECREF(attach);
    st->server_takes_transport = n > 1;
    return n < 0 ? -1 : 0;
}

static int fill(struct vel_loop_state *st, PyObject *module) {
#define VEL_LOOP_STR(name)                                                                                             \
    if ((st->name = PyUnicode_InternFromString(#name)) == NULL)                                                        \
        return -1;
#define VEL_LOOP_IMPORT(name, from, attribute)                                                                         \
    if ((st->name = import(from, attribute)) == NULL)                                                                  \
        return -1;
#define VEL_LOOP_TYPE(name, base)                                                                                      \
    if (make_type(&st->name, module, &vel_aio__##name##_spec, st->base) < 0)                                           \
        return -1;
#include "py/loop/state.def"
    if (!vel_aio__handles_fit(st)) {
        Py_CLEAR(st->handle_type);
        Py_CLEAR(st->timer_handle_type);
    }
    st->no_args = PyTuple_New(0);
    st->minus_one = PyLong_FromLong(-1);
    st->try_native = PyObject_GetAttrString(st->sendfile_mode, "TRY_NATIVE");
    if (st->no_args == NULL || st->minus_one == NULL || st->try_native == NULL)
        return -1;
    return look_at_server(st);
}

struct vel_loop_state *vel_loop_state_new(PyObject *module) {
    struct vel_loop_state *st = vel_alloc_zero(sizeof(*st));
    if (st == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (fill(st, module) == 0)
        return st;
    vel_loop_state_free(st);
    return NULL;
}

int vel_loop_state_visit(struct vel_loop_state *st, visitproc visit, void *arg) {
#define VEL_LOOP_STR(name)
#define VEL_LOOP_IMPORT(name, from, attribute) Py_VISIT(st->name);
#define VEL_LOOP_TYPE(name, base) Py_VISIT(st->name);
#include "py/loop/state.def"
    Py_VISIT(st->try_native);
    Py_VISIT(st->step_type);
    return 0;
}

void vel_loop_state_clear(struct vel_loop_state *st) {
#define VEL_LOOP_STR(name) Py_CLEAR(st->name);
#define VEL_LOOP_IMPORT(name, from, attribute) Py_CLEAR(st->name);
#define VEL_LOOP_TYPE(name, base) Py_CLEAR(st->name);
#include "py/loop/state.def"
    Py_CLEAR(st->no_args);
    Py_CLEAR(st->minus_one);
    Py_CLEAR(st->try_native);
    Py_CLEAR(st->step_type);
}

void vel_loop_state_free(struct vel_loop_state *st) {
    if (st == NULL)
        return;
    vel_loop_state_clear(st);
    vel_free(st);
}

void vel_loop_learn_tasks(struct vel_loop_state *st, PyObject *step, PyObject *wakeup) {
    if (step != Py_None)
        Py_XSETREF(st->step_type, (PyTypeObject *)Py_NewRef(Py_TYPE(step)));
    if (PyCFunction_CheckExact(wakeup))
        st->wakeup = PyCFunction_GET_FUNCTION(wakeup);
}

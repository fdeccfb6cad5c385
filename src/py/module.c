/* The extension module velocem._core. */
#include "py/fan.h"
#include "py/loop/state.h"
#include "py/process.h"
#include "py/state.h"

static int visit_module(PyObject *module, visitproc visit, void *arg) {
    return vel_state_visit(PyModule_GetState(module), visit, arg);
}

static int clear_module(PyObject *module) {
    vel_state_clear(PyModule_GetState(module));
    return 0;
}

static void free_module(void *module) {
    struct vel_state *state = PyModule_GetState(module);
    clear_module(module);
    vel_loop_state_free(state->loop);
}

/* --- the event loop, which imports asyncio: only when somebody asks for it ---------------------------------------- */

/* Two threads may come here at once, since an import lets others run: the second's is thrown away. */
static struct vel_loop_state *loop_state(PyObject *module) {
    struct vel_state *state = PyModule_GetState(module);
    if (state->loop != NULL)
        return state->loop;
    struct vel_loop_state *made = vel_loop_state_new(module);
    if (state->loop != NULL)
        vel_loop_state_free(made);
    else
        state->loop = made;
    return state->loop;
}

/* Called for names that the module has not (PEP 562). */
static PyObject *get_missing(PyObject *module, PyObject *name) {
    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "BaseEventLoop") != 0)
        return PyErr_Format(PyExc_AttributeError, "module 'velocem._core' has no attribute %R", name);
    struct vel_loop_state *loop = loop_state(module);
    return loop != NULL ? Py_NewRef(loop->loop_type) : NULL;
}

static PyObject *learn_tasks(PyObject *module, PyObject *args) {
    PyObject *step, *wakeup;
    struct vel_loop_state *loop = loop_state(module);
    if (loop == NULL || !PyArg_ParseTuple(args, "OO:learn_tasks", &step, &wakeup))
        return NULL;
    vel_loop_learn_tasks(loop, step, wakeup);
    Py_RETURN_NONE;
}

static PyMethodDef loop_methods[] = {
    {"__getattr__", get_missing, METH_O, NULL},
    {"learn_tasks", learn_tasks, METH_VARARGS,
     "learn_tasks(step, wakeup, /)\n--\n\nWhat a task gives to call_soon, or None where it is not as expected."},
    {NULL, NULL, 0, NULL},
};

/* --- the module -------------------------------------------------------------------------------------------------- */

static int exec_module(PyObject *module) {
    struct vel_state *state = PyModule_GetState(module);
    if (vel_state_init(state, module) < 0 || PyModule_AddFunctions(module, loop_methods) < 0 ||
        PyModule_AddFunctions(module, vel_fan_methods) < 0)
        return -1;
    if (PyModule_AddType(module, state->worker_type) < 0 || PyModule_AddType(module, state->router_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->board_type) < 0 || PyModule_AddType(module, state->admin_type) < 0 ||
        PyModule_AddType(module, state->metric_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->match_type) < 0 || PyModule_AddType(module, state->plan_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->core_type) < 0 || PyModule_AddType(module, state->native_call_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->request_type) < 0)
        return -1;
    if (PyModule_AddType(module, state->sink_type) < 0 || PyModule_AddType(module, state->file_body_type) < 0 ||
        PyModule_AddType(module, state->file_parts_type) < 0 || PyModule_AddType(module, state->static_type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "MISSING", state->missing);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "velocem._core",
    .m_doc = "The C core of Velocem.",
    .m_size = sizeof(struct vel_state),
    .m_methods = vel_process_methods,
    .m_slots = slots,
    .m_traverse = visit_module,
    .m_clear = clear_module,
    .m_free = free_module,
};

struct vel_state *vel_state_of_subtype(PyTypeObject *type) {
    PyObject *module = PyType_GetModuleByDef(type, &definition); // borrowed: of the type
    return module != NULL ? PyModule_GetState(module) : NULL;
}

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}

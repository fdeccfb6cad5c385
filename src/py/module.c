/* The extension module velocem._core. */
#include "py/process.h"
#include "py/state.h"

static int exec_module(PyObject *module) {
    struct vel_state *state = PyModule_GetState(module);
    if (vel_state_init(state, module) < 0)
        return -1;
    return PyModule_AddType(module, state->worker_type);
}

static int visit_module(PyObject *module, visitproc visit, void *arg) {
    return vel_state_visit(PyModule_GetState(module), visit, arg);
}

static int clear_module(PyObject *module) {
    vel_state_clear(PyModule_GetState(module));
    return 0;
}

static void free_module(void *module) {
    clear_module(module);
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

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}

/* The module's state, generated from state.def. */
#include "py/state.h"

#include "py/loop/state.h"
#include "py/types.h"

static PyTypeObject *io_type(const char *name) {
    PyObject *module = PyImport_ImportModule("_io");
    PyObject *type = module != NULL ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return (PyTypeObject *)type;
}

static int init_listed(struct vel_state *state, PyObject *module) {
#define VEL_STATE_STR(name, text)                                                                                      \
    if ((state->name = PyUnicode_InternFromString(text)) == NULL)                                                      \
        return -1;
#define VEL_STATE_TYPE(name)                                                                                           \
    if ((state->name = (PyTypeObject *)PyType_FromModuleAndSpec(module, &vel_##name##_spec, NULL)) == NULL)            \
        return -1;
#define VEL_STATE_IO(name, text)                                                                                       \
    if ((state->name = io_type(text)) == NULL)                                                                         \
        return -1;
#include "py/state.def"
    return 0;
}

static int init_methods(struct vel_state *state) {
    for (int i = 0; i < VEL_METHOD_OTHER; i++) {
        state->methods[i] = PyUnicode_InternFromString(vel_method_text((enum vel_method)i).at);
        if (state->methods[i] == NULL)
            return -1;
    }
    return 0;
}

/* RFC 3875 4.1.18, with the two names that have no HTTP_ in front. Interned, so that the hash is ready. */
static PyObject *environ_key(struct vel_slice name) {
    char text[64] = "HTTP_";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        text[5 + i] = c == '-' ? '_' : (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    text[5 + name.len] = '\0';
    return PyUnicode_InternFromString(text);
}

static int init_environ_keys(struct vel_state *state) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        if (id == VEL_FIELD_PROXY) /* would be HTTP_PROXY, which clients of the application obey (httpoxy) */
            continue;
        PyObject *key = id == VEL_FIELD_CONTENT_TYPE     ? Py_NewRef(state->CONTENT_TYPE)
                        : id == VEL_FIELD_CONTENT_LENGTH ? Py_NewRef(state->CONTENT_LENGTH)
                                                         : environ_key(vel_field_name((enum vel_field_id)id));
        if (key == NULL)
            return -1;
        state->environ_keys[id] = key;
    }
    return 0;
}

static int init_field_names(struct vel_state *state) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        state->field_names[id] = PyBytes_FromStringAndSize(name.at, (Py_ssize_t)name.len);
        if (state->field_names[id] == NULL)
            return -1;
    }
    return 0;
}

int vel_state_init(struct vel_state *state, PyObject *module) {
    state->no_items = PyTuple_New(0);
    state->no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->missing = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (state->no_items == NULL || state->no_bytes == NULL || state->missing == NULL)
        return -1;
    if (init_listed(state, module) < 0 || init_methods(state) < 0 || init_field_names(state) < 0)
        return -1;
    return init_environ_keys(state);
}

int vel_state_visit(struct vel_state *state, visitproc visit, void *arg) {
#define VEL_STATE_STR(name, text)
#define VEL_STATE_TYPE(name) Py_VISIT(state->name);
#define VEL_STATE_IO(name, text) Py_VISIT(state->name);
#include "py/state.def"
    Py_VISIT(state->route_errors);
    return state->loop != NULL ? vel_loop_state_visit(state->loop, visit, arg) : 0;
}

void vel_state_clear(struct vel_state *state) {
#define VEL_STATE_STR(name, text) Py_CLEAR(state->name);
#define VEL_STATE_TYPE(name) Py_CLEAR(state->name);
#define VEL_STATE_IO(name, text) Py_CLEAR(state->name);
#include "py/state.def"
    for (int i = 0; i < VEL_METHOD_OTHER; i++)
        Py_CLEAR(state->methods[i]);
    for (int id = 0; id < VEL_FIELD_COUNT; id++) {
        Py_CLEAR(state->environ_keys[id]);
        Py_CLEAR(state->field_names[id]);
    }
    Py_CLEAR(state->no_items);
    Py_CLEAR(state->no_bytes);
    Py_CLEAR(state->missing);
    Py_CLEAR(state->route_errors);
    if (state->loop != NULL)
        vel_loop_state_clear(state->loop);
}

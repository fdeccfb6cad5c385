/* The module's state: interned names, types, the keys of known fields. Immutable once the module is made, but for
 * what a Python module names when it is imported, and the event loop's part, which is made when it is first asked for.
 */
#pragma once

#include "py/compat.h"

#include "http/field.h"
#include "http/method.h"

struct vel_loop_state;

struct vel_state {
#define VEL_STATE_STR(name, text) PyObject *name;
#define VEL_STATE_TYPE(name) PyTypeObject *name;
#define VEL_STATE_IO(name, text) PyTypeObject *name;
#include "py/state.def"
    PyObject *no_items;     /* () */
    PyObject *no_bytes;     /* b"" */
    PyObject *missing;      /* says that there is no default */
    PyObject *route_errors; /* what routers raise, named by velocem.router; NULL until it is imported */
    PyObject *methods[VEL_METHOD_OTHER];
    PyObject *field_names[VEL_FIELD_COUNT];  /* in lower case, as bytes */
    PyObject *environ_keys[VEL_FIELD_COUNT]; /* "HTTP_ACCEPT", ...; NULL: the field does not reach the application */
    struct vel_loop_state *loop;             /* owned; NULL until a loop is asked for */
};

/* 0, or -1 with an exception; what was made is left for vel_state_clear. */
int vel_state_init(struct vel_state *state, PyObject *module);
int vel_state_visit(struct vel_state *state, visitproc visit, void *arg);
void vel_state_clear(struct vel_state *state);

/* The state of the module a type of ours belongs to; the type keeps it alive. */
static inline struct vel_state *vel_state_of(PyTypeObject *type) {
    return PyType_GetModuleState(type);
}

/* The same where type may be a class that Python code has derived from one of ours. NULL with TypeError when it is not.
 */
struct vel_state *vel_state_of_subtype(PyTypeObject *type);

/* velocem._core.RouterBase: routes with Python objects for targets, frozen when they are first asked for. */
#pragma once

#include "py/compat.h"
#include "py/state.h"

#include "router/router.h"

/* One parameter of a route, in the order of vel_match.params. */
struct vel_py_param {
    PyObject *name; /* owned; NULL: "*" of a host, which has none */
    enum vel_param_kind kind;
};

struct vel_py_route {
    PyObject *target, *about; /* owned */
    struct vel_py_param *params;
    unsigned nparams;
    bool is_plain;   /* each has a name, and a value that nothing of the application's hangs on */
    PyObject *spare; /* owned: the pair that lookup gave last, to be filled again once nobody has it; NULL: none */
};

/* A frozen router and what is asked about its values. Counted, since a converter may add routes while it is asked. */
struct vel_py_frozen {
    Py_ssize_t refs;
    struct vel_router *r;  /* owned */
    PyObject **converters; /* owned, one for each foreign one: an expression's fullmatch, or a callable */
    size_t nconverters;
};

struct vel_py_router {
    PyObject_HEAD
    struct vel_state *state; /* borrowed: of the type's module */
    struct vel_builder *builder;
    struct vel_py_frozen *frozen; /* NULL: there are routes that it would not have */
    struct vel_py_route *routes;
    size_t nroutes, room;
    bool redirect; /* a slash too many, or too few, is told */
    bool decoded;  /* no path has escapes, whatever the question says */
};

/* --- asking: ask.c ----------------------------------------------------------------------------------------------- */

/* A question and what came of it. Begin and end it. */
struct vel_asking {
    struct vel_py_router *router;
    struct vel_py_frozen *frozen;
    struct vel_query query;
    struct vel_match match;
    bool ascii;        /* so is every value */
    char *large;       /* owned: scratch for a path that is longer than small */
    PyObject **values; /* what converters made, by parameter; NULL: there are none */
    PyObject *made[VEL_MATCH_PARAMS];
    char small[1024];
};

/* method and path, and host or NULL, are borrowed until the end. -1 with an exception, and then there is nothing to
 * end. */
int vel_asking_begin(struct vel_asking *a, struct vel_py_router *router, PyObject *method, PyObject *path,
                     PyObject *host, bool decoded);
/* The same with slices, which are borrowed: of query, method, path, host and encoded. ascii: the
 * path has nothing else. */
int vel_asking_begin_raw(struct vel_asking *a, struct vel_py_router *router, const struct vel_query *query, bool ascii);
/* The answer is in a->match. -1 with an exception: what a converter raised. */
int vel_asking_run(struct vel_asking *a);
/* A dict of the parameters. NULL with an exception; *bad when a value is not UTF-8. */
PyObject *vel_asking_params(struct vel_asking *a, bool *bad);
/* Sets them in a dict. The same -1. */
int vel_asking_fill(struct vel_asking *a, PyObject *params, bool *bad);
/* One of them. NULL with an exception: UnicodeDecodeError when it is not UTF-8. */
PyObject *vel_asking_value(const struct vel_asking *a, unsigned i);
void vel_asking_end(struct vel_asking *a);

/* The names of the methods in mask. */
PyObject *vel_asking_allow(const struct vel_asking *a);

/* Freezes what there is, if it is not; -1 with an exception. */
int vel_py_router_freeze(struct vel_py_router *router);
void vel_py_frozen_release(struct vel_py_frozen *frozen);

/* The methods that ask, for the table of the type: answers.c. */
PyObject *vel_py_router_lookup(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_py_router_match(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_py_router_allowed(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_py_router_candidates(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_py_router_visited(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* type._errors(NotFound, MethodNotAllowed, BadPath): what they raise. */
PyObject *vel_py_router_errors(PyObject *type, PyObject *args);

/* A plan: what one route's handler is called with, and what becomes of its result; decided before any request. */
#pragma once

#include "py/compat.h"
#include "py/state.h"

#include "http/field.h"

/* Where an argument comes from; velocem/signature.py has the same numbers. */
enum vel_source {
    VEL_SOURCE_CONST,
    VEL_SOURCE_PATH,
    VEL_SOURCE_QUERY,
    VEL_SOURCE_HEADER,
    VEL_SOURCE_COOKIE,
    VEL_SOURCE_FORM,
    VEL_SOURCE_BODY,
    VEL_SOURCE_REQUEST,
    VEL_SOURCE_BYTES,
    VEL_SOURCE_COUNT,
};

enum vel_convert { VEL_CONVERT_STR, VEL_CONVERT_INT, VEL_CONVERT_FLOAT, VEL_CONVERT_BOOL, VEL_CONVERT_PYTHON };

struct vel_leaf {
    PyObject *name;        /* str, owned, as all below */
    PyObject *callable;    /* VEL_CONVERT_PYTHON: takes the text, or the body; NULL: the value is taken as it comes */
    PyObject *fallback;    /* the default; NULL: a value is required */
    struct vel_slice text; /* the name's UTF-8 */
    enum vel_source source;
    enum vel_convert convert;
    enum vel_field_id field; /* of a header */
    bool many;
};

struct vel_plan {
    PyObject_HEAD
    PyObject *call, *encode, *content_type, *about, *body_types, *given; /* encode and content_type may be NULL */
    struct vel_leaf *leaves;
    Py_ssize_t nleaves;
    int64_t body_limit; /* -1: the server's */
    unsigned status;
    bool is_async;
    bool wants_body;
    bool handed; /* a form of several parts is read as it comes, by what velocem/uploads.py has for it */
};

/* More arguments than any handler has. */
#define VEL_LEAVES_MAX 64

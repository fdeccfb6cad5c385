/* start_response: the head an application has announced, held until its first block. */
#pragma once

#include "py/wsgi/app.h"

/* Fields of a usual reply stay inside the object. */
#define VEL_WSGI_FIELDS_INLINE 16

struct vel_start_response {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    struct vel_wsgi *wsgi;         // borrowed: cleared when the request ends, before the worker can go
    struct vel_exchange *exchange; // borrowed: the same
    PyObject *status;              /* "200 OK"; NULL: not called yet */
    struct vel_reply_head head;    /* slices into the strs below */
    struct vel_field *fields;      /* inline_fields, or owned */
    PyObject **texts;              /* the strs the fields point into: names and values in turn; owned with fields */
    size_t ntexts;
    struct vel_field inline_fields[VEL_WSGI_FIELDS_INLINE];
    PyObject *inline_texts[2 * VEL_WSGI_FIELDS_INLINE];
};

/* For one request; NULL with an exception. */
struct vel_start_response *vel_start_response_new(struct vel_wsgi *w, struct vel_exchange *x);

/* The request is over: later calls raise. Keeps it for the next request when nobody else has it; steals the
 * reference. */
void vel_start_response_done(struct vel_wsgi *w, struct vel_start_response *self);

/* Sends the announced head. length: of the body when it is known (>= 0) and the application did not say. 0, or -1 with
 * an exception: start_response was not called, or memory is short. */
int vel_start_response_send(struct vel_start_response *self, int64_t length);

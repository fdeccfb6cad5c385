/* The part of environ that is the same for every request of one listening address, or the same as the last time. */
#pragma once

#include "py/wsgi/app.h"

/* A dict whose copy has room for few fields without growing, and one for many: PyDict_Copy of either is one memcpy. */
struct vel_wsgi_template {
    PyObject *few, *many;
    PyObject *peer_host, *host; // borrowed: REMOTE_ADDR and HTTP_HOST of both dicts, which hold them
};

/* Keys that every request may add to `few`: known from how CPython sizes dicts (a table of 32 takes 21 entries). */
#define VEL_WSGI_FEW 2

/* NULL with an exception. The caller keeps it in the endpoint's app_data and frees it. */
struct vel_wsgi_template *vel_wsgi_template_new(struct vel_wsgi *w, const struct vel_endpoint *endpoint,
                                                bool multithread, bool multiprocess);

/* Makes both dicts say value for key, unless they do: *follows is what they say. 0, or -1 with an exception. */
int vel_wsgi_template_follow(struct vel_wsgi_template *t, PyObject *key, PyObject *value, PyObject **follows);

void vel_wsgi_template_free(struct vel_wsgi_template *t);

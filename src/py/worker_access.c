/* What a Worker writes of its requests, and tells of their waits. */
#include "py/worker.h"

#include "py/text.h"

#include "base/mem.h"
#include "server/access_format.h"

/* Its text stays with it: the format points into it. */
static int take_access_format(struct worker *self, const struct vel_worker_access *a) {
    const char *why;
    Py_XSETREF(self->access_text, PyUnicode_AsLatin1String(a->format));
    if (self->access_text == NULL)
        return -1;
    struct vel_slice text = vel_bytes_slice(self->access_text);
    self->access_format = vel_access_format_new(text, &why);
    if (self->access_format == NULL) {
        PyErr_Format(PyExc_ValueError, "access_format: %s", why);
        return -1;
    }
    self->core.access.custom = self->access_format;
    self->core.access.format = VEL_ACCESS_CUSTOM;
    self->core.config.timed = self->core.config.timed || vel_access_format_times(self->access_format);
    return 0;
}

int vel_worker_take_access(struct worker *self, const struct vel_worker_access *a) {
    static const char *const formats[] = {"common", "combined", "json"};
    if (!(a->sample > 0 && a->sample <= 1)) {
        PyErr_SetString(PyExc_ValueError, "access_sample must be more than 0 and at most 1");
        return -1;
    }
    self->core.access.fd = a->fd;
    self->core.access.sample = a->sample < 1 ? (uint32_t)(a->sample * VEL_ACCESS_ALL) : 0;
    self->core.config.timed = self->core.config.timed || a->queue_time;
    self->wsgi.queue_time = self->asgi.queue_time = a->queue_time;
    if (a->format == NULL)
        return 0;
    for (int i = 0; i < 3; i++)
        if (PyUnicode_CompareWithASCIIString(a->format, formats[i]) == 0) {
            self->core.access.format = (enum vel_access_kind)i;
            self->core.config.timed = self->core.config.timed || (i == VEL_ACCESS_JSON && a->fd >= 0);
            return 0;
        }
    if (PyUnicode_FindChar(a->format, '%', 0, PyUnicode_GET_LENGTH(a->format), 1) < 0) {
        PyErr_Format(PyExc_ValueError, "access_format must be common, combined, json or a text with atoms, not %U",
                     a->format);
        return -1;
    }
    return take_access_format(self, a);
}

void vel_worker_free_access(struct worker *self) {
    Py_CLEAR(self->access_text);
    vel_free(self->access_format);
    self->access_format = NULL;
}

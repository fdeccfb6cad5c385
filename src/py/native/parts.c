/* Answers made of a file: validators, conditions, one range or several (RFC 9110 13, 14). */
#include "py/native/core.h"

#include "base/num.h"
#include "files/file.h"
#include "http/status.h"

/* "\r\n--" boundary "\r\nContent-Type: " "\r\nContent-Range: bytes " a "-" b "/" size "\r\n\r\n", without the type. */
#define PART_ROOM 200
#define BOUNDARY_LEN 20

void vel_parts_free(struct vel_parts *parts) {
    if (parts == NULL)
        return;
    vel_file_release(parts->file);
    PyMem_Free(parts->framing);
    PyMem_Free(parts);
}

/* --- fields ------------------------------------------------------------------------------------------------------ */

/* What the answer says already stands. The slices live as long as the parts. */
static int add_validators(struct vel_answer *answer, struct vel_parts *parts, struct vel_validators *v) {
    const struct vel_field *etag = vel_answer_find(answer, VEL_SLICE("ETag"));
    const struct vel_field *modified = vel_answer_find(answer, VEL_SLICE("Last-Modified"));
    *v = (struct vel_validators){vel_slice(parts->file->etag, parts->file->etag_len), parts->file->modified};
    if (etag != NULL)
        v->etag = etag->value;
    else if (vel_answer_add_text(answer, VEL_SLICE("ETag"), v->etag) < 0)
        return -1;
    if (modified != NULL && vel_date_parse(modified->value, &v->modified))
        return 0;
    vel_date_format(parts->date, v->modified);
    return modified != NULL
               ? 0
               : vel_answer_add_text(answer, VEL_SLICE("Last-Modified"), vel_slice(parts->date, VEL_DATE_LEN));
}

/* --- ranges ------------------------------------------------------------------------------------------------------ */

static size_t put(char *to, const char *text) {
    size_t len = strlen(text);
    memcpy(to, text, len);
    return len;
}

/* "bytes 0-9/100", or "bytes " "*" "/100" for none. */
static size_t put_range(char *to, const struct vel_range *range, uint64_t size) {
    size_t n = put(to, "bytes ");
    if (range == NULL) {
        to[n++] = '*';
    } else {
        n += vel_num_format(to + n, range->first);
        to[n++] = '-';
        n += vel_num_format(to + n, range->first + range->count - 1);
    }
    to[n++] = '/';
    return n + vel_num_format(to + n, size);
}

/* No part may have it at the beginning of a line: nobody who makes files knows the number. */
static void make_boundary(struct vel_core *core, const struct vel_file *file, char *out) {
    uint64_t mixed = ((uint64_t)(uintptr_t)core ^ (core->count * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
    memset(out, '-', BOUNDARY_LEN);
    vel_num_format_hex(out + 4, (mixed ^ (uint64_t)file->mtime.tv_nsec) | (uint64_t)1 << 63);
}

static size_t put_before(char *to, const char *boundary, struct vel_slice type, const struct vel_range *range,
                         uint64_t size) {
    size_t n = put(to, "\r\n--");
    memcpy(to + n, boundary, BOUNDARY_LEN);
    n += BOUNDARY_LEN;
    n += put(to + n, "\r\nContent-Type: ");
    memcpy(to + n, type.at, type.len);
    n += type.len;
    n += put(to + n, "\r\nContent-Range: ");
    n += put_range(to + n, range, size);
    return n + put(to + n, "\r\n\r\n");
}

/* The type goes into the parts, and that of the answer says that there are some. */
static int frame(struct vel_core *core, struct vel_answer *answer, struct vel_parts *parts) {
    struct vel_field *type = (struct vel_field *)(uintptr_t)vel_answer_find(answer, VEL_SLICE("Content-Type"));
    struct vel_slice of_part = type != NULL ? type->value : VEL_SLICE("application/octet-stream");
    char boundary[BOUNDARY_LEN], *at = PyMem_Malloc((parts->n + 1) * (PART_ROOM + of_part.len) + 100);
    if (at == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    parts->framing = at;
    make_boundary(core, parts->file, boundary);
    for (size_t i = 0; i < parts->n; i++) {
        size_t n = put_before(at, boundary, of_part, &parts->ranges[i], parts->file->size);
        parts->before[i] = vel_slice(at, n);
        parts->length += n;
        at += n;
    }
    size_t n = put(at, "\r\n--");
    memcpy(at + n, boundary, BOUNDARY_LEN);
    n += BOUNDARY_LEN + put(at + n + BOUNDARY_LEN, "--\r\n");
    parts->tail = vel_slice(at, n);
    parts->length += n;
    at += n;
    n = put(at, "multipart/byteranges; boundary=");
    memcpy(at + n, boundary, BOUNDARY_LEN);
    struct vel_slice value = vel_slice(at, n + BOUNDARY_LEN);
    if (type == NULL)
        return vel_answer_add_text(answer, VEL_SLICE("Content-Type"), value);
    type->value = value;
    return 0;
}

static void set_status(struct vel_answer *answer, unsigned status) {
    answer->head.status = status;
    answer->head.reason = vel_status_reason(status);
}

static int set_ranges(struct vel_core *core, struct vel_answer *answer, struct vel_parts *parts) {
    set_status(answer, 206);
    parts->length = 0;
    for (size_t i = 0; i < parts->n; i++)
        parts->length += parts->ranges[i].count;
    if (parts->n > 1)
        return frame(core, answer, parts);
    size_t n = put_range(parts->text, &parts->ranges[0], parts->file->size);
    return vel_answer_add_text(answer, VEL_SLICE("Content-Range"), vel_slice(parts->text, n));
}

static void set_whole(struct vel_parts *parts) {
    parts->length = parts->file->size;
    parts->n = parts->length > 0;
    parts->ranges[0] = (struct vel_range){0, parts->length};
}

/* --- the verdict ------------------------------------------------------------------------------------------------- */

/* Nothing of the file is sent; what the answer said of it is forgotten. */
static int refuse(struct vel_core *core, struct vel_answer *answer, unsigned status) {
    PyObject *after = answer->after;
    struct vel_slice range = {0};
    char text[64];
    if (status == 416)
        range = vel_slice(text, put_range(text, NULL, answer->parts->file->size));
    PyObject *kept = PyBytes_FromStringAndSize(range.at, (Py_ssize_t)range.len);
    answer->after = NULL;
    vel_answer_free(answer);
    answer->after = after;
    int err = kept != NULL ? vel_answer_render_problem(core, status, NULL, NULL, answer) : -1;
    if (err == 0)
        err = vel_answer_keep(answer, kept);
    if (err == 0 && range.len > 0)
        err = vel_answer_add_text(answer, VEL_SLICE("Content-Range"), vel_slice(PyBytes_AS_STRING(kept), range.len));
    Py_XDECREF(kept);
    return err;
}

static int decide_range(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer,
                        struct vel_parts *parts, const struct vel_validators *v) {
    const struct vel_field *range = head->method == VEL_METHOD_GET ? vel_head_field(head, VEL_FIELD_RANGE) : NULL;
    if (range == NULL || !vel_if_range(head, v))
        return 0;
    switch (vel_range_parse(range->value, parts->file->size, parts->ranges, &parts->n)) {
    case VEL_RANGE_PARTS:
        return set_ranges(core, answer, parts);
    case VEL_RANGE_NONE:
        return refuse(core, answer, 416);
    default:
        set_whole(parts);
        return 0;
    }
}

static int decide(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer,
                  struct vel_parts *parts) {
    struct vel_validators v;
    if (add_validators(answer, parts, &v) < 0)
        return -1;
    if (head == NULL || answer->head.status != 200)
        return 0;
    if (vel_answer_add_text(answer, VEL_SLICE("Accept-Ranges"), VEL_SLICE("bytes")) < 0)
        return -1;
    unsigned status = vel_condition(head, &v);
    if (status == 412)
        return refuse(core, answer, 412);
    if (status == 200)
        return decide_range(core, head, answer, parts, &v);
    set_status(answer, 304);
    parts->n = 0;
    parts->length = parts->file->size; /* which it stands for; none of it goes out */
    return 0;
}

int vel_answer_file(struct vel_core *core, const struct vel_head *head, struct vel_file *file,
                    struct vel_answer *answer) {
    struct vel_parts *parts = PyMem_Malloc(sizeof(*parts));
    if (parts == NULL) {
        vel_file_release(file);
        PyErr_NoMemory();
        return -1;
    }
    parts->file = file;
    parts->framing = NULL;
    parts->tail = (struct vel_slice){0};
    memset(parts->before, 0, sizeof(parts->before));
    set_whole(parts);
    answer->parts = parts;
    return decide(core, head, answer, parts);
}

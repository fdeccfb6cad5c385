/* CORS (Fetch 3.2), gzip, and ids of requests. */
#include "py/native/policies.h"

#include "py/text.h"

#include "coding/accept.h"
#include "coding/gzip.h"

#include "base/mem.h"
#include "base/num.h"
#include "http/field_check.h"
#include "http/status.h"

#include <sys/random.h>

struct vel_policies {
    PyObject *dict; /* owned: all bytes below are in it */
    /* CORS */
    PyObject *origins; // borrowed, as all below: of dict; a tuple of bytes, or NULL
    struct vel_slice methods, headers, expose;
    bool any_origin, any_header, credentials;
    char max_age[20];
    size_t max_age_len;
    /* gzip */
    PyObject *types; /* a tuple of bytes; NULL: nothing is compressed */
    size_t compress_min;
    int level;
    struct vel_buf packed;
    /* ids */
    struct vel_slice id_field;
    bool id_trusted;
    uint64_t id_seed;
};

/* --- taking ------------------------------------------------------------------------------------------------------ */

static PyObject *get(PyObject *dict, const char *name) {
    return PyDict_GetItemString(dict, name); // borrowed: the dict is ours and stays as it is
}

static int bad(const char *name) {
    PyErr_Format(PyExc_TypeError, "policy %s is of another type", name);
    return -1;
}

static int take_bytes(PyObject *dict, const char *name, struct vel_slice *out) {
    PyObject *given = get(dict, name);
    if (given == NULL || given == Py_None)
        return 0;
    if (!PyBytes_Check(given))
        return bad(name);
    *out = vel_bytes_slice(given);
    return vel_check_value(&vel_scan_plain, *out) ? 0 : bad(name);
}

static int take_number(PyObject *dict, const char *name, long long fallback, long long *out) {
    PyObject *given = get(dict, name);
    *out = given != NULL && given != Py_None ? PyLong_AsLongLong(given) : fallback;
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int take_flag(PyObject *dict, const char *name, bool *out) {
    PyObject *given = get(dict, name);
    int is = given != NULL ? PyObject_IsTrue(given) : 0;
    *out = is > 0;
    return is < 0 ? -1 : 0;
}

/* A tuple of bytes. */
static int take_list(PyObject *dict, const char *name, PyObject **out) {
    PyObject *given = get(dict, name);
    if (given == NULL || given == Py_None)
        return 0;
    if (!PyTuple_Check(given))
        return bad(name);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); i++)
        if (!PyBytes_Check(PyTuple_GET_ITEM(given, i)))
            return bad(name);
    *out = given;
    return 0;
}

static struct vel_slice item(PyObject *tuple, Py_ssize_t i) {
    return vel_bytes_slice(PyTuple_GET_ITEM(tuple, i));
}

static int take_cors(struct vel_policies *p) {
    long long age;
    if (take_list(p->dict, "cors_origins", &p->origins) < 0 || take_bytes(p->dict, "cors_methods", &p->methods) < 0 ||
        take_bytes(p->dict, "cors_headers", &p->headers) < 0 || take_bytes(p->dict, "cors_expose", &p->expose) < 0 ||
        take_flag(p->dict, "cors_credentials", &p->credentials) < 0 ||
        take_number(p->dict, "cors_max_age", 0, &age) < 0)
        return -1;
    for (Py_ssize_t i = 0; p->origins != NULL && i < PyTuple_GET_SIZE(p->origins); i++)
        p->any_origin |= vel_slice_eq(item(p->origins, i), VEL_SLICE("*"));
    p->any_header = vel_slice_eq(p->headers, VEL_SLICE("*"));
    p->max_age_len = age > 0 ? vel_num_format(p->max_age, (uint64_t)age) : 0;
    return 0;
}

static int take_compress(struct vel_policies *p) {
    long long least, level;
    if (take_list(p->dict, "compress_types", &p->types) < 0 || take_number(p->dict, "compress_min", 0, &least) < 0 ||
        take_number(p->dict, "compress_level", 5, &level) < 0)
        return -1;
    if (level < 1 || level > 9 || least < 0)
        return bad("compress_level");
    p->compress_min = (size_t)least;
    p->level = (int)level;
    return 0;
}

static int take_ids(struct vel_policies *p) {
    if (take_bytes(p->dict, "request_id", &p->id_field) < 0 ||
        take_flag(p->dict, "request_id_trust", &p->id_trusted) < 0)
        return -1;
    if (p->id_field.len > 0 && !vel_check_token(p->id_field))
        return bad("request_id");
    if (getrandom(&p->id_seed, sizeof(p->id_seed), 0) != sizeof(p->id_seed)) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

int vel_policies_take(struct vel_core *core, PyObject *dict) {
    long long limit;
    struct vel_policies *p = vel_alloc_zero(sizeof(*p));
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    core->policies = p; /* freed with it, also when this fails */
    p->dict = PyDict_Copy(dict);
    if (p->dict == NULL || take_cors(p) < 0 || take_compress(p) < 0 || take_ids(p) < 0 ||
        take_number(p->dict, "body_limit", -1, &limit) < 0)
        return -1;
    core->body_limit = limit;
    return 0;
}

void vel_policies_free(struct vel_policies *p) {
    if (p == NULL)
        return;
    Py_XDECREF(p->dict);
    vel_buf_free(&p->packed);
    vel_free(p);
}

/* --- adding fields ----------------------------------------------------------------------------------------------- */

#define ADD(answer, name, value) vel_answer_add_text(answer, VEL_SLICE(name), value)

static struct vel_slice of_request(const struct vel_head *head, enum vel_field_id id) {
    const struct vel_field *field = vel_head_field(head, id);
    return field != NULL ? field->value : (struct vel_slice){0};
}

/* --- CORS -------------------------------------------------------------------------------------------------------- */

static bool is_allowed(const struct vel_policies *p, struct vel_slice origin) {
    if (p->any_origin)
        return true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(p->origins); i++)
        if (vel_slice_eq(item(p->origins, i), origin))
            return true;
    return false;
}

/* With credentials "*" means itself, and nobody: the origin is said instead (Fetch 3.2.5). */
static int add_origin(const struct vel_policies *p, struct vel_slice origin, struct vel_answer *answer) {
    bool star = p->any_origin && !p->credentials;
    if (!star && ADD(answer, "Vary", VEL_SLICE("Origin")) < 0)
        return -1;
    if (origin.len == 0 || !is_allowed(p, origin))
        return 0;
    if (ADD(answer, "Access-Control-Allow-Origin", star ? VEL_SLICE("*") : origin) < 0)
        return -1;
    return p->credentials ? ADD(answer, "Access-Control-Allow-Credentials", VEL_SLICE("true")) : 0;
}

static int add_preflight(const struct vel_policies *p, const struct vel_head *head, struct vel_answer *answer) {
    struct vel_slice asked = of_request(head, VEL_FIELD_ACCESS_CONTROL_REQUEST_HEADERS);
    struct vel_slice headers = p->any_header ? asked : p->headers;
    if (ADD(answer, "Access-Control-Allow-Methods", p->methods) < 0)
        return -1;
    if (headers.len > 0 && ADD(answer, "Access-Control-Allow-Headers", headers) < 0)
        return -1;
    return p->max_age_len > 0 ? ADD(answer, "Access-Control-Max-Age", vel_slice(p->max_age, p->max_age_len)) : 0;
}

int vel_policies_preflight(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer) {
    const struct vel_policies *p = core->policies;
    struct vel_slice origin = of_request(head, VEL_FIELD_ORIGIN);
    if (p == NULL || p->origins == NULL || head->method != VEL_METHOD_OPTIONS || origin.len == 0 ||
        vel_head_field(head, VEL_FIELD_ACCESS_CONTROL_REQUEST_METHOD) == NULL)
        return 0;
    vel_answer_begin(answer, 204);
    return !is_allowed(p, origin) || add_preflight(p, head, answer) == 0 ? 1 : -1;
}

static int apply_cors(const struct vel_policies *p, const struct vel_head *head, struct vel_answer *answer) {
    struct vel_slice origin = of_request(head, VEL_FIELD_ORIGIN);
    if (add_origin(p, origin, answer) < 0)
        return -1;
    if (p->expose.len == 0 || origin.len == 0 || !is_allowed(p, origin))
        return 0;
    return ADD(answer, "Access-Control-Expose-Headers", p->expose);
}

/* --- compression ------------------------------------------------------------------------------------------------- */

/* "text/" stands for all that begin so. */
static bool is_type(const struct vel_policies *p, struct vel_slice type) {
    const char *end = memchr(type.at, ';', type.len);
    if (end != NULL)
        type = vel_slice_trim(vel_slice(type.at, (size_t)(end - type.at)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(p->types); i++) {
        struct vel_slice taken = item(p->types, i);
        bool prefix = taken.len > 0 && taken.at[taken.len - 1] == '/' && taken.len <= type.len;
        if (vel_slice_eq_nocase(prefix ? vel_slice(type.at, taken.len) : type, taken))
            return true;
    }
    return false;
}

/* What is small, coded already, a part, or compared byte for byte stays as it is. */
static bool may_compress(const struct vel_policies *p, const struct vel_answer *answer) {
    unsigned status = answer->head.status;
    const struct vel_field *type = vel_answer_find(answer, VEL_SLICE("content-type"));
    if (answer->stream != NULL || answer->parts != NULL || answer->data.len < p->compress_min ||
        vel_status_has_no_body(status) || status == 206)
        return false;
    if (type == NULL || type->value.len == 0 || !is_type(p, type->value))
        return false;
    return vel_answer_find(answer, VEL_SLICE("content-encoding")) == NULL &&
           vel_answer_find(answer, VEL_SLICE("etag")) == NULL;
}

static int compress(struct vel_policies *p, struct vel_answer *answer) {
    p->packed.len = 0;
    if (p->packed.cap > 1 << 20)
        vel_buf_free(&p->packed);
    if (vel_gzip(answer->data, p->level, &p->packed) != VEL_OK) {
        PyErr_NoMemory();
        return -1;
    }
    if (p->packed.len >= answer->data.len)
        return 0;
    Py_CLEAR(answer->body);
    answer->data = vel_slice(p->packed.data, p->packed.len);
    return ADD(answer, "Content-Encoding", VEL_SLICE("gzip"));
}

static int apply_compress(struct vel_policies *p, const struct vel_head *head, struct vel_answer *answer) {
    if (!may_compress(p, answer))
        return 0;
    if (ADD(answer, "Vary", VEL_SLICE("Accept-Encoding")) < 0)
        return -1;
    if (!vel_coding_accepted(of_request(head, VEL_FIELD_ACCEPT_ENCODING), VEL_SLICE("gzip")))
        return 0;
    return compress(p, answer);
}

/* --- ids --------------------------------------------------------------------------------------------------------- */

static bool may_be_id(struct vel_slice s) {
    bool good = s.len > 0 && s.len <= VEL_REQUEST_ID_MAX;
    for (size_t i = 0; good && i < s.len; i++) {
        char c = vel_ascii_lower(s.at[i]);
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    }
    return good;
}

static struct vel_slice given_id(const struct vel_policies *p, const struct vel_head *head) {
    for (size_t i = 0; i < head->nfields; i++)
        if (vel_slice_eq_nocase(head->fields[i].name, p->id_field))
            return head->fields[i].value;
    return (struct vel_slice){0};
}

/* Sixteen digits by which processes differ, sixteen that count. */
static size_t make_id(uint64_t seed, uint64_t number, char *out) {
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        out[i] = hex[seed >> (60 - 4 * i) & 15];
        out[16 + i] = hex[number >> (60 - 4 * i) & 15];
    }
    return 32;
}

struct vel_slice vel_request_id(const struct vel_core *core, const struct vel_head *head, uint64_t number, char *out) {
    const struct vel_policies *p = core->policies;
    if (p == NULL || p->id_field.len == 0)
        return (struct vel_slice){0};
    struct vel_slice given = p->id_trusted ? given_id(p, head) : (struct vel_slice){0};
    if (!may_be_id(given))
        return vel_slice(out, make_id(p->id_seed, number, out));
    memcpy(out, given.at, given.len);
    return vel_slice(out, given.len);
}

static int apply_id(const struct vel_core *core, const struct vel_head *head, uint64_t number,
                    struct vel_answer *answer) {
    char text[VEL_REQUEST_ID_MAX];
    struct vel_slice id = vel_request_id(core, head, number, text);
    PyObject *bytes = PyBytes_FromStringAndSize(id.at, (Py_ssize_t)id.len);
    int err = bytes != NULL ? vel_answer_keep(answer, bytes) : -1;
    if (err == 0)
        err = vel_answer_add_text(answer, core->policies->id_field, vel_slice(PyBytes_AS_STRING(bytes), id.len));
    Py_XDECREF(bytes);
    return err;
}

/* --- all --------------------------------------------------------------------------------------------------------- */

int vel_policies_apply(struct vel_core *core, const struct vel_head *head, uint64_t number, struct vel_answer *answer) {
    struct vel_policies *p = core->policies;
    if (p == NULL)
        return 0;
    if (p->origins != NULL && apply_cors(p, head, answer) < 0)
        return -1;
    if (p->types != NULL && apply_compress(p, head, answer) < 0)
        return -1;
    return p->id_field.len > 0 ? apply_id(core, head, number, answer) : 0;
}

/* Results into replies: by the type of what a handler returned, or as Python has rendered it. */
#include "py/native/core.h"

#include "py/error.h"
#include "py/text.h"

#include "base/num.h"
#include "http/field_check.h"
#include "http/status.h"

#define TYPE_FIELD(text)                                                                                               \
    { {"Content-Type", 12}, {text, sizeof(text) - 1}, VEL_FIELD_CONTENT_TYPE }

static const struct vel_field plain = TYPE_FIELD("text/plain; charset=utf-8");
static const struct vel_field octets = TYPE_FIELD("application/octet-stream");
static const struct vel_field json = TYPE_FIELD("application/json");
static const struct vel_field problem_json = TYPE_FIELD("application/problem+json");

/* A scratch that has become larger than this is given back. */
#define SCRATCH_MAX (1 << 20)

/* --- the answer -------------------------------------------------------------------------------------------------- */

void vel_answer_begin(struct vel_answer *answer, unsigned status) {
    answer->head = (struct vel_reply_head){.status = status, .reason = vel_status_reason(status), .length = -1};
    answer->head.fields = answer->room;
    answer->data = (struct vel_slice){0};
    answer->body = answer->stream = answer->keep = NULL;
    answer->parts = NULL;
    answer->more = NULL;
}

static void drop(struct vel_answer *answer) {
    Py_CLEAR(answer->body);
    Py_CLEAR(answer->stream);
    vel_parts_free(answer->parts);
    answer->parts = NULL;
    Py_CLEAR(answer->keep);
    PyMem_Free(answer->more);
    answer->more = NULL;
}

void vel_answer_free(struct vel_answer *answer) {
    drop(answer);
    Py_CLEAR(answer->after);
}

/* after stays: the answer that takes its place does it. */
static int fail(struct vel_answer *answer) {
    drop(answer);
    return -1;
}

static bool has_field(const struct vel_answer *answer, enum vel_field_id id) {
    for (size_t i = 0; i < answer->head.nfields; i++)
        if (answer->head.fields[i].id == id)
            return true;
    return false;
}

/* A place for one more field. NULL with MemoryError. */
static struct vel_field *add_room(struct vel_answer *answer) {
    size_t n = answer->head.nfields;
    if (n < VEL_ANSWER_FIELDS)
        return &answer->room[n];
    if ((n & (n - 1)) == 0) { /* 16, 32, ... are full */
        struct vel_field *more = PyMem_Realloc(answer->more, 2 * n * sizeof(*more));
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (answer->more == NULL)
            memcpy(more, answer->room, sizeof(answer->room));
        answer->head.fields = answer->more = more;
    }
    return &answer->more[n];
}

int vel_answer_add(struct vel_answer *answer, const struct vel_field *field) {
    struct vel_field *room = add_room(answer);
    if (room == NULL)
        return -1;
    *room = *field;
    answer->head.nfields++;
    return 0;
}

int vel_answer_add_text(struct vel_answer *answer, struct vel_slice name, struct vel_slice value) {
    struct vel_field field = {.name = name, .value = value, .id = vel_field_find(name)};
    return vel_answer_add(answer, &field);
}

const struct vel_field *vel_answer_find(const struct vel_answer *answer, struct vel_slice name) {
    for (size_t i = 0; i < answer->head.nfields; i++)
        if (vel_slice_eq_nocase(answer->head.fields[i].name, name))
            return &answer->head.fields[i];
    return NULL;
}

/* The type of the body, unless the headers say one; a field alone needs no copy. */
static int set_type(struct vel_answer *answer, const struct vel_field *type) {
    if (answer->head.nfields == 0) {
        answer->room[0] = *type;
        answer->head.nfields = 1;
        return 0;
    }
    return has_field(answer, VEL_FIELD_CONTENT_TYPE) ? 0 : vel_answer_add(answer, type);
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

int vel_answer_keep(struct vel_answer *answer, PyObject *o) {
    if (answer->keep == NULL)
        answer->keep = PyList_New(0);
    return answer->keep != NULL ? PyList_Append(answer->keep, o) : -1;
}

/* bytes, or a str of latin-1. */
static int take_text(struct vel_answer *answer, PyObject *given, struct vel_slice *out) {
    PyObject *bytes = NULL;
    if (PyBytes_Check(given))
        bytes = Py_NewRef(given);
    else if (PyUnicode_Check(given))
        bytes = PyUnicode_AsLatin1String(given);
    else
        PyErr_Format(PyExc_TypeError, "header names and values are str or bytes, not %.100s", Py_TYPE(given)->tp_name);
    int err = bytes != NULL ? vel_answer_keep(answer, bytes) : -1;
    if (err == 0)
        *out = vel_bytes_slice(bytes);
    Py_XDECREF(bytes); /* keep has it */
    return err;
}

static int bad_header(const char *what, PyObject *given) {
    PyErr_Format(PyExc_ValueError, "%s: %R", what, given);
    return -1;
}

/* How the message is framed is the server's to say. */
static void take_hop(struct vel_answer *answer, const struct vel_field *field) {
    if (field->id == VEL_FIELD_CONNECTION && vel_list_has(field->value, VEL_SLICE("close")))
        answer->head.close = true;
}

static int take_header(struct vel_core *core, struct vel_answer *answer, PyObject *name, PyObject *value) {
    struct vel_field field;
    if (take_text(answer, name, &field.name) < 0 || take_text(answer, value, &field.value) < 0)
        return -1;
    if (!vel_check_token(field.name))
        return bad_header("a header name is not a token", name);
    if (!vel_check_value(core->scan, field.value))
        return bad_header("a header value has control characters", value);
    field.value = vel_slice_trim(field.value);
    field.id = vel_field_find(field.name);
    if (field.id == VEL_FIELD_CONTENT_LENGTH)
        return vel_num_parse(field.value, &answer->head.length) ? 0 : bad_header("content-length is no number", value);
    if (vel_field_flags(field.id) & VEL_FIELD_HOP) {
        take_hop(answer, &field);
        return 0;
    }
    return vel_answer_add(answer, &field);
}

static int take_pair(struct vel_core *core, struct vel_answer *answer, PyObject *pair) {
    PyObject *two = PySequence_Fast(pair, "a header is a pair");
    int err = -1;
    if (two == NULL)
        return -1;
    if (PySequence_Fast_GET_SIZE(two) == 2)
        err = take_header(core, answer, PySequence_Fast_GET_ITEM(two, 0), PySequence_Fast_GET_ITEM(two, 1));
    else
        PyErr_SetString(PyExc_ValueError, "a header is a pair");
    Py_DECREF(two);
    return err;
}

/* A dict, or an iterable of pairs. */
static int take_headers(struct vel_core *core, struct vel_answer *answer, PyObject *headers) {
    PyObject *items = PyMapping_Check(headers) && !PyList_Check(headers) && !PyTuple_Check(headers)
                          ? PyMapping_Items(headers)
                          : PySequence_List(headers);
    int err = items != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; err == 0 && i < PyList_GET_SIZE(items); i++)
        err = take_pair(core, answer, PyList_GET_ITEM(items, i));
    Py_XDECREF(items);
    return err;
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

/* Takes over bytes. */
static int set_bytes(struct vel_answer *answer, PyObject *bytes) {
    if (bytes == NULL)
        return -1;
    if (!PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_TypeError, "what encodes a result gives bytes, not %.100s", Py_TYPE(bytes)->tp_name);
        Py_DECREF(bytes);
        return -1;
    }
    answer->body = bytes;
    answer->data = vel_bytes_slice(bytes);
    return 0;
}

static int set_str(struct vel_answer *answer, PyObject *text) {
    if (set_type(answer, &plain) < 0)
        return -1;
    if (!PyUnicode_IS_COMPACT_ASCII(text))
        return set_bytes(answer, PyUnicode_AsUTF8String(text));
    answer->body = Py_NewRef(text);
    answer->data = vel_slice((const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    return 0;
}

static int set_json(struct vel_core *core, struct vel_answer *answer, PyObject *o) {
    if (set_type(answer, &json) < 0)
        return -1;
    if (core->text.cap > SCRATCH_MAX)
        vel_buf_free(&core->text);
    core->text.len = 0;
    int known = vel_json(&core->text, o);
    if (known == 0)
        return set_bytes(answer, PyObject_CallOneArg(core->encode, o));
    answer->data = vel_slice(core->text.data, core->text.len);
    return known > 0 ? 0 : -1;
}

static int set_encoded(const struct vel_plan *plan, struct vel_answer *answer, PyObject *result) {
    struct vel_field type = json;
    if (plan->content_type != NULL)
        type.value = vel_bytes_slice(plan->content_type);
    if (set_type(answer, &type) < 0)
        return -1;
    return set_bytes(answer, PyObject_CallOneArg(plan->encode, result));
}

static int set_nothing(const struct vel_plan *plan, struct vel_answer *answer) {
    if (answer->head.status == 200 && plan->status == 200) {
        answer->head.status = 204;
        answer->head.reason = vel_status_reason(204);
    }
    return 0;
}

static bool is_binary(PyObject *o) {
    return PyBytes_Check(o) || PyByteArray_Check(o) || PyMemoryView_Check(o);
}

static int set_body(struct vel_core *core, const struct vel_plan *plan, struct vel_answer *answer, PyObject *result) {
    if (plan->encode != NULL)
        return set_encoded(plan, answer, result);
    if (PyUnicode_CheckExact(result))
        return set_str(answer, result);
    if (result == Py_None)
        return set_nothing(plan, answer);
    if (is_binary(result))
        return set_type(answer, &octets) < 0 ? -1 : set_bytes(answer, PyBytes_FromObject(result));
    if (PyUnicode_Check(result))
        return set_type(answer, &plain) < 0 ? -1 : set_bytes(answer, PyUnicode_AsUTF8String(result));
    return set_json(core, answer, result);
}

/* --- results ----------------------------------------------------------------------------------------------------- */

static bool is_stream(PyObject *o) {
    return PyGen_CheckExact(o) || PyAsyncGen_CheckExact(o);
}

static int from_reply(struct vel_core *core, const struct vel_head *head, PyObject *reply, struct vel_answer *answer) {
    int err = reply != NULL ? vel_answer_reply(core, head, reply, answer) : -1;
    Py_XDECREF(reply);
    return err;
}

/* (body, status[, headers]). */
static int from_tuple(struct vel_core *core, const struct vel_plan *plan, PyObject *tuple, struct vel_answer *answer) {
    long status = PyLong_AsLong(PyTuple_GET_ITEM(tuple, 1));
    if (status < 200 || status > 999) {
        PyErr_Clear();
        return bad_header("a status is from 200 to 999", PyTuple_GET_ITEM(tuple, 1));
    }
    vel_answer_begin(answer, (unsigned)status);
    if (PyTuple_GET_SIZE(tuple) == 3 && take_headers(core, answer, PyTuple_GET_ITEM(tuple, 2)) < 0)
        return fail(answer);
    PyObject *body = PyTuple_GET_ITEM(tuple, 0);
    int err = body == Py_None ? 0 : set_body(core, plan, answer, body);
    return err < 0 ? fail(answer) : 0;
}

static bool is_status_tuple(PyObject *o) {
    Py_ssize_t n = PyTuple_CheckExact(o) ? PyTuple_GET_SIZE(o) : 0;
    return (n == 2 || n == 3) && PyLong_CheckExact(PyTuple_GET_ITEM(o, 1));
}

int vel_answer_result(struct vel_core *core, const struct vel_head *head, const struct vel_plan *plan, PyObject *result,
                      struct vel_answer *answer) {
    if (PyObject_TypeCheck(result, (PyTypeObject *)core->response_type))
        return from_reply(core, head, PyObject_CallMethodNoArgs(result, core->state->render), answer);
    if (is_stream(result)) {
        PyObject *args[] = {NULL, result, (PyObject *)(uintptr_t)plan};
        return from_reply(
            core, head, PyObject_Vectorcall(core->stream, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL), answer);
    }
    if (is_status_tuple(result))
        return from_tuple(core, plan, result, answer);
    vel_answer_begin(answer, plan->status);
    return set_body(core, plan, answer, result) < 0 ? fail(answer) : 0;
}

static int take_after(struct vel_answer *answer, PyObject *after) {
    if (after == NULL || after == Py_None)
        return 0;
    if (answer->after == NULL)
        answer->after = PyList_New(0);
    return answer->after != NULL ? PyList_Append(answer->after, after) : -1;
}

int vel_answer_reply(struct vel_core *core, const struct vel_head *head, PyObject *reply, struct vel_answer *answer) {
    int status;
    PyObject *headers, *body, *after = NULL;
    if (!PyTuple_Check(reply)) {
        PyErr_Format(PyExc_TypeError, "a reply is (status, headers, body), not %.100s", Py_TYPE(reply)->tp_name);
        return -1;
    }
    if (!PyArg_ParseTuple(reply, "iOO|O;a reply is (status, headers, body)", &status, &headers, &body, &after) ||
        take_after(answer, after) < 0)
        return -1;
    if (status < 200 || status > 999)
        return bad_header("a status is from 200 to 999", PyTuple_GET_ITEM(reply, 0));
    vel_answer_begin(answer, (unsigned)status);
    if (take_headers(core, answer, headers) < 0)
        return fail(answer);
    struct vel_file *file = vel_file_body_get(core->state, body);
    if (file != NULL)
        return vel_answer_file(core, head, file, answer) < 0 ? fail(answer) : 0;
    if (!PyBytes_Check(body)) {
        answer->stream = Py_NewRef(body);
        return 0;
    }
    return set_bytes(answer, Py_NewRef(body)) < 0 ? fail(answer) : 0;
}

/* --- what goes wrong --------------------------------------------------------------------------------------------- */

void vel_answer_500(struct vel_answer *answer) {
    static const char text[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}";
    vel_answer_begin(answer, 500);
    answer->room[0] = problem_json;
    answer->head.nfields = 1;
    answer->data = vel_slice(text, sizeof(text) - 1);
}

static PyObject *problem_of(unsigned status, PyObject *errors) {
    struct vel_slice title = vel_status_reason(status);
    PyObject *dict = Py_BuildValue("{s:s,s:s#,s:I}", "type", "about:blank", "title", title.at, (Py_ssize_t)title.len,
                                   "status", status);
    if (dict != NULL && errors != NULL && PyDict_SetItemString(dict, "errors", errors) < 0)
        Py_CLEAR(dict);
    return dict;
}

/* "GET, HEAD" of the methods. */
static int add_allow(struct vel_answer *answer, PyObject *allow) {
    PyObject *comma = PyUnicode_FromString(", ");
    PyObject *text = comma != NULL ? PyUnicode_Join(comma, allow) : NULL;
    struct vel_field field = {.name = VEL_SLICE("Allow"), .id = VEL_FIELD_OTHER};
    int err = text != NULL ? take_text(answer, text, &field.value) : -1;
    Py_XDECREF(text);
    Py_XDECREF(comma);
    return err < 0 ? -1 : vel_answer_add(answer, &field);
}

int vel_answer_render_problem(struct vel_core *core, unsigned status, PyObject *errors, PyObject *allow,
                              struct vel_answer *answer) {
    vel_answer_begin(answer, status);
    if (allow != NULL && PyTuple_GET_SIZE(allow) > 0 && add_allow(answer, allow) < 0)
        return fail(answer);
    if (vel_status_has_no_body(status))
        return 0;
    PyObject *dict = problem_of(status, errors);
    int err = dict != NULL ? set_type(answer, &problem_json) : -1;
    if (err == 0)
        err = set_json(core, answer, dict);
    Py_XDECREF(dict);
    return err < 0 ? fail(answer) : 0;
}

static int ask_problem(struct vel_core *core, struct vel_reading *r, unsigned status, PyObject *allow,
                       struct vel_answer *answer) {
    PyObject *request = vel_reading_request(r), *reply = NULL;
    PyObject *none = PyTuple_New(0), *errors = r->faults.list != NULL ? r->faults.list : Py_None;
    if (request != NULL && none != NULL)
        reply =
            PyObject_CallFunction(core->problem, "iOOO", (int)status, errors, allow != NULL ? allow : none, request);
    Py_XDECREF(none);
    Py_XDECREF(request);
    return from_reply(core, r->head, reply, answer);
}

int vel_answer_problem(struct vel_core *core, struct vel_reading *r, unsigned status, PyObject *allow,
                       struct vel_answer *answer) {
    int err = core->problem != NULL && status != 204
                  ? ask_problem(core, r, status, allow, answer)
                  : vel_answer_render_problem(core, status, r->faults.list, allow, answer);
    Py_CLEAR(r->faults.list);
    return err;
}

int vel_answer_failure(struct vel_core *core, struct vel_reading *r, struct vel_answer *answer) {
    PyObject *raised = vel_take_raised(), *request = vel_reading_request(r), *reply = NULL;
    if (request == NULL)
        PyErr_Clear();
    PyObject *args[] = {NULL, raised, request != NULL ? request : Py_None,
                        r->plan != NULL ? (PyObject *)r->plan : Py_None};
    reply = PyObject_Vectorcall(core->failed, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(request);
    Py_DECREF(raised);
    return from_reply(core, r->head, reply, answer);
}

/* --- redirects --------------------------------------------------------------------------------------------------- */

/* Behind the last slash, leaving out one at the end. */
static struct vel_slice last_segment(struct vel_slice path) {
    size_t start = path.len;
    while (start > 0 && path.at[start - 1] != '/')
        start--;
    return vel_slice(path.at + start, path.len - start);
}

/* A path that a gateway has decoded. */
static int put_encoded(struct vel_buf *out, struct vel_slice s) {
    int err = 0;
    for (size_t i = 0; err == 0 && i < s.len; i++) {
        static const char hex[] = "0123456789ABCDEF";
        unsigned char c = (unsigned char)s.at[i];
        char code[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool plain_char = c < 0x80 && (vel_is_token_char((char)c) || c == ':' || c == '@') && c != '%';
        err = plain_char ? vel_buf_append(out, s.at + i, 1) : vel_buf_append(out, code, 3);
    }
    return err;
}

static int put_location(struct vel_buf *out, const struct vel_head *head, struct vel_slice path, bool slash) {
    struct vel_slice last = last_segment(path), query = head->target.query;
    int err = vel_buf_append(out, slash ? "../" : "./", slash ? 3 : 2);
    if (err == 0)
        err = head->path_is_decoded ? put_encoded(out, last) : vel_buf_append(out, last.at, last.len);
    if (err == 0 && !slash)
        err = vel_buf_append(out, "/", 1);
    if (err == 0 && query.len > 0)
        err = vel_buf_append(out, "?", 1);
    return err != 0 ? err : vel_buf_append(out, query.at, query.len);
}

/* Relative, so that no proxy in front has to be known (RFC 3986 4.2). */
int vel_answer_redirect(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer) {
    struct vel_slice path = head->target.path;
    struct vel_buf out = {0};
    bool slash = path.len > 0 && path.at[path.len - 1] == '/';
    path.len -= slash;
    int err = put_location(&out, head, path, slash);
    PyObject *text = err == 0 ? PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.len) : PyErr_NoMemory();
    vel_buf_free(&out);
    struct vel_field field = {.name = VEL_SLICE("Location"), .id = VEL_FIELD_LOCATION};
    vel_answer_begin(answer, 308);
    err = text != NULL ? take_text(answer, text, &field.value) : -1;
    Py_XDECREF(text);
    if (err == 0 && !vel_check_value(core->scan, field.value))
        err = bad_header("no location", Py_None);
    if (err == 0)
        err = vel_answer_add(answer, &field);
    return err < 0 ? fail(answer) : 0;
}

/* What send() does with http messages: heads, bodies, files, trailers; each in its order or an error. */
#include "py/asgi/call.h"

#include "http/field_check.h"
#include "py/lend.h"
#include "py/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- messages ---------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi_get(PyObject *message, PyObject *key, PyObject *fallback) {
    PyObject *value;
    int found = vel_dict_get(message, key, &value);
    return found > 0 ? value : found == 0 ? Py_NewRef(fallback) : NULL;
}

int vel_asgi_get_flag(PyObject *message, PyObject *key) {
    PyObject *value = vel_asgi_get(message, key, Py_False);
    int is = value != NULL ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return is;
}

static size_t find(PyObject *const keys[], size_t n, PyObject *key) {
    size_t i = 0;
    while (i < n && keys[i] != key)
        i++;
    return i;
}

int vel_asgi_pick(PyObject *message, PyObject *const keys[], PyObject *values[], size_t n) {
    PyObject *key, *value;
    Py_ssize_t at = 0, known = 0;
    memset(values, 0, n * sizeof(values[0]));
    while (PyDict_Next(message, &at, &key, &value)) {
        size_t i = find(keys, n, key);
        if (i == n)
            continue;
        values[i] = Py_NewRef(value);
        known++;
    }
    if (known == PyDict_GET_SIZE(message))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (values[i] == NULL && vel_dict_get(message, keys[i], &values[i]) < 0) {
            vel_asgi_drop(values, n);
            return -1;
        }
    return 0;
}

/* Most messages begin with it. */
static PyObject *type_of(PyObject *message, PyObject *key) {
    PyObject *first, *value;
    Py_ssize_t at = 0;
    if (PyDict_Next(message, &at, &first, &value) && first == key)
        return Py_NewRef(value);
    return vel_asgi_get(message, key, Py_None);
}

bool vel_asgi_is(PyObject *type, PyObject *name) {
    return type == name || (PyUnicode_Check(type) && PyUnicode_Compare(type, name) == 0);
}

/* The same, of a type that comes with each response: an application says it by the same object every time, which is no
 * interned one because of its dots. */
static bool is_usual(PyObject *type, PyObject *name, PyObject **said) {
    if (type == *said)
        return true;
    if (!vel_asgi_is(type, name))
        return false;
    if (PyUnicode_CheckExact(type))
        Py_XSETREF(*said, Py_NewRef(type));
    return true;
}

PyObject *vel_asgi_raise_gone(struct vel_asgi_call *call) {
    PyErr_SetString(call->asgi != NULL ? call->asgi->gone_error : PyExc_OSError, "the client has disconnected");
    return NULL;
}

static PyObject *raise_order(struct vel_asgi_call *call, PyObject *type) {
    static const char *const wanted[] = {"'http.response.start'", "'http.response.body'", "'http.response.body'",
                                         "'http.response.trailers'", "nothing: the response is complete"};
    return PyErr_Format(PyExc_RuntimeError, "unexpected ASGI message %R, expected %s", type, wanted[call->reply]);
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi_sent(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    if (call->exchange == NULL)
        return Py_NewRef(a->done);
    if (vel_exchange_is_lost(call->exchange)) {
        call->gone = true; /* said here: who only sends, and never waits, gives the loop no turn to say it */
        return vel_asgi_raise_gone(call);
    }
    if (vel_exchange_owed(call->exchange) <= VEL_ASGI_HIGH_WATER)
        return Py_NewRef(a->done);
    PyObject *future = vel_tasks_future(&a->tasks);
    if (future == NULL)
        return NULL;
    vel_asgi_credit(call); /* an earlier one looks again by sending more */
    call->sender = Py_NewRef(future);
    vel_exchange_await_credit(call->exchange);
    return future;
}

void vel_asgi_credit(struct vel_asgi_call *call) {
    PyObject *sender = call->sender;
    call->sender = NULL;
    if (sender != NULL)
        vel_tasks_resolve(&call->asgi->tasks, sender, Py_None);
}

/* --- the head ---------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi_start(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *s = call->asgi->state;
    enum { TYPE, STATUS, HEADERS, TRAILERS, KEYS };
    PyObject *const keys[KEYS] = {s->type, s->status, s->headers, s->trailers};
    PyObject *given[KEYS];
    if (vel_asgi_pick(message, keys, given, KEYS) < 0)
        return NULL;
    int trailers = given[TRAILERS] != NULL ? PyObject_IsTrue(given[TRAILERS]) : 0;
    int err = trailers < 0 ? -1 : vel_asgi_note_head(call, given[STATUS], given[HEADERS]);
    vel_asgi_drop(given, KEYS);
    if (err < 0)
        return NULL;
    call->trailers = trailers;
    call->reply = VEL_ASGI_REPLY_NOTED;
    return Py_NewRef(call->asgi->done);
}

/* With the first of the body: whole is its length when nothing follows. A 304 says what the application says of the
 * 200 that it stands for, and a body with trailers is chunked. */
static int send_head(struct vel_asgi_call *call, bool whole, uint64_t length) {
    if (call->reply != VEL_ASGI_REPLY_NOTED)
        return 0;
    if (call->trailers)
        call->head.length = -1;
    else if (whole && call->head.length < 0 && call->head.status != 304)
        call->head.length = (int64_t)length;
    int err = vel_exchange_head(call->exchange, &call->head);
    vel_asgi_forget_head(call);
    call->reply = VEL_ASGI_REPLY_BODY;
    if (err != VEL_OK)
        PyErr_NoMemory();
    return err == VEL_OK ? 0 : -1;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static int raise_length(const char *how) {
    PyErr_Format(PyExc_RuntimeError, "the response is %s than its content-length", how);
    return -1;
}

static int end(struct vel_asgi_call *call, const struct vel_field *trailers, size_t n) {
    struct vel_exchange *x = call->exchange;
    int err = n > 0 ? vel_exchange_end_with(x, trailers, n) : vel_exchange_end(x);
    if (err == VEL_EINVAL) {
        PyErr_SetString(PyExc_ValueError, "a trailer may not say how the message is framed, routed or read");
        return -1;
    }
    vel_asgi_call_end(call);
    if (err == VEL_ELIMIT)
        return raise_length("shorter");
    return 0; /* VEL_ENOMEM: the client is cut off, and hears it so */
}

static int after_body(struct vel_asgi_call *call, bool more) {
    if (more)
        return 0;
    if (!call->trailers)
        return end(call, NULL, 0);
    call->reply = VEL_ASGI_REPLY_TRAILERS;
    return 0;
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

/* bytes are lent to the server, anything else is copied into some. */
static int put_body(struct vel_asgi_call *call, PyObject *body) {
    struct vel_slice data = vel_bytes_slice(body);
    if (data.len == 0)
        return 0;
    int err = vel_lend(call->exchange, data, body);
    if (err == VEL_ENOMEM) {
        PyErr_NoMemory();
        return -1;
    }
    return err == VEL_ELIMIT ? raise_length("longer") : 0;
}

/* Takes over body; what is no bytes is copied into some. */
static PyObject *as_bytes(PyObject *body) {
    if (PyBytes_CheckExact(body))
        return body;
    if (!PyObject_CheckBuffer(body))
        PyErr_Format(PyExc_TypeError, "body must be bytes, not %.100s", Py_TYPE(body)->tp_name);
    PyObject *bytes = PyErr_Occurred() ? NULL : PyBytes_FromObject(body);
    Py_DECREF(body);
    return bytes;
}

/* The body of a message, and whether more of it follows (-1 with an exception). */
static PyObject *take_body(struct vel_asgi_call *call, PyObject *message, int *more) {
    struct vel_state *s = call->asgi->state;
    enum { TYPE, BODY, MORE, KEYS };
    PyObject *const keys[KEYS] = {s->type, s->body, s->more_body};
    PyObject *given[KEYS];
    if (vel_asgi_pick(message, keys, given, KEYS) < 0)
        return NULL;
    *more = given[MORE] != NULL ? PyObject_IsTrue(given[MORE]) : 0;
    PyObject *body = given[BODY] != NULL ? Py_NewRef(given[BODY]) : Py_NewRef(s->no_bytes);
    vel_asgi_drop(given, KEYS);
    body = as_bytes(body);
    if (*more < 0)
        Py_CLEAR(body);
    return body;
}

PyObject *vel_asgi_body(struct vel_asgi_call *call, PyObject *message) {
    int more = 0;
    PyObject *body = take_body(call, message, &more);
    if (body == NULL)
        return NULL;
    int err = send_head(call, !more, (uint64_t)PyBytes_GET_SIZE(body));
    if (err == 0)
        err = put_body(call, body);
    Py_DECREF(body);
    if (err == 0)
        err = after_body(call, more);
    return err == 0 ? vel_asgi_sent(call) : NULL;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void close_file(void *owner) {
    close((int)(intptr_t)owner);
}

/* Takes over fd, which is a regular file's. */
static int put_file(struct vel_asgi_call *call, int fd, int64_t offset, uint64_t count, bool more) {
    struct vel_loan loan = {.release = close_file, .owner = (void *)(intptr_t)fd};
    if (send_head(call, !more, count) < 0) {
        close(fd);
        return -1;
    }
    int err = vel_exchange_file(call->exchange, fd, offset, count, loan);
    if (err == VEL_ENOMEM) {
        close(fd);
        PyErr_NoMemory();
        return -1;
    }
    if (err == VEL_ELIMIT)
        return raise_length("longer");
    return after_body(call, more);
}

static int open_path(PyObject *path) {
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes))
        return -1;
    int fd = open(PyBytes_AS_STRING(bytes), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    Py_DECREF(bytes);
    return fd;
}

/* Of a regular file: its size. -1 with an exception for anything else. */
static int64_t size_of(int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        PyErr_SetString(PyExc_ValueError, "only a regular file can be sent");
        return -1;
    }
    return st.st_size;
}

/* http.response.pathsend: the whole file, and the end. */
static PyObject *send_path(struct vel_asgi_call *call, PyObject *message) {
    PyObject *path = vel_asgi_get(message, call->asgi->state->path, Py_None);
    int fd = path != NULL ? open_path(path) : -1;
    Py_XDECREF(path);
    if (fd < 0)
        return NULL;
    int64_t size = size_of(fd);
    if (size < 0) {
        close(fd);
        return NULL;
    }
    return put_file(call, fd, 0, (uint64_t)size, false) < 0 ? NULL : vel_asgi_sent(call);
}

/* offset defaults to where the file is read from now, count to the rest. */
static int range_of(struct vel_asgi_call *call, PyObject *message, int fd, int64_t size, int64_t *offset,
                    int64_t *count) {
    struct vel_state *s = call->asgi->state;
    PyObject *from = vel_asgi_get(message, s->offset, Py_None), *n = vel_asgi_get(message, s->count, Py_None);
    if (from != NULL && n != NULL) {
        *offset = from == Py_None ? lseek(fd, 0, SEEK_CUR) : PyLong_AsLongLong(from);
        *count = n == Py_None ? (*offset < size ? size - *offset : 0) : PyLong_AsLongLong(n);
        if (!PyErr_Occurred() && (*offset < 0 || *count < 0))
            PyErr_SetString(PyExc_ValueError, "offset and count must not be negative");
    }
    Py_XDECREF(from);
    Py_XDECREF(n);
    return PyErr_Occurred() ? -1 : 0;
}

/* http.response.zerocopysend: a part of an open file, which stays the application's. */
static PyObject *send_open_file(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *s = call->asgi->state;
    int64_t offset = 0, count = 0, size;
    int more = vel_asgi_get_flag(message, s->more_body);
    PyObject *file = more >= 0 ? vel_asgi_get(message, s->file, Py_None) : NULL;
    int fd = file != NULL ? PyObject_AsFileDescriptor(file) : -1;
    Py_XDECREF(file);
    if (fd < 0 || (size = size_of(fd)) < 0 || range_of(call, message, fd, size, &offset, &count) < 0)
        return NULL;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return put_file(call, own, offset, (uint64_t)count, more) < 0 ? NULL : vel_asgi_sent(call);
}

/* --- trailers and hints ------------------------------------------------------------------------------------------ */

/* Those of a message with more_trailers wait for the last one: they are kept as fields of a head are. */
static PyObject *send_trailers(struct vel_asgi_call *call, PyObject *message) {
    int more = vel_asgi_get_flag(message, call->asgi->state->more_trailers);
    if (more < 0 || vel_asgi_note_trailers(call, message) < 0)
        return NULL;
    if (!more && end(call, call->head.fields, call->head.nfields) < 0)
        return NULL;
    return Py_NewRef(call->asgi->done);
}

static PyObject *send_hints(struct vel_asgi_call *call, PyObject *message) {
    static const struct vel_slice link = {"link", 4};
    struct vel_field fields[VEL_ASGI_FIELDS_INLINE];
    struct vel_reply_head head = {.status = 103, .reason = {"Early Hints", 11}, .fields = fields, .length = -1};
    PyObject *given = vel_asgi_get(message, call->asgi->state->links, call->asgi->state->no_items);
    PyObject *links = given != NULL ? PySequence_Fast(given, "links must be an iterable of bytes") : NULL;
    Py_XDECREF(given);
    if (links == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(links) && !PyErr_Occurred(); i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(links, i); // borrowed: links holds it
        struct vel_slice text = {0};
        if (PyBytes_CheckExact(value))
            text = vel_bytes_slice(value);
        if (text.len == 0 || head.nfields == VEL_ASGI_FIELDS_INLINE || !vel_check_value(call->asgi->scan, text))
            PyErr_Format(PyExc_ValueError, "links must be up to %d field values as bytes", VEL_ASGI_FIELDS_INLINE);
        else
            fields[head.nfields++] = (struct vel_field){link, text, VEL_FIELD_OTHER};
    }
    if (!PyErr_Occurred() && head.nfields > 0 && vel_exchange_inform(call->exchange, &head) == VEL_ENOMEM)
        PyErr_NoMemory();
    Py_DECREF(links);
    return PyErr_Occurred() ? NULL : Py_NewRef(call->asgi->done);
}

/* --- the call ---------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi_send_http(struct vel_asgi_call *call, PyObject *type, PyObject *message) {
    struct vel_state *s = call->asgi->state;
    bool body = call->reply == VEL_ASGI_REPLY_NOTED || call->reply == VEL_ASGI_REPLY_BODY;
    if (body && is_usual(type, s->http_response_body, &call->asgi->said_body))
        return vel_asgi_body(call, message);
    if (call->reply == VEL_ASGI_REPLY_NONE && is_usual(type, s->http_response_start, &call->asgi->said_start))
        return vel_asgi_start(call, message);
    if (vel_asgi_is(type, s->http_response_pathsend))
        return body ? send_path(call, message) : raise_order(call, type);
    if (vel_asgi_is(type, s->http_response_zerocopysend))
        return body ? send_open_file(call, message) : raise_order(call, type);
    if (vel_asgi_is(type, s->http_response_trailers))
        return call->reply == VEL_ASGI_REPLY_TRAILERS ? send_trailers(call, message) : raise_order(call, type);
    if (vel_asgi_is(type, s->http_response_early_hint))
        return call->reply == VEL_ASGI_REPLY_NONE ? send_hints(call, message) : raise_order(call, type);
    return raise_order(call, type);
}

PyObject *vel_asgi__send(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *names) {
    struct vel_asgi_call *call = (struct vel_asgi_call *)o;
    if (PyVectorcall_NARGS(nargsf) + (names != NULL ? PyTuple_GET_SIZE(names) : 0) != 1) {
        PyErr_SetString(PyExc_TypeError, "send() takes one message");
        return NULL;
    }
    PyObject *message = args[0]; // borrowed: an argument of the running call
    if (!PyDict_Check(message))
        return PyErr_Format(PyExc_TypeError, "a message must be a dict, not %.100s", Py_TYPE(message)->tp_name);
    struct vel_state *s = vel_state_of(Py_TYPE(o));
    PyObject *type = type_of(message, s->type), *answer = NULL;
    if (type == NULL)
        return NULL;
    Py_INCREF(o);
    if (call->socket != NULL)
        answer = vel_asgi_send_socket(call, type, message);
    else if (call->exchange == NULL)
        answer = call->gone || call->asgi == NULL ? vel_asgi_raise_gone(call) : raise_order(call, type);
    else
        answer = vel_asgi_send_http(call, type, message);
    Py_DECREF(o);
    Py_DECREF(type);
    return answer;
}

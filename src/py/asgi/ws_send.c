/* The sending half of a WebSocket: accept or deny, messages out, the close. */
#include "py/asgi/socket.h"

#include "py/asgi/fan.h"
#include "py/lend.h"

#include "base/err.h"
#include "http/field_check.h"
#include "py/text.h"
#include "server/reply.h"
#include "ws/handshake.h"

/* Shorter messages gain nothing by compression. */
#define DEFLATE_LEAST 64

/* Fields of the answer to a handshake, beside the application's. */
#define OWN_FIELDS 3

static PyObject *raise_order(PyObject *type, const char *when) {
    return PyErr_Format(PyExc_RuntimeError, "unexpected ASGI message %R, %s", type, when);
}

/* --- frames out -------------------------------------------------------------------------------------------------- */

int vel_asgi__put_frame(struct vel_asgi_call *call, enum vel_ws_opcode opcode, bool rsv1, struct vel_slice payload,
                        const struct vel_loan *loan) {
    char head[VEL_WS_HEAD_MAX];
    size_t n = vel_ws_frame_write(head, opcode, rsv1, payload.len);
    if (vel_exchange_data(call->exchange, vel_slice(head, n), NULL) != VEL_OK)
        return -1;
    return vel_exchange_data(call->exchange, payload, loan) == VEL_OK ? 0 : -1;
}

static int put_plain(struct vel_asgi_call *call, enum vel_ws_opcode opcode, struct vel_slice data, PyObject *owner) {
    struct vel_loan loan = {.release = vel_give_back, .owner = Py_NewRef(owner)};
    if (vel_asgi__put_frame(call, opcode, false, data, &loan) == 0)
        return 0;
    Py_DECREF(owner);
    PyErr_NoMemory();
    return -1;
}

static int put_packed(struct vel_asgi_call *call, enum vel_ws_opcode opcode, struct vel_slice data) {
    struct vel_asgi *a = call->asgi;
    a->packed.len = 0;
    if (vel_ws_deflate(&call->socket->deflater, data, &a->packed) != VEL_OK ||
        vel_asgi__put_frame(call, opcode, true, vel_slice(a->packed.data, a->packed.len), NULL) < 0) {
        call->socket->deflates = false; /* the peer has lost its context: nothing may follow it */
        PyErr_NoMemory();
        return -1;
    }
    if (a->packed.cap > VEL_ASGI_HIGH_WATER)
        vel_buf_free(&a->packed);
    return 0;
}

static int put_message(struct vel_asgi_call *call, enum vel_ws_opcode opcode, struct vel_slice data, PyObject *owner) {
    bool packs = call->socket->deflates && data.len >= DEFLATE_LEAST;
    return packs ? put_packed(call, opcode, data) : put_plain(call, opcode, data, owner);
}

static int send_text(struct vel_asgi_call *call, PyObject *text) {
    Py_ssize_t len;
    const char *at = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (at != NULL)
        return put_message(call, VEL_WS_TEXT, vel_slice(at, (size_t)len), text);
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "text must be a str, not %.100s", Py_TYPE(text)->tp_name);
    return -1;
}

static int send_bytes(struct vel_asgi_call *call, PyObject *given) {
    PyObject *bytes = PyBytes_CheckExact(given) ? Py_NewRef(given) : NULL;
    if (bytes == NULL && PyObject_CheckBuffer(given))
        bytes = PyBytes_FromObject(given);
    if (bytes == NULL) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "bytes must be bytes, not %.100s", Py_TYPE(given)->tp_name);
        return -1;
    }
    struct vel_slice data = vel_bytes_slice(bytes);
    int err = put_message(call, VEL_WS_BINARY, data, bytes);
    Py_DECREF(bytes);
    return err;
}

static PyObject *send_message(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *st = call->asgi->state;
    PyObject *text = vel_asgi_get(message, st->text, Py_None), *bytes = NULL;
    int err = -1;
    if (text != NULL && text != Py_None) {
        err = send_text(call, text);
    } else if (text != NULL && (bytes = vel_asgi_get(message, st->bytes, Py_None)) != NULL) {
        if (bytes != Py_None)
            err = send_bytes(call, bytes);
        else
            PyErr_SetString(PyExc_ValueError, "websocket.send needs text or bytes");
    }
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    return err == 0 ? vel_asgi_sent(call) : NULL;
}

/* --- one of many ------------------------------------------------------------------------------------------------- */

static int put_shared(struct vel_asgi_call *call, const struct vel_fan *fan) {
    if (call->socket->deflates && fan->payload.len >= DEFLATE_LEAST)
        return put_packed(call, fan->text ? VEL_WS_TEXT : VEL_WS_BINARY, fan->payload);
    struct vel_loan loan = {.release = vel_give_back, .owner = Py_NewRef(fan->owner)};
    if (vel_exchange_data(call->exchange, fan->frame, &loan) != VEL_ENOMEM)
        return 0;
    Py_DECREF(fan->owner);
    PyErr_NoMemory();
    return -1;
}

int vel_asgi_fan(struct vel_asgi_call *call, const struct vel_fan *fan) {
    if (call->socket == NULL || call->exchange == NULL || call->socket->state != VEL_ASGI_SOCKET_OPEN ||
        vel_exchange_is_lost(call->exchange))
        return 0;
    if (vel_exchange_owed(call->exchange) <= fan->most)
        return put_shared(call, fan);
    vel_asgi__close(call, VEL_WS_TRY_LATER, VEL_SLICE("too slow"));
    call->gone = true; /* what the application sends it now is no mistake */
    vel_asgi_wake(call);
    return 1;
}

/* --- the close --------------------------------------------------------------------------------------------------- */

static int take_code(PyObject *given) {
    long code = PyLong_Check(given) ? PyLong_AsLong(given) : -1;
    if (code == VEL_WS_NO_STATUS || (code > 0 && code < 65536 && vel_ws_code_may_be_sent((unsigned)code)))
        return (int)code;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "a close code must be one that may be sent, not %R", given);
    return -1;
}

/* Before the handshake is accepted a close refuses it. */
static PyObject *refuse(struct vel_asgi_call *call, unsigned status, unsigned code) {
    struct vel_exchange *x = call->exchange;
    if (vel_reply_status(x, status) != VEL_OK)
        vel_exchange_abort(x);
    else
        vel_exchange_end(x);
    vel_asgi__closed(call, code, vel_slice("", 0));
    vel_asgi_call_end(call);
    return Py_NewRef(call->asgi->done);
}

static PyObject *send_close(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *st = call->asgi->state;
    PyObject *fallback = PyLong_FromLong(VEL_WS_NORMAL);
    PyObject *given = fallback != NULL ? vel_asgi_get(message, st->code, fallback) : NULL;
    PyObject *reason = given != NULL ? vel_asgi_get(message, st->reason, Py_None) : NULL;
    int code = reason != NULL ? take_code(given) : -1;
    Py_ssize_t len = 0;
    const char *text = code >= 0 && reason != Py_None ? PyUnicode_AsUTF8AndSize(reason, &len) : "";
    if (text != NULL && len > VEL_WS_CONTROL_MAX - 2)
        PyErr_Format(PyExc_ValueError, "a close reason has at most %d bytes", VEL_WS_CONTROL_MAX - 2);
    if (!PyErr_Occurred()) {
        vel_asgi__close(call, (unsigned)code, vel_slice(text, (size_t)len));
        vel_asgi_wake(call);
    }
    Py_XDECREF(reason);
    Py_XDECREF(given);
    Py_XDECREF(fallback);
    return PyErr_Occurred() ? NULL : Py_NewRef(call->asgi->done);
}

/* --- accept ------------------------------------------------------------------------------------------------------ */

/* Only what the client offered may be chosen (RFC 6455 4.2.2). */
static bool was_offered(const struct vel_head *head, struct vel_slice protocol) {
    for (size_t i = 0; i < head->nfields; i++) {
        struct vel_slice rest = head->fields[i].value, member;
        if (head->fields[i].id != VEL_FIELD_SEC_WEBSOCKET_PROTOCOL)
            continue;
        while (vel_list_next(&rest, &member))
            if (vel_slice_eq(member, protocol))
                return true;
    }
    return false;
}

/* *protocol is empty when there is none. */
static int take_protocol(struct vel_asgi_call *call, PyObject *given, struct vel_slice *protocol) {
    *protocol = vel_slice(NULL, 0);
    if (given == Py_None)
        return 0;
    if (!PyUnicode_Check(given) || !vel_text_slice(given, protocol) || !was_offered(call->exchange->head, *protocol)) {
        PyErr_Format(PyExc_ValueError, "subprotocol must be one that the client offered, not %R", given);
        return -1;
    }
    return 0;
}

static bool has_handshake_field(const struct vel_asgi_call *call) {
    for (size_t i = 0; i < call->head.nfields; i++)
        if (call->fields[i].name.len > 14 &&
            vel_slice_eq_nocase(vel_slice(call->fields[i].name.at, 14), VEL_SLICE("sec-websocket-")))
            return true;
    return false;
}

static size_t agree(struct vel_asgi_call *call, struct vel_ws_deflate_terms *terms, char *answer) {
    static const struct vel_ws_deflate_terms wanted = {.server_bits = 12, .client_bits = 12};
    const struct vel_head *head = call->exchange->head;
    for (size_t i = 0; call->asgi->ws.deflate && i < head->nfields; i++) {
        size_t n = head->fields[i].id == VEL_FIELD_SEC_WEBSOCKET_EXTENSIONS
                       ? vel_ws_deflate_agree(head->fields[i].value, &wanted, terms, answer)
                       : 0;
        if (n > 0)
            return n;
    }
    return 0;
}

static int open_tunnel(struct vel_asgi_call *call, struct vel_slice protocol) {
    struct vel_ws_deflate_terms terms;
    char accept[VEL_WS_ACCEPT_LEN], answer[VEL_WS_DEFLATE_ANSWER_MAX];
    size_t n = call->head.nfields, len = agree(call, &terms, answer);
    struct vel_field *fields = PyMem_New(struct vel_field, n + OWN_FIELDS);
    struct vel_reply_head head = {.status = 101, .fields = fields};
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    vel_ws_accept(vel_head_field(call->exchange->head, VEL_FIELD_SEC_WEBSOCKET_KEY)->value, accept);
    fields[head.nfields++] = (struct vel_field){VEL_SLICE("Sec-WebSocket-Accept"), {accept, sizeof(accept)}, 0};
    if (protocol.len > 0)
        fields[head.nfields++] = (struct vel_field){VEL_SLICE("Sec-WebSocket-Protocol"), protocol, 0};
    if (len > 0)
        fields[head.nfields++] = (struct vel_field){VEL_SLICE("Sec-WebSocket-Extensions"), {answer, len}, 0};
    if (n > 0)
        memcpy(fields + head.nfields, call->fields, n * sizeof(*fields));
    head.nfields += n;
    int err = vel_exchange_tunnel(call->exchange, &head, VEL_SLICE("websocket"));
    PyMem_Free(fields);
    if (err == VEL_OK)
        vel_asgi__opened(call, &terms, len > 0);
    else if (err == VEL_ENOMEM)
        PyErr_NoMemory();
    return err == VEL_ENOMEM ? -1 : err == VEL_OK;
}

static PyObject *send_accept(struct vel_asgi_call *call, PyObject *message) {
    struct vel_state *st = call->asgi->state;
    struct vel_slice protocol;
    PyObject *given = vel_asgi_get(message, st->subprotocol, Py_None);
    PyObject *headers = given != NULL ? vel_asgi_get(message, st->headers, st->no_items) : NULL;
    int err = headers != NULL ? take_protocol(call, given, &protocol) : -1;
    if (err == 0)
        err = vel_asgi_note_fields(call, headers);
    if (err == 0 && has_handshake_field(call)) {
        PyErr_SetString(PyExc_ValueError, "sec-websocket- fields are the server's; use subprotocol");
        err = -1;
    }
    int opened = err == 0 ? open_tunnel(call, protocol) : -1;
    vel_asgi_forget_head(call);
    Py_XDECREF(headers);
    Py_XDECREF(given);
    if (opened < 0)
        return NULL;
    /* No tunnel begins while the worker drains. */
    return opened ? Py_NewRef(call->asgi->done) : refuse(call, 503, VEL_WS_RESTART);
}

/* --- the call ---------------------------------------------------------------------------------------------------- */

/* websocket.http.response: an ordinary response in place of the handshake. */
static PyObject *send_denial(struct vel_asgi_call *call, PyObject *type, PyObject *message) {
    struct vel_state *st = call->asgi->state;
    bool starts = vel_asgi_is(type, st->websocket_http_response_start);
    bool body = call->reply == VEL_ASGI_REPLY_NOTED || call->reply == VEL_ASGI_REPLY_BODY;
    if (starts && call->reply == VEL_ASGI_REPLY_NONE) {
        call->socket->state = VEL_ASGI_SOCKET_DENIED;
        return vel_asgi_start(call, message);
    }
    if (!starts && body && vel_asgi_is(type, st->websocket_http_response_body))
        return vel_asgi_body(call, message);
    return raise_order(type, "while a handshake is denied");
}

static PyObject *answer_handshake(struct vel_asgi_call *call, PyObject *type, PyObject *message) {
    struct vel_state *st = call->asgi->state;
    if (vel_asgi_is(type, st->websocket_accept))
        return send_accept(call, message);
    if (vel_asgi_is(type, st->websocket_close))
        return refuse(call, 403, VEL_WS_ABNORMAL);
    if (vel_asgi_is(type, st->websocket_http_response_start))
        return send_denial(call, type, message);
    return raise_order(type, "expected 'websocket.accept', 'websocket.close' or 'websocket.http.response.start'");
}

PyObject *vel_asgi_send_socket(struct vel_asgi_call *call, PyObject *type, PyObject *message) {
    struct vel_state *st = vel_state_of(Py_TYPE(call));
    enum vel_asgi_socket_state state = call->socket->state;
    if (state == VEL_ASGI_SOCKET_CLOSING && !call->gone)
        return raise_order(type, "the socket is closed");
    if (call->exchange == NULL || state >= VEL_ASGI_SOCKET_CLOSING) {
        /* Both sides may close at once: that is no fault. */
        if (vel_asgi_is(type, st->websocket_close) && call->asgi != NULL)
            return Py_NewRef(call->asgi->done);
        return vel_asgi_raise_gone(call);
    }
    if (state == VEL_ASGI_SOCKET_NEW || state == VEL_ASGI_SOCKET_ASKED)
        return answer_handshake(call, type, message);
    if (state == VEL_ASGI_SOCKET_DENIED)
        return send_denial(call, type, message);
    if (vel_asgi_is(type, st->websocket_send))
        return send_message(call, message);
    if (vel_asgi_is(type, st->websocket_close))
        return send_close(call, message);
    return raise_order(type, "expected 'websocket.send' or 'websocket.close'");
}

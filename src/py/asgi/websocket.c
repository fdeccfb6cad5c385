/* The receiving half of a WebSocket: messages to the application, pings, the close, and how long each may take. */
#include "py/asgi/socket.h"

#include "base/err.h"
#include "base/mem.h"

/* The longest reason: a control frame without the code. */
#define REASON_MAX (VEL_WS_CONTROL_MAX - 2)

#define PING_TEXT "velocem"

/* --- life -------------------------------------------------------------------------------------------------------- */

int vel_asgi_socket_new(struct vel_asgi_call *call) {
    struct vel_asgi_socket *s = vel_alloc_zero(sizeof(*s));
    if (s == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    s->call = call;
    s->code = VEL_WS_ABNORMAL;
    vel_timer_init(&s->timer);
    call->socket = s;
    return 0;
}

void vel_asgi_socket_free(struct vel_asgi_call *call) {
    struct vel_asgi_socket *s = call->socket;
    if (s == NULL)
        return;
    call->socket = NULL;
    vel_timer_stop(&s->timer);
    vel_ws_receiver_free(&s->receiver);
    vel_ws_inflater_free(&s->inflater);
    vel_ws_deflater_free(&s->deflater);
    vel_buf_free(&s->kept);
    Py_XDECREF(s->queue);
    Py_XDECREF(s->reason);
    vel_free(s);
}

static void restart(struct vel_asgi_call *call, struct vel_timers *timers) {
    vel_timer_start(&call->socket->timer, timers, call->asgi->timed->now);
}

/* zlib's numbers for what is sent: 16 KiB of window and 16 KiB of table, which compress small messages nearly as well
 * as eight times that. */
void vel_asgi__opened(struct vel_asgi_call *call, const struct vel_ws_deflate_terms *terms, bool deflates) {
    struct vel_asgi *a = call->asgi;
    struct vel_asgi_socket *s = call->socket;
    s->state = VEL_ASGI_SOCKET_OPEN;
    s->deflates = deflates;
    if (deflates) {
        s->inflater = (struct vel_ws_inflater){.bits = terms->client_bits, .resets = terms->client_resets};
        s->deflater = (struct vel_ws_deflater){
            .bits = terms->server_bits, .memory = 5, .level = 6, .resets = terms->server_resets};
    }
    vel_ws_receiver_init(&s->receiver, a->ws.message_max, deflates ? &s->inflater : NULL, &a->scratch);
    restart(call, &a->pings);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

void vel_asgi__closed(struct vel_asgi_call *call, unsigned code, struct vel_slice reason) {
    struct vel_asgi_socket *s = call->socket;
    if (s->state == VEL_ASGI_SOCKET_CLOSED)
        return;
    if (s->state != VEL_ASGI_SOCKET_CLOSING) { /* or the application has said its own */
        s->code = (uint16_t)code;
        Py_XSETREF(s->reason, PyUnicode_DecodeUTF8(reason.at, (Py_ssize_t)reason.len, "replace"));
        PyErr_Clear();
    }
    s->state = VEL_ASGI_SOCKET_CLOSED;
    vel_timer_stop(&s->timer);
    vel_asgi_wake(call);
}

/* Everything is said, and the server is to close first (RFC 6455 7.1.1). */
static void end_tunnel(struct vel_asgi_call *call) {
    call->gone = true;
    if (call->exchange == NULL)
        return;
    vel_exchange_end(call->exchange);
    vel_asgi_call_end(call);
}

void vel_asgi__close(struct vel_asgi_call *call, unsigned code, struct vel_slice reason) {
    struct vel_asgi_socket *s = call->socket;
    char payload[VEL_WS_CONTROL_MAX];
    size_t n = reason.len < REASON_MAX ? reason.len : REASON_MAX;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xFF);
    if (n > 0)
        memcpy(payload + 2, reason.at, n);
    vel_asgi__put_frame(call, VEL_WS_CLOSE, false, vel_slice(payload, code == VEL_WS_NO_STATUS ? 0 : n + 2), NULL);
    s->state = VEL_ASGI_SOCKET_CLOSING;
    s->code = (uint16_t)code;
    Py_XSETREF(s->reason, PyUnicode_DecodeUTF8(reason.at, (Py_ssize_t)n, "replace"));
    PyErr_Clear();
    restart(call, &call->asgi->closes);
}

/* The peer broke a rule or is silent: it is told why, and not waited for. */
static void fail(struct vel_asgi_call *call, unsigned code, const char *why) {
    struct vel_slice reason = vel_slice(why, strlen(why));
    if (call->socket->state == VEL_ASGI_SOCKET_OPEN) {
        vel_asgi__close(call, code, reason);
        call->socket->state = VEL_ASGI_SOCKET_OPEN; /* what is told is the peer's fault, not our wish */
    }
    vel_asgi__closed(call, code, reason);
    end_tunnel(call);
}

void vel_asgi_socket_gone(struct vel_asgi_call *call) {
    vel_asgi__closed(call, VEL_WS_ABNORMAL, vel_slice("", 0));
    vel_asgi_call_end(call);
}

void vel_asgi_socket_eof(struct vel_asgi_call *call) {
    vel_asgi__closed(call, VEL_WS_ABNORMAL, vel_slice("", 0));
    end_tunnel(call);
}

void vel_asgi_socket_drain(struct vel_asgi_call *call) {
    if (call->socket->state == VEL_ASGI_SOCKET_OPEN) {
        vel_asgi__close(call, VEL_WS_RESTART, VEL_SLICE("service restart"));
        call->gone = true;
        vel_asgi_wake(call);
    }
}

void vel_asgi_socket_over(struct vel_asgi_call *call, bool failed) {
    struct vel_asgi_socket *s = call->socket;
    if (s->state == VEL_ASGI_SOCKET_OPEN) {
        vel_asgi__close(call, failed ? VEL_WS_INTERNAL_ERROR : VEL_WS_NORMAL, vel_slice("", 0));
    } else if (call->exchange != NULL && s->state <= VEL_ASGI_SOCKET_DENIED) {
        vel_exchange_abort(call->exchange); /* a 500, or what has begun is cut off */
        vel_asgi__closed(call, VEL_WS_ABNORMAL, vel_slice("", 0));
        vel_asgi_call_end(call);
    }
}

/* --- messages in ------------------------------------------------------------------------------------------------- */

static Py_ssize_t waiting(const struct vel_asgi_socket *s) {
    return s->queue != NULL ? PyList_GET_SIZE(s->queue) - s->first : 0;
}

static PyObject *make_message(struct vel_state *st, bool text, struct vel_slice data) {
    PyObject *content = text ? PyUnicode_DecodeUTF8(data.at, (Py_ssize_t)data.len, NULL)
                             : PyBytes_FromStringAndSize(data.at, (Py_ssize_t)data.len);
    PyObject *message = content != NULL ? PyDict_New() : NULL;
    if (message != NULL && (PyDict_SetItem(message, st->type, st->websocket_receive) < 0 ||
                            PyDict_SetItem(message, text ? st->text : st->bytes, content) < 0))
        Py_CLEAR(message);
    Py_XDECREF(content);
    return message;
}

static int enqueue(struct vel_asgi_call *call, bool text, struct vel_slice data) {
    struct vel_asgi_socket *s = call->socket;
    PyObject *message = make_message(call->asgi->state, text, data);
    if (message != NULL && s->queue == NULL)
        s->queue = PyList_New(0);
    int err = message != NULL && s->queue != NULL ? PyList_Append(s->queue, message) : -1;
    Py_XDECREF(message);
    return err;
}

static PyObject *dequeue(struct vel_asgi_call *call) {
    struct vel_asgi_socket *s = call->socket;
    PyObject *message = Py_NewRef(PyList_GET_ITEM(s->queue, s->first++));
    if (s->first == PyList_GET_SIZE(s->queue)) {
        s->first = 0;
        if (PyList_SetSlice(s->queue, 0, PyList_GET_SIZE(s->queue), NULL) < 0)
            PyErr_Clear();
    }
    if (s->held > 0 && waiting(s) <= (Py_ssize_t)call->asgi->ws.queue_max / 2) {
        size_t held = s->held;
        s->held = 0;
        if (call->exchange != NULL)
            vel_exchange_consume(call->exchange, held);
    }
    return message;
}

static PyObject *disconnect_message(struct vel_asgi_call *call) {
    struct vel_state *st = vel_state_of(Py_TYPE(call));
    struct vel_asgi_socket *s = call->socket;
    PyObject *message = PyDict_New(), *code = PyLong_FromLong(s->code);
    if (message == NULL || code == NULL || PyDict_SetItem(message, st->type, st->websocket_disconnect) < 0 ||
        PyDict_SetItem(message, st->code, code) < 0 ||
        PyDict_SetItem(message, st->reason, s->reason != NULL ? s->reason : st->empty) < 0)
        Py_CLEAR(message);
    Py_XDECREF(code);
    return message;
}

static PyObject *connect_message(struct vel_asgi_call *call) {
    struct vel_state *st = call->asgi->state;
    PyObject *message = PyDict_New();
    call->socket->state = VEL_ASGI_SOCKET_ASKED;
    if (message != NULL && PyDict_SetItem(message, st->type, st->websocket_connect) < 0)
        Py_CLEAR(message);
    return message;
}

/* Messages that came before a close are told before it. */
PyObject *vel_asgi_socket_next(struct vel_asgi_call *call) {
    struct vel_asgi_socket *s = call->socket;
    if (s->state == VEL_ASGI_SOCKET_NEW)
        return connect_message(call);
    if (waiting(s) > 0)
        return dequeue(call);
    if (s->state >= VEL_ASGI_SOCKET_CLOSING || call->exchange == NULL)
        return disconnect_message(call);
    return NULL;
}

/* --- frames in --------------------------------------------------------------------------------------------------- */

/* Echoed, then the connection ends (RFC 6455 5.5.1). */
static void take_close(struct vel_asgi_call *call, struct vel_slice reason) {
    struct vel_asgi_socket *s = call->socket;
    unsigned code = s->receiver.code;
    bool ours = s->state == VEL_ASGI_SOCKET_CLOSING;
    if (!ours) {
        char payload[2] = {(char)(code >> 8), (char)(code & 0xFF)};
        vel_asgi__put_frame(call, VEL_WS_CLOSE, false, vel_slice(payload, code == VEL_WS_NO_STATUS ? 0 : 2), NULL);
    }
    vel_asgi__closed(call, code, reason);
    end_tunnel(call);
}

/* Pongs behind much that waits for a slow reader would only add to it. */
static void take_ping(struct vel_asgi_call *call, struct vel_slice payload) {
    if (vel_exchange_owed(call->exchange) <= VEL_ASGI_HIGH_WATER)
        vel_asgi__put_frame(call, VEL_WS_PONG, false, payload, NULL);
}

static void take_event(struct vel_asgi_call *call, enum vel_ws_event event, struct vel_slice data) {
    struct vel_asgi_socket *s = call->socket;
    switch (event) {
    case VEL_WS_TEXT_MESSAGE:
    case VEL_WS_BINARY_MESSAGE:
        if (s->state == VEL_ASGI_SOCKET_OPEN && enqueue(call, event == VEL_WS_TEXT_MESSAGE, data) < 0) {
            PyErr_Clear();
            fail(call, VEL_WS_INTERNAL_ERROR, "out of memory");
        }
        break;
    case VEL_WS_PING_FRAME:
        take_ping(call, data);
        break;
    case VEL_WS_CLOSE_FRAME:
        take_close(call, data);
        break;
    case VEL_WS_FAILED:
        fail(call, s->receiver.code, s->receiver.why);
        break;
    default:
        break;
    }
}

/* Bytes that are used. Ends early when the tunnel does. */
static size_t take_frames(struct vel_asgi_call *call, char *in, size_t len) {
    struct vel_asgi_socket *s = call->socket;
    size_t at = 0, used;
    struct vel_slice data;
    enum vel_ws_event event = VEL_WS_PING_FRAME;
    while (event != VEL_WS_MORE && call->exchange != NULL) {
        event = vel_ws_receive(&s->receiver, in + at, len - at, &used, &data);
        at += used;
        take_event(call, event, data);
    }
    return call->exchange != NULL ? at : len;
}

static int take_bytes(struct vel_asgi_call *call, struct vel_slice data) {
    struct vel_asgi_socket *s = call->socket;
    if (s->kept.len == 0) {
        /* The server's buffer, which nobody reads again. */
        size_t used = take_frames(call, (char *)data.at, data.len);
        return vel_buf_append(&s->kept, data.at + used, data.len - used);
    }
    if (vel_buf_append(&s->kept, data.at, data.len) != VEL_OK)
        return VEL_ENOMEM;
    vel_buf_consume(&s->kept, take_frames(call, s->kept.data, s->kept.len));
    if (s->kept.len == 0)
        vel_buf_free(&s->kept);
    return VEL_OK;
}

/* While too many messages wait, what came is not consumed, and so the peer not read. */
static void account(struct vel_asgi_call *call, size_t n) {
    struct vel_asgi_socket *s = call->socket;
    if (call->exchange == NULL)
        return;
    if (waiting(s) > (Py_ssize_t)call->asgi->ws.queue_max)
        s->held += n;
    else
        vel_exchange_consume(call->exchange, n);
}

void vel_asgi_socket_data(struct vel_asgi_call *call, struct vel_slice data) {
    struct vel_asgi_socket *s = call->socket;
    vel_asgi_call_hold(call); /* the tunnel may end in here */
    s->idle = false;
    if (take_bytes(call, data) != VEL_OK)
        fail(call, VEL_WS_INTERNAL_ERROR, "out of memory");
    account(call, data.len);
    if (waiting(s) > 0)
        vel_asgi_wake(call);
    vel_asgi_call_release(call);
}

/* --- clocks ------------------------------------------------------------------------------------------------------ */

/* A peer that has sent something since needs no ping, whoever asks. */
static void on_ping_due(struct vel_timer *t) {
    struct vel_asgi_socket *s = VEL_CONTAINER(t, struct vel_asgi_socket, timer);
    struct vel_asgi_call *call = s->call;
    bool quiet = s->idle;
    s->idle = true;
    if (!quiet) {
        restart(call, &call->asgi->pings);
        return;
    }
    vel_asgi__put_frame(call, VEL_WS_PING, false, VEL_SLICE(PING_TEXT), NULL);
    restart(call, &call->asgi->pongs);
}

static void on_pong_due(struct vel_timer *t) {
    struct vel_asgi_socket *s = VEL_CONTAINER(t, struct vel_asgi_socket, timer);
    struct vel_asgi_call *call = s->call;
    if (s->idle) {
        vel_asgi_call_hold(call);
        fail(call, VEL_WS_INTERNAL_ERROR, "keepalive ping timeout");
        vel_asgi_call_release(call);
    } else {
        s->idle = true;
        restart(call, &call->asgi->pings);
    }
}

static void on_close_due(struct vel_timer *t) {
    struct vel_asgi_call *call = VEL_CONTAINER(t, struct vel_asgi_socket, timer)->call;
    vel_asgi_call_hold(call);
    vel_asgi__closed(call, VEL_WS_ABNORMAL, vel_slice("", 0));
    end_tunnel(call);
    vel_asgi_call_release(call);
}

void vel_asgi_attach(struct vel_asgi *a, struct vel_worker *w) {
    vel_timers_init(&a->pings, a->ws.ping_ms, on_ping_due);
    vel_timers_init(&a->pongs, a->ws.pong_ms, on_pong_due);
    vel_timers_init(&a->closes, a->ws.close_ms, on_close_due);
    a->timed = w->loop;
    vel_loop_add_timers(a->timed, &a->pings);
    vel_loop_add_timers(a->timed, &a->pongs);
    vel_loop_add_timers(a->timed, &a->closes);
}

void vel_asgi_detach(struct vel_asgi *a) {
    if (a->timed == NULL)
        return;
    vel_loop_remove_timers(a->timed, &a->closes);
    vel_loop_remove_timers(a->timed, &a->pongs);
    vel_loop_remove_timers(a->timed, &a->pings);
    a->timed = NULL;
}

/* One call of the application: what its receive and send know, for as long as either may be used. */
#pragma once

#include "py/asgi/app.h"

/* Most replies have fewer fields. */
#define VEL_ASGI_FIELDS_INLINE 16

enum vel_asgi_reply {
    VEL_ASGI_REPLY_NONE,
    VEL_ASGI_REPLY_NOTED,    /* http.response.start has come, and waits for the first of the body */
    VEL_ASGI_REPLY_BODY,     /* the head is out */
    VEL_ASGI_REPLY_TRAILERS, /* the body has ended, trailers are to come */
    VEL_ASGI_REPLY_DONE,
};

struct vel_asgi_socket;

/* The object is its own `send`. Held by the exchange (app_data), by the driver of the coroutine, and by Python. */
struct vel_asgi_call {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    struct vel_asgi *asgi;          // borrowed: NULL once the worker has let go of it
    struct vel_exchange *exchange;  /* not owned; NULL: the server is done with it */
    struct vel_asgi_socket *socket; /* owned; NULL: it is no WebSocket */
    PyObject *receive;              /* in a cycle with us, cut when the call is over */
    PyObject *task;                 /* of a coroutine that goes on, so that it is not lost */
    PyObject *receivers;            /* a future, or a list of them, that wait for a message; or NULL */
    PyObject *sender;               /* a future that waits for credit, or NULL */
    PyObject *trailer_list;         /* those that came before the last message of them, or NULL */
    struct vel_buf body;            /* received and not taken */
    struct vel_reply_head head;     /* noted; its slices lie in texts */
    struct vel_field *fields;       /* inline_fields, or owned */
    PyObject **texts;               /* inline_texts, or owned; strong references to bytes */
    size_t ntexts;
    Py_ssize_t rest; /* our reference count when nobody but the server's side knows us */
    uint8_t holders; /* of the one reference of the server's side: exchange, coroutine, who works on it */
    uint8_t reply;   /* enum vel_asgi_reply */
    bool starting;   /* the coroutine is not made yet */
    bool driving;    /* the coroutine is not over */
    bool complete;   /* the request is here */
    bool told;       /* and its end was given to the application */
    bool left;       /* the peer has ended its side behind it */
    bool gone;       /* the client went, or was sent away, before the application had ended */
    bool drains;
    bool trailers; /* announced */
    struct vel_field inline_fields[VEL_ASGI_FIELDS_INLINE];
    PyObject *inline_texts[2 * VEL_ASGI_FIELDS_INLINE];
};

/* A call for x, which holds it. NULL with an exception. */
struct vel_asgi_call *vel_asgi_call_new(struct vel_asgi *a, struct vel_exchange *x);

static inline void vel_asgi_call_hold(struct vel_asgi_call *call) {
    call->holders++;
}

/* One of the server's side is done with it. A call that nobody knows any more is kept to be used again. */
void vel_asgi_call_release(struct vel_asgi_call *call);

/* The exchange is over: receive() tells of it, and nothing can be sent. */
void vel_asgi_call_end(struct vel_asgi_call *call);

/* Frees those that are kept. */
void vel_asgi_call_free_spare(struct vel_asgi *a);

/* Forgets the head that was noted. */
void vel_asgi_forget_head(struct vel_asgi_call *call);

/* --- receive ----------------------------------------------------------------------------------------------------- */

/* An http.request without a body and the last: what others are copies of. NULL with an exception. */
PyObject *vel_asgi_request_template(struct vel_state *s);

/* A message for the application, NULL without an exception when there is none yet. */
PyObject *vel_asgi_next_message(struct vel_asgi_call *call);

/* Whoever waits in receive() looks again. */
void vel_asgi_wake(struct vel_asgi_call *call);

/* Methods of the type. */
PyObject *vel_asgi__next_message(PyObject *o, PyObject *unused);
PyObject *vel_asgi__more(PyObject *o, PyObject *unused);

/* --- send -------------------------------------------------------------------------------------------------------- */

PyObject *vel_asgi__send(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *names);

/* What send() of an http message does. NULL with an exception, else an awaitable. */
PyObject *vel_asgi_send_http(struct vel_asgi_call *call, PyObject *type, PyObject *message);

/* Notes status and headers of a message, or its headers alone; NULL: it has none. -1 with an exception, nothing is
 * noted then. */
int vel_asgi_note_head(struct vel_asgi_call *call, PyObject *status, PyObject *headers);
int vel_asgi_note_fields(struct vel_asgi_call *call, PyObject *headers);

/* Notes the headers of a message behind those that are noted. */
int vel_asgi_note_trailers(struct vel_asgi_call *call, PyObject *message);

/* The start and the body of a response, by whatever name. */
PyObject *vel_asgi_start(struct vel_asgi_call *call, PyObject *message);
PyObject *vel_asgi_body(struct vel_asgi_call *call, PyObject *message);

/* The awaitable for who has sent: finished, or a future when too much waits for the kernel. */
PyObject *vel_asgi_sent(struct vel_asgi_call *call);

/* The future that waits for credit is done. */
void vel_asgi_credit(struct vel_asgi_call *call);

/* message[key], or fallback where there is none: a new reference. NULL with an exception. */
PyObject *vel_asgi_get(PyObject *message, PyObject *key, PyObject *fallback);
/* The same as truth: -1 with an exception. */
int vel_asgi_get_flag(PyObject *message, PyObject *key);

/* The values of these keys: new references, NULL where there is none. One pass over the message, in which its names are
 * mostly these very objects: only a message that has others too is searched. -1 with an exception, values are NULL
 * then. */
int vel_asgi_pick(PyObject *message, PyObject *const keys[], PyObject *values[], size_t n);

static inline void vel_asgi_drop(PyObject *values[], size_t n) {
    for (size_t i = 0; i < n; i++)
        Py_CLEAR(values[i]);
}

/* Whether a message's type is this one. */
bool vel_asgi_is(PyObject *type, PyObject *name);

/* The exception for what is sent to a client that has gone: OSError of ours. Returns NULL. */
PyObject *vel_asgi_raise_gone(struct vel_asgi_call *call);

/* --- scope ------------------------------------------------------------------------------------------------------- */

/* The scope of the call's request. NULL with an exception. */
PyObject *vel_asgi_scope(struct vel_asgi_call *call);

/* What is the same for every request of one listening address; kept in the endpoint's app_data. */
struct vel_asgi_kind {
    PyObject *scope; /* a dict, what each one is a copy of */
    PyObject *extensions;
    PyObject *path, *client; // borrowed: those of the last request, which the dict holds
};

struct vel_asgi_template {
    struct vel_asgi_kind http, websocket;
};
struct vel_asgi_template *vel_asgi_template_new(struct vel_asgi *a, const struct vel_endpoint *endpoint);
void vel_asgi_template_free(struct vel_asgi_template *t);

/* --- WebSocket --------------------------------------------------------------------------------------------------- */

/* The request is a good handshake: makes the call a WebSocket. -1 with an exception. */
int vel_asgi_socket_new(struct vel_asgi_call *call);
void vel_asgi_socket_free(struct vel_asgi_call *call);
void vel_asgi_socket_data(struct vel_asgi_call *call, struct vel_slice data);
void vel_asgi_socket_eof(struct vel_asgi_call *call);
void vel_asgi_socket_gone(struct vel_asgi_call *call);
void vel_asgi_socket_drain(struct vel_asgi_call *call);
/* The coroutine is over; failed: it raised. */
void vel_asgi_socket_over(struct vel_asgi_call *call, bool failed);
PyObject *vel_asgi_socket_next(struct vel_asgi_call *call);
PyObject *vel_asgi_send_socket(struct vel_asgi_call *call, PyObject *type, PyObject *message);

/* A WebSocket behind the seam: what its receiving and its sending half share. */
#pragma once

#include "py/asgi/call.h"

enum vel_asgi_socket_state {
    VEL_ASGI_SOCKET_NEW,    /* websocket.connect is not told yet */
    VEL_ASGI_SOCKET_ASKED,  /* it is, and the application has not answered */
    VEL_ASGI_SOCKET_DENIED, /* it answers with a response of its own */
    VEL_ASGI_SOCKET_OPEN,
    VEL_ASGI_SOCKET_CLOSING, /* our close frame is out, the peer's has not come */
    VEL_ASGI_SOCKET_CLOSED,
};

struct vel_asgi_socket {
    struct vel_asgi_call *call; /* not owned: the call owns this */
    struct vel_ws_receiver receiver;
    struct vel_ws_inflater inflater;
    struct vel_ws_deflater deflater;
    struct vel_buf kept; /* bytes of a head that has not all come */
    PyObject *queue;     /* a list of messages from `first` on, or NULL */
    Py_ssize_t first;
    size_t held;      /* bytes given by the server that are not consumed while too many messages wait */
    PyObject *reason; /* of the close, or NULL */
    struct vel_timer timer;
    uint16_t code; /* of the close */
    uint8_t state; /* enum vel_asgi_socket_state */
    bool deflates;
    bool idle; /* nothing has come since the last ping */
};

/* Sends a frame whose payload is copied. -1 without an exception when memory is short: the client is cut off. */
int vel_asgi__put_frame(struct vel_asgi_call *call, enum vel_ws_opcode opcode, bool rsv1, struct vel_slice payload,
                        const struct vel_loan *loan);

/* Sends a close frame and waits for the peer's. reason is UTF-8 and fits. */
void vel_asgi__close(struct vel_asgi_call *call, unsigned code, struct vel_slice reason);

/* The socket is over for the application: code and reason are told by receive(). */
void vel_asgi__closed(struct vel_asgi_call *call, unsigned code, struct vel_slice reason);

/* The tunnel has begun. */
void vel_asgi__opened(struct vel_asgi_call *call, const struct vel_ws_deflate_terms *terms, bool deflates);

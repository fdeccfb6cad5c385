/* One message to many of a worker, without Python between them. */
#pragma once

#include "py/asgi/call.h"

/* What is sent to each, made once: a frame for WebSockets, bytes for streams. */
struct vel_fan {
    struct vel_slice frame;   /* head and payload, as they are on the wire */
    struct vel_slice payload; /* of the frame, for who compresses */
    PyObject *owner;          // borrowed: the bytes of the frame, which may be lent
    PyObject *events;         // borrowed: bytes for streams, or NULL: they get nothing
    bool text;
    uint64_t most; /* bytes that may wait for one of them */
};

/* 1: too much waits for it already, and it was closed with 1013. 0: sent, or not open. -1 with an exception. */
int vel_asgi_fan(struct vel_asgi_call *call, const struct vel_fan *fan);

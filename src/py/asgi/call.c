/* The life of a call: made or used again, ended, let go. */
#include "py/asgi/call.h"

#include "py/types.h"

#include <structmember.h>

/* --- made -------------------------------------------------------------------------------------------------------- */

/* receive() is a coroutine function of Python: a value handed over by C from an iterator would have to be raised as
 * StopIteration, which costs more than the two lines that the interpreter runs. */
static int make_receive(struct vel_asgi *a, struct vel_asgi_call *call) {
    PyObject *next = PyObject_GetAttr((PyObject *)call, a->state->next_message);
    PyObject *more = next != NULL ? PyObject_GetAttr((PyObject *)call, a->state->more) : NULL;
    if (more != NULL) {
        PyObject *args[] = {NULL, next, more};
        call->receive = PyObject_Vectorcall(a->make_receive, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(more);
    Py_XDECREF(next);
    return call->receive != NULL ? 0 : -1;
}

static struct vel_asgi_call *make(struct vel_asgi *a) {
    PyTypeObject *type = a->state->asgi_call_type;
    struct vel_asgi_call *call = (struct vel_asgi_call *)type->tp_alloc(type, 0);
    if (call == NULL)
        return NULL;
    call->vectorcall = vel_asgi__send;
    call->fields = call->inline_fields;
    call->texts = call->inline_texts;
    if (make_receive(a, call) < 0) {
        Py_DECREF(call);
        return NULL;
    }
    call->rest = Py_REFCNT(call);
    return call;
}

struct vel_asgi_call *vel_asgi_call_new(struct vel_asgi *a, struct vel_exchange *x) {
    struct vel_asgi_call *call = a->nspare > 0 ? a->spare[--a->nspare] : make(a);
    if (call == NULL)
        return NULL;
    call->asgi = a;
    call->exchange = x;
    call->holders = 1;
    call->head.length = -1;
    return call;
}

/* --- over -------------------------------------------------------------------------------------------------------- */

static void reset(struct vel_asgi_call *call) {
    call->reply = VEL_ASGI_REPLY_NONE;
    call->starting = call->driving = call->complete = call->told = call->left = call->gone = false;
    call->drains = call->trailers = false;
    call->head = (struct vel_reply_head){.length = -1};
}

/* Everything that is not part of a call at rest. */
static void empty(struct vel_asgi_call *call) {
    vel_asgi_forget_head(call);
    vel_buf_free(&call->body);
    vel_asgi_socket_free(call);
    Py_CLEAR(call->receivers);
    Py_CLEAR(call->sender);
    Py_CLEAR(call->trailer_list);
    Py_CLEAR(call->task);
}

/* Somebody may still call receive or send, and is told that it is over. */
static void cut_loose(struct vel_asgi_call *call) {
    PyObject *receive = call->receive;
    call->receive = NULL;
    Py_XDECREF(receive);
    Py_DECREF(call);
}

/* One reference is the server's, whoever of it holds the call. */
void vel_asgi_call_release(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    if (--call->holders > 0)
        return;
    empty(call);
    bool unknown = Py_REFCNT(call) == call->rest && Py_REFCNT(call->receive) == 1;
    if (!unknown || a->nspare == VEL_ASGI_SPARE) {
        call->asgi = NULL;
        cut_loose(call);
        return;
    }
    reset(call);
    a->spare[a->nspare++] = call; /* with our reference */
}

void vel_asgi_call_end(struct vel_asgi_call *call) {
    if (call->exchange == NULL)
        return;
    call->exchange = NULL;
    call->reply = VEL_ASGI_REPLY_DONE;
    vel_buf_free(&call->body);
    vel_asgi_forget_head(call);
    vel_asgi_wake(call);
    vel_asgi_credit(call);
    vel_asgi_call_release(call);
}

void vel_asgi_call_free_spare(struct vel_asgi *a) {
    while (a->nspare > 0) {
        struct vel_asgi_call *call = a->spare[--a->nspare];
        call->asgi = NULL;
        cut_loose(call);
    }
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

/* No cycle outlives the call: the one through receive is cut when it is over. */
static void dealloc(PyObject *o) {
    struct vel_asgi_call *call = (struct vel_asgi_call *)o;
    PyTypeObject *type = Py_TYPE(o);
    empty(call);
    Py_CLEAR(call->receive);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"next_message", vel_asgi__next_message, METH_NOARGS, "next_message($self, /)\n--\n\nA message, or None."},
    {"more", vel_asgi__more, METH_NOARGS, "more($self, /)\n--\n\nA future that is done when there may be one."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct vel_asgi_call, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "send(message)\n--\n\nSends a message to the client (ASGI 3.0)."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_asgi_call_type_spec = {
    .name = "velocem._core.Send",
    .basicsize = sizeof(struct vel_asgi_call),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

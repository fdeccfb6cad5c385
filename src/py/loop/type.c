/* velocem._core.BaseEventLoop: made and freed, and what Python sees of it. */
#include "py/loop/loop.h"

#include "py/loop/handle.h"
#include "py/loop/types.h"
#include "py/state.h"

#include "base/err.h"
#include "base/mem.h"

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define Py_T_OBJECT_EX T_OBJECT_EX
#endif

/* --- made and freed ---------------------------------------------------------------------------------------------- */

/* Four messages of 256 KiB. */
#define MAPPED ((size_t)1 << 20)

/* glibc maps each block of 128 KiB and more for itself, and gives the end of its heap back at every free that leaves as
 * much there: messages of about that size cost page faults each time, a third to a half of an echo of 100 KiB. It
 * learns better from a mapped block that is freed: from then on what is smaller comes from the heap, and twice as much
 * may stay there. Who has set M_TRIM_THRESHOLD keeps it so. */
static void teach_malloc(void) {
    void *volatile block = vel_alloc(MAPPED); /* volatile: the pair is not for the compiler to leave out */
    vel_free(block);
}

static int open_core(struct vel_aio *loop) {
    teach_malloc();
    int rc = vel_loop_init(&loop->net);
    if (rc != VEL_OK)
        return vel_aio__set_error(rc);
    loop->net.on_block = vel_aio__on_block;
    loop->net.on_unblock = vel_aio__on_unblock;
    loop->net.hook_arg = loop;
    rc = vel_aio__inbox_init(loop);
    if (rc != VEL_OK) {
        vel_loop_free(&loop->net);
        return vel_aio__set_error(rc);
    }
    loop->open = true;
    return 0;
}

/* Arguments are for __init__ of the Python class. */
static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args, (void)kwargs;
    struct vel_aio *loop = (struct vel_aio *)type->tp_alloc(type, 0);
    if (loop == NULL)
        return NULL;
    struct vel_state *state = vel_state_of_subtype(type);
    loop->st = state != NULL ? state->loop : NULL;
    if (loop->st == NULL || open_core(loop) < 0 || vel_aio__look_at_call_soon(loop) < 0)
        Py_CLEAR(loop);
    return (PyObject *)loop;
}

/* What refers to others goes; what the kernel has given stays until close_core. */
static int clear(PyObject *o) {
    struct vel_aio *loop = (struct vel_aio *)o;
    vel_aio__chains_clear(loop);
    vel_aio__ring_clear(&loop->ready);
    vel_aio__ring_clear(&loop->inbox.ring);
    vel_aio__timers_clear(loop);
    vel_aio__fds_clear(loop);
    Py_CLEAR(loop->raised);
    Py_CLEAR(loop->context_names);
    return 0;
}

static int clear_all(PyObject *o) {
    struct vel_aio *loop = (struct vel_aio *)o;
    clear(o);
#define VEL_LOOP_ATTRIBUTE(name) Py_CLEAR(loop->name);
#include "py/loop/attributes.def"
    return 0;
}

static void close_core(struct vel_aio *loop) {
    if (!loop->open)
        return;
    vel_aio__fds_clear(loop);
    loop->open = false;
    vel_aio__inbox_free(loop);
    vel_loop_free(&loop->net);
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_aio *loop = (struct vel_aio *)o;
    int rc = vel_aio__ring_visit(&loop->ready, visit, arg);
    if (rc == 0)
        rc = vel_aio__ring_visit(&loop->inbox.ring, visit, arg);
    if (rc == 0)
        rc = vel_aio__fds_visit(loop, visit, arg);
    if (rc == 0)
        rc = vel_aio__chains_visit(loop, visit, arg);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < loop->timers.len; i++)
        Py_VISIT(loop->timers.items[i].what);
    Py_VISIT(loop->raised);
    Py_VISIT(loop->context_names);
#define VEL_LOOP_ATTRIBUTE(name) Py_VISIT(loop->name);
#include "py/loop/attributes.def"
    Py_VISIT(Py_TYPE(o));
    return 0;
}

static void dealloc(PyObject *o) {
    struct vel_aio *loop = (struct vel_aio *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    clear_all(o);
    close_core(loop);
    vel_aio__handles_free(loop);
    vel_free(loop->in);
    type->tp_free(o);
    Py_DECREF(type);
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

/* The last step of close(): what the kernel has given goes back. */
static PyObject *close_python(PyObject *o, PyObject *unused) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)unused;
    close_core(loop);
    clear(o);
    Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *o, PyObject *unused) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)unused;
    if (!loop->open)
        Py_RETURN_NONE;
    if (vel_loop_forked(&loop->net) != VEL_OK || vel_aio__inbox_forked(loop) < 0 || vel_aio__fds_forked(loop) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *time_python(PyObject *o, PyObject *unused) {
    (void)o, (void)unused;
    return PyFloat_FromDouble(vel_aio__time());
}

static PyObject *get_debug(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(((struct vel_aio *)o)->debug);
}

static PyObject *is_running(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(((struct vel_aio *)o)->running);
}

static PyObject *is_closed(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(((struct vel_aio *)o)->closed);
}

static PyObject *stop(PyObject *o, PyObject *unused) {
    (void)unused;
    ((struct vel_aio *)o)->stopping = true;
    Py_RETURN_NONE;
}

static PyObject *check_closed(PyObject *o, PyObject *unused) {
    (void)unused;
    if (vel_aio__check_open((struct vel_aio *)o) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Attributes of the library's classes that both sides use; closure is the offset of a bool. */
static PyObject *get_flag(PyObject *o, void *closure) {
    return PyBool_FromLong(*(bool *)((char *)o + (size_t)closure));
}

static int set_flag(PyObject *o, PyObject *value, void *closure) {
    int is = value != NULL ? PyObject_IsTrue(value) : 0;
    if (is >= 0)
        *(bool *)((char *)o + (size_t)closure) = is;
    return is < 0 ? -1 : 0;
}

static PyObject *get_thread(PyObject *o, void *closure) {
    const struct vel_aio *loop = (struct vel_aio *)o;
    (void)closure;
    if (!loop->running)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(loop->thread);
}

static int set_thread(PyObject *o, PyObject *value, void *closure) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)closure;
    bool runs = value != NULL && value != Py_None;
    unsigned long thread = runs ? PyLong_AsUnsignedLong(value) : 0;
    if (runs && PyErr_Occurred())
        return -1;
    loop->running = runs;
    loop->thread = thread;
    return 0;
}

/* Who puts his own call_soon on a loop may use what it returns, from now on. */
static int setattro(PyObject *o, PyObject *name, PyObject *value) {
    struct vel_aio *loop = (struct vel_aio *)o;
    int rc = PyObject_GenericSetAttr(o, name, value);
    if (rc == 0 && PyUnicode_Check(name) && PyUnicode_Compare(name, loop->st->call_soon) == 0)
        rc = vel_aio__look_at_call_soon(loop);
    return rc;
}

#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))
#define FLAG(name, field)                                                                                              \
    { name, get_flag, set_flag, NULL, (void *)offsetof(struct vel_aio, field) }

static PyMethodDef methods[] = {
    {"call_soon", FASTCALL(vel_aio__call_soon), METH_FASTCALL | METH_KEYWORDS,
     "call_soon($self, callback, *args, context=None)\n--\n\nCalls callback(*args) in the next round."},
    {"call_soon_threadsafe", FASTCALL(vel_aio__call_soon_threadsafe), METH_FASTCALL | METH_KEYWORDS,
     "call_soon_threadsafe($self, callback, *args, context=None)\n--\n\nThe same from any thread."},
    {"call_later", FASTCALL(vel_aio__call_later), METH_FASTCALL | METH_KEYWORDS,
     "call_later($self, delay, callback, *args, context=None)\n--\n\nCalls callback(*args) after delay seconds."},
    {"call_at", FASTCALL(vel_aio__call_at), METH_FASTCALL | METH_KEYWORDS,
     "call_at($self, when, callback, *args, context=None)\n--\n\nCalls callback(*args) when loop.time() is when."},
    {"time", time_python, METH_NOARGS, "time($self, /)\n--\n\nSeconds by the clock of the timers."},
    {"get_debug", get_debug, METH_NOARGS, "get_debug($self, /)\n--\n\nWhether the loop is in debug mode."},
    {"is_running", is_running, METH_NOARGS, "is_running($self, /)\n--\n\nWhether the loop runs now."},
    {"is_closed", is_closed, METH_NOARGS, "is_closed($self, /)\n--\n\nWhether the loop was closed."},
    {"stop", stop, METH_NOARGS, "stop($self, /)\n--\n\nEnds the run when what is ready now has been called."},
    {"add_reader", FASTCALL(vel_aio__add_reader), METH_FASTCALL | METH_KEYWORDS,
     "add_reader($self, fd, callback, *args)\n--\n\nCalls callback(*args) whenever fd can be read."},
    {"add_writer", FASTCALL(vel_aio__add_writer), METH_FASTCALL | METH_KEYWORDS,
     "add_writer($self, fd, callback, *args)\n--\n\nCalls callback(*args) whenever fd can be written."},
    {"remove_reader", FASTCALL(vel_aio__remove_reader), METH_FASTCALL | METH_KEYWORDS,
     "remove_reader($self, fd)\n--\n\nWhether there was one."},
    {"remove_writer", FASTCALL(vel_aio__remove_writer), METH_FASTCALL | METH_KEYWORDS,
     "remove_writer($self, fd)\n--\n\nWhether there was one."},
    {"_add_reader", FASTCALL(vel_aio__add_reader_internal), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_add_writer", FASTCALL(vel_aio__add_writer_internal), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_remove_reader", FASTCALL(vel_aio__remove_reader_internal), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_remove_writer", FASTCALL(vel_aio__remove_writer_internal), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_ensure_fd_no_transport", vel_aio__ensure_no_transport, METH_O, NULL},
    {"_watched", vel_aio__watched, METH_O,
     "_watched($self, fd, /)\n--\n\nEVENT_READ and EVENT_WRITE of what is watched."},
    {"_make_socket_transport", FASTCALL(vel_aio__make_socket_transport), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_start_serving", FASTCALL(vel_aio__start_serving), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_recv_now", FASTCALL(vel_aio__recv_now), METH_FASTCALL,
     "_recv_now($self, sock, n, /)\n--\n\nThe bytes, a future of them, or NotImplemented."},
    {"_recv_into_now", FASTCALL(vel_aio__recv_into_now), METH_FASTCALL,
     "_recv_into_now($self, sock, buffer, /)\n--\n\nTheir number, a future of it, or NotImplemented."},
    {"_sendall_now", FASTCALL(vel_aio__sendall_now), METH_FASTCALL,
     "_sendall_now($self, sock, data, /)\n--\n\nNone, a future, or NotImplemented."},
    {"_accept_now", vel_aio__accept_now, METH_O,
     "_accept_now($self, sock, /)\n--\n\nSocket and address, a future of them, or NotImplemented."},
    {"_connect_now", FASTCALL(vel_aio__connect_now), METH_FASTCALL,
     "_connect_now($self, sock, address, /)\n--\n\nNone, a future, or NotImplemented."},
    {"_sock_leave", FASTCALL(vel_aio__sock_leave), METH_FASTCALL,
     "_sock_leave($self, sock, future, /)\n--\n\nWhat such a future stands for is given up."},
    {"_flush", vel_aio__flush_python, METH_NOARGS,
     "_flush($self, /)\n--\n\nSends what this thread's running callback has written."},
    {"_run_once", vel_aio__run_once, METH_NOARGS, NULL},
    {"_check_closed", check_closed, METH_NOARGS, NULL},
    {"_add_callback", vel_aio__add_callback, METH_O, NULL},
    {"_timer_handle_cancelled", vel_aio__timer_handle_cancelled, METH_O, NULL},
    {"_write_to_self", vel_aio__write_to_self, METH_NOARGS, NULL},
    {"_close_core", close_python, METH_NOARGS, NULL},
    {"_after_fork", after_fork, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    FLAG("_closed", closed),        FLAG("_stopping", stopping),
    FLAG("_debug", debug),          {"_thread_id", get_thread, set_thread, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define VEL_LOOP_ATTRIBUTE(name) {#name, Py_T_OBJECT_EX, offsetof(struct vel_aio, name), 0, NULL},

static PyMemberDef members[] = {
#include "py/loop/attributes.def"
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The C part of velocem.EventLoop."},
    {Py_tp_new, new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear_all},
    {Py_tp_setattro, setattro},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec vel_aio__loop_type_spec = {
    .name = "velocem._core.BaseEventLoop",
    .basicsize = sizeof(struct vel_aio),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

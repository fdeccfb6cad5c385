/* The rounds of the loop: ask the kernel, run what is due, run what is ready. */
#include "py/loop/loop.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* While callbacks keep coming the kernel is asked at least this often: a system call costs as much as five callbacks.
 */
#define ROUNDS_UNPOLLED 32
#define UNPOLLED_NS 100000

/* From this much on a bytes object is allocated for what comes. Not one of VEL_AIO_IN, which malloc would map and unmap
 * each time. */
#define LARGE ((size_t)16 << 10)

/* --- errors ------------------------------------------------------------------------------------------------------ */

bool vel_aio__is_fatal(void) {
    return PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
}

void vel_aio_raise_later(struct vel_aio *loop) {
    PyObject *raised = vel_take_raised();
    if (loop->raised == NULL)
        loop->raised = raised;
    else
        Py_XDECREF(raised);
    vel_loop_cut_turn(&loop->net);
}

int vel_aio__check_open(struct vel_aio *loop) {
    if (!loop->closed)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return -1;
}

int vel_aio__set_error(int rc) {
    if (rc == VEL_ENOMEM)
        PyErr_NoMemory();
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* --- the buffer -------------------------------------------------------------------------------------------------- */

char *vel_aio__in(struct vel_aio *loop) {
    if (loop->in == NULL && (loop->in = vel_alloc(VEL_AIO_IN)) == NULL)
        PyErr_NoMemory();
    return loop->in;
}

/* The kernel copies from and to the beginnings of pages. Where the other end is a few bytes before or after one, it
 * takes twice as long: 60 us instead of 30 for an echo of 100 KiB. */
static bool is_slow(const void *at) {
    return ((uintptr_t)at + 64) % 4096 < 128;
}

PyObject *vel_aio__room(size_t size) {
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (data == NULL || !is_slow(PyBytes_AS_STRING(data)))
        return data;
    PyObject *other = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size); /* behind it */
    if (other == NULL) {
        PyErr_Clear();
        return data;
    }
    Py_DECREF(data);
    return other;
}

size_t vel_aio__expected(size_t n, size_t room) {
    size_t next = n == room ? 2 * n : n + n / 8;
    return n < LARGE ? 0 : next < VEL_AIO_IN ? next : VEL_AIO_IN;
}

/* --- the GIL ----------------------------------------------------------------------------------------------------- */

void vel_aio__on_block(void *arg) {
    struct vel_aio *loop = arg;
    loop->detached = PyEval_SaveThread();
}

/* A signal handler of Python's may raise, and must be called now that the wait was interrupted for it. */
void vel_aio__on_unblock(void *arg) {
    struct vel_aio *loop = arg;
    PyEval_RestoreThread(loop->detached);
    loop->detached = NULL;
    if (PyErr_CheckSignals() < 0)
        vel_aio_raise_later(loop);
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

/* Nanoseconds that the kernel may wait. */
static int64_t wait_of(struct vel_aio *loop) {
    return loop->ready.len > 0 || loop->stopping ? 0 : vel_aio__timers_wait(loop);
}

/* Signals first: one that came when no Python ran may have had its byte in the wake-up pipe read by a turn that did not
 * wait. After this look, its byte ends the wait. */
static int ask_kernel(struct vel_aio *loop) {
    int64_t wait = wait_of(loop);
    if (wait != 0 && PyErr_CheckSignals() < 0)
        return -1;
    wait = wait_of(loop); /* a handler may have called the loop */
    if (wait != 0) {
        atomic_store(&loop->inbox.asleep, true);
        if (atomic_load(&loop->inbox.filled))
            wait = 0;
    }
    int n = vel_loop_turn_ns(&loop->net, wait);
    atomic_store(&loop->inbox.asleep, false);
    loop->unpolled = 0;
    loop->polled_ns = loop->net.now_ns;
    if (loop->raised != NULL) {
        vel_set_raised(loop->raised);
        loop->raised = NULL;
        return -1;
    }
    return n >= 0 ? 0 : vel_aio__set_error(n);
}

/* Work is at hand: whether the kernel can wait for its turn. */
static bool may_skip(struct vel_aio *loop) {
    if (loop->ready.len == 0 || ++loop->unpolled >= ROUNDS_UNPOLLED)
        return false;
    loop->net.now_ns = vel_clock_ns();
    return loop->net.now_ns - loop->polled_ns < UNPOLLED_NS;
}

static int empty_inbox(struct vel_aio *loop) {
    return atomic_load_explicit(&loop->inbox.filled, memory_order_relaxed) ? vel_aio__inbox_empty(loop) : 0;
}

static int run_round(struct vel_aio *loop) {
    if (empty_inbox(loop) < 0)
        return -1;
    if (!may_skip(loop) && (vel_aio__settle_all(loop) < 0 || ask_kernel(loop) < 0))
        return -1;
    if (empty_inbox(loop) < 0)
        return -1;
    if (loop->timers.len > 0 && vel_aio__timers_run(loop) < 0)
        return -1;
    return vel_aio__run_ready(loop);
}

/* Whether call_soon of this object is the one of this file: who has put his own in front may use what it returns. */
int vel_aio__look_at_call_soon(struct vel_aio *loop) {
    PyObject *mine = PyObject_GetAttr((PyObject *)loop->st->loop_type, loop->st->call_soon);
    PyObject *class = PyObject_GetAttr((PyObject *)Py_TYPE(loop), loop->st->call_soon);
    PyObject *own = PyObject_GetAttr((PyObject *)loop, loop->st->call_soon);
    if (mine != NULL && class != NULL && own != NULL)
        loop->gives_handles = mine != class || !PyCFunction_CheckExact(own);
    Py_XDECREF(own);
    Py_XDECREF(class);
    Py_XDECREF(mine);
    return PyErr_Occurred() ? -1 : 0;
}

/* run_forever() of the library calls it until the loop is stopping; so it goes round here until then. Called by itself,
 * on a loop that does not run, it is one round. */
PyObject *vel_aio__run_once(PyObject *o, PyObject *unused) {
    struct vel_aio *loop = (struct vel_aio *)o;
    (void)unused;
    if (vel_aio__check_open(loop) < 0 || vel_aio__look_at_call_soon(loop) < 0)
        return NULL;
    loop->unpolled = ROUNDS_UNPOLLED;
    Py_INCREF(o);
    int rc;
    do {
        rc = run_round(loop);
    } while (rc == 0 && loop->running && !loop->stopping && !loop->closed);
    Py_DECREF(o);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

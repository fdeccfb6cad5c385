/* The asyncio loop: a struct vel_loop, and on it Python's ready callbacks, timers and descriptors. One thread, but for
 * vel_aio_soon_threadsafe. */
#pragma once

#include "py/compat.h"
#include "py/loop/state.h"

#include "base/heap.h"
#include "net/loop.h"
#include "net/wake.h"

#include <pthread.h>
#include <stdatomic.h>

struct vel_aio;
struct vel_ready;

/* Runs an entry and gives back its references. 0; -1 with an exception that ends the run (SystemExit,
 * KeyboardInterrupt, or what the exception handler lets through): every other has to be reported first. */
typedef int vel_ready_fn(struct vel_aio *loop, struct vel_ready *entry);

/* Something to call in the next round. Its references are owned, context and arg may be NULL. */
struct vel_ready {
    vel_ready_fn *run;
    PyObject *what;
    PyObject *arg;
    PyObject *context;
};

/* First in, first out. All zero is empty. */
struct vel_ready_ring {
    struct vel_ready *entries; /* owned; a power of two of them */
    size_t cap, head, len;
};

/* What other threads have asked for. */
struct vel_aio_inbox {
    pthread_mutex_t mutex;
    struct vel_ready_ring ring; /* under the mutex */
    atomic_bool filled;         /* so that looking costs no lock */
    atomic_bool asleep;         /* the loop waits, or is about to: who files something wakes it */
};

/* As asyncio's max_size. One such buffer a loop: an idle connection has none. */
#define VEL_AIO_IN ((size_t)256 << 10)

union vel_addr;
struct vel_aio_fd;    /* watch.c */
struct vel_aio__sock; /* sock.c */
struct vel_handle;
struct vel_transport;

/* The instance of velocem._core.BaseEventLoop; the Python class adds the library's attributes behind it. */
struct vel_aio {
    PyObject_HEAD
    struct vel_loop_state *st; // borrowed: of the module, which the type keeps alive
    struct vel_ready_ring ready;
    struct vel_loop net;
    bool open;                   /* net and wake are made */
    bool closed;                 /* loop._closed */
    bool stopping;               /* loop._stopping */
    bool debug;                  /* loop._debug */
    bool running;                /* loop._thread_id is a number: this one */
    bool gives_handles;          /* somebody stands in front of call_soon who may look at what it returns */
    unsigned unpolled;           /* rounds since the kernel was last asked */
    uint64_t polled_ns;          /* when that was */
    unsigned long thread;        /* as threading.get_ident() */
    struct vel_heap timers;      /* of owned handles, by when */
    size_t cancelled;            /* how many of them */
    struct vel_handle *spare[2]; /* freed handles and timer handles, chained; see handle.c */
    unsigned nspare[2];
    struct vel_transport *written;   /* chain of those that have something to flush when the callback returns */
    struct vel_transport *unsettled; /* chain of those whose interest changes before the wait */
    char *in;                        /* what all receive into, VEL_AIO_IN bytes; NULL until the first does */
    struct vel_aio_fd **fds;         /* by descriptor; owned, NULL where nothing is watched */
    size_t nfds;
    struct vel_aio_inbox inbox;
    struct vel_wake wake;
    PyObject **caught;       /* the next step of a task is not filed but put here; see vel_aio_catch_step */
    PyThreadState *detached; /* while the loop waits */
    PyObject *context_names; /* the keywords that a call for a task comes with: known again by their address */
    PyObject *raised;        /* from a call in a turn of net, which then is cut; raised by the round */
    /* Of the library's classes. */
#define VEL_LOOP_ATTRIBUTE(name) PyObject *name;
#include "py/loop/attributes.def"
};

/* --- for the layers above ---------------------------------------------------------------------------------------- */

/* Whether o is a loop of ours. */
static inline bool vel_aio_check(struct vel_loop_state *st, PyObject *o) {
    return PyObject_TypeCheck(o, st->loop_type);
}

/* Takes the references of entry, also on failure: -1 with MemoryError. In the loop's thread, or while it does not run.
 */
int vel_aio_soon(struct vel_aio *loop, struct vel_ready entry);

/* The next time that a task asks for a step of its own, in this very call, *step gets what would have been filed (a new
 * reference), and whoever asked for it makes that step by calling it. Nothing is caught where steps are not as known,
 * or in debug mode: they are then filed as ever. NULL takes it back. */
static inline void vel_aio_catch_step(struct vel_aio *loop, PyObject **step) {
    loop->caught = step;
}

/* Files a step that was caught after all, where the task would have. Its coroutine is a driver, which enters a context
 * of its own: the step needs none. -1 with an exception. */
int vel_aio_soon_step(struct vel_aio *loop, PyObject *step);

/* From a call of net that cannot return an error: the raised exception ends the turn and the run. */
void vel_aio_raise_later(struct vel_aio *loop);

/* --- the ring ---------------------------------------------------------------------------------------------------- */

int vel_aio__ring_grow(struct vel_ready_ring *ring); /* VEL_OK or VEL_ENOMEM */

static inline int vel_aio__ring_push(struct vel_ready_ring *ring, const struct vel_ready *entry) {
    if (ring->len == ring->cap) {
        int rc = vel_aio__ring_grow(ring);
        if (rc != 0)
            return rc;
    }
    ring->entries[(ring->head + ring->len++) & (ring->cap - 1)] = *entry;
    return 0;
}

static inline bool vel_aio__ring_pop(struct vel_ready_ring *ring, struct vel_ready *entry) {
    if (ring->len == 0)
        return false;
    *entry = ring->entries[ring->head];
    ring->head = (ring->head + 1) & (ring->cap - 1);
    ring->len--;
    return true;
}

/* --- for the files of this folder -------------------------------------------------------------------------------- */

/* Whether the exception that is raised must leave the run: not an Exception, but SystemExit or KeyboardInterrupt. */
bool vel_aio__is_fatal(void);

/* -1 with RuntimeError when it is closed. */
int vel_aio__check_open(struct vel_aio *loop);

/* time.monotonic(), to the bit. */
double vel_aio__time(void);

/* loop->in, or NULL with MemoryError. */
char *vel_aio__in(struct vel_aio *loop);

/* A bytes object of that size, to be filled by the kernel. NULL with MemoryError. */
PyObject *vel_aio__room(size_t size);

/* The size of the bytes object that the next receive goes straight into, when the last gave n bytes of room; 0: of
 * none, since copying costs less than allocating. What comes may grow by doubling, and shrinks at once. */
size_t vel_aio__expected(size_t n, size_t room);

/* ready.c */
int vel_aio__ring_visit(struct vel_ready_ring *ring, visitproc visit, void *arg);
void vel_aio__ring_clear(struct vel_ready_ring *ring);
void vel_aio__drop(struct vel_ready *entry);
int vel_aio__run_ready(struct vel_aio *loop);
/* All take the reference; vel_aio__run_handle is for handles of ours. */
struct vel_ready vel_aio__entry_of(struct vel_aio *loop, PyObject *handle);
int vel_aio__soon_handle(struct vel_aio *loop, PyObject *handle);
int vel_aio__run_handle(struct vel_aio *loop, struct vel_ready *entry);
PyObject *vel_aio__call_soon(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__add_callback(PyObject *o, PyObject *handle);

int vel_aio__check_callback(struct vel_aio *loop, PyObject *callback, const char *method);
int vel_aio__check_debug(struct vel_aio *loop, PyObject *callback, const char *method);

/* Arguments of call_soon and its kin. */
struct vel_aio__call {
    PyObject *own;         // borrowed: an argument of the running call, as the others; what stands before the callback
    PyObject *callback;    // borrowed
    PyObject *const *args; // borrowed
    Py_ssize_t nargs;
    PyObject *context; // borrowed; NULL: a copy of the present one
};

/* own: the name of the argument before the callback, or NULL when there is none. -1 with TypeError. */
int vel_aio__take_any_call(struct vel_aio *loop, const char *function, const char *own, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames, struct vel_aio__call *call);

/* The same, at once for the two ways in which nearly all calls come. */
static inline int vel_aio__take_call(struct vel_aio *loop, const char *function, const char *own, PyObject *const *args,
                                     Py_ssize_t nargs, PyObject *kwnames, struct vel_aio__call *call) {
    Py_ssize_t first = own != NULL;
    if (nargs <= first || (kwnames != NULL && kwnames != loop->context_names))
        return vel_aio__take_any_call(loop, function, own, args, nargs, kwnames, call);
    call->own = args[0];
    call->callback = args[first];
    call->args = args + first + 1;
    call->nargs = nargs - first - 1;
    call->context = kwnames != NULL && args[nargs] != Py_None ? args[nargs] : NULL;
    return 0;
}

/* threadsafe.c */
int vel_aio__inbox_init(struct vel_aio *loop);
void vel_aio__inbox_free(struct vel_aio *loop);
int vel_aio__inbox_empty(struct vel_aio *loop);
int vel_aio__inbox_forked(struct vel_aio *loop);
PyObject *vel_aio__call_soon_threadsafe(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__write_to_self(PyObject *o, PyObject *unused);

/* timers.c */
PyObject *vel_aio__call_later(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__call_at(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__timer_handle_cancelled(PyObject *o, PyObject *handle);
void vel_aio__timer_cancelled(struct vel_aio *loop, struct vel_handle *handle);
int64_t vel_aio__timers_wait(struct vel_aio *loop);
int vel_aio__timers_run(struct vel_aio *loop);
void vel_aio__timers_clear(struct vel_aio *loop);

/* Of a number or of something with a fileno(). -1 with *bad and an exception; -1 without one for a file that has none
 * (any more), unless it is watched. */
int vel_aio__fd_of(struct vel_aio *loop, PyObject *given, bool *bad);

/* A descriptor that a transport owns; the loop holds no reference for it. */
int vel_aio__own_fd(struct vel_aio *loop, int fd, PyObject *transport);
void vel_aio__disown_fd(struct vel_aio *loop, int fd, PyObject *transport);

/* -1 with RuntimeError when an open transport owns it. */
int vel_aio__no_transport(struct vel_aio *loop, PyObject *given, int fd);

/* One that an acceptor reads; takes the reference. Its opposite: whether there was one. */
int vel_aio__put_acceptor(struct vel_aio *loop, int fd, PyObject *acceptor);
bool vel_aio__take_acceptor(struct vel_aio *loop, int fd);

/* transport.c, transport_write.c, transport_type.c */
int vel_aio__settle_all(struct vel_aio *loop);
int vel_aio__flush_written(struct vel_aio *loop, int error);
void vel_aio__transport_forget(PyObject *transport);
int vel_aio__transport_forked(PyObject *transport);
bool vel_aio__transport_is_held(PyObject *transport);
bool vel_aio__transport_is_closing(PyObject *transport);
int vel_aio__chains_visit(struct vel_aio *loop, visitproc visit, void *arg);
void vel_aio__chains_clear(struct vel_aio *loop);
PyObject *vel_aio__make_socket_transport(PyObject *o, PyObject *args, PyObject *kwargs);
PyObject *vel_aio__flush_python(PyObject *o, PyObject *unused);

/* When a callback has returned: its writes go out. error is what it came to, and is passed on. */
static inline int vel_aio__after_callback(struct vel_aio *loop, int error) {
    return loop->written != NULL ? vel_aio__flush_written(loop, error) : error;
}

/* sock.c: what sock_recv and its kin wait for on one descriptor, kept with it in the table. */
PyObject *vel_aio__recv_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
PyObject *vel_aio__recv_into_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
PyObject *vel_aio__sendall_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
PyObject *vel_aio__accept_now(PyObject *o, PyObject *sock);
PyObject *vel_aio__connect_now(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
PyObject *vel_aio__sock_leave(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
/* VEL_READ and VEL_WRITE for what the descriptor's own watch has to ask for in its place. */
unsigned vel_aio__sock_wanted(const struct vel_aio__sock *s);
/* Goes on with what waits. 0, or -1 with what ends the run. */
int vel_aio__sock_told(struct vel_aio__sock *s, unsigned io);
/* The kernel forgets its watch: another comes for the descriptor, or it is not the same any more. */
void vel_aio__sock_release(struct vel_aio__sock *s);
/* The same, and nobody waits any more: as with asyncio, which takes the descriptor from them. */
void vel_aio__sock_forget(struct vel_aio__sock *s);
void vel_aio__sock_free(struct vel_aio__sock *s);
void vel_aio__sock_forked(struct vel_aio__sock *s);
int vel_aio__sock_visit(struct vel_aio__sock *s, visitproc visit, void *arg);

/* watch.c: the field of a descriptor for it, made if need be; NULL with MemoryError. What is in it, or NULL. */
struct vel_aio__sock **vel_aio__sock_at(struct vel_aio *loop, int fd);
struct vel_aio__sock *vel_aio__sock_of(const struct vel_aio *loop, size_t fd);
/* Neither a transport, nor an acceptor, nor a callback is there. */
bool vel_aio__fd_is_free(const struct vel_aio *loop, int fd);

/* listen.c */
PyObject *vel_aio__start_serving(PyObject *o, PyObject *args, PyObject *kwargs);
void vel_aio__acceptor_stop(PyObject *acceptor);
int vel_aio__acceptor_forked(PyObject *acceptor);

/* names.c: an IP address as the socket module has it; a socket object for fd, not blocking, which takes fd only when it
 * is returned. A closed one for fd -1. */
PyObject *vel_aio__name_of(const union vel_addr *addr);
PyObject *vel_aio__socket_of(struct vel_loop_state *st, int fd);

/* loop.c */
int vel_aio__set_error(int rc); /* of a vel_err: MemoryError or OSError; -1 */
void vel_aio__on_block(void *arg);
void vel_aio__on_unblock(void *arg);
int vel_aio__look_at_call_soon(struct vel_aio *loop);
PyObject *vel_aio__run_once(PyObject *o, PyObject *unused);

/* watch.c */
PyObject *vel_aio__add_reader(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__add_writer(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__add_reader_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__add_writer_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__remove_reader(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__remove_writer(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__remove_reader_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__remove_writer_internal(PyObject *o, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *vel_aio__ensure_no_transport(PyObject *o, PyObject *given);
PyObject *vel_aio__watched(PyObject *o, PyObject *given);
int vel_aio__fds_visit(struct vel_aio *loop, visitproc visit, void *arg);
void vel_aio__fds_clear(struct vel_aio *loop);
int vel_aio__fds_forked(struct vel_aio *loop);

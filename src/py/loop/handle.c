/* Handles: made from spare ones, called with their arguments where they lie. */
#include "py/loop/handle.h"

#include "py/loop/types.h"

#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h> /* PyMemberDef */
#endif

/* Spare handles of each type that a loop keeps. A loop with more callbacks than that under way pays malloc for the
 * rest; 1024 of them are 170 KiB. */
#define SPARE_MAX 1024

#define ARGS_IN_TUPLE (VEL_HANDLE_ARGS + 1)

/* --- made and freed ---------------------------------------------------------------------------------------------- */

/* A spare one is chained by the field that it needs last. */
static struct vel_handle **next_spare(struct vel_handle *h) {
    return (struct vel_handle **)(void *)&h->argv[0];
}

/* What a spare handle keeps as it was. */
static void set_defaults(struct vel_handle *h) {
    Py_XSETREF(h->cancelled, Py_NewRef(Py_False));
    Py_XSETREF(h->repr, Py_NewRef(Py_None));
    Py_XSETREF(h->source_traceback, Py_NewRef(Py_None));
}

static bool has_defaults(const struct vel_handle *h) {
    return h->cancelled == Py_False && h->repr == Py_None && h->source_traceback == Py_None;
}

static struct vel_handle *allocate(struct vel_aio *loop, PyTypeObject *type, bool is_timer) {
    struct vel_handle *h = loop->spare[is_timer];
    if (h == NULL) {
        h = (struct vel_handle *)type->tp_alloc(type, 0);
        if (h != NULL) {
            h->is_timer = is_timer;
            set_defaults(h);
        }
        return h;
    }
    loop->spare[is_timer] = *next_spare(h);
    loop->nspare[is_timer]--;
    h->argv[0] = NULL;
    PyObject_Init((PyObject *)h, type);
    Py_DECREF(type); /* a spare one has kept its reference */
    PyObject_GC_Track(h);
    return h;
}

static int set_args(struct vel_handle *h, const struct vel_aio__call *call) {
    if (call->nargs > VEL_HANDLE_ARGS) {
        PyObject *tuple = PyTuple_New(call->nargs);
        if (tuple == NULL)
            return -1;
        for (Py_ssize_t i = 0; i < call->nargs; i++)
            PyTuple_SET_ITEM(tuple, i, Py_NewRef(call->args[i]));
        h->argv[1] = tuple;
        h->nargs = ARGS_IN_TUPLE;
        return 0;
    }
    h->nargs = (unsigned char)call->nargs;
    for (Py_ssize_t i = 0; i < call->nargs; i++)
        h->argv[1 + i] = Py_NewRef(call->args[i]);
    return 0;
}

static int set_traceback(struct vel_handle *h) {
    PyObject *stack = PyObject_CallNoArgs(h->loop->st->extract_stack);
    if (stack == NULL)
        return -1;
    Py_XSETREF(h->source_traceback, stack);
    return 0;
}

static struct vel_handle *handle_new(struct vel_aio *loop, PyTypeObject *type, bool is_timer,
                                     const struct vel_aio__call *call) {
    struct vel_handle *h = allocate(loop, type, is_timer);
    if (h == NULL)
        return NULL;
    h->loop = (struct vel_aio *)Py_NewRef((PyObject *)loop);
    h->callback = Py_NewRef(call->callback);
    h->context = call->context != NULL ? Py_NewRef(call->context) : PyContext_CopyCurrent();
    if (h->context == NULL || set_args(h, call) < 0 || (loop->debug && set_traceback(h) < 0))
        Py_CLEAR(h);
    return h;
}

/* asyncio's own class: (when,) callback, args, loop, context. */
static PyObject *foreign_new(struct vel_aio *loop, PyObject *type, PyObject *when, const struct vel_aio__call *call) {
    PyObject *args = PyTuple_New(call->nargs);
    for (Py_ssize_t i = 0; args != NULL && i < call->nargs; i++)
        PyTuple_SET_ITEM(args, i, Py_NewRef(call->args[i]));
    if (args == NULL)
        return NULL;
    PyObject *context = call->context != NULL ? call->context : Py_None;
    PyObject *argv[] = {when, call->callback, args, (PyObject *)loop, context};
    size_t skip = when == NULL;
    PyObject *handle = PyObject_Vectorcall(type, argv + skip, 5 - skip, NULL);
    Py_DECREF(args);
    return handle;
}

PyObject *vel_aio__handle_new(struct vel_aio *loop, const struct vel_aio__call *call) {
    PyTypeObject *type = loop->st->handle_type;
    if (type == NULL)
        return foreign_new(loop, loop->st->handle_base, NULL, call);
    return (PyObject *)handle_new(loop, type, false, call);
}

PyObject *vel_aio__timer_handle_new(struct vel_aio *loop, double when, const struct vel_aio__call *call) {
    PyTypeObject *type = loop->st->timer_handle_type;
    if (type != NULL) {
        struct vel_handle *h = handle_new(loop, type, true, call);
        if (h != NULL)
            h->when = when;
        return (PyObject *)h;
    }
    PyObject *number = PyFloat_FromDouble(when);
    if (number == NULL)
        return NULL;
    PyObject *handle = foreign_new(loop, loop->st->timer_handle_base, number, call);
    Py_DECREF(number);
    return handle;
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_handle *h = (struct vel_handle *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(h->args_slot);
    Py_VISIT(h->callback);
    Py_VISIT(h->context);
    Py_VISIT(h->loop);
    Py_VISIT(h->source_traceback);
    Py_VISIT(h->timer_slots[0]);
    Py_VISIT(h->timer_slots[1]);
    for (int i = 1; i <= VEL_HANDLE_ARGS; i++)
        Py_VISIT(h->argv[i]);
    return 0;
}

static void clear_args(struct vel_handle *h) {
    unsigned n = h->nargs == ARGS_IN_TUPLE ? 1 : h->nargs;
    h->nargs = 0;
    for (unsigned i = 1; i <= n; i++)
        Py_CLEAR(h->argv[i]);
}

static int clear(PyObject *o) {
    struct vel_handle *h = (struct vel_handle *)o;
    clear_args(h);
    Py_CLEAR(h->callback);
    Py_CLEAR(h->context);
    Py_CLEAR(h->args_slot);
    Py_CLEAR(h->timer_slots[0]);
    Py_CLEAR(h->timer_slots[1]);
    set_defaults(h);
    return 0;
}

/* Without a GIL only the loop's own thread may touch its list. */
static bool may_keep(const struct vel_aio *loop) {
#ifdef Py_GIL_DISABLED
    return loop->running && PyThread_get_thread_ident() == loop->thread;
#else
    (void)loop;
    return true;
#endif
}

static void drop_spare(struct vel_handle *h) {
    PyTypeObject *type = Py_TYPE(h);
    Py_XDECREF(h->cancelled);
    Py_XDECREF(h->repr);
    Py_XDECREF(h->source_traceback);
    Py_XDECREF(h->args_slot);
    Py_XDECREF(h->timer_slots[0]);
    Py_XDECREF(h->timer_slots[1]);
    PyObject_GC_Del(h);
    Py_DECREF(type);
}

/* The loop is left for last: its spare list goes with it. A spare handle keeps its type, which says how it is freed. */
static void dealloc(PyObject *o) {
    struct vel_handle *h = (struct vel_handle *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (*(PyObject **)(void *)((char *)o + type->tp_weaklistoffset) != NULL)
        PyObject_ClearWeakRefs(o);
    clear_args(h);
    Py_CLEAR(h->callback);
    Py_CLEAR(h->context);
    if (!has_defaults(h))
        set_defaults(h);
    struct vel_aio *loop = h->loop;
    h->loop = NULL;
    if (loop != NULL && loop->nspare[h->is_timer] < SPARE_MAX && may_keep(loop)) {
        *next_spare(h) = loop->spare[h->is_timer];
        loop->spare[h->is_timer] = h;
        loop->nspare[h->is_timer]++;
    } else {
        drop_spare(h);
    }
    Py_XDECREF(loop);
}

void vel_aio__handles_free(struct vel_aio *loop) {
    for (int is_timer = 0; is_timer < 2; is_timer++) {
        struct vel_handle *h = loop->spare[is_timer], *next;
        loop->spare[is_timer] = NULL;
        loop->nspare[is_timer] = 0;
        for (; h != NULL; h = next) {
            next = *next_spare(h);
            drop_spare(h);
        }
    }
}

/* --- called ------------------------------------------------------------------------------------------------------ */

static PyObject *call_inline(struct vel_handle *h, PyObject *callback) {
    return PyObject_Vectorcall(callback, h->argv + 1, h->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Somebody else holds the handle and may cancel it during the call: the arguments need references of their own. */
static PyObject *call_copied(struct vel_handle *h, PyObject *callback) {
    if (h->nargs == ARGS_IN_TUPLE) {
        PyObject *args = Py_NewRef(h->argv[1]);
        PyObject *result = PyObject_Call(callback, args, NULL);
        Py_DECREF(args);
        return result;
    }
    PyObject *argv[1 + VEL_HANDLE_ARGS];
    int n = h->nargs;
    for (int i = 1; i <= n; i++)
        argv[i] = Py_NewRef(h->argv[i]);
    PyObject *result = PyObject_Vectorcall(callback, argv + 1, (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    for (int i = 1; i <= n; i++)
        Py_DECREF(argv[i]);
    return result;
}

static PyObject *call(struct vel_handle *h, PyObject *callback) {
    return h->nargs == 0 || (h->nargs != ARGS_IN_TUPLE && vel_is_unique((PyObject *)h)) ? call_inline(h, callback)
                                                                                        : call_copied(h, callback);
}

static PyObject *args_of(struct vel_handle *h) {
    if (h->callback == NULL || h->callback == Py_None)
        return Py_NewRef(Py_None);
    if (h->nargs == ARGS_IN_TUPLE)
        return Py_NewRef(h->argv[1]);
    PyObject *tuple = PyTuple_New(h->nargs);
    for (int i = 0; tuple != NULL && i < h->nargs; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(h->argv[1 + i]));
    return tuple;
}

/* Something that is no Context but has its run(), which is all that asyncio asks for. */
static PyObject *call_by_run(struct vel_handle *h, PyObject *context, PyObject *callback) {
    PyObject *run = PyObject_GetAttr(context, h->loop->st->run);
    PyObject *args = run != NULL ? args_of(h) : NULL;
    PyObject *first = args != NULL ? PyTuple_Pack(1, callback) : NULL;
    PyObject *all = first != NULL ? PySequence_Concat(first, args) : NULL;
    PyObject *result = all != NULL ? PyObject_Call(run, all, NULL) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(first);
    Py_XDECREF(args);
    Py_XDECREF(run);
    return result;
}

static PyObject *call_in_context(struct vel_handle *h, PyObject *context, PyObject *callback) {
    if (!PyContext_CheckExact(context))
        return call_by_run(h, context, callback);
    if (PyContext_Enter(context) < 0)
        return NULL;
    PyObject *result = call(h, callback);
    if (PyContext_Exit(context) < 0)
        Py_CLEAR(result);
    return result;
}

int vel_aio__handle_run(struct vel_aio *loop, struct vel_handle *h) {
    PyObject *context = Py_XNewRef(h->context), *callback = Py_XNewRef(h->callback);
    PyObject *result = NULL;
    if (context != NULL && callback != NULL)
        result = call_in_context(h, context, callback);
    else
        PyErr_SetString(PyExc_RuntimeError, "the handle has nothing to call");
    Py_XDECREF(callback);
    Py_XDECREF(context);
    if (result == NULL)
        return vel_aio__report_callback(loop, (PyObject *)h);
    Py_DECREF(result);
    return 0;
}

int vel_aio__run_handle(struct vel_aio *loop, struct vel_ready *entry) {
    struct vel_handle *h = (struct vel_handle *)entry->what;
    int rc = h->cancelled == Py_True ? 0 : vel_aio__handle_run(loop, h);
    Py_DECREF(h);
    return rc;
}

int vel_aio__report_callback(struct vel_aio *loop, PyObject *handle) {
    if (vel_aio__is_fatal())
        return -1;
    PyObject *raised = vel_take_raised();
    PyObject *argv[] = {(PyObject *)loop, handle, raised};
    PyObject *answer = PyObject_VectorcallMethod(loop->st->_callback_failed, argv, 3, NULL);
    Py_DECREF(raised);
    Py_XDECREF(answer);
    return answer != NULL ? 0 : -1;
}

/* --- the Python face --------------------------------------------------------------------------------------------- */

static PyObject *run(PyObject *o, PyObject *unused) {
    struct vel_handle *h = (struct vel_handle *)o;
    (void)unused;
    if (vel_aio__handle_run(h->loop, h) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* In debug mode the repr of before is kept: it is shown when the call turns out to have been slow. */
static int keep_repr(struct vel_handle *h) {
    PyObject *repr = PyObject_Repr((PyObject *)h);
    if (repr == NULL)
        return -1;
    Py_XSETREF(h->repr, repr);
    return 0;
}

static PyObject *cancel(PyObject *o, PyObject *unused) {
    struct vel_handle *h = (struct vel_handle *)o;
    (void)unused;
    if (h->cancelled == Py_True)
        Py_RETURN_NONE;
    Py_XSETREF(h->cancelled, Py_NewRef(Py_True));
    if (h->loop->debug && keep_repr(h) < 0)
        return NULL;
    if (h->scheduled)
        vel_aio__timer_cancelled(h->loop, h);
    clear_args(h);
    Py_XSETREF(h->callback, Py_NewRef(Py_None));
    Py_RETURN_NONE;
}

static PyObject *get_args(PyObject *o, void *closure) {
    (void)closure;
    return args_of((struct vel_handle *)o);
}

static PyObject *get_when(PyObject *o, void *closure) {
    (void)closure;
    return PyFloat_FromDouble(((struct vel_handle *)o)->when);
}

static PyObject *get_scheduled(PyObject *o, void *closure) {
    (void)closure;
    return PyBool_FromLong(((struct vel_handle *)o)->scheduled);
}

static PyObject *get_loop(PyObject *o, void *closure) {
    PyObject *loop = (PyObject *)((struct vel_handle *)o)->loop; // borrowed: a field that never changes
    (void)closure;
    return Py_NewRef(loop != NULL ? loop : Py_None);
}

static PyMethodDef methods[] = {
    {"cancel", cancel, METH_NOARGS, "cancel($self, /)\n--\n\nThe callback will not be called."},
    {"_run", run, METH_NOARGS, "_run($self, /)\n--\n\nCalls it now."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef handle_getset[] = {
    {"_args", get_args, NULL, NULL, NULL},
    {"_loop", get_loop, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef timer_getset[] = {
    {"_args", get_args, NULL, NULL, NULL}, {"_loop", get_loop, NULL, NULL, NULL},
    {"_when", get_when, NULL, NULL, NULL}, {"_scheduled", get_scheduled, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, "A callback that waits for its turn."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, handle_getset},
    {0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, "A callback that waits for its time."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, timer_getset},
    {0, NULL},
};

/* Not IMMUTABLETYPE: their bases are Python classes. */
PyType_Spec vel_aio__handle_type_spec = {
    .name = "velocem._core.Handle",
    .basicsize = sizeof(struct vel_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = handle_slots,
};

PyType_Spec vel_aio__timer_handle_type_spec = {
    .name = "velocem._core.TimerHandle",
    .basicsize = sizeof(struct vel_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = timer_slots,
};

/* --- what asyncio's classes look like ---------------------------------------------------------------------------- */

static bool slot_is_at(PyTypeObject *type, const char *name, size_t offset) {
    PyObject *slot = type != NULL ? PyDict_GetItemString(type->tp_dict, name) : NULL; // borrowed: of a type's dict
    return slot != NULL && Py_IS_TYPE(slot, &PyMemberDescr_Type) &&
           ((PyMemberDescrObject *)slot)->d_member->offset == (Py_ssize_t)offset;
}

bool vel_aio__handles_fit(struct vel_loop_state *st) {
    PyTypeObject *handle = st->handle_type != NULL ? (PyTypeObject *)st->handle_base : NULL;
    PyTypeObject *timer = st->timer_handle_type != NULL ? (PyTypeObject *)st->timer_handle_base : NULL;
    return slot_is_at(handle, "_args", offsetof(struct vel_handle, args_slot)) &&
           slot_is_at(handle, "_callback", offsetof(struct vel_handle, callback)) &&
           slot_is_at(handle, "_cancelled", offsetof(struct vel_handle, cancelled)) &&
           slot_is_at(handle, "_context", offsetof(struct vel_handle, context)) &&
           slot_is_at(handle, "_loop", offsetof(struct vel_handle, loop)) &&
           slot_is_at(handle, "_repr", offsetof(struct vel_handle, repr)) &&
           slot_is_at(handle, "_source_traceback", offsetof(struct vel_handle, source_traceback)) && timer != NULL &&
           timer->tp_base == handle && slot_is_at(timer, "_scheduled", offsetof(struct vel_handle, timer_slots[0])) &&
           slot_is_at(timer, "_when", offsetof(struct vel_handle, timer_slots[1])) &&
           timer->tp_basicsize == (Py_ssize_t)offsetof(struct vel_handle, when) &&
#if PY_VERSION_HEX < 0x030C0000
           handle->tp_weaklistoffset == (Py_ssize_t)offsetof(struct vel_handle, weakrefs) &&
#endif
           handle->tp_dictoffset == 0;
}

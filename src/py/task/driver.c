/* The coroutine that an asyncio task runs for us. Nothing of asyncio is told of a first step that finishes at once. */
#include "py/task/driver.h"

#include "py/context.h"
#include "py/state.h"
#include "py/task/tasks.h"
#include "py/types.h"

#include <structmember.h>

/* --- the inner coroutine ----------------------------------------------------------------------------------------- */

static void let_go(struct vel_driver *d) {
    PyObject *coroutine = d->coroutine, *context = d->context;
    d->coroutine = d->context = NULL;
    d->over = NULL;
    d->tasks = NULL;
    Py_XDECREF(coroutine);
    Py_XDECREF(context);
}

/* For who is sure that the tasks are there still, whose owner the end of this coroutine may have let go of. */
static void keep_context(struct vel_driver *d) {
    PyObject *context = d->context;
    Py_CLEAR(d->coroutine); /* which may hold it */
    d->context = NULL;
    vel_context_give_back(&d->tasks->spare_context, context);
}

/* The inner one returned result (stolen), or raised (NULL). What is still raised afterwards is the task's to raise. */
static void finish(struct vel_driver *d, PyObject *result) {
    vel_driver_over_fn *over = d->over;
    d->over = NULL;
    if (over != NULL)
        over(d->owner, result);
    Py_XDECREF(result);
}

static int leave(struct vel_driver *d) {
    PyObject *raised = vel_take_raised();
    int err = PyContext_Exit(d->context);
    if (raised == NULL)
        return err;
    if (err < 0)
        PyErr_Clear();
    vel_set_raised(raised);
    return err;
}

/* One step, in the inner one's context. When it is over it is let go, and *result is NULL. */
static PySendResult step(struct vel_driver *d, PyObject *value, PyObject **result) {
    bool entered = PyContext_Enter(d->context) == 0;
    PySendResult status = PYGEN_ERROR;
    *result = NULL;
    if (entered)
        status = PyIter_Send(d->coroutine, value, result);
    if (status != PYGEN_NEXT) {
        finish(d, *result);
        *result = NULL;
    }
    if (entered && leave(d) < 0 && status == PYGEN_NEXT) {
        Py_CLEAR(*result);
        return PYGEN_ERROR;
    }
    if (status == PYGEN_NEXT)
        return status;
    keep_context(d);
    let_go(d);
    return PyErr_Occurred() ? PYGEN_ERROR : PYGEN_RETURN;
}

bool vel_driver_begin(struct vel_driver *d) {
    PyObject *result;
    PySendResult status = step(d, Py_None, &result);
    if (status == PYGEN_NEXT)
        d->yielded = result;
    else if (status == PYGEN_ERROR)
        d->raised = vel_take_raised();
    return status == PYGEN_RETURN;
}

static PyObject *take(PyObject **from) {
    PyObject *taken = *from;
    *from = NULL;
    return taken;
}

/* A task that is as good as new is kept for the next: by a bare yield it asks for its next step, which is caught. */
static PySendResult send(PyObject *o, PyObject *value, PyObject **result) {
    struct vel_driver *d = (struct vel_driver *)o;
    *result = take(&d->yielded);
    if (*result != NULL)
        return PYGEN_NEXT;
    if (d->raised != NULL) {
        vel_set_raised(take(&d->raised));
        return PYGEN_ERROR;
    }
    if (d->coroutine == NULL) {
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    struct vel_tasks *tasks = d->tasks;
    PyObject *owner = Py_NewRef(tasks->owner); /* whose last coroutine this may be */
    PySendResult status = step(d, value, result);
    if (status == PYGEN_RETURN) {
        *result = Py_NewRef(Py_None);
        if (vel_tasks__keep(tasks, d))
            status = PYGEN_NEXT;
    }
    Py_DECREF(owner);
    return status;
}

/* --- what else a coroutine has ----------------------------------------------------------------------------------- */

/* The value of a StopIteration that is raised, which is taken; NULL and left raised when it is something else. */
static PyObject *returned(void) {
    if (!PyErr_ExceptionMatches(PyExc_StopIteration))
        return NULL;
    PyObject *raised = vel_take_raised();
    PyObject *value = PyObject_GetAttrString(raised, "value");
    Py_DECREF(raised);
    return value;
}

/* By call: NULL with StopIteration is a return. */
static PyObject *as_call(PySendResult status, PyObject *result) {
    if (status == PYGEN_NEXT)
        return result;
    if (status == PYGEN_RETURN)
        PyErr_SetObject(PyExc_StopIteration, result);
    Py_XDECREF(result);
    return NULL;
}

static PyObject *send_python(PyObject *o, PyObject *value) {
    PyObject *result;
    PySendResult status = send(o, value, &result);
    return as_call(status, result);
}

static PyObject *next(PyObject *o) {
    return send_python(o, Py_None);
}

static PyObject *raise_given(PyObject *args) {
    PyObject *type = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : PyExc_TypeError; // borrowed: of args
    if (PyExceptionInstance_Check(type))
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    else
        PyErr_SetNone(type);
    return NULL;
}

/* Into the inner one. */
static PyObject *throw_into(struct vel_driver *d, PyObject *args) {
    PyObject *throw = PyObject_GetAttrString(d->coroutine, "throw"), *result = NULL;
    if (throw == NULL || PyContext_Enter(d->context) < 0) {
        Py_XDECREF(throw);
        return NULL;
    }
    result = PyObject_CallObject(throw, args);
    Py_DECREF(throw);
    bool over = result == NULL;
    if (over)
        finish(d, returned());
    if (leave(d) < 0)
        Py_CLEAR(result);
    if (!over)
        return result;
    let_go(d);
    return PyErr_Occurred() ? NULL : as_call(PYGEN_RETURN, Py_NewRef(Py_None));
}

/* What cancels the task before its own first step is for what the inner one waits for, not for the inner one. */
static PyObject *throw_python(PyObject *o, PyObject *args) {
    struct vel_driver *d = (struct vel_driver *)o;
    if (d->yielded != NULL) {
        Py_XSETREF(d->cancelled, PyTuple_GET_SIZE(args) > 0 ? Py_NewRef(PyTuple_GET_ITEM(args, 0)) : NULL);
        return take(&d->yielded);
    }
    return d->coroutine != NULL ? throw_into(d, args) : raise_given(args);
}

/* What closing the inner one in its context gives; it may let go of both meanwhile. */
static PyObject *close_inner(struct vel_driver *d) {
    PyObject *coroutine = Py_NewRef(d->coroutine), *context = Py_NewRef(d->context), *answer = NULL;
    if (PyContext_Enter(context) == 0) {
        answer = PyObject_CallMethod(coroutine, "close", NULL);
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(answer);
    }
    Py_DECREF(coroutine);
    Py_DECREF(context);
    return answer;
}

static PyObject *close_python(PyObject *o, PyObject *unused) {
    struct vel_driver *d = (struct vel_driver *)o;
    (void)unused;
    if (d->coroutine == NULL)
        Py_RETURN_NONE;
    PyObject *answer = close_inner(d);
    if (d->coroutine != NULL) {
        if (answer != NULL)
            PyErr_SetNone(PyExc_GeneratorExit);
        finish(d, NULL);
        if (answer != NULL && PyErr_ExceptionMatches(PyExc_GeneratorExit))
            PyErr_Clear();
        let_go(d);
    }
    return answer;
}

void vel_driver_fail(struct vel_driver *d, PyObject *raised) {
    if (d->coroutine == NULL)
        return;
    Py_XDECREF(close_inner(d));
    vel_set_raised(Py_NewRef(raised)); /* in the place of what close() may have raised */
    finish(d, NULL);
    PyErr_Clear();
    let_go(d);
}

/* cr_running and its kin, which debuggers, anyio and asyncio's own messages look at. */
static PyObject *get_inner(PyObject *o, void *name) {
    struct vel_driver *d = (struct vel_driver *)o;
    if (d->coroutine == NULL)
        Py_RETURN_NONE;
    return PyObject_GetAttrString(d->coroutine, name);
}

static PyObject *get_inner_flag(PyObject *o, void *name) {
    struct vel_driver *d = (struct vel_driver *)o;
    if (d->coroutine == NULL)
        Py_RETURN_FALSE;
    return PyObject_GetAttrString(d->coroutine, name);
}

static PyObject *get_inner_name(PyObject *o, void *name) {
    struct vel_driver *d = (struct vel_driver *)o;
    return d->coroutine != NULL ? PyObject_GetAttrString(d->coroutine, name) : PyUnicode_FromString("parked");
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct vel_driver *vel_driver_new(struct vel_tasks *tasks) {
    PyTypeObject *type = tasks->state->driver_type;
    return (struct vel_driver *)type->tp_alloc(type, 0);
}

static int traverse(PyObject *o, visitproc visit, void *arg) {
    struct vel_driver *d = (struct vel_driver *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(d->coroutine);
    Py_VISIT(d->context);
    Py_VISIT(d->yielded);
    Py_VISIT(d->raised);
    Py_VISIT(d->cancelled);
    return 0;
}

/* A task that nobody wakes any more, and nobody holds. */
static int clear(PyObject *o) {
    struct vel_driver *d = (struct vel_driver *)o;
    if (d->over != NULL) {
        PyObject *raised = vel_take_raised();
        PyErr_SetNone(PyExc_GeneratorExit);
        finish(d, NULL);
        PyErr_Clear();
        if (raised != NULL)
            vel_set_raised(raised);
    }
    let_go(d);
    Py_CLEAR(d->yielded);
    Py_CLEAR(d->raised);
    Py_CLEAR(d->cancelled);
    return 0;
}

static void dealloc(PyObject *o) {
    struct vel_driver *d = (struct vel_driver *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (d->weak != NULL)
        PyObject_ClearWeakRefs(o);
    clear(o);
    Py_CLEAR(d->known);
    PyMem_Free(d->looks);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"send", send_python, METH_O, "send($self, value, /)\n--\n\nOne step."},
    {"throw", throw_python, METH_VARARGS, "throw($self, type, value=None, traceback=None, /)\n--\n\nOne step."},
    {"close", close_python, METH_NOARGS, "close($self, /)\n--\n\nEnds it."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"cr_running", get_inner_flag, NULL, NULL, "cr_running"},
    {"cr_suspended", get_inner_flag, NULL, NULL, "cr_suspended"},
    {"cr_frame", get_inner, NULL, NULL, "cr_frame"},
    {"cr_code", get_inner, NULL, NULL, "cr_code"},
    {"cr_await", get_inner, NULL, NULL, "cr_await"},
    {"__name__", get_inner_name, NULL, NULL, "__name__"},
    {"__qualname__", get_inner_name, NULL, NULL, "__qualname__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct vel_driver, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What an asyncio task of ours runs: another coroutine, in its own context."},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, send},
    {0, NULL},
};

PyType_Spec vel_driver_type_spec = {
    .name = "velocem._core.Driver",
    .basicsize = sizeof(struct vel_driver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* Tasks made, kept and told the end. */
#include "py/task/tasks.h"

#include "py/state.h"

/* --- kept tasks -------------------------------------------------------------------------------------------------- */

/* From 3.12 on a type may have two words of its objects, the dict and the weak references, before the collector's two.
 */
#define BEFORE_OBJECT (4 * sizeof(void *))
#define HIDDEN_WORDS (2 * sizeof(void *))

static char *hidden_of(PyObject *task) {
    return (char *)task - BEFORE_OBJECT;
}

static char *bytes_of(PyObject *task) {
    return (char *)task + sizeof(PyObject);
}

static bool hides_words(PyTypeObject *type) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT) || PyType_HasFeature(type, Py_TPFLAGS_MANAGED_WEAKREF);
#else
    (void)type;
    return false;
#endif
}

/* A task that nobody has seen, or that nobody has changed and nobody holds, is as good as a new one. What may have been
 * done to it (a name, a callback, a cancel, a weak reference of anyio's) shows in its own bytes: so they are compared,
 * whatever they mean in this version of CPython. */
void vel_tasks__look(struct vel_tasks *t, struct vel_driver *d) {
    if (t->looks == NULL)
        return;
    t->holders = Py_REFCNT(d->task);
    if (t->looks_hidden)
        memcpy(t->looks + t->looks_size, hidden_of(d->task), HIDDEN_WORDS);
    memcpy(t->looks, bytes_of(d->task), t->looks_size);
}

static bool looks_the_same(const struct vel_tasks *t, PyObject *task) {
    if (t->looks_hidden && memcmp(t->looks + t->looks_size, hidden_of(task), HIDDEN_WORDS) != 0)
        return false;
    return memcmp(t->looks, bytes_of(task), t->looks_size) == 0;
}

bool vel_tasks__park(struct vel_tasks *t, struct vel_driver *d) {
    if (t->looks == NULL || t->closing || t->nparked == VEL_TASKS_PARKED)
        return false;
    if (t->loop->debug || t->loop->gives_handles || t->holders != Py_REFCNT(d->task))
        return false;
    if (!looks_the_same(t, d->task))
        return false;
    d->parked = true;
    vel_aio_catch_step(t->loop, &t->caught);
    return true;
}

/* Its step returns with nothing inside: the task ends. */
static void end_parked(struct vel_tasks *t, struct vel_parked *p) {
    PyObject *answer = PyObject_CallNoArgs(p->step);
    if (answer == NULL)
        PyErr_WriteUnraisable(p->task);
    (void)t;
    Py_XDECREF(answer);
    Py_CLEAR(p->step);
    Py_CLEAR(p->task);
    Py_CLEAR(p->driver);
}

void vel_tasks_end_parked(struct vel_tasks *t) {
    t->closing = true;
    while (t->nparked > 0) {
        struct vel_parked p = t->parked[--t->nparked];
        end_parked(t, &p);
    }
}

/* --- new tasks --------------------------------------------------------------------------------------------------- */

static PyObject *construct(struct vel_tasks *t, struct vel_driver *d) {
    PyObject *args[] = {NULL, (PyObject *)d, (PyObject *)t->loop};
    return PyObject_Vectorcall(t->task_type, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, t->loop_name);
}

static int call_with(PyObject *function, PyObject *task) {
    PyObject *answer = PyObject_CallOneArg(function, task);
    Py_XDECREF(answer);
    return answer != NULL ? 0 : -1;
}

int vel_tasks__show(struct vel_tasks *t, PyObject *task) {
    return call_with(t->show, task);
}

/* A task whose first step is ours to make. Where that is not caught (a loop in debug mode, or one whose call_soon
 * somebody has replaced) the loop makes it in its next round, and p->step is NULL. */
static int make(struct vel_tasks *t, struct vel_parked *p) {
    *p = (struct vel_parked){.driver = vel_driver_new(t)};
    if (p->driver == NULL)
        return -1;
    vel_aio_catch_step(t->loop, &p->step);
    p->task = construct(t, p->driver);
    vel_aio_catch_step(t->loop, NULL);
    p->driver->task = p->task;
    if (p->task != NULL && (p->step == NULL || call_with(t->hide, p->task) == 0))
        return 0;
    p->driver->task = NULL;
    Py_CLEAR(p->step);
    Py_CLEAR(p->task);
    Py_CLEAR(p->driver);
    return -1;
}

static int take(struct vel_tasks *t, struct vel_parked *p) {
    if (t->nparked == 0)
        return make(t, p);
    *p = t->parked[--t->nparked];
    p->driver->parked = false;
    return 0;
}

/* --- running ----------------------------------------------------------------------------------------------------- */

/* The step has been made. A task that waits again is kept, with p's references. */
static PyObject *after_step(struct vel_tasks *t, struct vel_parked *p) {
    struct vel_driver *d = p->driver;
    PyObject *task = p->task;
    vel_aio_catch_step(t->loop, NULL);
    if (d->parked && t->caught != NULL && !t->closing) {
        t->parked[t->nparked++] = (struct vel_parked){task, t->caught, d};
        t->caught = NULL;
        return NULL;
    }
    Py_CLEAR(t->caught);
    bool goes_on = d->coroutine != NULL;
    Py_DECREF(d);
    if (goes_on)
        return task;
    Py_DECREF(task);
    return NULL;
}

static PyObject *begin(struct vel_tasks *t, struct vel_parked *p) {
    if (p->step == NULL)
        return after_step(t, p); /* filed */
    PyObject *step = p->step;
    p->step = NULL;
    PyObject *answer = PyObject_CallNoArgs(step);
    Py_DECREF(step);
    if (answer == NULL) {
        PyObject *raised = vel_take_raised();
        Py_XDECREF(after_step(t, p));
        vel_set_raised(raised);
        return NULL;
    }
    Py_DECREF(answer);
    return after_step(t, p);
}

PyObject *vel_tasks_run(struct vel_tasks *t, PyObject *coroutine, PyObject *context, vel_driver_over_fn *over,
                        void *owner) {
    struct vel_parked p;
    if (take(t, &p) < 0) {
        PyObject *raised = vel_take_raised();
        vel_set_raised(Py_NewRef(raised));
        over(owner, NULL);
        Py_DECREF(coroutine);
        Py_DECREF(context);
        Py_DECREF(raised);
        return NULL;
    }
    p.driver->coroutine = coroutine;
    p.driver->context = context;
    p.driver->over = over;
    p.driver->owner = owner;
    p.driver->fresh = p.step != NULL;
    if (!p.driver->fresh) {
        p.driver->tasks = NULL;
        p.driver->task = NULL;
    }
    return begin(t, &p);
}

/* --- futures ----------------------------------------------------------------------------------------------------- */

PyObject *vel_tasks_future(struct vel_tasks *t) {
    PyObject *args[] = {NULL, (PyObject *)t->loop};
    return PyObject_Vectorcall(t->future_type, args + 1, PY_VECTORCALL_ARGUMENTS_OFFSET, t->loop_name);
}

/* One that was cancelled meanwhile is done. */
void vel_tasks_resolve(struct vel_tasks *t, PyObject *future, PyObject *value) {
    struct vel_state *s = t->state;
    PyObject *done = PyObject_CallMethodNoArgs(future, s->done), *answer = NULL;
    if (done == Py_False)
        answer = PyObject_CallMethodOneArg(future, s->set_result, value);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(future);
    Py_XDECREF(answer);
    Py_XDECREF(done);
    Py_DECREF(future);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static PyObject *import_from(PyObject *module, const char *name) {
    return module != NULL ? PyObject_GetAttrString(module, name) : NULL;
}

/* Only a task of the accelerator keeps all that it is in its own bytes: one written in Python has a dict from the
 * start. Where a later version keeps them is not known: its tasks are not used again. */
static int choose_looks(struct vel_tasks *t) {
    PyTypeObject *type = (PyTypeObject *)t->task_type;
    if (!PyType_Check(t->task_type) || t->loop->st->step_type == NULL || PY_VERSION_HEX >= 0x030F0000)
        return 0;
    PyObject *module = PyImport_ImportModule("_asyncio");
    PyObject *accelerated = import_from(module, "Task");
    Py_XDECREF(module);
    if (accelerated == NULL)
        PyErr_Clear();
    bool same = accelerated == t->task_type;
    Py_XDECREF(accelerated);
    if (!same)
        return 0;
    t->looks_size = (size_t)type->tp_basicsize - sizeof(PyObject);
    t->looks_hidden = hides_words(type);
    t->looks = PyMem_Malloc(t->looks_size + HIDDEN_WORDS);
    if (t->looks == NULL)
        PyErr_NoMemory();
    return t->looks != NULL ? 0 : -1;
}

int vel_tasks_init(struct vel_tasks *t, struct vel_state *state, struct vel_aio *loop) {
    t->state = state;
    t->loop = (struct vel_aio *)Py_NewRef((PyObject *)loop);
    PyObject *module = PyImport_ImportModule("asyncio.tasks");
    t->task_type = import_from(module, "Task");
    t->show = t->task_type != NULL ? import_from(module, "_register_task") : NULL;
    t->hide = t->show != NULL ? import_from(module, "_unregister_task") : NULL;
    Py_XDECREF(module);
    module = t->hide != NULL ? PyImport_ImportModule("asyncio.futures") : NULL;
    t->future_type = import_from(module, "Future");
    Py_XDECREF(module);
    t->loop_name = t->future_type != NULL ? Py_BuildValue("(s)", "loop") : NULL;
    return t->loop_name != NULL ? choose_looks(t) : -1;
}

int vel_tasks_visit(struct vel_tasks *t, visitproc visit, void *arg) {
    Py_VISIT(t->loop);
    Py_VISIT(t->task_type);
    Py_VISIT(t->future_type);
    Py_VISIT(t->show);
    Py_VISIT(t->hide);
    for (size_t i = 0; i < t->nparked; i++) {
        Py_VISIT(t->parked[i].task);
        Py_VISIT(t->parked[i].step);
        Py_VISIT(t->parked[i].driver);
    }
    return 0;
}

/* Without a loop to end them in, kept tasks are only let go. */
void vel_tasks_clear(struct vel_tasks *t) {
    t->closing = true;
    while (t->nparked > 0) {
        struct vel_parked p = t->parked[--t->nparked];
        p.driver->tasks = NULL;
        p.driver->task = NULL;
        if (PyObject_SetAttrString(p.task, "_log_destroy_pending", Py_False) < 0)
            PyErr_Clear();
        Py_DECREF(p.step);
        Py_DECREF(p.task);
        Py_DECREF(p.driver);
    }
    Py_CLEAR(t->caught);
    Py_CLEAR(t->loop_name);
    Py_CLEAR(t->hide);
    Py_CLEAR(t->show);
    Py_CLEAR(t->future_type);
    Py_CLEAR(t->task_type);
    Py_CLEAR(t->loop);
    PyMem_Free(t->looks);
    t->looks = NULL;
}

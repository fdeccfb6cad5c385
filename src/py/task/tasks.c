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

static void note_looks(const struct vel_tasks *t, PyObject *task, char *looks) {
    if (t->looks_hidden)
        memcpy(looks + t->looks_size, hidden_of(task), HIDDEN_WORDS);
    memcpy(looks, bytes_of(task), t->looks_size);
}

static bool looks_the_same(const struct vel_tasks *t, PyObject *task, const char *looks) {
    if (t->looks_hidden && memcmp(looks + t->looks_size, hidden_of(task), HIDDEN_WORDS) != 0)
        return false;
    return memcmp(looks, bytes_of(task), t->looks_size) == 0;
}

/* A task that nobody has seen, or that nobody has changed and nobody holds, is as good as a new one. What may have been
 * done to it (a name, a callback, a cancel, a weak reference of anyio's) shows in its own bytes: so they are compared
 * with what they were when it was new, whatever they mean in this version of CPython. */
static bool is_as_new(const struct vel_tasks *t, PyObject *task, const struct vel_driver *d, Py_ssize_t holders) {
    if (d->looks == NULL || t->closing || t->nparked + 1 >= VEL_TASKS_PARKED)
        return false;
    if (t->loop->debug || t->loop->gives_handles || Py_REFCNT(task) != holders)
        return false;
    return looks_the_same(t, task, d->looks);
}

/* Its step returns with nothing inside: the task ends. */
static void end_parked(struct vel_parked *p) {
    PyObject *answer = PyObject_CallNoArgs(p->step);
    if (answer == NULL)
        PyErr_WriteUnraisable(p->task);
    Py_XDECREF(answer);
    Py_CLEAR(p->step);
    Py_CLEAR(p->task);
    Py_CLEAR(p->driver);
}

/* --- tasks that have gone on ------------------------------------------------------------------------------------- */

/* What the last one has asked for has been caught by now. */
static void settle(struct vel_tasks *t) {
    struct vel_parked p = t->late;
    if (p.driver == NULL)
        return;
    p.step = t->caught;
    t->late = (struct vel_parked){0};
    t->caught = NULL;
    if (p.step != NULL) {
        t->parked[t->nparked++] = p;
        return;
    }
    vel_aio_catch_step(t->loop, NULL);
    Py_DECREF(p.task); /* filed: it ends by itself */
    Py_DECREF(p.driver);
}

static PyObject *task_of(const struct vel_driver *d) {
    PyObject *task = d->known != NULL ? vel_weak_get(d->known) : NULL;
    if (task == NULL)
        PyErr_Clear();
    return task;
}

/* It is known by nobody any more. */
static bool hide(struct vel_tasks *t, const struct vel_driver *d) {
    if (PySet_Discard(t->all, d->known) >= 0)
        return true;
    PyErr_Clear();
    return false;
}

/* Somebody might make a step of the driver by hand: only asyncio's own ends by asking for the next. */
static bool is_current(const struct vel_tasks *t, PyObject *task) {
    PyObject *current = PyDict_GetItemWithError(t->current, (PyObject *)t->loop); // borrowed: compared only
    if (current == NULL)
        PyErr_Clear();
    return current == task;
}

/* Held by what calls its step, by asyncio as the current one, and by us who look. */
#define HOLDERS_IN_STEP 3

bool vel_tasks__keep(struct vel_tasks *t, struct vel_driver *d) {
    PyObject *task = t->all != NULL ? task_of(d) : NULL;
    if (task == NULL)
        return false;
    settle(t);
    if (!is_as_new(t, task, d, HOLDERS_IN_STEP) || !is_current(t, task) || !hide(t, d)) {
        Py_DECREF(task);
        return false;
    }
    t->late = (struct vel_parked){task, NULL, (struct vel_driver *)Py_NewRef((PyObject *)d)};
    vel_aio_catch_step(t->loop, &t->caught);
    return true;
}

void vel_tasks_end_parked(struct vel_tasks *t) {
    t->closing = true;
    settle(t);
    while (t->nparked > 0) {
        struct vel_parked p = t->parked[--t->nparked];
        end_parked(&p);
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

/* asyncio.all_tasks() shows the task from now on. */
static int show(struct vel_tasks *t, const struct vel_parked *p) {
    return p->driver->known != NULL ? PySet_Add(t->all, p->driver->known) : call_with(t->show, p->task);
}

/* Its hash is the task's, which is asked for while there is a task: the callback needs it afterwards. */
static int make_known(struct vel_tasks *t, struct vel_parked *p) {
    p->driver->known = PyWeakref_NewRef(p->task, t->forget);
    return p->driver->known != NULL && PyObject_Hash(p->driver->known) != -1 ? 0 : -1;
}

/* Hidden from all_tasks(), and what it looks like noted. */
static int dress(struct vel_tasks *t, struct vel_parked *p) {
    struct vel_driver *d = p->driver;
    if (call_with(t->hide, p->task) < 0)
        return -1;
    if (t->all != NULL && make_known(t, p) < 0)
        return -1;
    if (t->looks_size == 0)
        return 0;
    d->looks = PyMem_Malloc(t->looks_size + HIDDEN_WORDS);
    if (d->looks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    note_looks(t, p->task, d->looks);
    return 0;
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
    if (p->task != NULL && (p->step == NULL || dress(t, p) == 0))
        return 0;
    Py_CLEAR(p->step);
    Py_CLEAR(p->task);
    Py_CLEAR(p->driver);
    return -1;
}

static int take(struct vel_tasks *t, struct vel_parked *p) {
    settle(t);
    if (t->nparked == 0)
        return make(t, p);
    *p = t->parked[--t->nparked];
    return 0;
}

/* --- running ----------------------------------------------------------------------------------------------------- */

static int switch_task(struct vel_tasks *t, PyObject *function, PyObject *task) {
    PyObject *args[] = {NULL, (PyObject *)t->loop, task};
    PyObject *answer = PyObject_Vectorcall(function, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(answer);
    return answer != NULL ? 0 : -1;
}

/* What asyncio's functions do, which look twice, where the dict that they write to is known. In a mistake they are
 * called, and raise what they do. */
static int enter_task(struct vel_tasks *t, PyObject *task) {
    PyObject *key = (PyObject *)t->loop;
    if (t->current != NULL && PyDict_SetDefault(t->current, key, task) == task)
        return 0;
    return PyErr_Occurred() ? -1 : switch_task(t, t->enter, task);
}

static int leave_task(struct vel_tasks *t, PyObject *task) {
    if (t->current != NULL && is_current(t, task))
        return PyDict_DelItem(t->current, (PyObject *)t->loop);
    return switch_task(t, t->leave, task);
}

/* p's references: the task is returned if it goes on. */
static PyObject *part(struct vel_parked *p) {
    bool goes_on = p->driver->coroutine != NULL;
    Py_DECREF(p->driver);
    if (goes_on)
        return p->task;
    Py_DECREF(p->task);
    return NULL;
}

/* The task's own step would have cancelled what is waited for: it does so now, and was asked for it only once. */
static void cancel_again(struct vel_parked *p) {
    struct vel_driver *d = p->driver;
    PyObject *args = PyObject_GetAttrString(d->cancelled, "args"), *answer = NULL;
    PyObject *cancel = args != NULL ? PyObject_GetAttrString(p->task, "cancel") : NULL;
    if (cancel != NULL)
        answer = PyObject_CallObject(cancel, args);
    if (answer != NULL)
        Py_SETREF(answer, PyObject_CallMethod(p->task, "uncancel", NULL));
    if (answer == NULL)
        PyErr_WriteUnraisable(p->task);
    Py_XDECREF(answer);
    Py_XDECREF(cancel);
    Py_XDECREF(args);
    Py_CLEAR(d->cancelled);
}

/* asyncio has failed in between, for want of memory: nobody would ever wake the coroutine. */
static void give_up(struct vel_driver *d, PyObject **raised) {
    if (PyErr_GivenExceptionMatches(*raised, PyExc_Exception)) {
        PyErr_Clear();
        vel_driver_fail(d, *raised);
        Py_CLEAR(*raised);
    }
}

static PyObject *make_step(struct vel_parked *p) {
    PyObject *answer = PyObject_CallNoArgs(p->step), *raised = NULL;
    Py_CLEAR(p->step);
    if (answer == NULL) {
        raised = vel_take_raised();
        give_up(p->driver, &raised);
    }
    Py_XDECREF(answer);
    if (p->driver->cancelled != NULL)
        cancel_again(p);
    PyObject *task = part(p);
    if (raised == NULL)
        return task;
    Py_XDECREF(task);
    vel_set_raised(raised);
    return NULL;
}

/* A bare yield, as of sleep(0): all that the task would do with it is to file its next step. */
static PyObject *file_step(struct vel_tasks *t, struct vel_parked *p) {
    if (vel_aio_soon_step(t->loop, p->step) < 0) {
        PyErr_Clear();
        return make_step(p); /* which says what is wrong */
    }
    Py_CLEAR(p->driver->yielded);
    Py_CLEAR(p->step);
    return part(p);
}

/* Held by us, and by its next step. */
#define HOLDERS_AT_REST 2

/* The coroutine's first step is made while its task is the current one, but not by the task: if it is over then, which
 * is the rule, asyncio has nothing to do with it, and the task waits for another as it is. */
static PyObject *begin(struct vel_tasks *t, struct vel_parked *p) {
    struct vel_driver *d = p->driver;
    if (p->step == NULL)
        return part(p); /* filed */
    bool over = false;
    if (enter_task(t, p->task) == 0) {
        over = vel_driver_begin(d);
        if (leave_task(t, p->task) < 0)
            PyErr_WriteUnraisable(p->task);
    } else {
        PyErr_Clear(); /* the task's own step begins, and says what is wrong */
    }
    if (over && is_as_new(t, p->task, d, HOLDERS_AT_REST)) {
        t->parked[t->nparked++] = *p;
        return NULL;
    }
    if (d->coroutine != NULL && show(t, p) < 0) {
        Py_CLEAR(d->yielded);
        Py_XSETREF(d->raised, vel_take_raised());
    }
    return d->yielded == Py_None ? file_step(t, p) : make_step(p);
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
    p.driver->tasks = t;
    p.driver->coroutine = coroutine;
    p.driver->context = context;
    p.driver->over = over;
    p.driver->owner = owner;
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
static void choose_looks(struct vel_tasks *t) {
    PyTypeObject *type = (PyTypeObject *)t->task_type;
    if (!PyType_Check(t->task_type) || t->loop->st->step_type == NULL || PY_VERSION_HEX >= 0x030F0000)
        return;
    PyObject *module = PyImport_ImportModule("_asyncio");
    PyObject *accelerated = import_from(module, "Task");
    Py_XDECREF(module);
    if (accelerated == NULL)
        PyErr_Clear();
    bool same = accelerated == t->task_type;
    Py_XDECREF(accelerated);
    if (!same)
        return;
    t->looks_size = (size_t)type->tp_basicsize - sizeof(PyObject);
    t->looks_hidden = hides_words(type);
}

static void forget_registry(struct vel_tasks *t) {
    Py_CLEAR(t->all);
    Py_CLEAR(t->forget);
    Py_CLEAR(t->current);
}

/* Where all_tasks() looks: a set of weak references inside a WeakSet, whose methods cost more than all the rest of a
 * step. From 3.14 on there is a list inside the tasks instead, and this is not what it seems. */
static void find_registry(struct vel_tasks *t, PyObject *module) {
    if (PY_VERSION_HEX >= 0x030E0000)
        return;
    PyObject *known = import_from(module, PY_VERSION_HEX >= 0x030C0000 ? "_scheduled_tasks" : "_all_tasks");
    t->all = import_from(known, "data");
    t->forget = t->all != NULL ? import_from(known, "_remove") : NULL;
    t->current = t->forget != NULL ? import_from(module, "_current_tasks") : NULL;
    Py_XDECREF(known);
    if (t->current == NULL || !PySet_CheckExact(t->all) || !PyDict_CheckExact(t->current))
        forget_registry(t);
    PyErr_Clear();
}

static int import_tasks(struct vel_tasks *t) {
    PyObject *module = PyImport_ImportModule("asyncio.tasks");
    t->task_type = import_from(module, "Task");
    t->show = t->task_type != NULL ? import_from(module, "_register_task") : NULL;
    t->hide = t->show != NULL ? import_from(module, "_unregister_task") : NULL;
    t->enter = t->hide != NULL ? import_from(module, "_enter_task") : NULL;
    t->leave = t->enter != NULL ? import_from(module, "_leave_task") : NULL;
    if (t->leave != NULL)
        find_registry(t, module);
    Py_XDECREF(module);
    return t->leave != NULL ? 0 : -1;
}

int vel_tasks_init(struct vel_tasks *t, struct vel_state *state, struct vel_aio *loop, PyObject *owner) {
    t->state = state;
    t->owner = owner;
    t->loop = (struct vel_aio *)Py_NewRef((PyObject *)loop);
    PyObject *module = import_tasks(t) == 0 ? PyImport_ImportModule("asyncio.futures") : NULL;
    t->future_type = import_from(module, "Future");
    Py_XDECREF(module);
    t->loop_name = t->future_type != NULL ? Py_BuildValue("(s)", "loop") : NULL;
    if (t->loop_name == NULL)
        return -1;
    choose_looks(t);
    return 0;
}

int vel_tasks_visit(struct vel_tasks *t, visitproc visit, void *arg) {
    Py_VISIT(t->loop);
    Py_VISIT(t->task_type);
    Py_VISIT(t->future_type);
    Py_VISIT(t->show);
    Py_VISIT(t->hide);
    Py_VISIT(t->late.task);
    Py_VISIT(t->late.driver);
    Py_VISIT(t->spare_context);
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
    settle(t);
    while (t->nparked > 0) {
        struct vel_parked p = t->parked[--t->nparked];
        if (PyObject_SetAttrString(p.task, "_log_destroy_pending", Py_False) < 0)
            PyErr_Clear();
        Py_DECREF(p.step);
        Py_DECREF(p.task);
        Py_DECREF(p.driver);
    }
    Py_CLEAR(t->caught);
    Py_CLEAR(t->spare_context);
    Py_CLEAR(t->loop_name);
    forget_registry(t);
    Py_CLEAR(t->leave);
    Py_CLEAR(t->enter);
    Py_CLEAR(t->hide);
    Py_CLEAR(t->show);
    Py_CLEAR(t->future_type);
    Py_CLEAR(t->task_type);
    Py_CLEAR(t->loop);
}

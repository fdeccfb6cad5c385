/* Running coroutines in asyncio tasks from C: the first step at once, and tasks that are kept for the next coroutine.
 */
#pragma once

#include "py/loop/loop.h"
#include "py/task/driver.h"

/* Tasks that are kept: of those that never wait one is used by all that follow each other, of others as many as wait at
 * the same time. */
#define VEL_TASKS_PARKED 64

/* A task that waits for a coroutine, and the call that makes its next step. */
struct vel_parked {
    PyObject *task;
    PyObject *step;
    struct vel_driver *driver;
};

/* Everything here belongs to one loop and so to one thread. */
struct vel_tasks {
    struct vel_state *state; // borrowed: of the module, which the types of ours keep alive
    PyObject *owner;         // borrowed: has these tasks inside, and is held by every coroutine that is not over
    struct vel_aio *loop;    /* owned */
    PyObject *task_type;     /* asyncio.Task */
    PyObject *future_type;   /* asyncio.Future */
    PyObject *show, *hide;   /* of asyncio.tasks: _register_task, _unregister_task */
    PyObject *enter, *leave; /* _enter_task, _leave_task */
    PyObject *all;           /* the weak references of all_tasks(), a set; NULL: where they are is not known */
    PyObject *forget;        /* their callback */
    PyObject *current;       /* the current task by loop */
    PyObject *loop_name;     /* ("loop",) */
    struct vel_parked parked[VEL_TASKS_PARKED];
    size_t nparked;
    struct vel_parked late;  /* one that was kept in its own step, which has asked for the next; or all NULL */
    PyObject *caught;        /* that next step, or NULL */
    PyObject *spare_context; /* one that nobody else holds and nobody changed, or NULL */
    size_t looks_size;       /* bytes of a task behind its head; 0: tasks are not used again */
    bool looks_hidden;       /* and the two words before it, which are noted behind those */
    bool closing;
};

/* 0 or -1 with an exception; *t is zero before. */
int vel_tasks_init(struct vel_tasks *t, struct vel_state *state, struct vel_aio *loop, PyObject *owner);
int vel_tasks_visit(struct vel_tasks *t, visitproc visit, void *arg);
void vel_tasks_clear(struct vel_tasks *t);

/* Tasks that are kept are ended: asyncio must not find them when the loop stops. */
void vel_tasks_end_parked(struct vel_tasks *t);

/* Makes the first step of a coroutine in a task: no task may be current. Steals coroutine and context. over is called
 * once, in this call or later. Returns the task if it goes on (a new
 * reference), else NULL; NULL with an exception when it could not be begun (over has been called with that exception)
 * or when what was raised has to end the loop. */
PyObject *vel_tasks_run(struct vel_tasks *t, PyObject *coroutine, PyObject *context, vel_driver_over_fn *over,
                        void *owner);

/* A future of the loop. NULL with an exception. */
PyObject *vel_tasks_future(struct vel_tasks *t);

/* future.set_result(value) unless it is done. Steals future; errors are written as unraisable. */
void vel_tasks_resolve(struct vel_tasks *t, PyObject *future, PyObject *value);

/* --- for the driver ---------------------------------------------------------------------------------------------- */

/* In the task's own step, whose coroutine is over: whether the task may wait for another one. It then has to ask for
 * its next step. */
bool vel_tasks__keep(struct vel_tasks *t, struct vel_driver *d);

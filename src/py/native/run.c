/* One request through its plan: arguments, the call, the answer; whoever carries it. */
#include "py/native/core.h"

#include "py/error.h"
#include "py/native/policies.h"

/* An answer could not be made: what is raised is logged, and the client hears of a failure. */
static void give_500(struct vel_core *core, struct vel_answer *answer) {
    vel_log(core->log, VEL_LOG_ERROR, "the response cannot be made");
    vel_answer_500(answer);
}

/* What is no Exception ends more than the request: it is for the loop, behind the answer. */
static PyObject *take_broken(void) {
    if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_Exception))
        return NULL;
    return vel_take_raised();
}

void vel_run_fail(struct vel_reading *r, struct vel_answer *answer, PyObject **broken) {
    *broken = take_broken();
    if (*broken != NULL)
        vel_answer_500(answer);
    else if (vel_answer_failure(r->core, r, answer) < 0)
        give_500(r->core, answer);
}

void vel_run_finish(struct vel_reading *r, PyObject *result, struct vel_answer *answer) {
    PyObject *broken;
    if (vel_answer_result(r->core, r->head, r->plan, result, answer) == 0)
        return;
    vel_run_fail(r, answer, &broken);
    Py_XDECREF(broken); /* a result that interrupts while it is rendered: the answer is what is left of it */
}

static void refuse_input(struct vel_reading *r, struct vel_answer *answer) {
    if (vel_answer_problem(r->core, r, r->faults.status, NULL, answer) < 0)
        give_500(r->core, answer);
}

PyObject *vel_run(struct vel_reading *r, struct vel_answer *answer, PyObject **broken) {
    const struct vel_plan *plan = r->plan;
    PyObject *args[VEL_LEAVES_MAX + 1], *result = NULL;
    *broken = NULL;
    int read = vel_read_leaves(r, args + 1);
    if (read == 0) {
        result =
            PyObject_Vectorcall(plan->call, args + 1, (size_t)plan->nleaves | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        for (Py_ssize_t i = plan->nleaves; i > 0; i--)
            Py_DECREF(args[i]);
    }
    if (read > 0)
        refuse_input(r, answer);
    else if (result == NULL)
        vel_run_fail(r, answer, broken);
    return result;
}

/* A WebSocket is no method, though the router knows it as one. */
static int drop_websocket(PyObject *list) {
    for (Py_ssize_t i = PyList_GET_SIZE(list); i > 0; i--)
        if (PyUnicode_CompareWithASCIIString(PyList_GET_ITEM(list, i - 1), "WEBSOCKET") == 0 &&
            PyList_SetSlice(list, i - 1, i, NULL) < 0)
            return -1;
    return 0;
}

/* RFC 9110 15.5.6: what the path has; OPTIONS itself is always answered. */
static PyObject *allowed(const struct vel_reading *r) {
    PyObject *names = vel_asking_allow(r->asking);
    PyObject *list = names != NULL ? PySequence_List(names) : NULL;
    PyObject *options = list != NULL && drop_websocket(list) == 0 ? PyUnicode_FromString("OPTIONS") : NULL;
    int has = options != NULL ? PySequence_Contains(list, options) : -1;
    if (has == 0)
        has = PyList_Append(list, options);
    PyObject *all = has >= 0 && PyList_Sort(list) == 0 ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(options);
    Py_XDECREF(list);
    Py_XDECREF(names);
    return all;
}

void vel_run_refuse(struct vel_reading *r, enum vel_lead lead, unsigned status, struct vel_answer *answer) {
    PyObject *allow = NULL, *broken;
    int err = 0;
    if (lead == VEL_LEAD_FAILED) {
        vel_run_fail(r, answer, &broken);
        Py_XDECREF(broken);
        return;
    }
    if (lead == VEL_LEAD_REFUSED && (status == 405 || status == 204))
        err = (allow = allowed(r)) != NULL ? 0 : -1;
    if (err == 0)
        err = lead == VEL_LEAD_REDIRECT ? vel_answer_redirect(r->core, r->head, answer)
                                        : vel_answer_problem(r->core, r, status, allow, answer);
    Py_XDECREF(allow);
    if (err < 0)
        give_500(r->core, answer);
}

void vel_run_apply(struct vel_reading *r, struct vel_answer *answer) {
    if (vel_policies_apply(r->core, r->head, r->number, answer) == 0)
        return;
    PyObject *after = Py_XNewRef(answer->after);
    vel_answer_free(answer);
    answer->after = after;
    give_500(r->core, answer);
}

bool vel_run_preflight(struct vel_reading *r, struct vel_answer *answer) {
    int is = vel_policies_preflight(r->core, r->head, answer);
    if (is < 0)
        give_500(r->core, answer);
    return is != 0;
}

void vel_run_static(struct vel_reading *r, struct vel_answer *answer) {
    const struct vel_asking *a = r->asking;
    struct vel_slice path = r->head->target.path;
    size_t rest = a->match.rest < path.len ? a->match.rest : path.len;
    PyObject *folder = a->router->routes[a->match.route].target; // borrowed: routes are never taken away
    vel_static_answer(r, folder, vel_slice(path.at + rest, path.len - rest), answer);
}

/* fan_out(): one message to every subscriber of a topic. */
#include "py/fan.h"

#include "py/asgi/fan.h"
#include "py/asgi/socket.h"
#include "py/native/native.h"
#include "py/text.h"

#include "base/err.h"

/* --- the frame --------------------------------------------------------------------------------------------------- */

static PyObject *make_frame(struct vel_slice payload, bool text) {
    char head[VEL_WS_HEAD_MAX];
    size_t n = vel_ws_frame_write(head, text ? VEL_WS_TEXT : VEL_WS_BINARY, false, payload.len);
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n + payload.len));
    if (frame == NULL)
        return NULL;
    memcpy(PyBytes_AS_STRING(frame), head, n);
    if (payload.len > 0)
        memcpy(PyBytes_AS_STRING(frame) + n, payload.at, payload.len);
    return frame;
}

/* --- one of them ------------------------------------------------------------------------------------------------- */

static int send_to(PyObject *receiver, const struct vel_fan *fan, struct vel_state *st) {
    if (Py_TYPE(receiver) == st->asgi_call_type)
        return vel_asgi_fan((struct vel_asgi_call *)receiver, fan);
    if (Py_TYPE(receiver) == st->sink_type)
        return fan->events != NULL ? vel_sink_put(receiver, fan->events, fan->most) : 0;
    PyErr_Format(PyExc_TypeError, "a receiver is what this server sends by, not %.100s", Py_TYPE(receiver)->tp_name);
    return -1;
}

/* Gives those that were too slow: values of the dict, or NULL with an exception. One that cannot be sent to for want
 * of memory has been cut off, and the others get theirs. */
static PyObject *send_to_all(PyObject *receivers, const struct vel_fan *fan, struct vel_state *st) {
    PyObject *slow = PyList_New(0), *receiver, *value;
    Py_ssize_t at = 0, size = PyDict_GET_SIZE(receivers);
    while (slow != NULL && PyDict_Next(receivers, &at, &receiver, &value)) {
        Py_INCREF(receiver);
        Py_INCREF(value);
        int late = send_to(receiver, fan, st);
        if (late < 0 || (late > 0 && PyList_Append(slow, value) < 0))
            Py_CLEAR(slow);
        Py_DECREF(value);
        Py_DECREF(receiver);
        if (slow != NULL && PyDict_GET_SIZE(receivers) != size) {
            PyErr_SetString(PyExc_RuntimeError, "the receivers have changed meanwhile");
            Py_CLEAR(slow);
        }
    }
    return slow;
}

static PyObject *fan_out(PyObject *module, PyObject *args) {
    PyObject *receivers, *data, *events;
    unsigned long long most;
    int text;
    if (!PyArg_ParseTuple(args, "O!SpOK:fan_out", &PyDict_Type, &receivers, &data, &text, &events, &most))
        return NULL;
    if (events != Py_None && !PyBytes_CheckExact(events))
        return PyErr_Format(PyExc_TypeError, "events are bytes, not %.100s", Py_TYPE(events)->tp_name);
    struct vel_slice payload = vel_bytes_slice(data);
    PyObject *frame = make_frame(payload, text);
    if (frame == NULL)
        return NULL;
    struct vel_fan fan = {
        .frame = vel_bytes_slice(frame),
        .payload = payload,
        .owner = frame,
        .events = events != Py_None ? events : NULL,
        .text = text,
        .most = most,
    };
    PyObject *slow = send_to_all(receivers, &fan, PyModule_GetState(module));
    Py_DECREF(frame);
    return slow;
}

PyMethodDef vel_fan_methods[] = {
    {"fan_out", fan_out, METH_VARARGS,
     "fan_out(receivers, data, text, events, most, /)\n--\n\nSends to the keys of a dict; gives the values of those "
     "that\n"
     "are too slow, whose WebSockets are closed with 1013."},
    {NULL, NULL, 0, NULL},
};

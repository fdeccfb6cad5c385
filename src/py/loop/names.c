/* Socket addresses and sockets as Python has them. */
#include "py/loop/loop.h"

#include "net/addr.h"

#include <arpa/inet.h>

PyObject *vel_aio__name_of(const union vel_addr *addr) {
    char host[INET6_ADDRSTRLEN];
    if (addr->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
        return Py_BuildValue("(si)", host, ntohs(addr->v4.sin_port));
    }
    inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
    return Py_BuildValue("(siII)", host, ntohs(addr->v6.sin6_port), ntohl(addr->v6.sin6_flowinfo),
                         addr->v6.sin6_scope_id);
}

static PyObject *closed_socket(struct vel_loop_state *st) {
    PyObject *sock = PyObject_CallNoArgs(st->socket);
    PyObject *done = sock != NULL ? PyObject_CallMethodNoArgs(sock, st->close) : NULL;
    if (done == NULL)
        Py_CLEAR(sock);
    Py_XDECREF(done);
    return sock;
}

PyObject *vel_aio__socket_of(struct vel_loop_state *st, int fd) {
    if (fd < 0)
        return closed_socket(st);
    PyObject *named = Py_BuildValue("{s:i}", "fileno", fd);
    PyObject *sock = named != NULL ? PyObject_Call(st->socket, st->no_args, named) : NULL;
    Py_XDECREF(named);
    if (sock == NULL)
        return NULL;
    PyObject *done = PyObject_CallMethod(sock, "setblocking", "O", Py_False);
    if (done != NULL) {
        Py_DECREF(done);
        return sock;
    }
    PyObject *raised = vel_take_raised();
    Py_XDECREF(PyObject_CallMethod(sock, "detach", NULL)); /* the descriptor stays its owner's */
    PyErr_Clear();
    Py_DECREF(sock);
    vel_set_raised(raised);
    return NULL;
}

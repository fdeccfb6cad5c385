/* Making pairs of host and port. */
#include "py/peer.h"

#include "base/num.h"

PyObject *vel_client_pair(const union vel_addr *peer) {
    char text[VEL_ADDR_TEXT_MAX];
    size_t len = vel_addr_host(peer, text);
    if (len == 0)
        return Py_NewRef(Py_None);
    return Py_BuildValue("(s#i)", text, (Py_ssize_t)len, (int)vel_addr_port(peer));
}

PyObject *vel_server_pair(struct vel_slice name, struct vel_slice decimal) {
    int64_t port;
    PyObject *host = PyUnicode_DecodeUTF8(name.at, (Py_ssize_t)name.len, "replace");
    PyObject *number = vel_num_parse(decimal, &port) ? PyLong_FromLongLong(port) : Py_NewRef(Py_None);
    PyObject *pair = host != NULL && number != NULL ? PyTuple_Pack(2, host, number) : NULL;
    Py_XDECREF(host);
    Py_XDECREF(number);
    return pair;
}

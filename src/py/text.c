/* Text between the wire and Python. */
#include "py/text.h"

PyObject *vel_text_new(struct vel_slice bytes) {
    return PyUnicode_DecodeLatin1(bytes.at != NULL ? bytes.at : "", (Py_ssize_t)bytes.len, NULL);
}

bool vel_text_slice(PyObject *text, struct vel_slice *out) {
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        PyErr_Clear();
        return false;
    }
#endif
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND)
        return false;
    *out = vel_slice((const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    return true;
}

bool vel_text_is(PyObject *text, struct vel_slice bytes) {
    struct vel_slice have;
    return vel_text_slice(text, &have) && vel_slice_eq(have, bytes);
}

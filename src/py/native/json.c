/* JSON of plain built-in objects, into a buffer; anything else is msgspec's. */
#include "py/native/core.h"

#include "base/err.h"
#include "base/num.h"

#include <math.h>

/* As much as any number takes: repr() of a float has 24 bytes at most. */
#define NUMBER_ROOM 32

static int no_memory(void) {
    PyErr_NoMemory();
    return -1;
}

static int put(struct vel_buf *buf, const char *at, size_t len) {
    return vel_buf_append(buf, at, len) == VEL_OK ? 1 : no_memory();
}

/* --- strings ----------------------------------------------------------------------------------------------------- */

#define EACH(byte) (0x0101010101010101u * (byte))

/* Eight bytes of which none is a control, a quote or a backslash; those above 0x7F are not looked at. */
static bool is_plain(uint64_t word) {
    uint64_t quote = word ^ EACH('"'), slash = word ^ EACH('\\');
    uint64_t bad = (word - EACH(0x20)) & ~word;
    bad |= (quote - EACH(1)) & ~quote;
    bad |= (slash - EACH(1)) & ~slash;
    return (bad & EACH(0x80)) == 0;
}

static size_t plain_run(const char *at, size_t len) {
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, 8);
        if (!is_plain(word))
            break;
    }
    while (i < len && (unsigned char)at[i] >= 0x20 && at[i] != '"' && at[i] != '\\')
        i++;
    return i;
}

/* At most six bytes. */
static size_t escape(char c, char *out) {
    static const char hex[] = "0123456789abcdef";
    static const char *const from = "\"\\\n\r\t\b\f", *const to = "\"\\nrtbf";
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    out[0] = '\\';
    if (known != NULL) {
        out[1] = to[known - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[(unsigned char)c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static int put_text(struct vel_buf *buf, const char *at, size_t len) {
    char *out = vel_buf_reserve(buf, len + 2); /* all there is to it, mostly */
    if (out == NULL)
        return no_memory();
    out[0] = '"';
    size_t run = plain_run(at, len);
    memcpy(out + 1, at, run);
    if (run == len) {
        out[len + 1] = '"';
        buf->len += len + 2;
        return 1;
    }
    buf->len += run + 1;
    while (run < len) {
        char code[6];
        if (put(buf, code, escape(at[run++], code)) < 0)
            return -1;
        size_t more = plain_run(at + run, len - run);
        if (put(buf, at + run, more) < 0)
            return -1;
        run += more;
    }
    return put(buf, "\"", 1);
}

static int put_str(struct vel_buf *buf, PyObject *text) {
    if (PyUnicode_IS_COMPACT_ASCII(text))
        return put_text(buf, (const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    Py_ssize_t len;
    const char *at = PyUnicode_AsUTF8AndSize(text, &len);
    return at != NULL ? put_text(buf, at, (size_t)len) : -1;
}

/* --- numbers ----------------------------------------------------------------------------------------------------- */

static int put_large(struct vel_buf *buf, PyObject *number) {
    PyObject *text = PyLong_Type.tp_repr(number);
    int err =
        text != NULL ? put(buf, (const char *)PyUnicode_1BYTE_DATA(text), (size_t)PyUnicode_GET_LENGTH(text)) : -1;
    Py_XDECREF(text);
    return err;
}

static int put_int(struct vel_buf *buf, PyObject *number) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0)
        return put_large(buf, number);
    char *out = vel_buf_reserve(buf, NUMBER_ROOM);
    if (out == NULL)
        return no_memory();
    *out = '-';
    size_t sign = value < 0;
    buf->len += sign + vel_num_format(out + sign, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    return 1;
}

/* What is no number in JSON is null, as msgspec has it. */
static int put_float(struct vel_buf *buf, PyObject *number) {
    double value = PyFloat_AS_DOUBLE(number);
    if (!isfinite(value))
        return put(buf, "null", 4);
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL)
        return -1;
    int err = put(buf, text, strlen(text));
    PyMem_Free(text);
    return err;
}

/* --- containers -------------------------------------------------------------------------------------------------- */

static int put_any(struct vel_buf *buf, PyObject *o);

/* Nothing of Python runs meanwhile, so that the items stay. */
static int put_items(struct vel_buf *buf, PyObject *const *items, Py_ssize_t n) {
    int known = put(buf, "[", 1);
    for (Py_ssize_t i = 0; known > 0 && i < n; i++) {
        if (i > 0 && put(buf, ",", 1) < 0)
            return -1;
        known = put_any(buf, items[i]);
    }
    return known > 0 ? put(buf, "]", 1) : known;
}

static int put_dict(struct vel_buf *buf, PyObject *dict) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    const char *before = "{";
    while (PyDict_Next(dict, &pos, &key, &value)) {
        if (!PyUnicode_CheckExact(key))
            return 0;
        if (put(buf, before, 1) < 0 || put_str(buf, key) < 0 || put(buf, ":", 1) < 0)
            return -1;
        int known = put_any(buf, value);
        if (known <= 0)
            return known;
        before = ",";
    }
    return *before == '{' ? put(buf, "{}", 2) : put(buf, "}", 1);
}

static int put_deeper(struct vel_buf *buf, PyObject *o) {
    if (Py_EnterRecursiveCall(" while JSON is made"))
        return -1;
    int known = 0;
    if (PyDict_CheckExact(o))
        known = put_dict(buf, o);
    else if (PyList_CheckExact(o))
        known = put_items(buf, ((PyListObject *)o)->ob_item, PyList_GET_SIZE(o));
    else if (PyTuple_CheckExact(o))
        known = put_items(buf, ((PyTupleObject *)o)->ob_item, PyTuple_GET_SIZE(o));
    Py_LeaveRecursiveCall();
    return known;
}

static int put_any(struct vel_buf *buf, PyObject *o) {
    if (PyUnicode_CheckExact(o))
        return put_str(buf, o);
    if (PyLong_CheckExact(o))
        return put_int(buf, o);
    if (o == Py_None)
        return put(buf, "null", 4);
    if (o == Py_True)
        return put(buf, "true", 4);
    if (o == Py_False)
        return put(buf, "false", 5);
    return PyFloat_CheckExact(o) ? put_float(buf, o) : put_deeper(buf, o);
}

int vel_json(struct vel_buf *buf, PyObject *o) {
    size_t before = buf->len;
    int known = put_any(buf, o);
    if (known <= 0)
        buf->len = before;
    return known;
}

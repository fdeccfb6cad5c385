/* Text into the objects that handlers are annotated with; and media types. */
#include "py/native/core.h"

#include "py/text.h"

#include "base/num.h"

/* --- numbers ----------------------------------------------------------------------------------------------------- */

/* "-" and up to 18 digits: the rest is Python's, which also knows what to say of what is none. */
static bool small_int(struct vel_slice text, int64_t *out) {
    bool negative = text.len > 0 && text.at[0] == '-';
    struct vel_slice digits = vel_slice(text.at + negative, text.len - negative);
    if (digits.len == 0 || digits.len > 18 || !vel_num_parse(digits, out))
        return false;
    *out = negative ? -*out : *out;
    return true;
}

static PyObject *bad(const char *message) {
    PyErr_SetString(PyExc_ValueError, message);
    return NULL;
}

/* ASCII digits with a sign: neither spaces nor underscores nor the digits of other scripts, which int() takes. */
static PyObject *to_int(struct vel_slice text) {
    int64_t number;
    char copy[256];
    if (small_int(text, &number))
        return PyLong_FromLongLong(number);
    size_t sign = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
    bool digits = text.len > sign && text.len < sizeof(copy);
    for (size_t i = sign; digits && i < text.len; i++)
        digits = text.at[i] >= '0' && text.at[i] <= '9';
    if (!digits)
        return bad("is not an integer");
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return PyLong_FromString(copy, NULL, 10);
}

static PyObject *to_float(struct vel_slice text) {
    char copy[256], *end;
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '_', text.len) != NULL)
        return bad("is not a number");
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    double number = PyOS_string_to_double(copy, &end, NULL);
    if (number == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        PyErr_Clear();
        return bad("is not a number");
    }
    return end == copy + text.len ? PyFloat_FromDouble(number) : bad("is not a number");
}

static PyObject *to_bool(struct vel_slice text) {
    static const char *const words[] = {"true", "1", "on", "yes", "false", "0", "off", "no"};
    for (int i = 0; i < 8; i++)
        if (vel_slice_eq_nocase(text, vel_slice(words[i], strlen(words[i]))))
            return Py_NewRef(i < 4 ? Py_True : Py_False);
    return bad("is not true or false");
}

/* --- any --------------------------------------------------------------------------------------------------------- */

static PyObject *to_str(struct vel_slice text, bool latin1) {
    if (latin1)
        return PyUnicode_DecodeLatin1(text.at, (Py_ssize_t)text.len, NULL);
    PyObject *made = PyUnicode_DecodeUTF8(text.at, (Py_ssize_t)text.len, NULL);
    if (made == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return bad("is not UTF-8");
    }
    return made;
}

PyObject *vel_convert_slice(const struct vel_leaf *leaf, struct vel_slice text, bool latin1) {
    switch (leaf->convert) {
    case VEL_CONVERT_INT:
        return to_int(text);
    case VEL_CONVERT_FLOAT:
        return to_float(text);
    case VEL_CONVERT_BOOL:
        return to_bool(text);
    default:
        break;
    }
    PyObject *made = to_str(text, latin1);
    if (made == NULL || leaf->callable == NULL)
        return made;
    PyObject *converted = PyObject_CallOneArg(leaf->callable, made);
    Py_DECREF(made);
    return converted;
}

PyObject *vel_convert(const struct vel_leaf *leaf, PyObject *value) {
    if (leaf->convert == VEL_CONVERT_STR && PyUnicode_Check(value))
        return Py_NewRef(value);
    if (leaf->convert == VEL_CONVERT_PYTHON)
        return leaf->callable != NULL ? PyObject_CallOneArg(leaf->callable, value) : Py_NewRef(value);
    PyObject *text = PyObject_Str(value);
    Py_ssize_t len;
    const char *at = text != NULL ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    PyObject *made = at != NULL ? vel_convert_slice(leaf, vel_slice(at, (size_t)len), false) : NULL;
    Py_XDECREF(text);
    return made;
}

/* --- media types ------------------------------------------------------------------------------------------------- */

static bool is_json(struct vel_slice type) {
    static const char suffix[] = "+json";
    size_t len = sizeof(suffix) - 1;
    return type.len > len && vel_slice_eq_nocase(vel_slice(type.at + type.len - len, len), vel_slice(suffix, len));
}

bool vel_plan_takes(const struct vel_plan *plan, const struct vel_head *head) {
    Py_ssize_t n = PyTuple_GET_SIZE(plan->body_types);
    const struct vel_field *field = vel_head_field(head, VEL_FIELD_CONTENT_TYPE);
    if (n == 0)
        return true;
    if (field == NULL)
        return false; /* a form of another site can leave it out, and is asked for no permission then (Fetch, CORS) */
    const char *end = memchr(field->value.at, ';', field->value.len);
    struct vel_slice type = field->value;
    if (end != NULL)
        type.len = (size_t)(end - type.at);
    type = vel_slice_trim(type);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *taken = PyTuple_GET_ITEM(plan->body_types, i);
        if (!PyBytes_Check(taken))
            continue;
        struct vel_slice name = vel_bytes_slice(taken);
        if (vel_slice_eq_nocase(type, name) || (vel_slice_eq(name, VEL_SLICE("application/json")) && is_json(type)))
            return true;
    }
    return false;
}

/* Lending the bytes of Python objects to the server. */
#pragma once

#include "py/compat.h"

#include "server/app.h"

/* The end of a loan whose owner is an object. */
static inline void vel_give_back(void *owner) {
    Py_DECREF((PyObject *)owner);
}

/* Sends data, which is inside owner: held until it is sent. What vel_exchange_data says. */
static inline int vel_lend(struct vel_exchange *x, struct vel_slice data, PyObject *owner) {
    struct vel_loan loan = {.release = vel_give_back, .owner = Py_NewRef(owner)};
    int err = vel_exchange_data(x, data, &loan);
    if (err == VEL_ENOMEM)
        Py_DECREF(owner);
    return err;
}

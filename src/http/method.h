/* Request methods: the ones with a number of their own, and any other token. */
#pragma once

#include "base/slice.h"

enum vel_method {
#define VEL_METHOD(id, text) VEL_METHOD_##id,
#include "http/method.def"
#undef VEL_METHOD
    VEL_METHOD_OTHER, /* any other token: passed on by its text */
};

/* Case-sensitive (RFC 9110 9.1): "get" is OTHER. */
enum vel_method vel_method_find(struct vel_slice text);

/* The text of a numbered method; empty for OTHER. */
struct vel_slice vel_method_text(enum vel_method method);

/* Method texts and their numbers. */
#include "http/method.h"

enum vel_method vel_method_find(struct vel_slice text) {
#define VEL_METHOD(id, name)                                                                                           \
    if (text.len == sizeof(name) - 1 && memcmp(text.at, name, sizeof(name) - 1) == 0)                                  \
        return VEL_METHOD_##id;
#include "http/method.def"
#undef VEL_METHOD
    return VEL_METHOD_OTHER;
}

struct vel_slice vel_method_text(enum vel_method method) {
    switch (method) {
#define VEL_METHOD(id, name)                                                                                           \
    case VEL_METHOD_##id:                                                                                              \
        return VEL_SLICE(name);
#include "http/method.def"
#undef VEL_METHOD
    default:
        return VEL_SLICE("");
    }
}

/* Reason phrases by status code. */
#include "http/status.h"

struct vel_slice vel_status_reason(unsigned status) {
    switch (status) {
#define VEL_STATUS(code, phrase)                                                                                       \
    case code:                                                                                                         \
        return VEL_SLICE(phrase);
#include "http/status.def"
#undef VEL_STATUS
    default:
        return VEL_SLICE("");
    }
}

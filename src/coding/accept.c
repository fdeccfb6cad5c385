/* Reading Accept-Encoding. */
#include "coding/accept.h"

/* "q=0", "q=0.000": any other weight, also one that is none, is more. */
static bool is_zero(struct vel_slice weight) {
    if (weight.len < 3 || (weight.at[0] | 0x20) != 'q' || weight.at[1] != '=')
        return false;
    for (size_t i = 2; i < weight.len; i++)
        if (weight.at[i] != '0' && weight.at[i] != '.')
            return false;
    return true;
}

bool vel_coding_accepted(struct vel_slice accept, struct vel_slice coding) {
    bool any = false, any_is_zero = false;
    while (accept.len > 0) {
        struct vel_slice member = vel_slice_take(&accept, ',');
        struct vel_slice name = vel_slice_trim(vel_slice_take(&member, ';'));
        bool zero = is_zero(vel_slice_trim(member));
        if (vel_slice_eq_nocase(name, coding))
            return !zero;
        if (vel_slice_eq(name, VEL_SLICE("*"))) {
            any = true;
            any_is_zero = zero;
        }
    }
    return any && !any_is_zero;
}

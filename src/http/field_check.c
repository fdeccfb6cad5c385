/* Tokens, field values and lists of tokens. */
#include "http/field_check.h"

const unsigned char vel_token_table[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

bool vel_check_token(struct vel_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (!vel_is_token_char(s.at[i]))
            return false;
    return s.len > 0;
}

bool vel_check_value(const struct vel_scan *scan, struct vel_slice s) {
    return scan->value(s.at, s.len) == s.len;
}

bool vel_list_next(struct vel_slice *rest, struct vel_slice *member) {
    while (rest->len > 0) {
        *member = vel_slice_trim(vel_slice_take(rest, ','));
        if (member->len > 0)
            return true;
    }
    return false;
}

bool vel_list_has(struct vel_slice list, struct vel_slice token) {
    struct vel_slice member;
    while (vel_list_next(&list, &member))
        if (vel_slice_eq_nocase(member, token))
            return true;
    return false;
}

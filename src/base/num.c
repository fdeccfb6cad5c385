/* Numbers in ASCII. */
#include "base/num.h"

bool vel_num_parse(struct vel_slice s, int64_t *out) {
    if (s.len == 0)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        int digit = s.at[i] - '0';
        if (value > (INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

int vel_num_hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = vel_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t vel_num_format(char *at, uint64_t value) {
    size_t len = 1;
    for (uint64_t rest = value / 10; rest > 0; rest /= 10)
        len++;
    for (size_t i = len; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    return len;
}

size_t vel_num_format_hex(char *at, uint64_t value) {
    size_t len = 1;
    for (uint64_t rest = value >> 4; rest > 0; rest >>= 4)
        len++;
    for (size_t i = len; i > 0; i--, value >>= 4)
        at[i - 1] = "0123456789abcdef"[value & 15];
    return len;
}

/* Numbers in ASCII. */
#include "base/num.h"

/* Eighteen digits cannot pass INT64_MAX; a number of more, behind its leading zeros, is looked at for wrapping. */
#define SAFE_DIGITS 18

static bool parse_long(struct vel_slice s, int64_t *out) {
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

bool vel_num_parse(struct vel_slice s, int64_t *out) {
    int64_t value = 0;
    if (s.len > SAFE_DIGITS)
        return parse_long(s, out);
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        value = value * 10 + (s.at[i] - '0');
    }
    if (s.len > 0)
        *out = value;
    return s.len > 0;
}

int vel_num_hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = vel_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t vel_num_format(char *at, uint64_t value) {
    char digits[20], *first = digits + sizeof(digits);
    do
        *--first = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    size_t len = (size_t)(digits + sizeof(digits) - first);
    memcpy(at, first, len);
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

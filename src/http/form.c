/* Queries, forms and cookies. */
#include "http/form.h"

#include "base/num.h"

/* One decoded byte of in at *i, which moves behind it. */
static char decode_at(struct vel_slice in, size_t *i) {
    char c = in.at[*i];
    if (c == '%' && in.len - *i > 2) {
        int high = vel_num_hex(in.at[*i + 1]), low = vel_num_hex(in.at[*i + 2]);
        if (high >= 0 && low >= 0) {
            *i += 3;
            return (char)(high << 4 | low);
        }
    }
    *i += 1;
    return (char)(c == '+' ? ' ' : c);
}

size_t vel_form_decode(struct vel_slice in, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < in.len;)
        out[n++] = decode_at(in, &i);
    return n;
}

bool vel_form_is(struct vel_slice in, struct vel_slice text) {
    size_t n = 0;
    for (size_t i = 0; i < in.len; n++)
        if (n == text.len || decode_at(in, &i) != text.at[n])
            return false;
    return n == text.len;
}

static bool has_code(struct vel_slice s) {
    return memchr(s.at, '%', s.len) != NULL || memchr(s.at, '+', s.len) != NULL;
}

bool vel_form_next(struct vel_slice *rest, struct vel_pair *pair) {
    while (rest->len > 0) {
        struct vel_slice run = vel_slice_take(rest, '&');
        if (run.len == 0)
            continue;
        pair->encoded = has_code(run);
        pair->name = vel_slice_take(&run, '=');
        pair->value = run;
        return true;
    }
    return false;
}

bool vel_cookie_next(struct vel_slice *rest, struct vel_pair *pair) {
    while (rest->len > 0) {
        struct vel_slice run = vel_slice_trim(vel_slice_take(rest, ';'));
        if (run.len == 0 || memchr(run.at, '=', run.len) == NULL)
            continue;
        pair->encoded = false;
        pair->name = vel_slice_trim(vel_slice_take(&run, '='));
        pair->value = vel_slice_trim(run);
        if (pair->value.len > 1 && pair->value.at[0] == '"' && pair->value.at[pair->value.len - 1] == '"')
            pair->value = vel_slice(pair->value.at + 1, pair->value.len - 2);
        return true;
    }
    return false;
}

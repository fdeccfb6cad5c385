/* A slice: bytes that belong to somebody else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct vel_slice {
    const char *at; /* may be NULL when len is 0 */
    size_t len;
};

#define VEL_SLICE(literal) ((struct vel_slice){(literal), sizeof(literal) - 1})

static inline struct vel_slice vel_slice(const char *at, size_t len) {
    return (struct vel_slice){at, len};
}

static inline bool vel_slice_eq(struct vel_slice a, struct vel_slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII letters only: no locale, no Unicode folding. */
static inline char vel_ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool vel_slice_eq_nocase(struct vel_slice a, struct vel_slice b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (vel_ascii_lower(a.at[i]) != vel_ascii_lower(b.at[i]))
            return false;
    return true;
}

/* Without the SP and HTAB around it (OWS, RFC 9110 5.6.3), and nothing else: not VT, FF or NBSP. */
static inline struct vel_slice vel_slice_trim(struct vel_slice s) {
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s.at++, s.len--;
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes what stands before the first separator off rest, and the separator too; all of it when there is none. */
static inline struct vel_slice vel_slice_take(struct vel_slice *rest, char separator) {
    const char *end = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - rest->at) : rest->len, all = end != NULL ? len + 1 : len;
    struct vel_slice taken = vel_slice(rest->at, len);
    *rest = vel_slice(rest->at + all, rest->len - all);
    return taken;
}

/* What a legal token, field name and field value is: byte tables and nothing else. */
#pragma once

#include "base/scan.h"
#include "base/slice.h"

/* tchar of RFC 9110 5.6.2, indexed by unsigned char. */
extern const unsigned char vel_token_table[256];

static inline bool vel_is_token_char(char c) {
    return vel_token_table[(unsigned char)c] != 0;
}

/* A token: one byte or more, all tchar. */
bool vel_check_token(struct vel_slice s);

/* A field value as it may stand on the wire: no control but HTAB, 0x80-0xFF allowed (obs-text). */
bool vel_check_value(const struct vel_scan *scan, struct vel_slice s);

/* Finds the next member of a comma list (RFC 9110 5.6.1) and takes it off *rest: trimmed, never empty.
 * False at the end. Quoted strings are not looked into: for lists of tokens. */
bool vel_list_next(struct vel_slice *rest, struct vel_slice *member);

/* Whether a list of tokens has this one, in any case of letters. */
bool vel_list_has(struct vel_slice list, struct vel_slice token);

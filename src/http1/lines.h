/* Field lines that have come before: the same bytes are the same field, and need not be read again. */
#pragma once

#include "http/field.h"

#include <stdint.h>

#define VEL_H1_LINES 64
#define VEL_H1_LINE_MAX 187

struct vel_h1_line {
    uint8_t len; /* with its CRLF; 0: the slot is free */
    uint8_t name_len;
    uint8_t value_at, value_len; /* trimmed */
    uint8_t id;
    char text[VEL_H1_LINE_MAX];
};

/* Of one thread, for parsers with the same limits: a line that is in here is within them. All zero it is empty. */
struct vel_h1_lines {
    struct vel_h1_line slots[VEL_H1_LINES];
};

/* Both say nothing of a line of less. */
#define VEL_H1_LINE_MIN 16

/* Browsers' names are told apart by these bytes of a line: "sec-ch-ua-mobile", "Sec-Fetch-Site: ". */
static inline size_t vel_h1_lines__slot(const char *at) {
    uint64_t first, second;
    memcpy(&first, at, 8);
    memcpy(&second, at + 8, 8);
    return (first * 0x9E3779B97F4A7C15 ^ second * 0xC2B2AE3D27D4EB4F) >> 58;
}

/* How long the line that begins at `at` is, with its CRLF, and its field; 0: it is not known, or not all here. */
static inline size_t vel_h1_lines_find(const struct vel_h1_lines *l, const char *at, const char *end,
                                       struct vel_field *field) {
    if (end - at < VEL_H1_LINE_MIN)
        return 0;
    const struct vel_h1_line *known = &l->slots[vel_h1_lines__slot(at)];
    if (known->len == 0 || end - at < known->len || memcmp(at, known->text, known->len) != 0)
        return 0;
    *field = (struct vel_field){
        .name = vel_slice(at, known->name_len),
        .value = vel_slice(at + known->value_at, known->value_len),
        .id = (enum vel_field_id)known->id,
    };
    return known->len;
}

/* Keeps a line that was read, in the place of the last one with the same slot. Neither what may be a secret nor names
 * that are not known, whose values may be: how long a guess takes must not tell who has said the same. */
void vel_h1_lines_keep(struct vel_h1_lines *l, const char *at, size_t len, const struct vel_field *field);

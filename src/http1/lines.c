/* Keeping field lines. */
#include "http1/lines.h"

_Static_assert(VEL_H1_LINES == 1 << (64 - 58), "a slot is the six highest bits of a hash");
_Static_assert(VEL_FIELD_COUNT <= UINT8_MAX, "a line keeps the number of its field in a byte");
_Static_assert(sizeof(struct vel_h1_line) == 192, "a line has three cache lines");

void vel_h1_lines_keep(struct vel_h1_lines *l, const char *at, size_t len, const struct vel_field *field) {
    if (len < VEL_H1_LINE_MIN || len > VEL_H1_LINE_MAX || field->id == VEL_FIELD_OTHER ||
        (vel_field_flags(field->id) & VEL_FIELD_SECRET))
        return;
    struct vel_h1_line *line = &l->slots[vel_h1_lines__slot(at)];
    line->len = (uint8_t)len;
    line->name_len = (uint8_t)field->name.len;
    line->value_at = (uint8_t)(field->value.at - at);
    line->value_len = (uint8_t)field->value.len;
    line->id = (uint8_t)field->id;
    memcpy(line->text, at, len);
}

/* Field names that are known: one list (field.def), looked up once a field, used by number after that. */
#pragma once

#include "base/slice.h"

/* Numbers start at 1, in the order of field.def; 0 is a name that is not in the list. */
enum vel_field_id {
    VEL_FIELD_OTHER = 0,
#define VEL_FIELD(id, text, flags) VEL_FIELD_##id,
#include "http/field.def"
#undef VEL_FIELD
    VEL_FIELD_COUNT
};

enum vel_field_flag {
    VEL_FIELD_HOP = 1,    /* hop-by-hop: the server's alone, never the application's (RFC 9110 7.6.1) */
    VEL_FIELD_SINGLE = 2, /* a second line of it makes the request ambiguous: refused with 400 */
    VEL_FIELD_SECRET = 4, /* its values are kept in no cache */
};

struct vel_field {
    struct vel_slice name;
    struct vel_slice value; /* trimmed of SP and HTAB */
    enum vel_field_id id;
};

/* In any case of letters. name must be a token. */
enum vel_field_id vel_field_find(struct vel_slice name);

/* In lower case. id must not be OTHER. */
struct vel_slice vel_field_name(enum vel_field_id id);

unsigned vel_field_flags(enum vel_field_id id);

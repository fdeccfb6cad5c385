/* Finding a known field name: a jump by length, then a few compares of 8 bytes with constants. */
#include "http/field.h"

#include <stdint.h>

#define INLINE __attribute__((always_inline)) static inline

INLINE uint64_t load8(const char *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

INLINE uint64_t load4(const char *at) {
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

INLINE uint64_t load1(const char *at) {
    return (unsigned char)*at;
}

/* All of 1 to 8 bytes in one word; pieces overlap, as a copy of n bytes through memory would stall. */
INLINE uint64_t load_all(const char *at, size_t n) {
    if (n == 8)
        return load8(at);
    if (n >= 4)
        return load4(at) | load4(at + n - 4) << 32;
    return load1(at) | load1(at + n / 2) << 8 | load1(at + n - 1) << 16;
}

/* Bit 0x20 turns capitals into small letters. Known names have only small letters, digits and '-', all with that bit
 * set; of the token characters only a capital becomes one of these ('_' becomes DEL, '^' becomes '~'). */
INLINE bool same8(uint64_t name, uint64_t known) {
    return ((name | 0x2020202020202020) == (known | 0x2020202020202020));
}

INLINE bool same(const char *name, const char *known, size_t n) {
    if (n <= 8)
        return same8(load_all(name, n), load_all(known, n));
    for (size_t i = 0; i + 8 <= n; i += 8)
        if (!same8(load8(name + i), load8(known + i)))
            return false;
    return same8(load8(name + n - 8), load8(known + n - 8));
}

/* n is a constant in every call: what is left of the list are the names of that length, compared with constants. */
INLINE enum vel_field_id find_of_length(const char *name, size_t n) {
#define VEL_FIELD(id, text, flags)                                                                                     \
    if (n == sizeof(text) - 1 && same(name, text, sizeof(text) - 1))                                                   \
        return VEL_FIELD_##id;
#include "http/field.def"
#undef VEL_FIELD
    return VEL_FIELD_OTHER;
}

#define LENGTH(n)                                                                                                      \
    case n:                                                                                                            \
        return find_of_length(name.at, n)

enum vel_field_id vel_field_find(struct vel_slice name) {
    switch (name.len) {
        LENGTH(1);
        LENGTH(2);
        LENGTH(3);
        LENGTH(4);
        LENGTH(5);
        LENGTH(6);
        LENGTH(7);
        LENGTH(8);
        LENGTH(9);
        LENGTH(10);
        LENGTH(11);
        LENGTH(12);
        LENGTH(13);
        LENGTH(14);
        LENGTH(15);
        LENGTH(16);
        LENGTH(17);
        LENGTH(18);
        LENGTH(19);
        LENGTH(20);
        LENGTH(21);
        LENGTH(22);
        LENGTH(23);
        LENGTH(24);
        LENGTH(25);
        LENGTH(26);
        LENGTH(27);
        LENGTH(28);
        LENGTH(29);
        LENGTH(30);
        LENGTH(31);
        LENGTH(32);
    default:
        return VEL_FIELD_OTHER;
    }
}

struct known {
    struct vel_slice name;
    unsigned flags;
};

static const struct known fields[VEL_FIELD_COUNT] = {
#define VEL_FIELD(id, text, flags) [VEL_FIELD_##id] = {{text, sizeof(text) - 1}, flags},
#include "http/field.def"
#undef VEL_FIELD
};

#define VEL_FIELD(id, text, flags) _Static_assert(sizeof(text) - 1 <= 32, "vel_field_find has no case for " text);
#include "http/field.def"
#undef VEL_FIELD

struct vel_slice vel_field_name(enum vel_field_id id) {
    return fields[id].name;
}

unsigned vel_field_flags(enum vel_field_id id) {
    return fields[id].flags;
}

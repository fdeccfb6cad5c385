/* An arena: memory of one exchange, given back all at once. */
#pragma once

#include "base/slice.h"

struct vel_arena_block;

struct vel_arena {
    struct vel_arena_block *blocks; /* the one being filled first */
    char *at;                       /* its free bytes */
    size_t left;
};

/* All zero is an empty arena. Aligned to 16; NULL when memory is short. Never freed by hand. */
void *vel_arena_alloc(struct vel_arena *arena, size_t size);

/* A copy in the arena. at is NULL when memory is short; the copy of an empty slice is empty and at is not NULL. */
struct vel_slice vel_arena_copy(struct vel_arena *arena, struct vel_slice s);

/* Everything from it is gone; the arena is empty and can be used again. */
void vel_arena_free(struct vel_arena *arena);

/* The same, but a block of common size stays with it for the next use. */
void vel_arena_reset(struct vel_arena *arena);

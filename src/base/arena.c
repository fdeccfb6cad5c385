/* The arena: blocks in a chain, filled from the front, freed together. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>

/* With malloc's own header a block is one page: a request head of common size, its copies and nothing else. */
#define BLOCK_SIZE 4080
#define ALIGN 16

/* Anything larger gets a block of its own, so that it does not end a block which is still mostly free. */
#define BIG (BLOCK_SIZE / 4)

struct vel_arena_block {
    struct vel_arena_block *next;
    _Alignas(ALIGN) char data[];
};

_Static_assert(_Alignof(max_align_t) >= ALIGN, "malloc aligns a block less than the arena promises");

static void *alloc_big(struct vel_arena *arena, size_t size) {
    struct vel_arena_block *block = vel_alloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    /* Behind the first, whose free bytes stay in use. */
    struct vel_arena_block **link = arena->blocks != NULL ? &arena->blocks->next : &arena->blocks;
    block->next = *link;
    *link = block;
    return block->data;
}

static bool add_block(struct vel_arena *arena) {
    struct vel_arena_block *block = vel_alloc(BLOCK_SIZE);
    if (block == NULL)
        return false;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = block->data;
    arena->left = BLOCK_SIZE - sizeof(*block);
    return true;
}

void *vel_arena_alloc(struct vel_arena *arena, size_t size) {
    if (size > SIZE_MAX - BLOCK_SIZE)
        return NULL;
    /* At least one step, so that two empty allocations differ. */
    size = size > 0 ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (size > arena->left) {
        if (size > BIG)
            return alloc_big(arena, size);
        if (!add_block(arena))
            return NULL;
    }
    char *at = arena->at;
    arena->at += size;
    arena->left -= size;
    return at;
}

struct vel_slice vel_arena_copy(struct vel_arena *arena, struct vel_slice s) {
    if (s.len == 0)
        return VEL_SLICE("");
    char *at = vel_arena_alloc(arena, s.len);
    if (at == NULL)
        return (struct vel_slice){0};
    return vel_slice(memcpy(at, s.at, s.len), s.len);
}

static void free_blocks(struct vel_arena_block *block) {
    for (struct vel_arena_block *next; block != NULL; block = next) {
        next = block->next;
        vel_free(block);
    }
}

void vel_arena_free(struct vel_arena *arena) {
    free_blocks(arena->blocks);
    *arena = (struct vel_arena){0};
}

/* Once one of common size has been made, the first is one. */
void vel_arena_reset(struct vel_arena *arena) {
    struct vel_arena_block *first = arena->blocks;
    if (arena->at == NULL) {
        vel_arena_free(arena);
        return;
    }
    free_blocks(first->next);
    first->next = NULL;
    arena->at = first->data;
    arena->left = BLOCK_SIZE - sizeof(*first);
}

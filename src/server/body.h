/* A request body that is collected before the application sees it: borrowed, in memory, or in a temporary file. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

enum vel_body_place { VEL_BODY_EMPTY, VEL_BODY_BORROWED, VEL_BODY_MEMORY, VEL_BODY_FILE };

struct vel_body {
    enum vel_body_place place;
    int file; /* FILE: owned; its offset means nothing, read it with pread */
    uint64_t size;
    struct vel_slice bytes; /* BORROWED: the reader's buffer, good until vel_body_own. MEMORY: of memory below */
    struct vel_buf memory;  /* owned */
};

/* All zero is an empty body. */
void vel_body_free(struct vel_body *body);

/* Adds a run. The first is only borrowed; a second makes both owned; past in_memory bytes everything goes to a file.
 * VEL_OK, VEL_ENOMEM, VEL_ELIMIT (no descriptor for it), or VEL_ESYS (the disk is full, no temporary folder). */
int vel_body_add(struct vel_body *body, struct vel_slice run, uint64_t in_memory);

/* Where the next bytes of a body in memory belong, at most len of them: a run that was read to there is added without a
 * copy. NULL when the body is not in memory, or there is no room. */
char *vel_body_room(struct vel_body *body, size_t len);

/* Makes borrowed bytes its own, since their buffer is about to be used again. VEL_OK or VEL_ENOMEM. */
int vel_body_own(struct vel_body *body);

/* Copies up to len bytes at offset to at. Returns how many, 0 at the end, or VEL_ESYS. */
long vel_body_read(const struct vel_body *body, uint64_t offset, char *at, size_t len);

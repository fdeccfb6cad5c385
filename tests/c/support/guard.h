/* Bytes that end right before a page nobody may touch: reading one too many is a crash. */
#pragma once

#include <stddef.h>

/* A copy of len bytes whose last byte is the last of its page. Free with guard_free. Aborts when memory is short. */
char *guard_copy(const char *at, size_t len);

void guard_free(char *copy, size_t len);

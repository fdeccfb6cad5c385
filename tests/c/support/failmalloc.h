/* Allocations that fail on demand, for the code of this program (linked with --wrap). */
#pragma once

#include <stdbool.h>

/* The nth allocation from now (1 is the next) gives NULL, those after it work again. 0: none fails. */
void fail_malloc_at(unsigned long n);

/* Whether the failure asked for has happened. */
bool fail_malloc_hit(void);

/* Makes each allocation of a run fail in turn: the body is run with the 1st, 2nd, ... failing until a run needs fewer.
 *     for (unsigned long n = 1; fail_malloc_next(n); n++) { ... } */
bool fail_malloc_next(unsigned long n);

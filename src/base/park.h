/* One thread's place to sleep until another thread says otherwise. */
#pragma once

#include <stdatomic.h>

/* All zero is a place where nobody sleeps and nothing was said. */
struct vel_park {
    _Atomic int state;
};

/* Sleeps until vel_park_wake, or returns at once when that was called since the last sleep. Only by the thread whose
 * place it is. Everything the waker did before is seen after. */
void vel_park_sleep(struct vel_park *park);

/* From any thread; any number of calls are one. A system call only when the thread sleeps. */
void vel_park_wake(struct vel_park *park);

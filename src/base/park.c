/* Sleeping and waking by a futex: one system call each, none when the thread is awake anyway. */
#include "base/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ASLEEP = -1, AWAKE = 0, TOLD = 1 };

static void futex(struct vel_park *park, int operation, int value) {
    syscall(SYS_futex, &park->state, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

void vel_park_sleep(struct vel_park *park) {
    /* TOLD becomes AWAKE, AWAKE becomes ASLEEP. */
    if (atomic_fetch_sub(&park->state, 1) == TOLD)
        return;
    for (;;) {
        int told = TOLD;
        futex(park, FUTEX_WAIT, ASLEEP);
        if (atomic_compare_exchange_strong(&park->state, &told, AWAKE))
            return;
    }
}

void vel_park_wake(struct vel_park *park) {
    if (atomic_exchange(&park->state, TOLD) == ASLEEP)
        futex(park, FUTEX_WAKE, 1);
}

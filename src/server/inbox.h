/* What other threads have to tell a loop: any number of them put, the loop takes. */
#pragma once

#include "net/wake.h"

#include <stdatomic.h>

struct vel_post;
typedef void vel_post_fn(struct vel_post *post);

/* Lives in what it tells of; the loop's from vel_inbox_put on. */
struct vel_post {
    struct vel_post *next;
    vel_post_fn *fn;
};

/* What the loop does, or is about to do. DOZES: it waits, but not for long; a post that is followed by others soon need
 * not wake it. */
enum vel_inbox_state { VEL_INBOX_AWAKE, VEL_INBOX_DOZES, VEL_INBOX_SLEEPS };

struct vel_inbox {
    _Atomic(struct vel_post *) latest; /* the last one put, and from it to the first */
    _Atomic int state;                 /* enum vel_inbox_state */
    struct vel_wake wake;
};

/* VEL_OK, VEL_ESYS, VEL_ENOMEM. */
int vel_inbox_init(struct vel_inbox *inbox, struct vel_loop *loop);
void vel_inbox_free(struct vel_inbox *inbox, struct vel_loop *loop);

/* From any thread. post->fn(post) is called in the loop, in the order of putting. */
void vel_inbox_put(struct vel_inbox *inbox, struct vel_post *post);

/* The same for one that may wait a moment, when the caller is going to put another. True: the loop does not know of it
 * if it dozes. */
bool vel_inbox_put_lazily(struct vel_inbox *inbox, struct vel_post *post);

/* Wakes a loop that dozes: the caller puts no other. */
void vel_inbox_wake(struct vel_inbox *inbox);

/* In the loop, before a wait, which is long or not: false when there is something, and the wait must not be. */
bool vel_inbox_doze(struct vel_inbox *inbox, bool is_long);

/* In the loop, right after the wait. */
void vel_inbox_rise(struct vel_inbox *inbox);

/* In the loop: calls the fn of everything that has come. */
void vel_inbox_run(struct vel_inbox *inbox);

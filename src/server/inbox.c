/* Posts from other threads: a stack that is taken whole, and a wake-up only for a loop that sleeps. */
#include "server/inbox.h"

/* It has only to end the wait: the worker looks into the inbox in every turn. */
static void on_wake(void *arg) {
    (void)arg;
}

int vel_inbox_init(struct vel_inbox *inbox, struct vel_loop *loop) {
    atomic_init(&inbox->latest, NULL);
    atomic_init(&inbox->state, VEL_INBOX_AWAKE);
    return vel_wake_init(&inbox->wake, loop, on_wake, NULL);
}

void vel_inbox_free(struct vel_inbox *inbox, struct vel_loop *loop) {
    vel_wake_free(&inbox->wake, loop);
}

static void push(struct vel_inbox *inbox, struct vel_post *post) {
    post->next = atomic_load_explicit(&inbox->latest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&inbox->latest, &post->next, post)) {
    }
}

/* Whoever changes the state wakes the loop: once a wait. */
void vel_inbox_wake(struct vel_inbox *inbox) {
    if (atomic_exchange(&inbox->state, VEL_INBOX_AWAKE) != VEL_INBOX_AWAKE)
        vel_wake_up(&inbox->wake);
}

/* Sequentially consistent, both here and in doze: either the putter sees that the loop waits, or the loop sees the
 * post. */
void vel_inbox_put(struct vel_inbox *inbox, struct vel_post *post) {
    push(inbox, post);
    if (atomic_load(&inbox->state) != VEL_INBOX_AWAKE)
        vel_inbox_wake(inbox);
}

bool vel_inbox_put_lazily(struct vel_inbox *inbox, struct vel_post *post) {
    push(inbox, post);
    int state = atomic_load(&inbox->state);
    if (state == VEL_INBOX_SLEEPS)
        vel_inbox_wake(inbox);
    return state == VEL_INBOX_DOZES;
}

bool vel_inbox_doze(struct vel_inbox *inbox, bool is_long) {
    atomic_store(&inbox->state, is_long ? VEL_INBOX_SLEEPS : VEL_INBOX_DOZES);
    if (atomic_load(&inbox->latest) == NULL)
        return true;
    vel_inbox_rise(inbox);
    return false;
}

void vel_inbox_rise(struct vel_inbox *inbox) {
    atomic_store_explicit(&inbox->state, VEL_INBOX_AWAKE, memory_order_relaxed);
}

static struct vel_post *reversed(struct vel_post *post) {
    struct vel_post *turned = NULL;
    while (post != NULL) {
        struct vel_post *next = post->next;
        post->next = turned;
        turned = post;
        post = next;
    }
    return turned;
}

void vel_inbox_run(struct vel_inbox *inbox) {
    if (atomic_load_explicit(&inbox->latest, memory_order_relaxed) == NULL)
        return;
    struct vel_post *post = reversed(atomic_exchange(&inbox->latest, NULL));
    while (post != NULL) {
        struct vel_post *next = post->next; /* the call may free this one */
        post->fn(post);
        post = next;
    }
}

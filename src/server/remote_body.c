/* A streamed request body between the two ends of a remote exchange: the loop fills, the thread empties and waits. */
#include "server/remote_twin.h"

#include "base/err.h"

/* What the thread has taken is told to the loop when it is so much, or when the thread is about to wait: a post for
 * each read would cost more than the bytes. */
#define TELL (VEL_READ_WINDOW / 2)

void vel_twin_open_body(struct vel_twin *t) {
    struct vel_twin_body *b = &t->body;
    pthread_mutex_init(&b->lock, NULL);
    b->bytes = (struct vel_buf){0};
    b->at = b->taken = 0;
    b->complete = b->short_of_memory = b->told = b->wanted = b->waits = false;
}

void vel_twin_close_body(struct vel_twin *t) {
    if (!t->streams)
        return;
    vel_buf_free(&t->body.bytes);
    pthread_mutex_destroy(&t->body.lock);
}

/* --- the loop's end ---------------------------------------------------------------------------------------------- */

static void unlock_and_wake(struct vel_twin *t) {
    bool waits = t->body.waits;
    t->body.waits = false;
    pthread_mutex_unlock(&t->body.lock);
    if (waits)
        vel_twin_wake(t);
}

void vel_twin_add_data(struct vel_twin *t, struct vel_slice data) {
    pthread_mutex_lock(&t->body.lock);
    if (vel_buf_append(&t->body.bytes, data.at, data.len) != VEL_OK)
        t->body.short_of_memory = true;
    unlock_and_wake(t);
}

void vel_twin_end_data(struct vel_twin *t) {
    pthread_mutex_lock(&t->body.lock);
    t->body.complete = true;
    unlock_and_wake(t);
}

/* The body has come whole before a thread has begun: it becomes what a collected one is. */
void vel_twin_collect(struct vel_twin *t) {
    struct vel_buf *bytes = &t->body.bytes;
    t->own.received = true;
    if (bytes->len == 0 || t->body.short_of_memory)
        return;
    t->own.body = (struct vel_body){.place = VEL_BODY_MEMORY, .size = bytes->len, .memory = *bytes};
    t->own.body.bytes = vel_slice(bytes->data, bytes->len);
    *bytes = (struct vel_buf){0};
}

static void hear(struct vel_post *post) {
    struct vel_twin_body *b = VEL_CONTAINER(post, struct vel_twin_body, post);
    struct vel_twin *t = VEL_CONTAINER(b, struct vel_twin, body);
    pthread_mutex_lock(&b->lock);
    size_t taken = b->taken;
    bool wanted = b->wanted;
    b->taken = 0;
    b->told = false;
    pthread_mutex_unlock(&b->lock);
    if (atomic_load_explicit(&t->gone, memory_order_relaxed) != VEL_GONE_NOT || t->x->ended)
        return;
    if (wanted)
        vel_exchange_want_body(t->x);
    if (taken > 0)
        vel_exchange_consume(t->x, taken);
}

/* --- the thread's end -------------------------------------------------------------------------------------------- */

/* The lock is held. */
static bool must_tell(struct vel_twin_body *b) {
    bool tell = !b->told && (b->taken >= TELL || (b->waits && (b->taken > 0 || !b->wanted)));
    b->wanted = b->wanted || b->waits;
    b->told = b->told || tell;
    return tell;
}

static void tell(struct vel_twin *t) {
    t->body.post.fn = hear;
    vel_inbox_put(&t->remote->pool->inbox, &t->body.post);
}

/* The lock is held. */
static size_t take(struct vel_twin_body *b, char *at, size_t len) {
    size_t here = b->bytes.len - b->at, n = here < len ? here : len;
    if (n == 0)
        return 0;
    memcpy(at, b->bytes.data + b->at, n);
    b->at += n;
    b->taken += n;
    if (b->at == b->bytes.len)
        b->at = b->bytes.len = 0;
    return n;
}

static long look(struct vel_twin *t, char *at, size_t len) {
    struct vel_twin_body *b = &t->body;
    pthread_mutex_lock(&b->lock);
    long n = (long)take(b, at, len);
    if (n == 0 && b->complete)
        n = VEL_EOF;
    if (b->short_of_memory && n <= 0)
        n = VEL_ENOMEM;
    b->waits = n == 0;
    bool tells = must_tell(b);
    pthread_mutex_unlock(&b->lock);
    if (tells)
        tell(t);
    return n == 0 ? VEL_EAGAIN : n;
}

long vel_remote_read(struct vel_exchange *x, char *at, size_t len) {
    struct vel_twin *t = vel_twin_of(x);
    struct vel_remote_thread *thread = atomic_load_explicit(&t->thread, memory_order_relaxed);
    long n;
    if (x->received || len == 0)
        return 0;
    while ((n = look(t, at, len)) == VEL_EAGAIN) {
        if (vel_twin_is_gone(t))
            return VEL_ERESET;
        if (!vel_pool_is_self(&thread->base))
            return VEL_EAGAIN;
        vel_pool_sleep(&thread->base);
    }
    return n == VEL_EOF ? 0 : n;
}

/* A reply that goes into a file while its client is slow and others wait for the thread that makes it. */
#include "server/remote_twin.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/temp.h"

#include <unistd.h>

static void leave(void *owner) {
    struct vel_spool *spool = owner;
    if (atomic_fetch_sub(&spool->users, 1) > 1)
        return;
    close(spool->file);
    vel_free(spool);
}

static struct vel_spool *open_spool(void) {
    struct vel_spool *spool = vel_alloc(sizeof(*spool));
    if (spool == NULL)
        return NULL;
    atomic_init(&spool->users, 1);
    spool->file = vel_temp_open();
    if (spool->file >= 0)
        return spool;
    vel_free(spool);
    return NULL;
}

static struct vel_pool_thread *thread_of(struct vel_twin *t) {
    return &atomic_load_explicit(&t->thread, memory_order_relaxed)->base;
}

/* The disk may take its time: nobody else is to wait for it. Another thread of the application may send meanwhile, with
 * the lock: what it sends comes before what is being written here. */
static void rest(const struct vel_pool_thread *thread) {
    if (thread->rest != NULL)
        thread->rest(thread->arg);
}

static void resume(const struct vel_pool_thread *thread) {
    if (thread->resume != NULL)
        thread->resume(thread->arg);
}

void vel_twin_begin_spool(struct vel_twin *t) {
    struct vel_spool *spool = t->spool;
    if (spool == NULL) {
        rest(thread_of(t));
        spool = open_spool();
        resume(thread_of(t));
    }
    t->spool = spool;
    t->spools = t->spool != NULL;
    if (!t->spools)
        t->spool_max = 0;
}

static bool fits(struct vel_twin *t, size_t len) {
    return t->spooled + len <= t->spool_max && vel_pool_is_self(thread_of(t));
}

bool vel_twin_spool(struct vel_twin *t, struct vel_slice data) {
    int err = VEL_ELIMIT;
    if (fits(t, data.len)) {
        rest(thread_of(t));
        err = vel_temp_write(t->spool->file, t->spooled, data.at, data.len);
        resume(thread_of(t));
    }
    t->spools = err == VEL_OK;
    if (t->spools)
        t->spooled += data.len;
    else
        t->spool_max = 0; /* the rest of this reply waits for its client */
    return t->spools;
}

int vel_twin_pack_spool(struct vel_twin *t) {
    uint64_t size = t->spooled - t->packed;
    t->spools = false;
    if (size == 0)
        return VEL_OK;
    struct vel_piece *piece = vel_twin_lent_piece(t, VEL_PIECE_FILE, (struct vel_loan){leave, t->spool});
    if (piece == NULL)
        return VEL_ENOMEM;
    atomic_fetch_add(&t->spool->users, 1);
    piece->body.pool = NULL; /* to close a file the loop needs no thread */
    piece->body.file = t->spool->file;
    piece->body.offset = (int64_t)t->packed;
    piece->body.size = size;
    t->packed = t->spooled;
    t->made += size;
    return VEL_OK;
}

int vel_twin_end_spool(struct vel_twin *t) {
    int err = vel_twin_pack_spool(t);
    if (t->spool != NULL)
        leave(t->spool);
    t->spool = NULL;
    return err;
}

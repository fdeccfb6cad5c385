/* The output queue: segments in order, sent by as few system calls as the stream allows. */
#include "net/sendq.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Segments of one writev. */
#define IOV_BATCH 64

/* Most bytes of one flush: a fast reader of a large file must not keep the loop from the others (nginx's
 * sendfile_max_chunk is the same). */
#define FLUSH_MAX ((uint64_t)2 << 20)

/* One read of a file that sendfile(2) cannot send. */
#define FILE_CHUNK ((size_t)64 << 10)

enum kind { OWN, LENT, FILE_SENT, FILE_READ /* sendfile has refused it */ };

struct segment {
    struct segment *next;
    const char *at; /* memory: the first byte that waits */
    uint64_t left;
    int64_t offset; /* file: the same */
    struct vel_loan loan;
    int file;
    enum kind kind;
    size_t room; /* OWN: free bytes behind those that wait */
    char bytes[];
};

/* An own block with its header fills a page. */
#define BLOCK_MIN (4096 - sizeof(struct segment))

struct chain {
    struct segment *first, *last;
};

struct vel_sendq {
    struct chain segments;
    uint64_t size;
};

static void chain_append(struct chain *chain, struct segment *seg) {
    seg->next = NULL;
    if (chain->last)
        chain->last->next = seg;
    else
        chain->first = seg;
    chain->last = seg;
}

static struct segment *chain_take(struct chain *chain) {
    struct segment *seg = chain->first;
    chain->first = seg->next;
    if (!chain->first)
        chain->last = NULL;
    return seg;
}

static void release_all(struct chain *chain) {
    while (chain->first) {
        struct segment *seg = chain_take(chain);
        struct vel_loan loan = seg->loan;
        vel_free(seg);
        if (loan.release)
            loan.release(loan.owner);
    }
}

static bool is_memory(const struct segment *seg) {
    return seg->kind == OWN || seg->kind == LENT;
}

static struct segment *segment_new(enum kind kind, size_t cap) {
    if (cap > SIZE_MAX - sizeof(struct segment))
        return NULL;
    struct segment *seg = vel_alloc(sizeof(struct segment) + cap);
    if (seg)
        *seg = (struct segment){.kind = kind, .file = -1, .room = cap};
    return seg;
}

/* Takes seg, also when it fails. */
static int push(struct vel_sendq **q, struct segment *seg) {
    if (!*q)
        *q = vel_alloc_zero(sizeof **q);
    if (!*q) {
        vel_free(seg);
        return VEL_ENOMEM;
    }
    chain_append(&(*q)->segments, seg);
    (*q)->size += seg->left;
    return VEL_OK;
}

/* at lies in the block, whose waiting bytes and room are one run. */
static void fill(struct segment *seg, const char *at, size_t len) {
    memcpy((char *)seg->at + seg->left, at, len);
    seg->left += len;
    seg->room -= len;
}

static struct segment *block_new(const char *at, size_t len) {
    struct segment *seg = segment_new(OWN, len > BLOCK_MIN ? len : BLOCK_MIN);
    if (!seg)
        return NULL;
    seg->at = seg->bytes;
    fill(seg, at, len);
    return seg;
}

static struct segment *tail_with_room(const struct vel_sendq *queue) {
    struct segment *tail = queue ? queue->segments.last : NULL;
    return tail && tail->kind == OWN && tail->room > 0 ? tail : NULL;
}

/* n bytes have gone: moves what they finish, and what was empty, to done. */
static void advance(struct vel_sendq *queue, uint64_t n, struct chain *done) {
    queue->size -= n;
    while (queue->segments.first && queue->segments.first->left <= n) {
        n -= queue->segments.first->left;
        chain_append(done, chain_take(&queue->segments));
    }
    struct segment *seg = queue->segments.first;
    if (n == 0 || !seg)
        return;
    seg->left -= n;
    if (is_memory(seg))
        seg->at += n;
    else
        seg->offset += (int64_t)n;
}

/* The memory at the front, at most most bytes of it. *more: something stands behind it. */
static size_t gather(const struct vel_sendq *queue, uint64_t most, struct iovec *iov, size_t *total, bool *more) {
    const struct segment *seg = queue->segments.first;
    size_t n = 0;
    *total = 0;
    for (; seg && is_memory(seg) && n < IOV_BATCH && *total < most; seg = seg->next) {
        size_t len = seg->left < most - *total ? (size_t)seg->left : (size_t)(most - *total);
        iov[n++] = (struct iovec){.iov_base = (char *)seg->at, .iov_len = len};
        *total += len;
    }
    *more = *total < queue->size;
    return n;
}

/* A short write means that the stream is full: asking again would only cost a system call. */
static int send_memory(struct vel_sendq *queue, struct vel_stream *s, uint64_t most, struct chain *done) {
    struct iovec iov[IOV_BATCH];
    size_t total;
    bool more;
    size_t count = gather(queue, most, iov, &total, &more);
    ssize_t n = count == 1 ? s->ops->write(s, iov[0].iov_base, total, more) : s->ops->writev(s, iov, count, more);
    if (n < 0)
        return (int)n;
    advance(queue, (uint64_t)n, done);
    return (size_t)n < total ? VEL_EAGAIN : VEL_OK;
}

/* Nothing read is kept: what the stream does not take is read again. */
static ssize_t read_and_write(const struct segment *seg, struct vel_stream *s, size_t len) {
    size_t chunk = len < FILE_CHUNK ? len : FILE_CHUNK;
    char *bytes = vel_alloc(chunk);
    if (!bytes) {
        errno = ENOMEM;
        return VEL_ESYS;
    }
    ssize_t n;
    do {
        n = pread(seg->file, bytes, chunk, seg->offset);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        n = s->ops->write(s, bytes, (size_t)n, seg->left > (uint64_t)n);
    else
        n = n == 0 ? VEL_EOF : VEL_ESYS;
    vel_free(bytes);
    return n;
}

static int send_file(struct vel_sendq *queue, struct vel_stream *s, uint64_t most, struct chain *done) {
    struct segment *seg = queue->segments.first;
    size_t len = (size_t)(seg->left < most ? seg->left : most);
    ssize_t n = seg->kind == FILE_SENT ? s->ops->sendfile(s, seg->file, seg->offset, len) : VEL_EINVAL;
    if (n == VEL_EINVAL) {
        seg->kind = FILE_READ;
        n = read_and_write(seg, s, len);
    }
    if (n == VEL_EOF) {
        errno = EIO;
        return VEL_ESYS;
    }
    if (n <= 0)
        return n < 0 ? (int)n : VEL_EAGAIN;
    advance(queue, (uint64_t)n, done);
    return VEL_OK;
}

static int send_front(struct vel_sendq *queue, struct vel_stream *s, uint64_t most, struct chain *done) {
    if (is_memory(queue->segments.first))
        return send_memory(queue, s, most, done);
    return send_file(queue, s, most, done);
}

int vel_sendq_copy(struct vel_sendq **q, const char *at, size_t len) {
    if (len == 0)
        return VEL_OK;
    struct segment *tail = tail_with_room(*q);
    size_t fits = !tail ? 0 : tail->room < len ? tail->room : len;
    if (fits < len) {
        struct segment *seg = block_new(at + fits, len - fits);
        if (!seg || push(q, seg) != VEL_OK)
            return VEL_ENOMEM;
    }
    if (fits > 0) {
        fill(tail, at, fits);
        (*q)->size += fits;
    }
    return VEL_OK;
}

int vel_sendq_lend(struct vel_sendq **q, const char *at, size_t len, struct vel_loan loan) {
    struct segment *seg = segment_new(LENT, 0);
    if (!seg)
        return VEL_ENOMEM;
    seg->at = at;
    seg->left = len;
    seg->loan = loan;
    return push(q, seg);
}

int vel_sendq_file(struct vel_sendq **q, int file, int64_t offset, uint64_t len, struct vel_loan loan) {
    struct segment *seg = segment_new(FILE_SENT, 0);
    if (!seg)
        return VEL_ENOMEM;
    seg->file = file;
    seg->offset = offset;
    seg->left = len;
    seg->loan = loan;
    return push(q, seg);
}

uint64_t vel_sendq_size(const struct vel_sendq *q) {
    return q ? q->size : 0;
}

/* Releases come last, when the queue is as the caller will find it: they may drop it, or fill it again. */
int vel_sendq_flush(struct vel_sendq **q, struct vel_stream *s, uint64_t *sent) {
    struct vel_sendq *queue = *q;
    *sent = 0;
    if (!queue)
        return VEL_OK;
    struct chain done = {0};
    uint64_t before = queue->size;
    int rc = VEL_OK;
    advance(queue, 0, &done);
    while (rc == VEL_OK && queue->segments.first) {
        uint64_t used = before - queue->size;
        rc = used < FLUSH_MAX ? send_front(queue, s, FLUSH_MAX - used, &done) : VEL_EAGAIN;
    }
    *sent = before - queue->size;
    if (rc == VEL_OK) {
        vel_free(queue);
        *q = NULL;
    }
    int error = errno;
    release_all(&done);
    errno = error;
    return rc;
}

void vel_sendq_drop(struct vel_sendq **q) {
    struct vel_sendq *queue = *q;
    if (!queue)
        return;
    struct chain segments = queue->segments;
    *q = NULL;
    vel_free(queue);
    release_all(&segments);
}

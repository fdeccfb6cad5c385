/* Messages compressed and expanded by zlib, every one flushed to a byte (RFC 7692 7.2). */
#include "ws/deflate.h"

#include "base/err.h"
#include "base/mem.h"

#define ZLIB_CONST
#include <limits.h>
#include <zlib.h>

/* A message ends in an empty stored block, which is not sent: the receiver puts it back (RFC 7692 7.2.1). */
#define TAIL "\x00\x00\xff\xff"
#define TAIL_LEN 4

/* Output grows by so much: most messages of a WebSocket fit. */
#define STEP 1024
/* zlib's counters are 32 bits wide. */
#define PIECE ((size_t)1 << 30)

static voidpf take(voidpf Z_OPAQUE, uInt n, uInt size) {
    (void)Z_OPAQUE;
    return vel_alloc_array(n, size);
}

static void give(voidpf Z_OPAQUE, voidpf at) {
    (void)Z_OPAQUE;
    vel_free(at);
}

static z_stream *make_stream(void) {
    z_stream *z = vel_alloc_zero(sizeof(*z));
    if (z == NULL)
        return NULL;
    z->zalloc = take;
    z->zfree = give;
    return z;
}

/* Room behind out, told to zlib. */
static int make_room(z_stream *z, struct vel_buf *out, size_t least) {
    if (vel_buf_reserve(out, least) == NULL)
        return VEL_ENOMEM;
    size_t room = out->cap - out->len;
    z->next_out = (Bytef *)out->data + out->len;
    z->avail_out = (uInt)(room < PIECE ? room : PIECE);
    return VEL_OK;
}

static void took_room(const z_stream *z, struct vel_buf *out) {
    out->len = (size_t)((char *)z->next_out - out->data);
}

static void feed(z_stream *z, struct vel_slice in) {
    z->next_in = (const Bytef *)in.at;
    z->avail_in = (uInt)in.len;
}

/* --- compressing ------------------------------------------------------------------------------------------------- */

static int begin_deflate(struct vel_ws_deflater *d) {
    if (d->z != NULL)
        return VEL_OK;
    z_stream *z = make_stream();
    if (z == NULL)
        return VEL_ENOMEM;
    if (deflateInit2(z, d->level, Z_DEFLATED, -d->bits, d->memory, Z_DEFAULT_STRATEGY) != Z_OK) {
        vel_free(z);
        return VEL_ENOMEM; /* the numbers are ours, so there is no other reason */
    }
    d->z = z;
    return VEL_OK;
}

/* Until zlib leaves room: what it holds is then all out. */
static int deflate_piece(z_stream *z, struct vel_slice piece, int flush, struct vel_buf *out) {
    feed(z, piece);
    do {
        if (make_room(z, out, STEP) != VEL_OK)
            return VEL_ENOMEM;
        deflate(z, flush);
        took_room(z, out);
    } while (z->avail_out == 0);
    return VEL_OK;
}

int vel_ws_deflate(struct vel_ws_deflater *d, struct vel_slice message, struct vel_buf *out) {
    int err = begin_deflate(d);
    size_t before = out->len;
    while (err == VEL_OK && message.len > PIECE) {
        err = deflate_piece(d->z, vel_slice(message.at, PIECE), Z_NO_FLUSH, out);
        message = vel_slice(message.at + PIECE, message.len - PIECE);
    }
    if (err == VEL_OK)
        err = deflate_piece(d->z, message, Z_SYNC_FLUSH, out);
    if (err != VEL_OK) {
        out->len = before;
        return err;
    }
    if (d->resets)
        deflateReset(d->z);
    /* A flush with nothing behind an earlier flush gives nothing; an empty message is an empty block (7.2.3.6). */
    if (out->len - before < TAIL_LEN)
        return vel_buf_append(out, "", 1);
    out->len -= TAIL_LEN;
    return VEL_OK;
}

void vel_ws_deflater_free(struct vel_ws_deflater *d) {
    if (d->z == NULL)
        return;
    deflateEnd(d->z);
    vel_free(d->z);
    d->z = NULL;
}

/* --- expanding --------------------------------------------------------------------------------------------------- */

static int begin_inflate(struct vel_ws_inflater *i) {
    if (i->z != NULL)
        return VEL_OK;
    z_stream *z = make_stream();
    if (z == NULL)
        return VEL_ENOMEM;
    if (inflateInit2(z, -i->bits) != Z_OK) {
        vel_free(z);
        return VEL_ENOMEM;
    }
    i->z = z;
    return VEL_OK;
}

/* One call of zlib. A peer may end its stream with a final block, though none does; the next block begins a new one
 * (RFC 7692 7.2.3.4). */
static int inflate_step(z_stream *z, struct vel_buf *out) {
    int status = inflate(z, Z_SYNC_FLUSH);
    took_room(z, out);
    if (status == Z_STREAM_END)
        return inflateReset(z) == Z_OK ? VEL_OK : VEL_EINVAL;
    if (status == Z_MEM_ERROR)
        return VEL_ENOMEM;
    return status == Z_OK || status == Z_BUF_ERROR ? VEL_OK : VEL_EINVAL;
}

/* Room for one byte more than the limit allows is enough to see that it is passed. */
static int inflate_piece(z_stream *z, struct vel_slice piece, uint64_t most, size_t from, struct vel_buf *out) {
    feed(z, piece);
    do {
        uint64_t left = most - (out->len - from);
        if (make_room(z, out, STEP) != VEL_OK)
            return VEL_ENOMEM;
        if (z->avail_out > left)
            z->avail_out = (uInt)left + 1;
        int err = inflate_step(z, out);
        if (err != VEL_OK)
            return err;
        if (out->len - from > most)
            return VEL_ELIMIT;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return VEL_OK;
}

int vel_ws_inflate(struct vel_ws_inflater *i, struct vel_slice message, uint64_t limit, struct vel_buf *out) {
    int err = begin_inflate(i);
    size_t from = out->len;
    while (err == VEL_OK && message.len > 0) {
        size_t n = message.len < PIECE ? message.len : PIECE;
        err = inflate_piece(i->z, vel_slice(message.at, n), limit, from, out);
        message = vel_slice(message.at + n, message.len - n);
    }
    if (err == VEL_OK)
        err = inflate_piece(i->z, vel_slice(TAIL, TAIL_LEN), limit, from, out);
    if (err == VEL_OK && i->resets)
        inflateReset(i->z);
    return err;
}

void vel_ws_inflater_free(struct vel_ws_inflater *i) {
    if (i->z == NULL)
        return;
    inflateEnd(i->z);
    vel_free(i->z);
    i->z = NULL;
}

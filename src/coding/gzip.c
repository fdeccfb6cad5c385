/* Compressing whole bodies. */
#include "coding/gzip.h"

#include "base/err.h"
#include "base/mem.h"

#define ZLIB_CONST
#include <zlib.h>

/* zlib's window of 32 KiB, in the wrapping of gzip. */
#define WINDOW_BITS (15 + 16)
#define MEMORY_LEVEL 8
/* zlib's counters are 32 bits wide. */
#define PIECE ((size_t)1 << 30)

static voidpf take(voidpf opaque, uInt n, uInt size) {
    (void)opaque;
    return vel_alloc_array(n, size);
}

static void give(voidpf opaque, voidpf at) {
    (void)opaque;
    vel_free(at);
}

/* Mostly once: deflateBound() is enough for all of it. */
static int step(z_stream *z, struct vel_buf *out, int flush) {
    size_t room = out->cap - out->len;
    z->next_out = (Bytef *)out->data + out->len;
    z->avail_out = (uInt)(room < PIECE ? room : PIECE);
    int told = deflate(z, flush);
    out->len = (size_t)((char *)z->next_out - out->data);
    return told;
}

static int run(z_stream *z, struct vel_slice in, struct vel_buf *out) {
    if (vel_buf_reserve(out, deflateBound(z, (uLong)in.len)) == NULL)
        return VEL_ENOMEM;
    while (in.len > PIECE) {
        z->next_in = (const Bytef *)in.at;
        z->avail_in = (uInt)PIECE;
        while (z->avail_in > 0)
            step(z, out, Z_NO_FLUSH);
        in = vel_slice(in.at + PIECE, in.len - PIECE);
    }
    z->next_in = (const Bytef *)in.at;
    z->avail_in = (uInt)in.len;
    while (step(z, out, Z_FINISH) != Z_STREAM_END)
        if (vel_buf_reserve(out, 1024) == NULL)
            return VEL_ENOMEM;
    return VEL_OK;
}

int vel_gzip(struct vel_slice in, int level, struct vel_buf *out) {
    z_stream z = {.zalloc = take, .zfree = give};
    size_t before = out->len;
    if (deflateInit2(&z, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return VEL_ENOMEM;
    int err = run(&z, in, out);
    deflateEnd(&z);
    if (err != VEL_OK)
        out->len = before;
    return err;
}

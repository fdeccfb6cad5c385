/* Fuzzes chunked bodies: whole, cut in two, and byte by byte must give the same bytes or the same refusal. */
#include "support.h"

#include "http1/chunked.h"

static const struct vel_limits limits = {.trailers = 48, .chunk_ext = 32, .body = 4096};

struct run {
    struct vel_h1_chunked chunked;
    long status;
    const char *why;
    char body[4096];
    size_t len;
    size_t used;
};

static void feed(struct run *run, const uint8_t *data, size_t len) {
    char *copy = exact_copy(data, len);
    for (size_t at = 0; at < len && run->status == 0 && !vel_h1_chunked_done(&run->chunked);) {
        struct vel_slice slice;
        long n = vel_h1_chunked_feed(&run->chunked, copy + at, len - at, &slice, &run->why);
        if (n < 0) {
            run->status = n;
            break;
        }
        MUST(n > 0 && (size_t)n <= len - at && slice.len <= (size_t)n && slice.len <= sizeof(run->body) - run->len);
        if (slice.len > 0)
            memcpy(run->body + run->len, slice.at, slice.len);
        run->len += slice.len;
        run->used += (size_t)n;
        at += (size_t)n;
    }
    free(copy);
}

static void decode(struct run *run, const struct vel_scan *scan, const uint8_t *data, size_t size, size_t first,
                   size_t step) {
    *run = (struct run){0};
    vel_h1_chunked_init(&run->chunked, scan, &limits);
    feed(run, data, first);
    for (size_t at = first; at < size; at += step)
        feed(run, data + at, step < size - at ? step : size - at);
}

static void must_be_same(const struct run *a, const struct run *b) {
    MUST(a->status == b->status && same_text(a->why, b->why));
    MUST(vel_h1_chunked_done(&a->chunked) == vel_h1_chunked_done(&b->chunked));
    MUST(a->len == b->len && memcmp(a->body, b->body, a->len) == 0);
    MUST(a->status < 0 || a->used == b->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct run whole, other;
    decode(&whole, &vel_scan_plain, data, size, size, 1);
    decode(&other, vel_scan_best(), data, size, cut_of(data, size), size + 1);
    must_be_same(&whole, &other);
    decode(&other, vel_scan_best(), data, size, 0, 1);
    must_be_same(&whole, &other);
    return 0;
}

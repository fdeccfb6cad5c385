/* Tests of src/coding/gzip.c. */
#include "coding/gzip.h"

#include "base/err.h"

#include "support/failmalloc.h"
#include "support/guard.h"
#include "support/test.h"

#define ZLIB_CONST
#include <zlib.h>

static void check_round_trip(const char *at, size_t len, int level) {
    char *copy = guard_copy(at, len), *back = malloc(len + 1);
    struct vel_buf out = {0};
    CHECK(back != NULL);
    CHECK_INT(vel_buf_append(&out, "ahead", 5), VEL_OK);
    CHECK_INT(vel_gzip(vel_slice(copy, len), level, &out), VEL_OK);
    z_stream z = {.next_in = (const Bytef *)out.data + 5, .avail_in = (uInt)out.len - 5};
    z.next_out = (Bytef *)back;
    z.avail_out = (uInt)len + 1;
    CHECK_INT(inflateInit2(&z, 15 + 16), Z_OK);
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(z.total_out, len);
    CHECK_INT(z.avail_in, 0);
    CHECK(memcmp(back, at, len) == 0);
    CHECK(memcmp(out.data, "ahead", 5) == 0);
    inflateEnd(&z);
    free(back);
    vel_buf_free(&out);
    guard_free(copy, len);
}

static void what_is_compressed_is_the_same_again(void) {
    static char noise[100000];
    unsigned state = 1;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)((state = state * 1103515245 + 12345) >> 16);
    for (int level = 1; level <= 9; level += 4) {
        check_round_trip("", 0, level);
        check_round_trip("x", 1, level);
        check_round_trip(noise, sizeof(noise), level);
        memset(noise, 'y', sizeof(noise) / 2);
        check_round_trip(noise, sizeof(noise), level);
    }
}

static void without_memory_nothing_is_added(void) {
    struct vel_buf out = {0};
    CHECK_INT(vel_buf_append(&out, "ahead", 5), VEL_OK);
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        int err = vel_gzip(VEL_SLICE("some text, some text, some text"), 6, &out);
        CHECK(err == VEL_OK || out.len == 5);
        CHECK_INT(err, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
        out.len = 5;
    }
    vel_buf_free(&out);
}

int main(void) {
    RUN(what_is_compressed_is_the_same_again);
    RUN(without_memory_nothing_is_added);
    return 0;
}

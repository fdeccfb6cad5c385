/* Tests of src/proxy/crc32c.c. */
#include "proxy/crc32c.h"

#include "support/test.h"

/* RFC 3720 B.4 */
static void sums_are_those_of_the_rfc(void) {
    char bytes[32];
    memset(bytes, 0, 32);
    CHECK_INT(vel_crc32c(0, vel_slice(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xFF, 32);
    CHECK_INT(vel_crc32c(0, vel_slice(bytes, 32)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    CHECK_INT(vel_crc32c(0, vel_slice(bytes, 32)), 0x46dd794e);
    CHECK_INT(vel_crc32c(0, VEL_SLICE("123456789")), 0xe3069283);
}

static void sum_of_pieces_is_the_sum_of_the_whole(void) {
    for (size_t cut = 0; cut <= 9; cut++) {
        uint32_t crc = vel_crc32c(0, vel_slice("123456789", cut));
        CHECK_INT(vel_crc32c(crc, vel_slice(&"123456789"[cut], 9 - cut)), 0xe3069283);
    }
    CHECK_INT(vel_crc32c(0, vel_slice(NULL, 0)), 0);
}

int main(void) {
    RUN(sums_are_those_of_the_rfc);
    RUN(sum_of_pieces_is_the_sum_of_the_whole);
    return 0;
}

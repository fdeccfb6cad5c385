/* Tests of src/proxy/tlv.c. */
#include "proxy/tlv.h"

#include "support/guard.h"
#include "support/test.h"

static void values_come_in_order(void) {
    static const char bytes[] = "\x02\x00\x03"
                                "abc"
                                "\x04\x00\x00"
                                "\x20\x00\x01"
                                "x";
    char *copy = guard_copy(bytes, sizeof bytes - 1);
    struct vel_slice rest = vel_slice(copy, sizeof bytes - 1);
    struct vel_tlv tlv;
    CHECK_INT(vel_tlv_next(&rest, &tlv), 1);
    CHECK_INT(tlv.type, 2);
    CHECK_SLICE(tlv.value, "abc");
    CHECK_INT(vel_tlv_next(&rest, &tlv), 1);
    CHECK_INT(tlv.type, 4);
    CHECK_INT(tlv.value.len, 0);
    CHECK_INT(vel_tlv_next(&rest, &tlv), 1);
    CHECK_INT(tlv.type, VEL_TLV_SSL);
    CHECK_SLICE(tlv.value, "x");
    CHECK_INT(vel_tlv_next(&rest, &tlv), 0);
    guard_free(copy, sizeof bytes - 1);
}

static void length_beyond_the_end_is_refused_wherever_it_is_cut(void) {
    for (size_t len = 1; len < 6; len++) {
        char *copy = guard_copy("\x02\x00\x03"
                                "abc",
                                len);
        struct vel_slice rest = vel_slice(copy, len);
        struct vel_tlv tlv;
        CHECK_INT(vel_tlv_next(&rest, &tlv), -1);
        CHECK(rest.at == copy && rest.len == len);
        guard_free(copy, len);
    }
}

int main(void) {
    RUN(values_come_in_order);
    RUN(length_beyond_the_end_is_refused_wherever_it_is_cut);
    return 0;
}

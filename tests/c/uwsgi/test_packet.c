/* Tests of src/uwsgi/packet.c. */
#include "uwsgi/packet.h"

#include "support/guard.h"
#include "support/packet.h"

static void head_has_its_size_least_byte_first(void) {
    char *copy = guard_copy("\x00\x34\xF2\x05", 4);
    struct vel_uwsgi_packet packet = vel_uwsgi_packet_read(copy);
    CHECK_INT(packet.modifier1, 0);
    CHECK_INT(packet.modifier2, 5);
    CHECK_INT(packet.size, 0xF234);
    guard_free(copy, 4);
}

static void pairs_come_in_order(void) {
    static struct packet p;
    packet_make(&p, "A=b\nEMPTY=\n=nameless\n");
    char *copy = guard_copy(p.bytes + 4, p.len - 4);
    struct vel_slice rest = vel_slice(copy, p.len - 4);
    struct vel_uwsgi_pair pair;
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), 1);
    CHECK_SLICE(pair.name, "A");
    CHECK_SLICE(pair.value, "b");
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), 1);
    CHECK_SLICE(pair.name, "EMPTY");
    CHECK_SLICE(pair.value, "");
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), 1);
    CHECK_SLICE(pair.name, "");
    CHECK_SLICE(pair.value, "nameless");
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), 0);
    guard_free(copy, p.len - 4);
}

/* CVE-2020-11984 and its kind. */
static void size_beyond_the_end_is_refused_wherever_the_packet_is_cut(void) {
    static struct packet p;
    packet_make(&p, "NAME=value\n");
    for (size_t len = 1; len < p.len - 4; len++) {
        char *copy = guard_copy(p.bytes + 4, len);
        struct vel_slice rest = vel_slice(copy, len);
        struct vel_uwsgi_pair pair;
        CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), -1);
        CHECK(rest.at == copy && rest.len == len);
        guard_free(copy, len);
    }
}

static void largest_size_is_no_overflow(void) {
    char *copy = guard_copy("\x01\x00X\xFF\xFFvalue", 10);
    struct vel_slice rest = vel_slice(copy, 10);
    struct vel_uwsgi_pair pair;
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), -1);
    copy[0] = copy[1] = '\xFF';
    CHECK_INT(vel_uwsgi_pair_next(&rest, &pair), -1);
    guard_free(copy, 10);
}

int main(void) {
    RUN(head_has_its_size_least_byte_first);
    RUN(pairs_come_in_order);
    RUN(size_beyond_the_end_is_refused_wherever_the_packet_is_cut);
    RUN(largest_size_is_no_overflow);
    return 0;
}

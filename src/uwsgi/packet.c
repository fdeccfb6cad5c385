/* Taking a uwsgi packet apart: every size is held against what is left before a byte is looked at. */
#include "uwsgi/packet.h"

static uint16_t number_at(const char *at) {
    return (uint16_t)((unsigned char)at[0] | (unsigned char)at[1] << 8);
}

struct vel_uwsgi_packet vel_uwsgi_packet_read(const char *in) {
    return (struct vel_uwsgi_packet){
        .modifier1 = (uint8_t)in[0], .modifier2 = (uint8_t)in[3], .size = number_at(in + 1)};
}

static bool take(struct vel_slice *rest, struct vel_slice *out) {
    if (rest->len < 2)
        return false;
    size_t len = number_at(rest->at);
    if (len > rest->len - 2)
        return false;
    *out = vel_slice(rest->at + 2, len);
    *rest = vel_slice(rest->at + 2 + len, rest->len - 2 - len);
    return true;
}

int vel_uwsgi_pair_next(struct vel_slice *rest, struct vel_uwsgi_pair *pair) {
    struct vel_slice left = *rest;
    if (left.len == 0)
        return 0;
    if (!take(&left, &pair->name) || !take(&left, &pair->value))
        return -1;
    *rest = left;
    return 1;
}

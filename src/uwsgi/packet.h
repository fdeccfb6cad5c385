/* The frame of a uwsgi packet: a head of four bytes, then pairs of a name and a value, each behind its size. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define VEL_UWSGI_HEAD 4

/* Sizes have 16 bits, least first. */
#define VEL_UWSGI_PACKET_MAX (VEL_UWSGI_HEAD + 65535)

struct vel_uwsgi_packet {
    uint8_t modifier1, modifier2;
    uint16_t size; /* of what follows the head */
};

/* in has at least VEL_UWSGI_HEAD bytes. */
struct vel_uwsgi_packet vel_uwsgi_packet_read(const char *in);

struct vel_uwsgi_pair {
    struct vel_slice name, value;
};

/* Takes the next pair off *rest. 1; 0 at the end; -1 when a size reaches beyond the end: *rest is then as it was. */
int vel_uwsgi_pair_next(struct vel_slice *rest, struct vel_uwsgi_pair *pair);

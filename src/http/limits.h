/* The limits of one request, in bytes and counts: what is over them is refused with the status named. */
#pragma once

#include <stdint.h>

struct vel_limits {
    uint32_t target;    /* 414: the request target */
    uint32_t head;      /* 431: the whole head, request line to the empty line */
    uint32_t fields;    /* 431: field lines */
    uint32_t field;     /* 431: one field line */
    uint32_t name;      /* 431: one field name */
    uint32_t trailers;  /* 431: the trailer section */
    uint32_t chunk_ext; /* 400: chunk extensions of a whole body */
    uint64_t body;      /* 413: the body after decoding */
};

/* Longest method, RFC 9110 names no limit; the longest registered is UPDATEREDIRECTREF with 17. */
#define VEL_METHOD_MAX 32

#define VEL_LIMITS_DEFAULT                                                                                             \
    {                                                                                                                  \
        .target = 8192, .head = 65536, .fields = 100, .field = 8192, .name = 256, .trailers = 8192,                    \
        .chunk_ext = 16384, .body = (uint64_t)1 << 30                                                                  \
    }

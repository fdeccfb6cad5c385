/* uwsgi packets from lines of text. */
#pragma once

#include "support/test.h"

#include <stdint.h>

struct packet {
    char bytes[70000];
    size_t len;
};

static inline void put_number(struct packet *p, size_t number) {
    p->bytes[p->len++] = (char)number;
    p->bytes[p->len++] = (char)(number >> 8);
}

static inline void put_string(struct packet *p, const char *at, size_t len) {
    CHECK(p->len + 2 + len <= sizeof p->bytes);
    put_number(p, len);
    memcpy(p->bytes + p->len, at, len);
    p->len += len;
}

static inline void set_size(struct packet *p) {
    p->bytes[1] = (char)(p->len - 4);
    p->bytes[2] = (char)((p->len - 4) >> 8);
}

static inline void put_pair(struct packet *p, const char *name, const char *value) {
    put_string(p, name, strlen(name));
    put_string(p, value, strlen(value));
    set_size(p);
}

static inline void packet_begin(struct packet *p) {
    memset(p->bytes, 0, 4);
    p->len = 4;
}

/* "NAME=value" lines, each with its line feed. */
static inline void put_lines(struct packet *p, const char *lines) {
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        const char *equals = memchr(lines, '=', (size_t)(end - lines));
        CHECK(equals != NULL);
        put_string(p, lines, (size_t)(equals - lines));
        put_string(p, equals + 1, (size_t)(end - equals) - 1);
    }
    set_size(p);
}

static inline void packet_make(struct packet *p, const char *lines) {
    packet_begin(p);
    put_lines(p, lines);
}

/* Collected request bodies. */
#include "server/body.h"

#include "base/err.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void vel_body_free(struct vel_body *body) {
    if (body->place == VEL_BODY_FILE)
        close(body->file);
    vel_buf_free(&body->memory);
    *body = (struct vel_body){0};
}

static int move_to_file(struct vel_body *body) {
    int file = vel_temp_open();
    if (file < 0)
        return errno == EMFILE || errno == ENFILE ? VEL_ELIMIT : VEL_ESYS;
    if (vel_temp_write(file, 0, body->bytes.at, body->bytes.len) != VEL_OK) {
        close(file);
        return VEL_ESYS;
    }
    vel_buf_free(&body->memory);
    body->bytes = vel_slice(NULL, 0);
    body->file = file;
    body->place = VEL_BODY_FILE;
    return VEL_OK;
}

int vel_body_own(struct vel_body *body) {
    if (body->place != VEL_BODY_BORROWED)
        return VEL_OK;
    if (vel_buf_append(&body->memory, body->bytes.at, body->bytes.len) != VEL_OK)
        return VEL_ENOMEM;
    body->bytes = vel_slice(body->memory.data, body->memory.len);
    body->place = VEL_BODY_MEMORY;
    return VEL_OK;
}

char *vel_body_room(struct vel_body *body, size_t len) {
    return body->place == VEL_BODY_MEMORY ? vel_buf_reserve(&body->memory, len) : NULL;
}

static bool is_in_room(const struct vel_body *body, struct vel_slice run) {
    return body->place == VEL_BODY_MEMORY && run.at == body->memory.data + body->memory.len;
}

static int add_to_memory(struct vel_body *body, struct vel_slice run) {
    int err = VEL_OK;
    if (is_in_room(body, run))
        body->memory.len += run.len;
    else if ((err = vel_body_own(body)) == VEL_OK)
        err = vel_buf_append(&body->memory, run.at, run.len);
    if (err == VEL_OK)
        body->bytes = vel_slice(body->memory.data, body->memory.len);
    return err;
}

int vel_body_add(struct vel_body *body, struct vel_slice run, uint64_t in_memory) {
    int err = VEL_OK;
    if (run.len == 0)
        return VEL_OK;
    if (body->place == VEL_BODY_EMPTY) {
        body->bytes = run;
        body->place = VEL_BODY_BORROWED;
    } else {
        if (body->place != VEL_BODY_FILE && body->size + run.len > in_memory)
            err = move_to_file(body);
        if (err == VEL_OK)
            err = body->place == VEL_BODY_FILE ? vel_temp_write(body->file, body->size, run.at, run.len)
                                               : add_to_memory(body, run);
    }
    if (err == VEL_OK)
        body->size += run.len;
    return err;
}

static long read_file(int file, uint64_t offset, char *at, size_t len) {
    ssize_t n;
    do
        n = pread(file, at, len, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? VEL_ESYS : (long)n;
}

long vel_body_read(const struct vel_body *body, uint64_t offset, char *at, size_t len) {
    if (offset >= body->size || len == 0)
        return 0;
    if (len > body->size - offset)
        len = (size_t)(body->size - offset);
    if (body->place == VEL_BODY_FILE)
        return read_file(body->file, offset, at, len);
    memcpy(at, body->bytes.at + offset, len);
    return (long)len;
}

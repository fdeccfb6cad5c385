/* An open regular file with what is known of it, shared by all that send from it. */
#pragma once

#include "base/slice.h"

#include <stdint.h>
#include <sys/stat.h>

#define VEL_ETAG_MAX 40

struct vel_file {
    int fd;
    unsigned refs;
    uint64_t size;
    int64_t modified; /* Unix seconds */
    struct timespec mtime;
    dev_t dev;
    ino_t ino;
    char etag[VEL_ETAG_MAX]; /* with its quotes */
    size_t etag_len;
};

/* Takes over fd, also when it fails. NULL with errno: EISDIR, EACCES for what is no regular file, ENOMEM. */
struct vel_file *vel_file_new(int fd);

/* Whether the file has changed since, by what fstat says of it. */
bool vel_file_changed(const struct vel_file *file);

static inline struct vel_file *vel_file_hold(struct vel_file *file) {
    file->refs++;
    return file;
}

/* Closes it when nobody holds it any more. NULL is allowed. */
void vel_file_release(struct vel_file *file);

/* Open files. */
#include "files/file.h"

#include "base/mem.h"
#include "base/num.h"

#include <errno.h>
#include <unistd.h>

/* As nginx has it, to the nanosecond: a file that is written twice within a second, as long as before, is another. */
static size_t make_etag(const struct vel_file *file, char *out) {
    uint64_t ns = (uint64_t)file->mtime.tv_sec * 1000000000u + (uint64_t)file->mtime.tv_nsec;
    size_t n = 0;
    out[n++] = '"';
    n += vel_num_format_hex(out + n, ns);
    out[n++] = '-';
    n += vel_num_format_hex(out + n, file->size);
    out[n++] = '"';
    return n;
}

static void take(struct vel_file *file, const struct stat *st) {
    file->size = (uint64_t)st->st_size;
    file->mtime = st->st_mtim;
    file->modified = st->st_mtim.tv_sec;
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->etag_len = make_etag(file, file->etag);
}

static int look(int fd, struct stat *st) {
    if (fstat(fd, st) < 0)
        return -1;
    if (S_ISREG(st->st_mode))
        return 0;
    errno = S_ISDIR(st->st_mode) ? EISDIR : EACCES;
    return -1;
}

struct vel_file *vel_file_new(int fd) {
    struct stat st;
    struct vel_file *file = look(fd, &st) == 0 ? vel_alloc_zero(sizeof(*file)) : NULL;
    if (file == NULL) {
        int err = errno;
        close(fd);
        errno = err;
        return NULL;
    }
    file->fd = fd;
    file->refs = 1;
    take(file, &st);
    return file;
}

bool vel_file_changed(const struct vel_file *file) {
    struct stat st;
    if (fstat(file->fd, &st) < 0 || st.st_nlink == 0)
        return true;
    return (uint64_t)st.st_size != file->size || st.st_mtim.tv_sec != file->mtime.tv_sec ||
           st.st_mtim.tv_nsec != file->mtime.tv_nsec;
}

void vel_file_release(struct vel_file *file) {
    if (file == NULL || --file->refs > 0)
        return;
    close(file->fd);
    vel_free(file);
}

/* Tests of src/files/file.c. */
#include "files/file.h"

#include "support/failmalloc.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int made(const char *text) {
    char name[] = "/tmp/velocem-file-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK_INT(unlink(name), 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void a_file_is_known_by_its_time_and_size(void) {
    int fd = made("hello");
    struct timespec times[2] = {{784111777, 5}, {784111777, 5}};
    CHECK_INT(futimens(fd, times), 0);
    struct vel_file *file = vel_file_new(fd);
    CHECK(file != NULL);
    CHECK_INT(file->size, 5);
    CHECK_INT(file->modified, 784111777);
    CHECK_SLICE(vel_slice(file->etag, file->etag_len), "\"ae1b981bc490a05-5\"");
    vel_file_release(vel_file_hold(file));
    vel_file_release(file);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    vel_file_release(NULL);
}

static void a_change_is_seen(void) {
    char name[] = "/tmp/velocem-file-XXXXXX";
    struct vel_file *file = vel_file_new(mkstemp(name));
    CHECK(file != NULL);
    CHECK(!vel_file_changed(file));
    CHECK_INT(write(file->fd, "x", 1), 1);
    CHECK(vel_file_changed(file));
    vel_file_release(file);
    file = vel_file_new(open(name, O_RDONLY));
    CHECK(file != NULL && !vel_file_changed(file));
    CHECK_INT(unlink(name), 0);
    CHECK(vel_file_changed(file));
    vel_file_release(file);
}

static void what_is_no_file_is_refused_and_closed(void) {
    int fd = open("/tmp", O_RDONLY), ends[2];
    CHECK(vel_file_new(fd) == NULL);
    CHECK_INT(errno, EISDIR);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    CHECK_INT(pipe(ends), 0);
    CHECK(vel_file_new(ends[0]) == NULL);
    CHECK_INT(errno, EACCES);
    close(ends[1]);
    fd = made("x");
    fail_malloc_at(1);
    CHECK(vel_file_new(fd) == NULL);
    fail_malloc_at(0);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
}

int main(void) {
    RUN(a_file_is_known_by_its_time_and_size);
    RUN(a_change_is_seen);
    RUN(what_is_no_file_is_refused_and_closed);
    return 0;
}

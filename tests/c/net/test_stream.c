/* Tests of net/stream.c. */
#include "net/stream.h"

#include "support/tcp.h"
#include "support/test.h"

#include <poll.h>

struct fixture {
    struct vel_stream near, far;
};

static void fixture_open(struct fixture *f) {
    int ends[2];
    tcp_pair(ends);
    f->near = (struct vel_stream){.ops = &vel_stream_plain, .fd = ends[0]};
    f->far = (struct vel_stream){.ops = &vel_stream_plain, .fd = ends[1]};
}

static void fixture_close(struct fixture *f) {
    close(f->near.fd);
    close(f->far.fd);
}

static ssize_t arrived(struct fixture *f, char *at, size_t len) {
    struct pollfd ask = {.fd = f->far.fd, .events = POLLIN};
    CHECK_INT(poll(&ask, 1, 10000), 1);
    return f->far.ops->read(&f->far, at, len);
}

static void what_is_written_arrives(void) {
    struct fixture f;
    char at[8];
    fixture_open(&f);
    CHECK_INT(f.near.ops->write(&f.near, "hello", 5, false), 5);
    CHECK_INT(arrived(&f, at, sizeof at), 5);
    CHECK(memcmp(at, "hello", 5) == 0);
    fixture_close(&f);
}

static void what_is_gathered_arrives(void) {
    struct fixture f;
    struct iovec iov[] = {{(char *)"ab", 2}, {(char *)"cd", 2}};
    char at[8];
    fixture_open(&f);
    CHECK_INT(f.near.ops->writev(&f.near, iov, 2, false), 4);
    CHECK_INT(arrived(&f, at, sizeof at), 4);
    CHECK(memcmp(at, "abcd", 4) == 0);
    fixture_close(&f);
}

static void a_file_arrives(void) {
    struct fixture f;
    char path[] = "/tmp/test_stream_XXXXXX", at[8];
    int file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    CHECK_INT(write(file, "0123", 4), 4);
    fixture_open(&f);
    CHECK_INT(f.near.ops->sendfile(&f.near, file, 1, 2), 2);
    CHECK_INT(arrived(&f, at, sizeof at), 2);
    CHECK(memcmp(at, "12", 2) == 0);
    fixture_close(&f);
    close(file);
}

static void nothing_is_pending_that_the_kernel_does_not_tell(void) {
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(f.near.ops->write(&f.near, "hello", 5, false), 5);
    CHECK_INT(f.far.ops->pending(&f.far), 0);
    fixture_close(&f);
}

int main(void) {
    RUN(what_is_written_arrives);
    RUN(what_is_gathered_arrives);
    RUN(a_file_arrives);
    RUN(nothing_is_pending_that_the_kernel_does_not_tell);
}

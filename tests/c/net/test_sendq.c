/* Tests of net/sendq.c, over a stream that takes what it is told to and over real sockets. */
#include "net/sendq.h"

#include "base/list.h"
#include "support/failmalloc.h"
#include "support/tcp.h"
#include "support/test.h"

#include <errno.h>
#include <poll.h>

#define CALLS_MAX 256

/* Takes at most bite bytes a call, room in all; keeps them at data. */
struct fake {
    struct vel_stream stream;
    char *data;
    size_t len, cap;
    size_t bite, room;
    bool lost; /* ERESET instead of EAGAIN when there is no room */
    bool refuse_files;
    int calls, sendfiles;
    bool more[CALLS_MAX];
    size_t parts[CALLS_MAX]; /* memory of one call; 0 for a file */
};

static struct fake *fake_of(struct vel_stream *s) {
    return VEL_CONTAINER(s, struct fake, stream);
}

static void note_call(struct fake *f, size_t parts, bool more) {
    if (f->calls < CALLS_MAX) {
        f->more[f->calls] = more;
        f->parts[f->calls] = parts;
    }
    f->calls++;
}

static ssize_t take_in(struct fake *f, const char *at, size_t len) {
    size_t n = len < f->bite ? len : f->bite;
    n = n < f->room ? n : f->room;
    if (n == 0)
        return f->lost ? VEL_ERESET : VEL_EAGAIN;
    CHECK(f->len + n <= f->cap);
    memcpy(f->data + f->len, at, n);
    f->len += n;
    f->room -= n;
    return (ssize_t)n;
}

static ssize_t fake_write(struct vel_stream *s, const char *at, size_t len, bool more) {
    CHECK(len > 0);
    note_call(fake_of(s), 1, more);
    return take_in(fake_of(s), at, len);
}

static ssize_t fake_writev(struct vel_stream *s, struct iovec *iov, size_t n, bool more) {
    struct fake *f = fake_of(s);
    size_t bite = f->bite;
    ssize_t sum = 0, got = 0;
    note_call(f, n, more);
    for (size_t i = 0; i < n && f->bite > 0 && got >= 0; i++) {
        if (iov[i].iov_len == 0)
            continue;
        got = take_in(f, iov[i].iov_base, iov[i].iov_len);
        if (got > 0) {
            sum += got;
            f->bite -= (size_t)got;
        }
    }
    f->bite = bite;
    return sum > 0 ? sum : got;
}

static ssize_t fake_sendfile(struct vel_stream *s, int file, int64_t offset, size_t len) {
    struct fake *f = fake_of(s);
    f->sendfiles++;
    if (f->refuse_files)
        return VEL_EINVAL;
    note_call(f, 0, false);
    char *bytes = malloc(len);
    CHECK(bytes);
    ssize_t n = pread(file, bytes, len, offset);
    CHECK(n >= 0);
    n = n == 0 ? VEL_EOF : take_in(f, bytes, (size_t)n);
    free(bytes);
    return n;
}

static const struct vel_stream_ops fake_ops = {
    .write = fake_write,
    .writev = fake_writev,
    .sendfile = fake_sendfile,
};

static void fake_open(struct fake *f, size_t cap) {
    *f = (struct fake){.stream.ops = &fake_ops, .cap = cap, .bite = SIZE_MAX, .room = SIZE_MAX};
    f->data = malloc(cap);
    CHECK(f->data);
}

static void fake_close(struct fake *f) {
    free(f->data);
}

static void check_data(const struct fake *f, const char *want) {
    CHECK_SLICE(vel_slice(f->data, f->len), want);
}

static void count_release(void *owner) {
    ++*(int *)owner;
}

static struct vel_loan loan(int *count) {
    return (struct vel_loan){.release = count_release, .owner = count};
}

static const struct vel_loan no_loan = {0};

static int file_of(const char *at, size_t len) {
    char path[] = "/tmp/test_sendq_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    CHECK_INT(write(fd, at, len), len);
    return fd;
}

/* Sparse. */
static int file_of_size(int64_t size) {
    int fd = file_of("", 0);
    CHECK_INT(ftruncate(fd, size), 0);
    return fd;
}

static void no_queue_is_an_empty_one(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent = 77;
    fake_open(&f, 1);
    CHECK_INT(vel_sendq_size(q), 0);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, 0);
    CHECK_INT(f.calls, 0);
    vel_sendq_drop(&q);
    fake_close(&f);
}

static void no_bytes_make_no_queue(void) {
    struct vel_sendq *q = NULL;
    CHECK_INT(vel_sendq_copy(&q, NULL, 0), VEL_OK);
    CHECK(q == NULL);
}

static void copied_bytes_need_not_stay(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    char bytes[] = "hello";
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_copy(&q, bytes, 5), VEL_OK);
    memset(bytes, 'x', 5);
    CHECK_INT(vel_sendq_size(q), 5);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK(q == NULL);
    CHECK_INT(sent, 5);
    check_data(&f, "hello");
    fake_close(&f);
}

static void small_copies_leave_as_one_block(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    fake_open(&f, 4096);
    for (int i = 0; i < 100; i++)
        CHECK_INT(vel_sendq_copy(&q, "0123456789", 10), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, 1000);
    CHECK_INT(f.calls, 1);
    CHECK_INT(f.parts[0], 1);
    fake_close(&f);
}

static void copies_of_every_size_come_out_whole(void) {
    static char bytes[20000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 % 251);
    for (size_t step = 1; step < sizeof bytes; step = step * 5 / 3 + 1) {
        struct vel_sendq *q = NULL;
        struct fake f;
        uint64_t sent;
        fake_open(&f, sizeof bytes);
        for (size_t at = 0; at < sizeof bytes; at += step)
            CHECK_INT(vel_sendq_copy(&q, bytes + at, at + step < sizeof bytes ? step : sizeof bytes - at), VEL_OK);
        CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
        CHECK_INT(f.len, sizeof bytes);
        CHECK(memcmp(f.data, bytes, sizeof bytes) == 0);
        fake_close(&f);
    }
}

static void a_copy_goes_behind_what_was_partly_sent(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_copy(&q, "abcd", 4), VEL_OK);
    f.room = 3;
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_EAGAIN);
    CHECK_INT(sent, 3);
    CHECK_INT(vel_sendq_copy(&q, "efg", 3), VEL_OK);
    CHECK_INT(vel_sendq_size(q), 4);
    f.room = SIZE_MAX;
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, 4);
    check_data(&f, "abcdefg");
    fake_close(&f);
}

struct mixed {
    struct vel_sendq *q;
    int file;
    int lent, filed; /* releases */
};

#define MIXED_TEXT "head|body|file|middle|empty:|end"

static void mixed_open(struct mixed *m) {
    *m = (struct mixed){.file = file_of("..file|..", 9)};
    CHECK_INT(vel_sendq_copy(&m->q, "head|", 5), VEL_OK);
    CHECK_INT(vel_sendq_lend(&m->q, "body|", 5, loan(&m->lent)), VEL_OK);
    CHECK_INT(vel_sendq_file(&m->q, m->file, 2, 5, loan(&m->filed)), VEL_OK);
    CHECK_INT(vel_sendq_copy(&m->q, "middle|", 7), VEL_OK);
    CHECK_INT(vel_sendq_lend(&m->q, "empty:", 6, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_lend(&m->q, NULL, 0, loan(&m->lent)), VEL_OK);
    CHECK_INT(vel_sendq_file(&m->q, m->file, 2, 0, loan(&m->filed)), VEL_OK);
    CHECK_INT(vel_sendq_copy(&m->q, "|end", 4), VEL_OK);
    CHECK_INT(vel_sendq_size(m->q), strlen(MIXED_TEXT));
}

static void flush_by_bites(size_t bite, bool refuse_files) {
    struct mixed m;
    struct fake f;
    uint64_t sent, sum = 0;
    int rc;
    mixed_open(&m);
    fake_open(&f, 64);
    f.bite = bite;
    f.refuse_files = refuse_files;
    while ((rc = vel_sendq_flush(&m.q, &f.stream, &sent)) == VEL_EAGAIN) {
        CHECK(sent > 0);
        sum += sent;
        CHECK_INT(sum, f.len);
        CHECK_INT(vel_sendq_size(m.q), strlen(MIXED_TEXT) - sum);
    }
    CHECK_INT(rc, VEL_OK);
    CHECK_INT(sum + sent, strlen(MIXED_TEXT));
    CHECK(m.q == NULL);
    check_data(&f, MIXED_TEXT);
    CHECK_INT(m.lent, 2);
    CHECK_INT(m.filed, 2);
    fake_close(&f);
    close(m.file);
}

static void any_partial_write_keeps_the_order(void) {
    for (size_t bite = 1; bite <= strlen(MIXED_TEXT); bite++) {
        flush_by_bites(bite, false);
        flush_by_bites(bite, true);
    }
}

/* The stream is full at every byte in turn, then takes the rest. */
static void a_stop_at_any_byte_keeps_the_order(void) {
    for (size_t room = 0; room < strlen(MIXED_TEXT); room++) {
        struct mixed m;
        struct fake f;
        uint64_t sent;
        mixed_open(&m);
        fake_open(&f, 64);
        f.room = room;
        CHECK_INT(vel_sendq_flush(&m.q, &f.stream, &sent), VEL_EAGAIN);
        CHECK_INT(sent, room);
        CHECK_INT(m.lent, (room >= 10) + (room >= 28));
        CHECK_INT(m.filed, (room >= 15) + (room >= 28));
        f.room = SIZE_MAX;
        CHECK_INT(vel_sendq_flush(&m.q, &f.stream, &sent), VEL_OK);
        CHECK_INT(sent, strlen(MIXED_TEXT) - room);
        check_data(&f, MIXED_TEXT);
        CHECK_INT(m.lent, 2);
        CHECK_INT(m.filed, 2);
        fake_close(&f);
        close(m.file);
    }
}

static void a_drop_at_any_byte_releases_once(void) {
    for (size_t room = 0; room < strlen(MIXED_TEXT); room++) {
        struct mixed m;
        struct fake f;
        uint64_t sent;
        mixed_open(&m);
        fake_open(&f, 64);
        f.room = room;
        CHECK_INT(vel_sendq_flush(&m.q, &f.stream, &sent), VEL_EAGAIN);
        vel_sendq_drop(&m.q);
        CHECK(m.q == NULL);
        CHECK_INT(m.lent, 2);
        CHECK_INT(m.filed, 2);
        fake_close(&f);
        close(m.file);
    }
}

static void memory_is_gathered_up_to_64_parts(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    fake_open(&f, 256);
    for (int i = 0; i < 65; i++)
        CHECK_INT(vel_sendq_lend(&q, "ab", 2, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(f.calls, 2);
    CHECK_INT(f.parts[0], 64);
    CHECK_INT(f.parts[1], 1);
    CHECK(f.more[0]);
    CHECK(!f.more[1]);
    fake_close(&f);
}

static void memory_before_a_file_says_that_more_follows(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    int file = file_of("file", 4);
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_copy(&q, "head", 4), VEL_OK);
    CHECK_INT(vel_sendq_file(&q, file, 0, 4, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_copy(&q, "tail", 4), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    check_data(&f, "headfiletail");
    CHECK_INT(f.calls, 3);
    CHECK(f.more[0]);
    CHECK(!f.more[2]);
    fake_close(&f);
    close(file);
}

/* Nothing comes after an empty file that could end the wait for more. */
static void memory_before_an_empty_file_does_not(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_copy(&q, "head", 4), VEL_OK);
    CHECK_INT(vel_sendq_file(&q, -1, 0, 0, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(f.calls, 1);
    CHECK(!f.more[0]);
    fake_close(&f);
}

static void an_empty_loan_alone_is_released_by_the_flush(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    int released = 0;
    fake_open(&f, 1);
    CHECK_INT(vel_sendq_lend(&q, "", 0, loan(&released)), VEL_OK);
    CHECK_INT(released, 0);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(released, 1);
    CHECK(q == NULL);
    CHECK_INT(f.calls, 0);
    fake_close(&f);
}

struct owner {
    struct vel_sendq **q;
    int released;
};

static void drop_queue(void *arg) {
    struct owner *owner = arg;
    owner->released++;
    vel_sendq_drop(owner->q);
}

static void a_release_may_drop_the_queue(void) {
    for (size_t room = 2; room <= 5; room++) {
        struct vel_sendq *q = NULL;
        struct fake f;
        struct owner a = {.q = &q}, b = {.q = &q};
        uint64_t sent;
        fake_open(&f, 16);
        CHECK_INT(vel_sendq_lend(&q, "ab", 2, (struct vel_loan){drop_queue, &a}), VEL_OK);
        CHECK_INT(vel_sendq_lend(&q, "cd", 2, (struct vel_loan){drop_queue, &b}), VEL_OK);
        CHECK_INT(vel_sendq_copy(&q, "e", 1), VEL_OK);
        f.room = room;
        CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), room < 5 ? VEL_EAGAIN : VEL_OK);
        CHECK_INT(sent, room);
        CHECK(q == NULL);
        CHECK_INT(a.released, 1);
        CHECK_INT(b.released, 1);
        fake_close(&f);
    }
}

static void fill_queue(void *arg) {
    struct owner *owner = arg;
    owner->released++;
    CHECK_INT(vel_sendq_copy(owner->q, "new", 3), VEL_OK);
}

static void a_release_may_fill_the_queue(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    struct owner owner = {.q = &q};
    uint64_t sent;
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_lend(&q, "old", 3, (struct vel_loan){fill_queue, &owner}), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, 3);
    CHECK_INT(vel_sendq_size(q), 3);
    CHECK_INT(vel_sendq_lend(&q, "old", 3, (struct vel_loan){fill_queue, &owner}), VEL_OK);
    vel_sendq_drop(&q);
    CHECK_INT(owner.released, 2);
    CHECK_INT(vel_sendq_size(q), 3);
    vel_sendq_drop(&q);
    fake_close(&f);
}

static void a_lost_connection_keeps_what_is_not_released(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    int first = 0, second = 0;
    fake_open(&f, 16);
    CHECK_INT(vel_sendq_lend(&q, "ab", 2, loan(&first)), VEL_OK);
    CHECK_INT(vel_sendq_lend(&q, "cd", 2, loan(&second)), VEL_OK);
    f.room = 2;
    f.lost = true;
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_EAGAIN); /* a short write */
    CHECK_INT(sent, 2);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_ERESET);
    CHECK_INT(sent, 0);
    CHECK_INT(first, 1);
    CHECK_INT(second, 0);
    vel_sendq_drop(&q);
    CHECK_INT(first, 1);
    CHECK_INT(second, 1);
    fake_close(&f);
}

static void check_flush_is_bounded(struct vel_sendq *q, bool refuse_files) {
    struct fake f;
    uint64_t sent, most = (uint64_t)2 << 20;
    fake_open(&f, (size_t)5 << 20);
    f.refuse_files = refuse_files;
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_EAGAIN);
    CHECK_INT(sent, most);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_EAGAIN);
    CHECK_INT(sent, most);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, most / 2);
    fake_close(&f);
}

static void one_flush_takes_at_most_2_mib(void) {
    size_t size = (size_t)5 << 20;
    int file = file_of_size((int64_t)size);
    char *big = calloc(1, size);
    CHECK(big);
    struct vel_sendq *lent = NULL, *filed = NULL, *read = NULL;
    CHECK_INT(vel_sendq_lend(&lent, big, size, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_file(&filed, file, 0, size, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_file(&read, file, 0, size, no_loan), VEL_OK);
    check_flush_is_bounded(lent, false);
    check_flush_is_bounded(filed, false);
    check_flush_is_bounded(read, true);
    close(file);
    free(big);
}

static void a_file_that_cannot_be_sent_is_read_in_chunks(void) {
    enum { SIZE = (64 << 10) * 2 + 1 };
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    int file = file_of_size(SIZE), released = 0;
    CHECK_INT(pwrite(file, "a", 1, 0), 1);
    CHECK_INT(pwrite(file, "z", 1, SIZE - 1), 1);
    fake_open(&f, SIZE);
    f.refuse_files = true;
    CHECK_INT(vel_sendq_file(&q, file, 0, SIZE, loan(&released)), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    CHECK_INT(sent, SIZE);
    CHECK(f.data[0] == 'a' && f.data[SIZE - 1] == 'z');
    CHECK_INT(f.calls, 3);
    CHECK(f.more[0] && f.more[1] && !f.more[2]);
    CHECK_INT(f.sendfiles, 1); /* once refused is not asked again */
    CHECK_INT(released, 1);
    fake_close(&f);
    close(file);
}

static void a_file_that_ends_early_is_an_error(void) {
    for (int refuse = 0; refuse < 2; refuse++) {
        struct vel_sendq *q = NULL;
        struct fake f;
        uint64_t sent;
        int file = file_of("0123", 4), released = 0;
        fake_open(&f, 16);
        f.refuse_files = refuse;
        CHECK_INT(vel_sendq_file(&q, file, 1, 4, loan(&released)), VEL_OK);
        errno = 0;
        CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_ESYS);
        CHECK_INT(errno, EIO);
        CHECK_INT(sent, 3);
        check_data(&f, "123");
        CHECK_INT(released, 0);
        vel_sendq_drop(&q);
        CHECK_INT(released, 1);
        fake_close(&f);
        close(file);
    }
}

static void spoil_errno(void *owner) {
    (void)owner;
    errno = 77;
}

static void a_file_that_cannot_be_read_is_an_error(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    fake_open(&f, 16);
    f.refuse_files = true;
    CHECK_INT(vel_sendq_lend(&q, "head", 4, (struct vel_loan){.release = spoil_errno}), VEL_OK);
    CHECK_INT(vel_sendq_file(&q, -1, 0, 4, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_ESYS);
    CHECK_INT(errno, EBADF);
    CHECK_INT(sent, 4);
    vel_sendq_drop(&q);
    fake_close(&f);
}

static void reading_a_file_needs_memory(void) {
    struct vel_sendq *q = NULL;
    struct fake f;
    uint64_t sent;
    int file = file_of("0123", 4);
    fake_open(&f, 16);
    f.refuse_files = true;
    CHECK_INT(vel_sendq_file(&q, file, 0, 4, no_loan), VEL_OK);
    fail_malloc_at(1);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_ESYS);
    CHECK(fail_malloc_hit());
    fail_malloc_at(0);
    CHECK_INT(errno, ENOMEM);
    CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
    check_data(&f, "0123");
    fake_close(&f);
    close(file);
}

static int add(struct vel_sendq **q, int kind, int *released) {
    if (kind == 0)
        return vel_sendq_copy(q, "copy", 4);
    if (kind == 1)
        return vel_sendq_lend(q, "lent", 4, loan(released));
    return vel_sendq_file(q, -1, 0, 4, loan(released));
}

static void a_failed_first_use_makes_no_queue(void) {
    for (int kind = 0; kind < 3; kind++)
        for (unsigned long n = 1; fail_malloc_next(n); n++) {
            struct vel_sendq *q = NULL;
            int released = 0;
            int rc = add(&q, kind, &released);
            CHECK_INT(rc, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
            CHECK((q != NULL) == (rc == VEL_OK));
            vel_sendq_drop(&q);
            CHECK_INT(released, rc == VEL_OK && kind > 0);
        }
}

static void a_failed_later_use_changes_nothing(void) {
    static char big[8192];
    for (int kind = 0; kind < 3; kind++) {
        struct vel_sendq *q = NULL;
        struct fake f;
        uint64_t sent;
        int released = 0;
        fake_open(&f, 64);
        CHECK_INT(vel_sendq_copy(&q, "old", 3), VEL_OK);
        fail_malloc_at(1);
        CHECK_INT(kind == 0 ? vel_sendq_copy(&q, big, sizeof big) : add(&q, kind, &released), VEL_ENOMEM);
        CHECK(fail_malloc_hit());
        fail_malloc_at(0);
        CHECK_INT(vel_sendq_size(q), 3);
        CHECK_INT(vel_sendq_flush(&q, &f.stream, &sent), VEL_OK);
        check_data(&f, "old");
        CHECK_INT(released, 0);
        fake_close(&f);
    }
}

static char *receive(int fd, size_t len, size_t *have, char *into) {
    ssize_t n;
    while (*have < len && (n = vel_sock_read(fd, into + *have, len - *have)) != VEL_EAGAIN) {
        CHECK(n > 0);
        *have += (size_t)n;
    }
    return into;
}

/* A socket's buffer is small, so that it is full many times at places of the kernel's choice. */
static void a_real_socket_gets_everything_in_order(void) {
    enum { PART = 100000, PARTS = 9 };
    int ends[2], small = 4096, released = 0;
    char *part = malloc(PART), *got = malloc((size_t)PART * PARTS);
    CHECK(part && got);
    for (size_t i = 0; i < PART; i++)
        part[i] = (char)(i * 31 % 251);
    int file = file_of(part, PART);
    tcp_pair(ends);
    CHECK_INT(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    struct vel_stream s = {.ops = &vel_stream_plain, .fd = ends[0]};
    struct vel_sendq *q = NULL;
    for (int i = 0; i < PARTS; i += 3) {
        CHECK_INT(vel_sendq_copy(&q, part, PART), VEL_OK);
        CHECK_INT(vel_sendq_lend(&q, part, PART, loan(&released)), VEL_OK);
        CHECK_INT(vel_sendq_file(&q, file, 0, PART, loan(&released)), VEL_OK);
    }
    size_t have = 0;
    uint64_t sent, sum = 0;
    int full = 0;
    while (vel_sendq_flush(&q, &s, &sent) == VEL_EAGAIN) {
        sum += sent;
        full++;
        struct pollfd ask = {.fd = ends[1], .events = POLLIN};
        CHECK_INT(poll(&ask, 1, 10000), 1);
        receive(ends[1], PART * PARTS, &have, got);
        CHECK_INT(vel_sock_wait_writable(ends[0], 10000), VEL_OK);
    }
    CHECK(q == NULL);
    CHECK(full > 0);
    CHECK_INT(sum + sent, PART * PARTS);
    while (have < PART * PARTS) {
        struct pollfd ask = {.fd = ends[1], .events = POLLIN};
        CHECK_INT(poll(&ask, 1, 10000), 1);
        receive(ends[1], PART * PARTS, &have, got);
    }
    for (int i = 0; i < PARTS; i++)
        CHECK(memcmp(got + (size_t)i * PART, part, PART) == 0);
    CHECK_INT(released, PARTS / 3 * 2);
    close(file);
    close(ends[0]);
    close(ends[1]);
    free(part);
    free(got);
}

static void a_reset_socket_is_told(void) {
    int ends[2];
    tcp_pair(ends);
    struct vel_stream s = {.ops = &vel_stream_plain, .fd = ends[0]};
    struct vel_sendq *q = NULL;
    uint64_t sent;
    tcp_reset(ends[1]);
    CHECK_INT(vel_sock_wait_writable(ends[0], -1), VEL_ERESET);
    CHECK_INT(vel_sendq_copy(&q, "late", 4), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &s, &sent), VEL_ERESET);
    CHECK_INT(sent, 0);
    CHECK_INT(vel_sendq_size(q), 4);
    vel_sendq_drop(&q);
    close(ends[0]);
}

/* A pipe can neither be sent by sendfile(2) nor read at an offset. */
static void what_has_no_offset_is_an_error(void) {
    int ends[2], pipe_ends[2];
    tcp_pair(ends);
    CHECK_INT(pipe(pipe_ends), 0);
    struct vel_stream s = {.ops = &vel_stream_plain, .fd = ends[0]};
    struct vel_sendq *q = NULL;
    uint64_t sent;
    CHECK_INT(vel_sendq_file(&q, pipe_ends[0], 0, 1, no_loan), VEL_OK);
    CHECK_INT(vel_sendq_flush(&q, &s, &sent), VEL_ESYS);
    CHECK_INT(errno, ESPIPE);
    vel_sendq_drop(&q);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    RUN(no_queue_is_an_empty_one);
    RUN(no_bytes_make_no_queue);
    RUN(copied_bytes_need_not_stay);
    RUN(small_copies_leave_as_one_block);
    RUN(copies_of_every_size_come_out_whole);
    RUN(a_copy_goes_behind_what_was_partly_sent);
    RUN(any_partial_write_keeps_the_order);
    RUN(a_stop_at_any_byte_keeps_the_order);
    RUN(a_drop_at_any_byte_releases_once);
    RUN(memory_is_gathered_up_to_64_parts);
    RUN(memory_before_a_file_says_that_more_follows);
    RUN(memory_before_an_empty_file_does_not);
    RUN(an_empty_loan_alone_is_released_by_the_flush);
    RUN(a_release_may_drop_the_queue);
    RUN(a_release_may_fill_the_queue);
    RUN(a_lost_connection_keeps_what_is_not_released);
    RUN(one_flush_takes_at_most_2_mib);
    RUN(a_file_that_cannot_be_sent_is_read_in_chunks);
    RUN(a_file_that_ends_early_is_an_error);
    RUN(a_file_that_cannot_be_read_is_an_error);
    RUN(reading_a_file_needs_memory);
    RUN(a_failed_first_use_makes_no_queue);
    RUN(a_failed_later_use_changes_nothing);
    RUN(a_real_socket_gets_everything_in_order);
    RUN(a_reset_socket_is_told);
    RUN(what_has_no_offset_is_an_error);
}

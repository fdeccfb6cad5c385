/* Tests of server/output.c, over a stream that takes what it is told to. */
#include "server/output.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/test.h"

#include <unistd.h>

#define ROOM_FOR_ALL ((size_t)1 << 22)

static struct host host;
static struct client client;
static struct vel_conn *conn;
static int file = -1;

/* The stream: takes room bytes, then is full or lost. */
static char taken[ROOM_FOR_ALL];
static size_t taken_len, room;
static bool is_lost;
static int calls;

static ssize_t take(const char *at, size_t len) {
    size_t n = len < room ? len : room;
    if (n == 0)
        return is_lost ? VEL_ERESET : VEL_EAGAIN;
    memcpy(taken + taken_len, at, n);
    taken_len += n;
    room -= n;
    return (ssize_t)n;
}

static ssize_t fake_write(struct vel_stream *s, const char *at, size_t len, bool more) {
    (void)s, (void)more;
    calls++;
    return take(at, len);
}

static ssize_t fake_writev(struct vel_stream *s, struct iovec *iov, size_t n, bool more) {
    (void)s, (void)more;
    ssize_t sum = 0;
    calls++;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len == 0)
            continue;
        ssize_t got = take(iov[i].iov_base, iov[i].iov_len);
        if (got < 0)
            return sum > 0 ? sum : got;
        sum += got;
        if ((size_t)got < iov[i].iov_len)
            break;
    }
    return sum;
}

static ssize_t fake_sendfile(struct vel_stream *s, int fd, int64_t offset, size_t len) {
    static char piece[65536];
    (void)s;
    calls++;
    if (room == 0)
        return is_lost ? VEL_ERESET : VEL_EAGAIN;
    ssize_t n = pread(fd, piece, len < sizeof piece ? len : sizeof piece, offset);
    return n > 0 ? take(piece, (size_t)n) : VEL_EOF;
}

static const struct vel_stream_ops fake_ops = {.write = fake_write, .writev = fake_writev, .sendfile = fake_sendfile};

static int returned;

static void give_back(void *owner) {
    CHECK(owner == &returned);
    returned++;
}

static const struct vel_loan loan = {give_back, &returned};

static void start(size_t with_room) {
    host_init(&host);
    host_start(&host);
    client_open(&host, &client, NULL);
    conn = host_conn(&host);
    conn->stream.ops = &fake_ops;
    taken_len = 0;
    room = with_room;
    is_lost = false;
    calls = returned = 0;
}

static void stop(void) {
    host.w.out_len = 0;
    host_stop(&host);
    close(client.fd);
}

static void check_taken(const char *want) {
    CHECK_SLICE(vel_slice(taken, taken_len), want);
}

static int copy(const char *text) {
    return vel_output_copy(conn, vel_slice(text, strlen(text)));
}

/* Takes the rest as a writable socket would. */
static void take_the_rest(void) {
    room = ROOM_FOR_ALL - taken_len;
    CHECK_INT(vel_output_flush(conn), VEL_OK);
    CHECK(conn->owed == NULL);
    CHECK_INT(host.w.out_len, 0);
}

static char pattern(size_t i) {
    return (char)('a' + i % 23);
}

static char many[400000];

static void check_many(size_t at, size_t len) {
    CHECK(taken_len >= at + len);
    CHECK(memcmp(taken + at, many, len) == 0);
}

static void small_pieces_are_gathered(void) {
    start(ROOM_FOR_ALL);
    copy("one ");
    copy("two ");
    copy("three");
    CHECK_INT(calls, 0);
    CHECK_INT(vel_output_flush(conn), VEL_OK);
    CHECK_INT(calls, 1);
    check_taken("one two three");
    CHECK_INT(vel_output_flush(conn), VEL_OK);
    CHECK_INT(calls, 1);
    stop();
}

static void a_full_stage_is_sent(void) {
    start(ROOM_FOR_ALL);
    char *at = vel_output_stage(conn, VEL_STAGE_MAX);
    CHECK(at == host.w.out);
    memcpy(at, many, VEL_STAGE_MAX);
    vel_output_staged(conn, VEL_STAGE_MAX);
    CHECK_INT(calls, 0);
    CHECK(vel_output_stage(conn, 1) == host.w.out);
    CHECK_INT(calls, 1);
    check_many(0, VEL_STAGE_MAX);
    CHECK(vel_output_stage(conn, VEL_STAGE_MAX + 1) == NULL);
    stop();
}

static void a_long_copy_is_sent_piece_by_piece(void) {
    start(ROOM_FOR_ALL);
    CHECK_INT(vel_output_copy(conn, vel_slice(many, sizeof many)), VEL_OK);
    CHECK_INT(vel_output_flush(conn), VEL_OK);
    CHECK_INT(taken_len, sizeof many);
    check_many(0, sizeof many);
    stop();
}

static void what_the_kernel_does_not_take_is_owed_in_order(void) {
    start(5);
    copy("one two ");
    CHECK_INT(vel_output_flush(conn), VEL_EAGAIN);
    CHECK_INT(vel_sendq_size(conn->owed), 3);
    copy("three");
    CHECK_INT(vel_output_flush(conn), VEL_EAGAIN);
    CHECK_INT(vel_sendq_size(conn->owed), 8);
    take_the_rest();
    check_taken("one two three");
    stop();
}

static void a_full_kernel_owes_everything(void) {
    start(0);
    copy("abc");
    CHECK_INT(vel_output_flush(conn), VEL_EAGAIN);
    CHECK_INT(vel_sendq_size(conn->owed), 3);
    take_the_rest();
    check_taken("abc");
    stop();
}

/* Head, loan, tail: wherever the kernel stops, the bytes are the same and the loan comes back once. */
static void a_loan_cut_anywhere(void) {
    for (size_t cut = 0; cut <= 20 + 1000; cut += cut < 30 || cut > 990 ? 1 : 97) {
        start(cut);
        copy("0123456789");
        CHECK_INT(vel_output_lend(conn, vel_slice(many, 1000), loan), VEL_OK);
        CHECK_INT(returned, cut >= 1010 ? 1 : 0);
        copy("9876543210");
        CHECK_INT(vel_output_flush(conn), cut >= 1020 ? VEL_OK : VEL_EAGAIN);
        take_the_rest();
        CHECK_INT(returned, 1);
        CHECK_INT(taken_len, 1020);
        CHECK(memcmp(taken, "0123456789", 10) == 0 && memcmp(taken + 1010, "9876543210", 10) == 0);
        check_many(10, 1000);
        stop();
    }
}

static void a_file_cut_anywhere(void) {
    for (size_t cut = 0; cut <= 40; cut++) {
        start(cut);
        copy("0123456789");
        CHECK_INT(vel_output_file(conn, file, 5, 20, loan), VEL_OK);
        copy("9876543210");
        vel_output_flush(conn);
        take_the_rest();
        CHECK_INT(returned, 1);
        CHECK_INT(taken_len, 40);
        CHECK(memcmp(taken, "0123456789", 10) == 0 && memcmp(taken + 30, "9876543210", 10) == 0);
        CHECK(memcmp(taken + 10, many + 5, 20) == 0);
        stop();
    }
}

static void a_loan_and_a_file_behind_what_is_owed(void) {
    start(0);
    copy("a");
    vel_output_flush(conn);
    copy("b");
    CHECK_INT(vel_output_lend(conn, vel_slice(many, 20000), loan), VEL_OK);
    copy("c");
    CHECK_INT(vel_output_file(conn, file, 0, 3, loan), VEL_OK);
    copy("d");
    CHECK_INT(vel_output_flush(conn), VEL_EAGAIN);
    CHECK_INT(returned, 0);
    take_the_rest();
    CHECK_INT(returned, 2);
    CHECK(taken[0] == 'a' && taken[1] == 'b' && memcmp(taken + 20002, "cabcd", 5) == 0);
    stop();
}

static void loans_that_wait_come_back_with_the_connection(void) {
    start(0);
    vel_output_lend(conn, vel_slice(many, 20000), loan);
    vel_output_file(conn, file, 0, 3, loan);
    CHECK_INT(returned, 0);
    stop();
    CHECK_INT(returned, 2);
}

static void a_lost_connection_takes_loans_and_gives_them_back(void) {
    start(0);
    is_lost = true;
    copy("abc");
    CHECK_INT(vel_output_lend(conn, vel_slice(many, 20000), loan), VEL_OK);
    CHECK_INT(returned, 1);
    CHECK_INT(conn->fate, VEL_FATE_CUT);
    CHECK_INT(vel_output_lend(conn, vel_slice(many, 20000), loan), VEL_OK);
    CHECK_INT(vel_output_file(conn, file, 0, 3, loan), VEL_OK);
    CHECK_INT(returned, 3);
    CHECK_INT(vel_output_flush(conn), VEL_ERESET);
    stop();
    CHECK_INT(returned, 3);
}

static void a_lost_connection_is_told_by_flush(void) {
    start(0);
    is_lost = true;
    copy("abc");
    CHECK_INT(vel_output_flush(conn), VEL_ERESET);
    CHECK_INT(host.w.out_len, 0);
    CHECK_INT(conn->fate, VEL_FATE_CUT);
    stop();
}

/* What follows would be taken for what is missing. */
static void behind_a_hole_nothing_is_sent(void) {
    start(0);
    copy("abc");
    fail_malloc_at(1);
    CHECK_INT(vel_output_flush(conn), VEL_ENOMEM);
    fail_malloc_at(0);
    room = ROOM_FOR_ALL;
    CHECK_INT(vel_output_copy(conn, vel_slice(many, sizeof many)), VEL_OK);
    CHECK_INT(vel_output_lend(conn, vel_slice(many, 20000), loan), VEL_OK);
    CHECK_INT(vel_output_file(conn, file, 0, 10, loan), VEL_OK);
    CHECK_INT(vel_output_flush(conn), VEL_ERESET);
    CHECK_INT(taken_len, 0);
    CHECK_INT(returned, 2);
    stop();
}

/* The loan is the caller's when VEL_ENOMEM is returned, else it comes back once. */
static void each_allocation_may_fail(void) {
    bool hit = true;
    for (unsigned long n = 1; hit; n++) {
        int lent = 0;
        start(15);
        fail_malloc_at(n);
        copy("0123456789");
        lent += vel_output_lend(conn, vel_slice(many, 20000), loan) != VEL_ENOMEM;
        copy("abc");
        lent += vel_output_file(conn, file, 0, 30, loan) != VEL_ENOMEM;
        copy("def");
        vel_output_flush(conn);
        hit = fail_malloc_hit();
        fail_malloc_at(0);
        CHECK(!hit || conn->fate == VEL_FATE_CUT);
        CHECK(taken_len <= 15 && memcmp(taken, "0123456789abcde", taken_len) == 0);
        stop();
        CHECK_INT(returned, lent);
    }
}

int main(void) {
    char name[] = "/tmp/velocem-test-XXXXXX";
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = pattern(i);
    file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0 && write(file, many, 1000) == 1000);
    RUN(small_pieces_are_gathered);
    RUN(a_full_stage_is_sent);
    RUN(a_long_copy_is_sent_piece_by_piece);
    RUN(what_the_kernel_does_not_take_is_owed_in_order);
    RUN(a_full_kernel_owes_everything);
    RUN(a_loan_cut_anywhere);
    RUN(a_file_cut_anywhere);
    RUN(a_loan_and_a_file_behind_what_is_owed);
    RUN(loans_that_wait_come_back_with_the_connection);
    RUN(a_lost_connection_takes_loans_and_gives_them_back);
    RUN(a_lost_connection_is_told_by_flush);
    RUN(behind_a_hole_nothing_is_sent);
    RUN(each_allocation_may_fail);
    close(file);
    return 0;
}

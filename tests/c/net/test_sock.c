/* Tests of net/sock.c. */
#include "net/sock.h"

#include "support/tcp.h"
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

/* Waits until the kernel has told fd what the other end did. */
static void wait_for(int fd, short events) {
    struct pollfd ask = {.fd = fd, .events = events};
    CHECK_INT(poll(&ask, 1, 10000), 1);
}

static void fill(int fd) {
    static const char bytes[65536];
    ssize_t n;
    while ((n = vel_sock_write(fd, bytes, sizeof bytes, false)) > 0)
        ;
    CHECK_INT(n, VEL_EAGAIN);
}

static int file_of(const char *at, size_t len) {
    char path[] = "/tmp/test_sock_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    CHECK_INT(write(fd, at, len), len);
    return fd;
}

static void accept_gives_a_non_blocking_private_descriptor_and_the_peer(void) {
    struct sockaddr_in at, from;
    socklen_t len = sizeof from;
    union vel_addr peer;
    int listener = tcp_listen(&at), client = tcp_connect(&at);
    wait_for(listener, POLLIN);
    int fd = vel_sock_accept(listener, &peer);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(getsockname(client, (struct sockaddr *)&from, &len), 0);
    CHECK_INT(vel_addr_port(&peer), ntohs(from.sin_port));
    CHECK(peer.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK_INT(vel_sock_accept(listener, &peer), VEL_EAGAIN);
    close(fd);
    close(client);
    close(listener);
}

static void accept_from_a_unix_socket_gives_a_peer_without_port(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    union vel_addr peer;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                (size_t)snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "test_sock.%d.%s",
                                                 (int)getpid(), "a name longer than a peer's address") +
                                1);
    CHECK_INT(bind(listener, (struct sockaddr *)&at, len), 0);
    CHECK_INT(listen(listener, 1), 0);
    at.sun_path[1] = 'c';
    CHECK_INT(bind(client, (struct sockaddr *)&at, len), 0);
    at.sun_path[1] = 't';
    CHECK_INT(connect(client, (struct sockaddr *)&at, len), 0);
    int fd = vel_sock_accept(listener, &peer);
    CHECK(fd >= 0);
    CHECK_INT(peer.any.sa_family, AF_UNIX);
    CHECK_INT(vel_addr_port(&peer), 0);
    close(fd);
    close(client);
    close(listener);
}

static void accept_need_not_ask_who_it_is(void) {
    struct sockaddr_in at;
    int listener = tcp_listen(&at), client = tcp_connect(&at);
    wait_for(listener, POLLIN);
    int fd = vel_sock_accept(listener, NULL);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK_INT(vel_sock_accept(listener, NULL), VEL_EAGAIN);
    close(fd);
    close(client);
    close(listener);
}

static void accept_on_what_does_not_listen_is_an_error(void) {
    union vel_addr peer;
    int ends[2];
    tcp_pair(ends);
    CHECK_INT(vel_sock_accept(ends[0], &peer), VEL_ESYS);
    CHECK_INT(vel_sock_accept(-1, &peer), VEL_ESYS);
    CHECK_INT(errno, EBADF);
    close(ends[0]);
    close(ends[1]);
}

static void accept_without_descriptors_is_a_limit(void) {
    struct sockaddr_in at;
    int listener = tcp_listen(&at), client = tcp_connect(&at);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        union vel_addr peer;
        struct rlimit none = {0, 0};
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
        CHECK_INT(vel_sock_accept(listener, &peer), VEL_ELIMIT);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    close(client);
    close(listener);
}

static void read_tells_bytes_nothing_and_end_apart(void) {
    int ends[2];
    char at[8];
    tcp_pair(ends);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), VEL_EAGAIN);
    CHECK_INT(vel_sock_write(ends[1], "hello", 5, false), 5);
    vel_sock_shutdown(ends[1]);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), 5);
    CHECK(memcmp(at, "hello", 5) == 0);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), VEL_EOF);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), VEL_EOF);
    close(ends[0]);
    close(ends[1]);
}

static void after_shutdown_the_other_direction_still_works(void) {
    int ends[2];
    char at[8];
    tcp_pair(ends);
    vel_sock_shutdown(ends[0]);
    CHECK_INT(vel_sock_write(ends[0], "x", 1, false), VEL_ERESET);
    CHECK_INT(vel_sock_write(ends[1], "yes", 3, false), 3);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), 3);
    close(ends[0]);
    close(ends[1]);
}

static void a_reset_is_told_to_reader_and_writer(void) {
    int ends[2];
    char at[8];
    tcp_pair(ends);
    vel_sock_reset_on_close(ends[1]);
    close(ends[1]);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), VEL_ERESET);
    CHECK_INT(vel_sock_write(ends[0], "x", 1, false), VEL_ERESET);
    close(ends[0]);
}

static void the_end_is_everybodys_who_holds_the_socket(void) {
    for (int reset = 0; reset < 2; reset++) {
        int ends[2];
        char at[8];
        tcp_pair(ends);
        int copy = dup(ends[1]);
        vel_sock_end(ends[1], reset);
        close(ends[1]);
        wait_for(ends[0], POLLIN);
        CHECK_INT(vel_sock_read(ends[0], at, sizeof at), reset ? VEL_ERESET : VEL_EOF);
        close(copy);
        close(ends[0]);
    }
}

static void unread_data_at_a_plain_close_resets_the_peer(void) {
    int ends[2];
    char at[8];
    tcp_pair(ends);
    CHECK_INT(vel_sock_write(ends[0], "unread", 6, false), 6);
    wait_for(ends[1], POLLIN);
    close(ends[1]);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_read(ends[0], at, sizeof at), VEL_ERESET);
    close(ends[0]);
}

/* With the signal's default action this would end the process. */
static void writing_to_a_closed_peer_raises_no_signal(void) {
    int ends[2];
    struct iovec iov = {.iov_base = (char *)"x", .iov_len = 1};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);
    CHECK_INT(vel_sock_write(ends[0], "x", 1, false), VEL_ERESET);
    CHECK_INT(vel_sock_write(ends[0], "x", 1, true), VEL_ERESET);
    CHECK_INT(vel_sock_writev(ends[0], &iov, 1, false), VEL_ERESET);
    CHECK_INT(vel_sock_writev(ends[0], &iov, 1, true), VEL_ERESET);
    close(ends[0]);
}

static void a_full_socket_takes_less_then_nothing(void) {
    int ends[2], small = 4096;
    size_t len = (size_t)8 << 20;
    char *big = calloc(1, len);
    CHECK(big);
    tcp_pair(ends);
    CHECK_INT(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    ssize_t n = vel_sock_write(ends[0], big, len, false);
    CHECK(n > 0 && (size_t)n < len);
    fill(ends[0]);
    struct iovec iov = {.iov_base = big, .iov_len = len};
    CHECK_INT(vel_sock_writev(ends[0], &iov, 1, false), VEL_EAGAIN);
    close(ends[0]);
    close(ends[1]);
    free(big);
}

static void writev_gathers_in_order(void) {
    int ends[2];
    char at[16];
    struct iovec iov[] = {{(char *)"one ", 4}, {NULL, 0}, {(char *)"two ", 4}, {(char *)"three", 5}};
    tcp_pair(ends);
    CHECK_INT(vel_sock_writev(ends[0], iov, 4, false), 13);
    wait_for(ends[1], POLLIN);
    CHECK_INT(vel_sock_read(ends[1], at, sizeof at), 13);
    CHECK(memcmp(at, "one two three", 13) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void writev_of_more_than_the_kernel_takes_sends_the_front(void) {
    int ends[2];
    struct iovec iov[1025];
    tcp_pair(ends);
    for (size_t i = 0; i < 1025; i++)
        iov[i] = (struct iovec){(char *)"x", 1};
    CHECK_INT(vel_sock_writev(ends[0], iov, 1025, false), 1024);
    close(ends[0]);
    close(ends[1]);
}

static bool is_held_back(bool gathered) {
    int ends[2];
    char at[8];
    struct iovec iov = {.iov_base = (char *)"a", .iov_len = 1};
    tcp_pair(ends);
    if (gathered)
        CHECK_INT(vel_sock_writev(ends[0], &iov, 1, true), 1);
    else
        CHECK_INT(vel_sock_write(ends[0], "a", 1, true), 1);
    bool held = vel_sock_read(ends[1], at, sizeof at) == VEL_EAGAIN;
    CHECK_INT(vel_sock_write(ends[0], "b", 1, false), 1);
    wait_for(ends[1], POLLIN);
    if (held)
        CHECK_INT(vel_sock_read(ends[1], at, sizeof at), 2);
    close(ends[0]);
    close(ends[1]);
    return held;
}

/* MSG_MORE holds a part of a segment back until the rest comes, but no longer than 200 ms (tcp(7)): a machine that
 * stalls so long gets another try. */
static void more_holds_the_bytes_back(void) {
    bool write_held = false, writev_held = false;
    for (int i = 0; i < 10; i++) {
        write_held = write_held || is_held_back(false);
        writev_held = writev_held || is_held_back(true);
    }
    CHECK(write_held);
    CHECK(writev_held);
}

static void sendfile_sends_a_range(void) {
    int ends[2], file = file_of("0123456789", 10);
    char at[16];
    tcp_pair(ends);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 3, 4), 4);
    wait_for(ends[1], POLLIN);
    CHECK_INT(vel_sock_read(ends[1], at, sizeof at), 4);
    CHECK(memcmp(at, "3456", 4) == 0);
    CHECK_INT(lseek(file, 0, SEEK_CUR), 10); /* the file's own offset is not used */
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void sendfile_tells_the_end_of_the_file(void) {
    int ends[2], file = file_of("0123456789", 10);
    tcp_pair(ends);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 8, 4), 2);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 10, 4), VEL_EOF);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 1000, 4), VEL_EOF);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void sendfile_refuses_what_is_no_regular_file(void) {
    int ends[2], pipe_ends[2];
    tcp_pair(ends);
    CHECK_INT(pipe(pipe_ends), 0);
    CHECK_INT(write(pipe_ends[1], "x", 1), 1);
    CHECK_INT(vel_sock_sendfile(ends[0], pipe_ends[0], 0, 1), VEL_EINVAL);
    CHECK_INT(vel_sock_sendfile(ends[0], pipe_ends[1], 0, 1), VEL_EINVAL);
    CHECK_INT(vel_sock_sendfile(ends[0], -1, 0, 1), VEL_EINVAL);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(ends[0]);
    close(ends[1]);
}

static void sendfile_waits_for_a_full_socket(void) {
    int ends[2], file = file_of("0123456789", 10);
    tcp_pair(ends);
    fill(ends[0]);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 0, 10), VEL_EAGAIN);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void sendfile_tells_a_reset(void) {
    int ends[2], file = file_of("0123456789", 10);
    tcp_pair(ends);
    tcp_reset(ends[1]);
    wait_for(ends[0], POLLIN);
    signal(SIGPIPE, SIG_IGN);
    CHECK_INT(vel_sock_sendfile(ends[0], file, 0, 10), VEL_ERESET);
    signal(SIGPIPE, SIG_DFL);
    close(file);
    close(ends[0]);
}

static void the_pending_error_is_told_once(void) {
    int ends[2];
    tcp_pair(ends);
    CHECK_INT(vel_sock_error(ends[1]), 0);
    tcp_reset(ends[0]);
    CHECK_INT(vel_sock_wait_writable(ends[1], 1000), VEL_ERESET);
    CHECK_INT(vel_sock_error(ends[1]), ECONNRESET);
    CHECK_INT(vel_sock_error(ends[1]), 0);
    close(ends[1]);
    CHECK_INT(vel_sock_error(-1), EBADF);
}

static void a_unix_socket_is_known(void) {
    struct sockaddr_in at;
    int tcp = tcp_listen(&at), local = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!vel_sock_is_unix(tcp) && vel_sock_is_unix(local) && !vel_sock_is_unix(-1));
    close(tcp);
    close(local);
}

static void who_refuses_does_so_for_everyone_who_holds_the_socket(void) {
    struct sockaddr_in at;
    union vel_addr peer;
    int fd = tcp_listen(&at), copy = dup(fd);
    vel_sock_refuse(fd);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&at, sizeof at) < 0 && errno == ECONNREFUSED);
    CHECK_INT(vel_sock_accept(copy, &peer), VEL_ESYS);
    close(client);
    close(copy);
    close(fd);
}

static void waiting_ends_when_it_is_writable(void) {
    int ends[2];
    tcp_pair(ends);
    CHECK_INT(vel_sock_wait_writable(ends[0], 0), VEL_OK);
    CHECK_INT(vel_sock_wait_writable(ends[0], -1), VEL_OK);
    close(ends[0]);
    close(ends[1]);
}

static void waiting_ends_when_the_time_is_over(void) {
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    fill(ends[0]);
    CHECK_INT(vel_sock_wait_writable(ends[0], 0), VEL_EAGAIN);
    CHECK_INT(vel_sock_wait_writable(ends[0], 2), VEL_EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

static void on_alarm(int number) {
    (void)number;
}

/* Each signal ends the call of poll(2) early; the whole time must not begin anew. */
static void signals_neither_end_nor_prolong_the_wait(void) {
    int ends[2];
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000}, never = {0};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    fill(ends[0]);
    CHECK_INT(sigaction(SIGALRM, &action, &old), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    CHECK_INT(vel_sock_wait_writable(ends[0], 20), VEL_EAGAIN);
    CHECK_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_INT(sigaction(SIGALRM, &old, NULL), 0);
    close(ends[0]);
    close(ends[1]);
}

static void waiting_for_a_lost_connection_is_a_reset(void) {
    int ends[2];
    tcp_pair(ends);
    tcp_reset(ends[1]);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_wait_writable(ends[0], -1), VEL_ERESET);
    close(ends[0]);
    CHECK_INT(vel_sock_wait_writable(ends[0], -1), VEL_ERESET);
}

static void waiting_for_a_half_closed_peer_goes_on(void) {
    int ends[2];
    tcp_pair(ends);
    vel_sock_shutdown(ends[1]);
    wait_for(ends[0], POLLIN);
    CHECK_INT(vel_sock_wait_writable(ends[0], -1), VEL_OK);
    close(ends[0]);
    close(ends[1]);
}

static void what_the_peer_has_not_taken_shrinks_when_it_reads(void) {
    static char block[65536];
    int ends[2];
    tcp_pair(ends);
    CHECK_INT((long)vel_sock_untaken(ends[0]), 0);
    while (vel_sock_write(ends[0], block, sizeof block, false) > 0) {
    }
    size_t full = vel_sock_untaken(ends[0]), left = full;
    CHECK(full > 0);
    for (int i = 0; i < 10000 && left == full; i++) {
        vel_sock_read(ends[1], block, sizeof block);
        left = vel_sock_untaken(ends[0]);
    }
    CHECK(left < full);
    close(ends[0]);
    close(ends[1]);
    CHECK_INT((long)vel_sock_untaken(ends[0]), 0);
}

int main(void) {
    RUN(accept_gives_a_non_blocking_private_descriptor_and_the_peer);
    RUN(accept_from_a_unix_socket_gives_a_peer_without_port);
    RUN(accept_need_not_ask_who_it_is);
    RUN(accept_on_what_does_not_listen_is_an_error);
    RUN(accept_without_descriptors_is_a_limit);
    RUN(read_tells_bytes_nothing_and_end_apart);
    RUN(after_shutdown_the_other_direction_still_works);
    RUN(a_reset_is_told_to_reader_and_writer);
    RUN(the_end_is_everybodys_who_holds_the_socket);
    RUN(unread_data_at_a_plain_close_resets_the_peer);
    RUN(writing_to_a_closed_peer_raises_no_signal);
    RUN(a_full_socket_takes_less_then_nothing);
    RUN(writev_gathers_in_order);
    RUN(writev_of_more_than_the_kernel_takes_sends_the_front);
    RUN(more_holds_the_bytes_back);
    RUN(sendfile_sends_a_range);
    RUN(sendfile_tells_the_end_of_the_file);
    RUN(sendfile_refuses_what_is_no_regular_file);
    RUN(sendfile_waits_for_a_full_socket);
    RUN(sendfile_tells_a_reset);
    RUN(the_pending_error_is_told_once);
    RUN(a_unix_socket_is_known);
    RUN(who_refuses_does_so_for_everyone_who_holds_the_socket);
    RUN(waiting_ends_when_it_is_writable);
    RUN(waiting_ends_when_the_time_is_over);
    RUN(signals_neither_end_nor_prolong_the_wait);
    RUN(waiting_for_a_lost_connection_is_a_reset);
    RUN(waiting_for_a_half_closed_peer_goes_on);
    RUN(what_the_peer_has_not_taken_shrinks_when_it_reads);
}

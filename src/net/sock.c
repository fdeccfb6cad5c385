/* System calls on stream sockets. */
#include "net/sock.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

static ssize_t stream_error(int error) {
    return error == EAGAIN || error == EWOULDBLOCK ? VEL_EAGAIN : VEL_ERESET;
}

static int send_flags(bool more) {
    return MSG_NOSIGNAL | (more ? MSG_MORE : 0);
}

/* accept(2): Linux hands out errors that the new connection already has; they say nothing about the listener. */
static int accept_error(int error) {
    switch (error) {
    case EAGAIN:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return VEL_EAGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return VEL_ELIMIT;
    default:
        return VEL_ESYS;
    }
}

/* Whatever is not the connection's fault is laid to the file: the caller then reads it itself, and learns the truth. */
static int sendfile_error(int error) {
    switch (error) {
    case EAGAIN:
        return VEL_EAGAIN;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ETIMEDOUT:
        return VEL_ERESET;
    default:
        return VEL_EINVAL;
    }
}

static int time_left(uint64_t deadline) {
    uint64_t now = vel_clock_ms();
    return now < deadline ? (int)(deadline - now) : 0;
}

int vel_sock_accept(int listener, union vel_addr *peer) {
    if (peer != NULL)
        *peer = (union vel_addr){0};
    int fd;
    do {
        socklen_t len = sizeof *peer;
        fd = accept4(listener, peer != NULL ? &peer->any : NULL, peer != NULL ? &len : NULL,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd >= 0 ? fd : accept_error(errno);
}

ssize_t vel_sock_read(int fd, char *at, size_t len) {
    ssize_t n;
    do {
        n = recv(fd, at, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return VEL_EOF;
    return n > 0 ? n : stream_error(errno);
}

ssize_t vel_sock_write(int fd, const char *at, size_t len, bool more) {
    ssize_t n;
    do {
        n = send(fd, at, len, send_flags(more));
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? n : stream_error(errno);
}

ssize_t vel_sock_writev(int fd, struct iovec *iov, size_t n, bool more) {
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = n < IOV_MAX ? n : IOV_MAX};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &message, send_flags(more));
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : stream_error(errno);
}

ssize_t vel_sock_sendfile(int fd, int file, int64_t offset, size_t len) {
    off_t at = offset;
    ssize_t n;
    do {
        n = sendfile(fd, file, &at, len);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    return n == 0 ? VEL_EOF : sendfile_error(errno);
}

int vel_sock_error(int fd) {
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

bool vel_sock_is_unix(int fd) {
    int domain = 0;
    socklen_t len = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* The filter sees segments from the TCP header on, at whose byte 13 the flags are (RFC 9293 3.1). What is accepted from
 * now on inherits it, and has no more use for a SYN. */
bool vel_sock_begin_no_more(int fd) {
    static const int no = 0;
    struct sock_filter no_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = sizeof no_syn / sizeof *no_syn, .filter = no_syn};
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &no, sizeof no);
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

void vel_sock_refuse(int fd) {
    shutdown(fd, SHUT_RDWR);
}

int vel_sock_wait_writable(int fd, int ms) {
    struct pollfd ask = {.fd = fd, .events = POLLOUT};
    uint64_t deadline = ms > 0 ? vel_clock_ms() + (uint64_t)ms : 0;
    int n;
    while ((n = poll(&ask, 1, ms)) < 0 && errno == EINTR)
        ms = ms > 0 ? time_left(deadline) : ms;
    if (n == 0)
        return VEL_EAGAIN;
    return n > 0 && !(ask.revents & (POLLERR | POLLHUP | POLLNVAL)) ? VEL_OK : VEL_ERESET;
}

size_t vel_sock_untaken(int fd) {
    int n = 0;
    return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
}

void vel_sock_shutdown(int fd) {
    shutdown(fd, SHUT_WR);
}

void vel_sock_end(int fd, bool reset) {
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (reset && connect(fd, &nobody, sizeof nobody) == 0)
        return;
    shutdown(fd, SHUT_RDWR);
}

void vel_sock_reset_on_close(int fd) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Connected and listening TCP sockets on the loopback, for the tests. */
#pragma once

#include "support/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Non-blocking, on a port of the kernel's choice. */
static inline int tcp_listen(struct sockaddr_in *at) {
    socklen_t len = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)at, sizeof *at) == 0 && listen(fd, 128) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)at, &len) == 0);
    return fd;
}

/* Blocking; returns when the kernel has queued it for accept. */
static inline int tcp_connect(const struct sockaddr_in *to) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
    return fd;
}

static inline void tcp_nonblock(int fd) {
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

/* Two ends, both non-blocking. */
static inline void tcp_pair(int ends[2]) {
    struct sockaddr_in at;
    int listener = tcp_listen(&at);
    ends[0] = tcp_connect(&at);
    ends[1] = accept(listener, NULL, NULL);
    CHECK(ends[1] >= 0);
    tcp_nonblock(ends[0]);
    tcp_nonblock(ends[1]);
    close(listener);
}

/* Closes with RST. */
static inline void tcp_reset(int fd) {
    struct linger at_once = {.l_onoff = 1};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(fd);
}

/* The physical floor of the benchmarks: an epoll server that parses nothing and sends one ready-made answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 << 10, /* the same read buffer as the server it stands beside */
    EVENTS = 256,
    MOST_FDS = 1 << 16,
    MOST_ANSWERS = 1024, /* in one send; a client that asks for more at once is dropped */
};

struct conn {
    uint32_t received; /* bytes of a request that has not come whole */
    off_t left;        /* bytes of the file still to be sent */
};

struct server {
    int epoll;
    int listener;
    size_t request_size; /* 0: each readable event is one request */
    bool close_each;
    int file; /* -1: none */
    off_t file_size;
    char *answers; /* the answer, MOST_ANSWERS times */
    size_t answer_size;
    struct conn *conns; /* by descriptor */
    char *in;
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void drop(int fd) {
    close(fd); /* leaves epoll by itself: the descriptor has no duplicate */
}

static void wait_for(struct server *s, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        die("epoll_ctl");
}

static void send_file(struct server *s, int fd, bool armed) {
    struct conn *c = &s->conns[fd];
    while (c->left > 0) {
        off_t offset = s->file_size - c->left;
        ssize_t n = sendfile(fd, s->file, &offset, (size_t)c->left);
        if (n < 0 && errno == EAGAIN) {
            if (!armed)
                wait_for(s, fd, EPOLLOUT);
            return;
        }
        if (n <= 0) {
            drop(fd);
            return;
        }
        c->left -= n;
    }
    if (s->close_each)
        drop(fd);
    else if (armed)
        wait_for(s, fd, EPOLLIN);
}

/* Answers small enough for every socket buffer: a short send means a client that does not read, and ends it. */
static void answer(struct server *s, int fd, size_t count) {
    size_t size = count * s->answer_size;
    int flags = MSG_NOSIGNAL | (s->file >= 0 ? MSG_MORE : 0);
    if (count > MOST_ANSWERS || send(fd, s->answers, size, flags) != (ssize_t)size) {
        drop(fd);
        return;
    }
    if (s->file >= 0) {
        s->conns[fd].left = s->file_size;
        send_file(s, fd, false);
    } else if (s->close_each) {
        drop(fd);
    }
}

static void readable(struct server *s, int fd) {
    ssize_t n = recv(fd, s->in, READ_SIZE, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    if (s->request_size == 0) {
        answer(s, fd, 1);
        return;
    }
    size_t received = s->conns[fd].received + (size_t)n;
    s->conns[fd].received = (uint32_t)(received % s->request_size);
    if (received >= s->request_size)
        answer(s, fd, received / s->request_size);
}

/* One at a time: epoll tells of the next one too, and a call that finds none is saved. */
static void accept_one(struct server *s) {
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= MOST_FDS) {
        close(fd);
        return;
    }
    s->conns[fd] = (struct conn){0};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static _Noreturn void serve(struct server *s) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == s->listener)
                accept_one(s);
            else if (events[i].events & EPOLLOUT)
                send_file(s, fd, true);
            else
                readable(s, fd);
        }
    }
}

static void listen_on(struct server *s, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    /* The same as the server beside it; accepted sockets inherit the first. */
    setsockopt(s->listener, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(s->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){1}, sizeof(int));
    if (bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(s->listener, 2048) != 0)
        die("listen");
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = s->listener};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) != 0)
        die("epoll_ctl");
}

static void open_file(struct server *s, const char *path) {
    struct stat about;
    s->file = open(path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0 || fstat(s->file, &about) != 0)
        die(path);
    s->file_size = about.st_size;
}

/* As long as a real server's: the fields that those send, with a date that does not move. */
static void make_answer(struct server *s, const char *type, const char *body) {
    static const char format[] = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                 "Server: limit--\r\n%sContent-Length: %lld\r\n\r\n%s";
    const char *closing = s->close_each ? "Connection: close\r\n" : "";
    long long length = s->file >= 0 ? (long long)s->file_size : (long long)strlen(body);
    char one[4096];
    int size = snprintf(one, sizeof one, format, type, closing, length, s->file >= 0 ? "" : body);
    if (size < 0 || (size_t)size >= sizeof one)
        die("the answer is too long");
    s->answer_size = (size_t)size;
    s->answers = malloc(s->answer_size * MOST_ANSWERS);
    s->in = malloc(READ_SIZE);
    s->conns = calloc(MOST_FDS, sizeof *s->conns);
    if (s->answers == NULL || s->in == NULL || s->conns == NULL)
        die("memory");
    for (size_t i = 0; i < MOST_ANSWERS; i++)
        memcpy(s->answers + i * s->answer_size, one, s->answer_size);
}

static void raise_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"body", required_argument, NULL, 'b'},
        {"request-size", required_argument, NULL, 'r'},
        {"file", required_argument, NULL, 'f'},
        {"close", no_argument, NULL, 'c'},
        {0},
    };
    struct server s = {.file = -1};
    const char *body = "Hello, World!";
    uint16_t port = 8000;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p':
            port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            body = optarg;
            break;
        case 'r':
            s.request_size = strtoul(optarg, NULL, 10);
            break;
        case 'f':
            open_file(&s, optarg);
            break;
        case 'c':
            s.close_each = true;
            break;
        default:
            fprintf(stderr, "usage: limit [--port N] [--body TEXT | --file PATH] [--request-size N] [--close]\n");
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no flag against it */
    raise_limits();
    make_answer(&s, s.file >= 0 ? "application/octet-stream" : "text/plain", body);
    listen_on(&s, port);
    serve(&s);
}

/* The physical floor of the benchmarks: an epoll server that parses nothing and sends one ready-made answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
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
#include <sys/un.h>
#include <unistd.h>

#include "load/websocket.h"

enum {
    READ_SIZE = 64 << 10, /* the same read buffer as the server it stands beside */
    EVENTS = 256,
    ACCEPTS = 64, /* in one turn */
    MOST_FDS = 1 << 16,
    HEAD_MOST = 512,
    COPIES_MOST = 256,     /* of the answer, so that several leave in one send */
    COPIES_SIZE = 1 << 20, /* of all of them */
};

struct conn {
    uint64_t received; /* bytes of a request that has not come whole */
    uint64_t left;     /* bytes of answers that have not been sent */
    off_t file_left;   /* and then of the file */
    bool shaken;       /* its WebSocket handshake is done */
    int kept;          /* the file that the request goes to, one more than its descriptor; 0: none */
};

struct server {
    int epoll;
    int listener;
    uint64_t request_size; /* 0: each readable event is one request */
    bool close_each;
    bool echo;
    bool websocket;
    const char *folder; /* of the files that requests go to; NULL: they go nowhere */
    int file;           /* -1: none */
    off_t file_size;
    char *answers; /* the answer, many times */
    size_t answer_size;
    size_t copies;
    struct conn *conns; /* by descriptor */
    char *in;
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A request that was kept in a file is thrown away when it is answered. */
static void forget(struct conn *c) {
    if (c->kept > 0)
        close(c->kept - 1);
    c->kept = 0;
}

static void drop(struct server *s, int fd) {
    forget(&s->conns[fd]);
    close(fd); /* leaves epoll by itself: the descriptor has no duplicate */
}

static void wait_for(struct server *s, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        die("epoll_ctl");
}

/* Sends what is left of the answers: all copies are alike, so the end of them stands for any. 1 when done, 0 when the
 * socket is full, -1 when the connection is gone. */
static int send_answers(struct server *s, int fd, struct conn *c) {
    size_t all = s->answer_size * s->copies;
    while (c->left > 0) {
        size_t piece = c->left % all ? (size_t)(c->left % all) : all;
        /* More follows: the file, or the end of the connection, which then leaves in the same packet. */
        bool more = s->file >= 0 || s->close_each;
        ssize_t n = send(fd, s->answers + all - piece, piece, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->left -= (uint64_t)n;
    }
    return 1;
}

static int send_file(struct server *s, int fd, struct conn *c) {
    while (c->file_left > 0) {
        off_t offset = s->file_size - c->file_left;
        ssize_t n = sendfile(fd, s->file, &offset, (size_t)c->file_left);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        c->file_left -= n;
    }
    return 1;
}

/* armed: epoll already tells when it can be written to. */
static void go_on(struct server *s, int fd, bool armed) {
    struct conn *c = &s->conns[fd];
    int done = send_answers(s, fd, c);
    if (done > 0)
        done = send_file(s, fd, c);
    if (done < 0 || (done > 0 && s->close_each))
        drop(s, fd);
    else if (armed != (done == 0))
        wait_for(s, fd, done == 0 ? EPOLLOUT : EPOLLIN);
}

/* The floor of an echo keeps nothing: while the other side does not read, it waits. */
static void send_back(struct server *s, int fd, const char *in, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, in, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n < 0) {
            drop(s, fd);
            return;
        }
        in += n;
        size -= (size_t)n;
    }
}

static void shake(struct server *s, int fd) {
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Accept: " WEBSOCKET_ACCEPT "\r\n\r\n";
    s->conns[fd].shaken = true;
    send_back(s, fd, answer, sizeof answer - 1);
}

static void answer(struct server *s, int fd, uint64_t count) {
    s->conns[fd].left = count * s->answer_size;
    s->conns[fd].file_left = s->file >= 0 ? s->file_size : 0;
    go_on(s, fd, false);
}

/* Into a file of its own that has no name: the physical floor of an upload. */
static void keep(struct server *s, struct conn *c, const char *in, size_t size) {
    if (c->kept == 0)
        c->kept = open(s->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) + 1;
    while (size > 0) {
        ssize_t n = write(c->kept - 1, in, size);
        if (n <= 0)
            die(s->folder);
        in += n;
        size -= (size_t)n;
    }
}

static void readable(struct server *s, int fd) {
    struct conn *c = &s->conns[fd];
    ssize_t n = recv(fd, s->in, READ_SIZE, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(s, fd);
        return;
    }
    if (s->echo) {
        send_back(s, fd, s->in, (size_t)n);
        return;
    }
    if (s->websocket && !c->shaken) {
        shake(s, fd);
        return;
    }
    uint64_t size = s->request_size ? s->request_size : (uint64_t)n;
    uint64_t received = c->received + (uint64_t)n;
    c->received = received % size;
    if (s->folder != NULL)
        keep(s, c, s->in, (size_t)n);
    if (received >= size)
        forget(c);
    if (received >= size)
        answer(s, fd, received / size);
}

/* Where every request has a connection of its own, it has mostly come with it: then the connection is gone
 * before epoll ever hears of it. */
static bool answer_at_once(struct server *s, int fd) {
    if (!s->close_each || s->request_size != 0 || s->file >= 0)
        return false;
    ssize_t n = recv(fd, s->in, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n > 0 && send(fd, s->answers, s->answer_size, MSG_NOSIGNAL | MSG_MORE) < 0 && errno == EAGAIN)
        die("an answer that does not fit into a new socket");
    close(fd);
    return true;
}

static bool accept_one(struct server *s) {
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    if (fd >= MOST_FDS) {
        close(fd);
        return true;
    }
    if (answer_at_once(s, fd))
        return true;
    s->conns[fd] = (struct conn){0};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
    return true;
}

static void accept_some(struct server *s) {
    for (int left = ACCEPTS; left > 0 && accept_one(s); left--)
        ;
}

static _Noreturn void serve(struct server *s) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == s->listener)
                accept_some(s);
            else if (events[i].events & EPOLLOUT)
                go_on(s, fd, true);
            else
                readable(s, fd);
        }
    }
}

static int bind_port(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    /* The same as the server beside it; accepted sockets inherit the first. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("bind");
    return fd;
}

static int bind_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(path);
    return fd;
}

static void listen_on(struct server *s, int fd) {
    s->listener = fd;
    if (listen(fd, 2048) != 0)
        die("listen");
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = s->listener};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) != 0)
        die("epoll_ctl");
}

static int open_file(const char *path, off_t *size) {
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0)
        die(path);
    *size = about.st_size;
    return file;
}

/* The body; the caller frees it. */
static char *read_body(const char *path, size_t *size) {
    off_t length = 0;
    int file = path ? open_file(path, &length) : -1;
    char *out = malloc((size_t)length + 1);
    if (out == NULL)
        die("memory");
    for (*size = 0; *size < (size_t)length;) {
        ssize_t n = read(file, out + *size, (size_t)length - *size);
        if (n <= 0)
            die(path);
        *size += (size_t)n;
    }
    if (file >= 0)
        close(file);
    return out;
}

/* As long as a real server's: the fields that those send, with a date that does not move. */
static size_t make_head(const struct server *s, char *out, const char *type, long long length) {
    static const char format[] = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                 "Server: limit--\r\n%sContent-Length: %lld\r\n\r\n";
    int size = snprintf(out, HEAD_MOST, format, type, s->close_each ? "Connection: close\r\n" : "", length);
    if (size < 0 || size >= HEAD_MOST)
        die("the head is too long");
    return (size_t)size;
}

static size_t make_frame(char *out, size_t payload) {
    unsigned char *head = (unsigned char *)out;
    head[0] = 0x82;
    int bytes = payload < 126 ? 0 : payload < 1 << 16 ? 2 : 8;
    head[1] = (unsigned char)(bytes == 0 ? payload : bytes == 2 ? 126 : 127);
    for (int i = 0; i < bytes; i++)
        head[2 + i] = (unsigned char)((uint64_t)payload >> (8 * (bytes - 1 - i)));
    return 2 + (size_t)bytes;
}

static void make_answers(struct server *s, const char *type, const char *path) {
    size_t body_size;
    char *body = read_body(path, &body_size), head[HEAD_MOST];
    size_t head_size = s->websocket ? make_frame(head, body_size)
                                    : make_head(s, head, type, s->file >= 0 ? s->file_size : (long long)body_size);
    s->answer_size = head_size + body_size;
    size_t copies = COPIES_SIZE / s->answer_size;
    s->copies = copies < 1 ? 1 : copies > COPIES_MOST ? COPIES_MOST : copies;
    s->answers = malloc(s->answer_size * s->copies);
    if (s->answers == NULL)
        die("memory");
    for (char *at = s->answers, *end = at + s->answer_size * s->copies; at < end; at += s->answer_size) {
        memcpy(at, head, head_size);
        memcpy(at + head_size, body, body_size);
    }
    free(body);
}

static void make_room(struct server *s) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    s->in = malloc(READ_SIZE);
    s->conns = calloc(MOST_FDS, sizeof *s->conns);
    if (s->in == NULL || s->conns == NULL)
        die("memory");
}

static const char usage[] =
    "usage: limit [--port N | --unix PATH] [--body FILE | --file FILE] [--type TYPE] [--request-size N] [--close]\n"
    "             [--keep FOLDER] [--echo | --websocket]\n"
    "--body: what it answers with; --file: the same by sendfile; --keep: requests go to a file each, there; "
    "--websocket: --body is a message\n";

struct answer_options {
    uint16_t port;
    const char *path; /* NULL: the port */
    const char *type, *body;
};

static bool take_option(struct server *s, struct answer_options *o, int option) {
    switch (option) {
    case 'p':
        o->port = (uint16_t)strtoul(optarg, NULL, 10);
        return true;
    case 'u':
        o->path = optarg;
        return true;
    case 'b':
        o->body = optarg;
        return true;
    case 't':
        o->type = optarg;
        return true;
    case 'r':
        s->request_size = strtoull(optarg, NULL, 10);
        return true;
    case 'f':
        s->file = open_file(optarg, &s->file_size);
        return true;
    case 'c':
        return s->close_each = true;
    case 'e':
        return s->echo = true;
    case 'k':
        s->folder = optarg;
        return true;
    case 'w':
        return s->websocket = true;
    default:
        return false;
    }
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"unix", required_argument, NULL, 'u'},
        {"body", required_argument, NULL, 'b'},
        {"type", required_argument, NULL, 't'},
        {"file", required_argument, NULL, 'f'},
        {"request-size", required_argument, NULL, 'r'},
        {"close", no_argument, NULL, 'c'},
        {"echo", no_argument, NULL, 'e'},
        {"websocket", no_argument, NULL, 'w'},
        {"keep", required_argument, NULL, 'k'},
        {0},
    };
    struct server s = {.file = -1};
    struct answer_options o = {.port = 8000, .type = "text/plain"};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (!take_option(&s, &o, option)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no flag against it */
    make_room(&s);
    make_answers(&s, o.type, o.body);
    listen_on(&s, o.path != NULL ? bind_path(o.path) : bind_port(o.port));
    serve(&s);
}

/* The worker of the tests, and its clients. */
#include "support/host.h"

#include "http/status.h"
#include "support/tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>

/* More turns than any test needs: the loop spins. */
#define TURNS_MAX 2000

static union vel_addr some_peer(void) {
    union vel_addr peer = {.v4 = {.sin_family = AF_INET, .sin_port = htons(4711)}};
    peer.v4.sin_addr.s_addr = htonl(0xcb007109); /* 203.0.113.9 */
    return peer;
}

void host_init(struct host *h) {
    memset(&h->w, 0, sizeof h->w);
    fake_app_init(&h->app);
    h->app.on_request = fake_hello;
    h->config = (struct vel_config)VEL_CONFIG_DEFAULT;
    h->config.date = false;
    h->config.server = NULL;
    h->endpoint = (struct vel_endpoint){.name = VEL_SLICE("localhost"), .port = VEL_SLICE("80")};
    h->wait_ms = 0;
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) raises it */
}

void host_start(struct host *h) {
    CHECK_INT(vel_worker_init(&h->w, &h->app.app, &h->config, NULL, 0), VEL_OK);
}

void host_step(struct host *h) {
    int n, turns = 0;
    bool gave_turns; /* which may have asked the kernel for more */
    do {
        gave_turns = !vel_list_empty(&h->w.turns);
        n = vel_worker_turn(&h->w, h->wait_ms);
        CHECK(n >= 0);
        CHECK(++turns < TURNS_MAX);
        CHECK_INT(h->w.out_len, 0);
    } while (n > 0 || gave_turns || !vel_list_empty(&h->w.turns));
}

void host_stop(struct host *h) {
    vel_worker_free(&h->w);
    CHECK_INT(fake_app_running(&h->app), 0);
    CHECK_INT(h->app.returned, h->app.lent);
    CHECK_INT(h->w.stats->open, 0);
}

static void client_init(struct client *c, int fd) {
    c->fd = fd;
    c->len = 0;
    c->eof = c->reset = false;
}

void client_pair(struct client *c, int *server_end) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    client_init(c, ends[0]);
    *server_end = ends[1];
}

void host_serve(struct host *h, int server_end) {
    union vel_addr peer = some_peer();
    vel_conn_open(&h->w, server_end, &peer, &h->endpoint);
    CHECK_INT(h->w.out_len, 0);
}

static void write_all(struct client *c, const char *at, size_t len) {
    ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
    CHECK(n == (ssize_t)len || (n < 0 && (errno == EPIPE || errno == ECONNRESET)));
}

static void open_on(struct host *h, struct client *c, int server_end, const char *first) {
    if (first != NULL)
        write_all(c, first, strlen(first));
    host_serve(h, server_end);
    client_read(h, c);
}

void client_open(struct host *h, struct client *c, const char *first) {
    int server_end;
    client_pair(c, &server_end);
    open_on(h, c, server_end, first);
}

void client_open_tcp(struct host *h, struct client *c, const char *first) {
    int ends[2];
    tcp_pair(ends);
    client_init(c, ends[0]);
    h->wait_ms = 20;
    open_on(h, c, ends[1], first);
}

void client_open_narrow(struct host *h, struct client *c, const char *first) {
    int server_end, size = 4608;
    client_pair(c, &server_end);
    CHECK(setsockopt(server_end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    if (first != NULL)
        write_all(c, first, strlen(first));
    host_serve(h, server_end);
    host_step(h);
}

size_t client_take(struct client *c, size_t max) {
    if (max > CLIENT_MAX - c->len)
        max = CLIENT_MAX - c->len;
    if (c->fd < 0 || c->eof || c->reset || max == 0)
        return 0;
    ssize_t n = recv(c->fd, c->got + c->len, max, 0);
    if (n == 0)
        c->eof = true;
    else if (n < 0 && errno != EAGAIN)
        c->reset = true;
    c->len += n > 0 ? (size_t)n : 0;
    c->got[c->len] = '\0';
    return n > 0 ? (size_t)n : 0;
}

void client_read(struct host *h, struct client *c) {
    do
        host_step(h);
    while (client_take(c, CLIENT_MAX) > 0);
}

void client_send_bytes(struct host *h, struct client *c, const char *at, size_t len) {
    write_all(c, at, len);
    client_read(h, c);
}

void client_send(struct host *h, struct client *c, const char *text) {
    client_send_bytes(h, c, text, strlen(text));
}

void client_shutdown(struct host *h, struct client *c) {
    shutdown(c->fd, SHUT_WR);
    client_read(h, c);
}

void client_close(struct host *h, struct client *c) {
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    host_step(h);
}

void client_got(struct client *c, const char *text) {
    if (c->len != strlen(text) || memcmp(c->got, text, c->len) != 0) {
        fprintf(stderr, "got \"%.*s\"\nnot \"%s\"\n", (int)c->len, c->got, text);
        exit(1);
    }
    c->len = 0;
}

const char *ok_reply(const char *text) {
    static char reply[4096];
    CHECK(snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text) <
          (int)sizeof reply);
    return reply;
}

const char *refusal(unsigned status) {
    static char reply[512];
    struct vel_slice reason = vel_status_reason(status);
    snprintf(reply, sizeof reply,
             "HTTP/1.1 %u %.*s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n%u %.*s\n",
             status, (int)reason.len, reason.at, reason.len + 5, status, (int)reason.len, reason.at);
    return reply;
}

int client_count(const struct client *c, const char *text) {
    int n = 0;
    for (const char *at = c->got; (at = memmem(at, (size_t)(c->got + c->len - at), text, strlen(text))) != NULL; at++)
        n++;
    return n;
}

void host_expire(struct host *h, enum vel_timeout kind) {
    vel_timers_run(&h->w.timeouts.kinds[kind], UINT64_MAX);
}

struct vel_conn *host_conn(struct host *h) {
    return vel_list_empty(&h->w.conns) ? NULL : VEL_CONTAINER(h->w.conns.next, struct vel_conn, node);
}

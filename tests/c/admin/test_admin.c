/* Tests of admin/admin.c: its application on a worker moved by hand, and its thread with a real socket. */
#include "admin/admin.h"

#include "base/err.h"
#include "support/host.h"
#include "support/tcp.h"
#include "support/test.h"

#include <unistd.h>

static struct vel_admin it;
static struct vel_board *board;

static void begin(const struct vel_socket *sockets, size_t n) {
    board = vel_board_new();
    CHECK_INT(vel_admin_init(&it, board, sockets, n, "1.2.3", VEL_SLICE("<html>")), VEL_OK);
}

static void end(void) {
    vel_admin_free(&it);
    vel_board_free(board);
}

static const char *ask(const char *line) {
    static char got[65536];
    static const struct vel_endpoint endpoint = {.name = {"localhost", 9}, .port = {"80", 2}};
    union vel_addr peer = {.v4 = {.sin_family = AF_INET}};
    int ends[2];
    size_t len = 0;
    ssize_t n;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    char request[256];
    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", line);
    CHECK(write(ends[0], request, strlen(request)) == (ssize_t)strlen(request));
    vel_conn_open(&it.worker, ends[1], &peer, &endpoint);
    while (vel_worker_turn(&it.worker, 0) > 0) {
    }
    while ((n = read(ends[0], got + len, sizeof(got) - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    close(ends[0]);
    return got;
}

static void starts_with(const char *line, const char *status) {
    const char *got = ask(line);
    CHECK(strncmp(got + strlen("HTTP/1.1 "), status, strlen(status)) == 0);
}

static void each_path_has_its_answer(void) {
    begin(NULL, 0);
    starts_with("GET /healthz", "200");
    starts_with("GET /readyz", "503");
    starts_with("GET /metrics", "200");
    starts_with("HEAD /metrics", "200");
    starts_with("GET /metrics?x=1", "200");
    starts_with("GET /metrics/", "404");
    starts_with("GET /", "200");
    starts_with("POST /", "405");
    CHECK(strstr(ask("DELETE /metrics"), "Allow: GET, HEAD\r\n") != NULL);
    CHECK(strstr(ask("GET /"), "\r\n\r\n<html>") != NULL);
    CHECK(strstr(ask("GET /metrics"), "velocem_workers{state=\"serving\"} 0\n") != NULL);
    vel_board_enter(board, 1, 1)->stats.state = VEL_STATS_SERVING;
    starts_with("GET /readyz", "200");
    board->draining = 1;
    starts_with("GET /readyz", "503");
    end();
}

static void the_thread_answers_and_ends(void) {
    struct sockaddr_in at;
    int listening = tcp_listen(&at);
    struct vel_socket sock = {.fd = listening, .name = VEL_SLICE("localhost"), .port = VEL_SLICE("0")};
    char got[512];
    begin(&sock, 1);
    CHECK_INT(vel_admin_start(&it), VEL_OK);
    int fd = tcp_connect(&at);
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(write(fd, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1);
    ssize_t n = read(fd, got, sizeof(got));
    CHECK(n > 12 && memcmp(got, "HTTP/1.1 200", 12) == 0);
    end();
    CHECK(read(fd, got, 1) <= 0);
    close(fd);
    close(listening);
}

int main(void) {
    RUN(each_path_has_its_answer);
    RUN(the_thread_answers_and_ends);
    return 0;
}

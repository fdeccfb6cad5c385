/* Tests of server/worker.c. */
#include "server/worker.h"

#include "base/clock.h"
#include "http/date.h"
#include "support/failmalloc.h"
#include "support/host.h"
#include "support/tcp.h"

#include <fcntl.h>
#include <sys/resource.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define CLOSING "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

static struct host host;
static struct client client, other;

static void hold(struct vel_exchange *x) {
    (void)x;
}

/* A worker that listens on two ports. */
struct listening {
    struct sockaddr_in at[2];
    struct vel_socket sockets[2];
};

static struct listening net;

static void start_listening(void) {
    for (int i = 0; i < 2; i++)
        net.sockets[i] = (struct vel_socket){.fd = tcp_listen(&net.at[i]),
                                             .name = i == 0 ? VEL_SLICE("first") : VEL_SLICE("second"),
                                             .port = VEL_SLICE("80")};
    CHECK_INT(vel_worker_init(&host.w, &host.app.app, &host.config, net.sockets, 2), VEL_OK);
    host.wait_ms = 20;
}

static void stop_listening(void) {
    host_stop(&host);
    for (int i = 0; i < 2; i++)
        close(net.sockets[i].fd);
}

static void client_connect(struct client *c, int port, const char *first) {
    c->fd = tcp_connect(&net.at[port]);
    c->len = 0;
    c->eof = c->reset = false;
    tcp_nonblock(c->fd);
    if (first != NULL)
        CHECK(write(c->fd, first, strlen(first)) == (ssize_t)strlen(first));
}

/* --- made and freed ---------------------------------------------------------------------------------------------- */

static void each_allocation_of_init_may_fail(void) {
    struct vel_socket socket = {.fd = tcp_listen(&net.at[0])};
    host_init(&host);
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        int err = vel_worker_init(&host.w, &host.app.app, &host.config, &socket, 1);
        CHECK_INT(err, fail_malloc_hit() ? VEL_ENOMEM : VEL_OK);
        if (err == VEL_OK)
            vel_worker_free(&host.w);
    }
    close(socket.fd);
}

static void a_socket_that_cannot_be_watched_fails_and_leaves_nothing(void) {
    int before = dup(0);
    close(before);
    struct vel_socket sockets[2] = {{.fd = tcp_listen(&net.at[0])}, {.fd = -1}};
    host_init(&host);
    CHECK_INT(vel_worker_init(&host.w, &host.app.app, &host.config, sockets, 2), VEL_ESYS);
    close(sockets[0].fd);
    int after = dup(0);
    close(after);
    CHECK_INT(after, before);
}

static void a_server_line_too_long_is_left_out(void) {
    static char name[200];
    memset(name, 'n', sizeof name - 1);
    host_init(&host);
    host.config.server = name;
    host_start(&host);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    client_close(&host, &client);
    host_stop(&host);
    host.config.server = "velocem";
    host_start(&host);
    client_open(&host, &client, GET);
    client_got(&client, "HTTP/1.1 200 OK\r\nServer: velocem\r\nContent-Length: 5\r\n\r\nhello");
    client_close(&host, &client);
    host_stop(&host);
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static void tell_endpoint(struct vel_exchange *x) {
    char host_text[VEL_ADDR_TEXT_MAX], text[100];
    int n = (int)vel_addr_host(x->peer, host_text);
    snprintf(text, sizeof text, "%.*s %.*s", (int)x->endpoint->name.len, x->endpoint->name.at, n, host_text);
    fake_reply(x, text);
}

static void a_request_knows_where_it_came_in(void) {
    host_init(&host);
    host.app.on_request = tell_endpoint;
    start_listening();
    client_connect(&client, 0, GET);
    client_connect(&other, 1, GET);
    client_read(&host, &client);
    client_read(&host, &other);
    client_got(&client, ok_reply("first 127.0.0.1"));
    client_got(&other, ok_reply("second 127.0.0.1"));
    CHECK_INT(host.w.stats->accepted, 2);
    CHECK_INT(host.w.stats->open, 2);
    CHECK_INT(host.w.stats->requests, 2);
    close(client.fd);
    close(other.fd);
    host_step(&host);
    CHECK_INT(host.w.stats->open, 0);
    stop_listening();
}

/* Descriptors are used up: dup takes them all. */
static int use_up(int *taken, int max) {
    int n = 0;
    while (n < max && (taken[n] = dup(0)) >= 0)
        n++;
    CHECK(n < max);
    return n;
}

static void without_descriptors_the_longest_idle_makes_room(void) {
    static struct client idle[3];
    int taken[256];
    struct rlimit old, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    few = (struct rlimit){100, old.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    host_init(&host);
    start_listening();
    for (int i = 0; i < 3; i++) {
        client_connect(&idle[i], 0, GET);
        client_read(&host, &idle[i]);
    }
    idle[0].len = 0; /* used again, so that the second has been idle longest */
    client_send(&host, &idle[0], GET);
    client_connect(&client, 0, NULL);
    int n = use_up(taken, 256);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    client_read(&host, &client);
    client_got(&client, ok_reply("hello"));
    for (int i = 0; i < 3; i++) {
        idle[i].len = 0;
        client_read(&host, &idle[i]);
        CHECK_INT(idle[i].eof, i == 1);
    }
    while (n > 0)
        close(taken[--n]);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    for (int i = 0; i < 3; i++)
        close(idle[i].fd);
    close(client.fd);
    host_step(&host);
    stop_listening();
}

/* Nobody is idle: it waits, and does not spin; what runs is left alone. */
static void without_descriptors_and_idlers_it_waits(void) {
    int taken[256];
    struct rlimit old, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    few = (struct rlimit){100, old.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    host_init(&host);
    host.app.on_request = hold;
    start_listening();
    client_connect(&other, 0, GET);
    client_read(&host, &other);
    client_connect(&client, 0, GET);
    int n = use_up(taken, 256);
    host_step(&host);
    CHECK_INT(host.w.stats->accepted, 1);
    CHECK_INT(host.app.aborts, 0);
    while (n > 0)
        close(taken[--n]);
    vel_timers_run(&host.w.ports[0].listener.pause_timers, UINT64_MAX);
    host_step(&host);
    CHECK_INT(host.w.stats->accepted, 2);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    close(client.fd);
    close(other.fd);
    stop_listening();
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static char order[100];

static void note_and_yield(struct vel_exchange *x) {
    size_t n = strlen(order);
    order[n] = x->head->target.raw.at[1];
    order[n + 1] = '\0';
    if (n < 8)
        vel_exchange_yield(x);
    else
        fake_hello(x);
}

static void exchanges_that_yield_take_turns(void) {
    host_init(&host);
    host.app.on_request = fake_yield;
    host.app.on_turn = note_and_yield;
    host_start(&host);
    order[0] = '\0';
    int ends[2];
    client_pair(&client, &ends[0]);
    client_pair(&other, &ends[1]);
    CHECK(write(client.fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 28) > 0);
    CHECK(write(other.fd, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n", 28) > 0);
    host_serve(&host, ends[0]);
    host_serve(&host, ends[1]);
    host_step(&host);
    CHECK(strncmp(order, "ababababab", 10) == 0);
    client_close(&host, &client);
    client_close(&host, &other);
    host_stop(&host);
}

/* An application that always asks again lets the loop look at descriptors between. */
static void a_yield_does_not_keep_the_loop_from_others(void) {
    int server_end;
    host_init(&host);
    host.app.on_request = fake_yield;
    host.app.on_turn = fake_yield;
    host_start(&host);
    client_pair(&client, &server_end);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    host_serve(&host, server_end);
    client_pair(&other, &server_end);
    host_serve(&host, server_end);
    host.app.on_request = fake_hello;
    vel_worker_turn(&host.w, -1);
    CHECK(write(other.fd, GET, strlen(GET)) > 0);
    vel_worker_turn(&host.w, -1);
    client_take(&other, 1000);
    client_got(&other, ok_reply("hello"));
    CHECK(host.app.turns >= 2);
    host_stop(&host);
    CHECK_INT(host.app.aborts, 1);
    close(client.fd);
    close(other.fd);
}

/* --- stopping ---------------------------------------------------------------------------------------------------- */

static void nothing(void *arg) {
    (void)arg;
}

static void drain_when_it_waits(void *arg) {
    vel_worker_drain(arg);
}

static void run_until_drained(void) {
    host.w.loop->on_block = drain_when_it_waits;
    host.w.loop->on_unblock = nothing;
    host.w.loop->hook_arg = &host.w;
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
}

static void a_drain_ends_a_worker_without_connections(void) {
    host_init(&host);
    host_start(&host);
    run_until_drained();
    CHECK_INT(host.w.state, VEL_WORKER_DRAINING);
    host_stop(&host);
}

static void a_drain_before_the_run_ends_it_at_once(void) {
    host_init(&host);
    host_start(&host);
    vel_worker_drain(&host.w);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    host_stop(&host);
}

static void a_draining_worker_accepts_no_more(void) {
    host_init(&host);
    host.app.on_request = hold;
    start_listening();
    client_connect(&client, 0, GET);
    client_read(&host, &client);
    vel_worker_drain(&host.w);
    host_step(&host);
    client_connect(&other, 0, GET);
    host_step(&host);
    CHECK_INT(host.w.stats->accepted, 1);
    host.app.on_turn = fake_hello;
    vel_exchange_yield(host.app.held);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    client_take(&client, 1000);
    client_got(&client, CLOSING);
    close(client.fd);
    close(other.fd);
    stop_listening();
}

static void send_late(void *arg) {
    (void)arg;
    CHECK(write(other.fd, GET, strlen(GET)) > 0);
}

/* The kernel had made the connections: their requests are served, by answers that say they are the last. */
static void a_socket_that_retires_is_emptied_before_it_refuses(void) {
    host_init(&host);
    start_listening();
    client_connect(&client, 0, GET);
    client_connect(&other, 0, NULL);
    vel_worker_retire(&host.w, net.sockets[0].fd);
    vel_worker_drain(&host.w);
    host.w.loop->on_block = send_late;
    host.w.loop->on_unblock = nothing;
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.state, VEL_WORKER_DRAINING);
    client_take(&client, 1000);
    client_got(&client, CLOSING);
    client_take(&other, 1000);
    client_got(&other, CLOSING);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(late, (struct sockaddr *)&net.at[0], sizeof net.at[0]) < 0);
    close(late);
    close(client.fd);
    close(other.fd);
    stop_listening();
}

/* The other port has not been named: whoever listens on goes on with its queue. */
static void the_queue_of_a_socket_that_does_not_retire_is_left_alone(void) {
    host_init(&host);
    start_listening();
    client_connect(&client, 1, GET);
    vel_worker_retire(&host.w, net.sockets[0].fd);
    vel_worker_drain(&host.w);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.stats->accepted, 0);
    int fd = accept(net.sockets[1].fd, NULL, NULL);
    CHECK(fd >= 0);
    close(fd);
    close(client.fd);
    stop_listening();
}

static void a_request_that_does_not_end_is_cut_when_the_time_to_drain_is_over(void) {
    host_init(&host);
    host.config.drain_ms = 1;
    host.app.on_request = hold;
    host_start(&host);
    client_open(&host, &client, GET);
    vel_worker_drain(&host.w);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.state, VEL_WORKER_KILLED);
    host_stop(&host);
    CHECK_INT(host.app.aborts, 1);
    close(client.fd);
}

static void kill_now(struct vel_exchange *x) {
    vel_worker_kill(&host.w);
    fake_hello(x);
}

static void a_kill_from_within_a_request_lets_its_answer_go(void) {
    int server_end;
    host_init(&host);
    host.app.on_request = kill_now;
    host_start(&host);
    client_pair(&client, &server_end);
    host_serve(&host, server_end);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    client_take(&client, 1000);
    client_got(&client, ok_reply("hello"));
    host_stop(&host);
    client_take(&client, 1000);
    CHECK(client.eof);
    close(client.fd);
}

static void a_drain_gives_an_idle_connection_time_for_one_more_request(void) {
    host_init(&host);
    host.config.drain_idle_ms = 60000;
    host_start(&host);
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    client.len = 0;
    vel_worker_drain(&host.w);
    host_step(&host);
    client_send(&host, &client, GET);
    client_got(&client, CLOSING);
    CHECK(client.eof);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.state, VEL_WORKER_DRAINING);
    close(client.fd);
    host_stop(&host);
}

static void a_drain_closes_an_idle_connection_when_its_time_is_over(void) {
    host_init(&host);
    host.config.drain_idle_ms = 1;
    host_start(&host);
    client_open(&host, &client, GET);
    vel_worker_drain(&host.w);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.state, VEL_WORKER_DRAINING);
    client_take(&client, 1000);
    CHECK(client.eof);
    CHECK(!client.reset);
    close(client.fd);
    host_stop(&host);
}

static void the_number_of_requests_is_told_once(void) {
    int pipes[2];
    char got[8];
    CHECK(pipe2(pipes, O_NONBLOCK) == 0);
    host_init(&host);
    host.config.requests_max = 2;
    host.config.requests_fd = pipes[1];
    host_start(&host);
    client_open(&host, &client, GET);
    host_step(&host);
    CHECK(read(pipes[0], got, sizeof got) < 0);
    client_send(&host, &client, GET);
    host_step(&host);
    CHECK_INT(read(pipes[0], got, sizeof got), 1);
    CHECK_INT(got[0], '\n');
    client_send(&host, &client, GET);
    host_step(&host);
    CHECK(read(pipes[0], got, sizeof got) < 0);
    client_close(&host, &client);
    host_stop(&host);
    close(pipes[0]);
    close(pipes[1]);
}

static void note_due(void *arg) {
    *(bool *)arg = true;
}

/* One that does nothing of its own accord after a turn. */
static void the_number_of_requests_is_looked_at_on_the_loop_of_another(void) {
    bool due = false;
    host_init(&host);
    host.config.requests_max = 2;
    host_start(&host);
    host.w.on_due = note_due;
    host.w.on_due_arg = &due;
    client_open(&host, &client, GET);
    CHECK(!due);
    client_send(&host, &client, GET);
    CHECK(due);
    client_close(&host, &client);
    host_stop(&host);
}

static void a_drain_does_not_take_back_a_kill(void) {
    host_init(&host);
    host.app.on_request = hold;
    host_start(&host);
    client_open(&host, &client, GET);
    vel_worker_kill(&host.w);
    vel_worker_drain(&host.w);
    CHECK_INT(vel_worker_run(&host.w), VEL_OK);
    CHECK_INT(host.w.state, VEL_WORKER_KILLED);
    host_stop(&host);
    close(client.fd);
}

static void count_wakes(void *arg) {
    ++*(int *)arg;
}

static void a_wake_up_is_told_in_the_loop(void) {
    int wakes = 0;
    host_init(&host);
    host_start(&host);
    host.w.on_wake = count_wakes;
    host.w.on_wake_arg = &wakes;
    vel_wake_up(&host.w.wake);
    vel_wake_up(&host.w.wake);
    host_step(&host);
    CHECK_INT(wakes, 1);
    host_stop(&host);
}

/* --- the date (RFC 9110 6.6.1) ----------------------------------------------------------------------------------- */

static void check_date(const char *got, int64_t from, int64_t to) {
    const char *at = strstr(got, "\r\nDate: ");
    char text[VEL_DATE_LEN + 1] = {0};
    CHECK(at != NULL);
    for (int64_t wall = from; wall <= to; wall++) {
        vel_date_format(text, wall);
        if (strncmp(at + 8, text, VEL_DATE_LEN) == 0)
            return;
    }
    fprintf(stderr, "%s\n", got);
    CHECK(false);
}

static int64_t before;

static void answer_with_the_date_of_the_answer(struct vel_exchange *x) {
    before = vel_clock_wall();
    fake_hello(x);
}

/* As if the wait that ends now had been long. */
static void after_a_long_wait(void *arg) {
    struct vel_worker *w = arg;
    memcpy(w->date_line + 6, "Thu, 01 Jan 1970 00:00:00 GMT", VEL_DATE_LEN);
    w->date_at = 0;
    w->date_turn = 0;
}

static void the_date_is_that_of_the_answer_and_not_of_the_last_one(void) {
    int server_end;
    host_init(&host);
    host.config.date = true;
    host.app.on_request = answer_with_the_date_of_the_answer;
    host_start(&host);
    client_pair(&client, &server_end);
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    host_serve(&host, server_end);
    client_take(&client, 1000);
    check_date(client.got, before, before + 1);
    client.len = 0;
    host.w.loop->on_block = nothing;
    host.w.loop->on_unblock = after_a_long_wait;
    host.w.loop->hook_arg = &host.w;
    CHECK(write(client.fd, GET, strlen(GET)) > 0);
    vel_worker_turn(&host.w, -1);
    client_take(&client, 1000);
    check_date(client.got, before, before + 1);
    client_close(&host, &client);
    host_stop(&host);
}

static void no_date_when_it_is_not_wanted(void) {
    host_init(&host);
    host_start(&host);
    CHECK_INT(vel_worker_date(&host.w).len, 0);
    host_stop(&host);
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

static void lines_are_written_behind_the_replies(void) {
    int ends[2];
    char text[4096];
    CHECK(pipe(ends) == 0);
    host_init(&host);
    host_start(&host);
    host.w.access.fd = ends[1];
    client_open(&host, &client, GET GET);
    ssize_t n = read(ends[0], text, sizeof text);
    int lines = 0;
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    CHECK_INT(lines, 2);
    client_close(&host, &client);
    host_stop(&host);
    close(ends[0]);
    close(ends[1]);
}

static void a_log_that_nobody_reads_holds_up_nothing(void) {
    int ends[2];
    char text[4096];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    while (write(ends[1], "x", 1) == 1) {
    }
    host_init(&host);
    host_start(&host);
    host.w.access.fd = ends[1];
    client_open(&host, &client, GET);
    client_got(&client, ok_reply("hello"));
    CHECK(host.w.access.lines.len > 0);
    while (read(ends[0], text, sizeof text) > 0) {
    }
    vel_worker_turn(&host.w, -1); /* would wait for ever, but looks at the log again */
    CHECK_INT(host.w.access.lines.len, 0);
    client_close(&host, &client);
    host_stop(&host);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    RUN(each_allocation_of_init_may_fail);
    RUN(a_socket_that_cannot_be_watched_fails_and_leaves_nothing);
    RUN(a_server_line_too_long_is_left_out);
    RUN(a_request_knows_where_it_came_in);
    RUN(without_descriptors_the_longest_idle_makes_room);
    RUN(without_descriptors_and_idlers_it_waits);
    RUN(exchanges_that_yield_take_turns);
    RUN(a_yield_does_not_keep_the_loop_from_others);
    RUN(a_drain_ends_a_worker_without_connections);
    RUN(a_drain_before_the_run_ends_it_at_once);
    RUN(a_draining_worker_accepts_no_more);
    RUN(a_socket_that_retires_is_emptied_before_it_refuses);
    RUN(the_queue_of_a_socket_that_does_not_retire_is_left_alone);
    RUN(a_request_that_does_not_end_is_cut_when_the_time_to_drain_is_over);
    RUN(a_kill_from_within_a_request_lets_its_answer_go);
    RUN(a_drain_does_not_take_back_a_kill);
    RUN(a_drain_gives_an_idle_connection_time_for_one_more_request);
    RUN(a_drain_closes_an_idle_connection_when_its_time_is_over);
    RUN(the_number_of_requests_is_told_once);
    RUN(the_number_of_requests_is_looked_at_on_the_loop_of_another);
    RUN(a_wake_up_is_told_in_the_loop);
    RUN(the_date_is_that_of_the_answer_and_not_of_the_last_one);
    RUN(no_date_when_it_is_not_wanted);
    RUN(lines_are_written_behind_the_replies);
    RUN(a_log_that_nobody_reads_holds_up_nothing);
    return 0;
}

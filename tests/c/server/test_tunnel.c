/* Tests of tunnels, and of exchanges that are worked on outside of their own dispatch. */
#include "base/err.h"
#include "server/output.h"
#include "support/host.h"
#include "support/test.h"

#include <sys/socket.h>
#include <unistd.h>

#define UPGRADE "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\nX-A: b\r\n\r\n"

static struct host host;
static struct client client;

static int switch_over(struct vel_exchange *x) {
    static const struct vel_field field = {{"X-A", 3}, {"b", 1}, VEL_FIELD_OTHER};
    struct vel_reply_head head = {.fields = &field, .nfields = 1};
    return fake_app_of(x)->err = vel_exchange_tunnel(x, &head, VEL_SLICE("test"));
}

static void begin_tunnel(struct vel_exchange *x) {
    CHECK_INT(switch_over(x), VEL_OK);
}

static void echo(struct vel_exchange *x, struct vel_slice data) {
    CHECK_INT(vel_exchange_data(x, data, NULL), VEL_OK);
}

static void end(struct vel_exchange *x) {
    fake_end(x);
}

static void start(void (*on_request)(struct vel_exchange *x)) {
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.on_request = on_request;
    host.app.on_data = echo;
    host_start(&host);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

static void bytes_go_both_ways_as_they_are(void) {
    start(begin_tunnel);
    host.app.on_end = end;
    client_open(&host, &client, UPGRADE);
    client_got(&client, SWITCHED);
    client_send(&host, &client, "GET / HTTP/1.1\r\n\r\n");
    client_got(&client, "GET / HTTP/1.1\r\n\r\n");
    client_send_bytes(&host, &client, "\0\xff", 2);
    CHECK(client.len == 2 && memcmp(client.got, "\0\xff", 2) == 0);
    CHECK_INT(host.app.requests, 1);
    client_shutdown(&host, &client);
    client_read(&host, &client);
    CHECK(client.eof && host_conn(&host) == NULL);
    CHECK_INT(host.app.aborts, 0);
    stop();
}

static void bytes_behind_the_request_are_the_tunnels(void) {
    start(begin_tunnel);
    client_open(&host, &client, UPGRADE "early");
    client_got(&client, SWITCHED "early");
    stop();
}

/* The application answers from a callback of its own, when the server is not in any of its connections. */
static void a_tunnel_may_begin_later_with_what_came_meanwhile(void) {
    start(NULL);
    client_open(&host, &client, UPGRADE "early");
    client_got(&client, "");
    CHECK_INT(switch_over(host.app.held), VEL_OK);
    client_read(&host, &client);
    client_got(&client, SWITCHED "early");
    client_send(&host, &client, " and late");
    client_got(&client, " and late");
    stop();
}

static void a_tunnel_ends_when_all_is_sent(void) {
    start(begin_tunnel);
    client_open(&host, &client, UPGRADE);
    CHECK_INT(fake_data(host.app.held, "bye"), VEL_OK);
    CHECK_INT(fake_end(host.app.held), VEL_OK);
    client_read(&host, &client);
    client_got(&client, SWITCHED "bye");
    CHECK(client.eof && !client.reset);
    client_send(&host, &client, "what is sent now is read away");
    CHECK_INT(host.app.runs, 0);
    stop();
}

static void a_lost_client_aborts_the_tunnel(void) {
    start(begin_tunnel);
    client_open_tcp(&host, &client, UPGRADE);
    struct linger now = {.l_onoff = 1};
    CHECK(setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    client_close(&host, &client);
    host_step(&host);
    CHECK_INT(host.app.aborts, 1);
    CHECK(host_conn(&host) == NULL);
    host_stop(&host);
}

static void an_aborted_tunnel_is_reset(void) {
    start(begin_tunnel);
    client_open_tcp(&host, &client, UPGRADE);
    fake_abort(host.app.held);
    host_step(&host);
    client_read(&host, &client);
    CHECK(client.reset);
    stop();
}

static void no_clock_of_http_runs_in_a_tunnel(void) {
    start(begin_tunnel);
    client_open(&host, &client, UPGRADE);
    for (int kind = 0; kind < VEL_TIMEOUT_COUNT; kind++)
        host_expire(&host, kind);
    host.w.loop->waited += 60000; /* and no least rate */
    client_send(&host, &client, "still here");
    client_got(&client, SWITCHED "still here");
    stop();
}

static void a_tunnel_that_is_not_consumed_is_not_read_on(void) {
    static char much[4 * VEL_READ_WINDOW];
    start(begin_tunnel);
    host.app.on_data = NULL;
    host.app.hoards = true;
    client_open(&host, &client, UPGRADE);
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 8; i++)
        (void)!send(client.fd, much, sizeof much, MSG_DONTWAIT | MSG_NOSIGNAL);
    host_step(&host);
    size_t given = host.app.body->len;
    CHECK(given >= VEL_READ_WINDOW && given <= 2 * VEL_READ_WINDOW);
    vel_exchange_consume(host.app.held, given);
    host_step(&host);
    CHECK(host.app.body->len > given);
    stop();
}

static void a_tunnel_begins_only_where_it_can(void) {
    start(NULL);
    host.app.on_data = NULL;
    client_open(&host, &client,
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nab");
    CHECK_INT(switch_over(host.app.held), VEL_ESTATE); /* its body has not come */
    client_send(&host, &client, "cde");
    CHECK_INT(fake_head(host.app.held, 200, 0), VEL_OK);
    CHECK_INT(switch_over(host.app.held), VEL_ESTATE); /* it has a head */
    fake_end(host.app.held);
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "101"), 0);
    client_close(&host, &client);
    client_open(&host, &client, "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n");
    CHECK_INT(switch_over(host.app.held), VEL_ESTATE);
    fake_reply(host.app.held, "no");
    stop();
}

static void nothing_of_http_may_be_asked_of_a_tunnel(void) {
    start(begin_tunnel);
    client_open(&host, &client, UPGRADE);
    CHECK_INT(fake_head(host.app.held, 200, 0), VEL_ESTATE);
    CHECK_INT(switch_over(host.app.held), VEL_ESTATE);
    client_got(&client, SWITCHED);
    stop();
}

/* --- outside of a dispatch --------------------------------------------------------------------------------------- */

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct vel_exchange *held[3];
static int nheld;

static void hold(struct vel_exchange *x) {
    held[nheld++] = x;
}

static void replies_sent_between_turns_leave_in_the_next(void) {
    start(hold);
    nheld = 0;
    client_open(&host, &client, GET);
    fake_reply(held[0], "later");
    CHECK(vel_output_is_staged(host_conn(&host)));
    client_read(&host, &client);
    client_got(&client, ok_reply("later"));
    client_send(&host, &client, GET);
    CHECK_INT(nheld, 2);
    fake_reply(held[1], "again");
    client_read(&host, &client);
    client_got(&client, ok_reply("again"));
    stop();
}

static void requests_that_wait_behind_are_served_then(void) {
    start(hold);
    nheld = 0;
    client_open(&host, &client, GET GET);
    CHECK_INT(nheld, 1);
    fake_reply(held[0], "one");
    client_read(&host, &client);
    client_got(&client, ok_reply("one"));
    CHECK_INT(nheld, 2);
    fake_reply(held[1], "two");
    client_read(&host, &client);
    client_got(&client, ok_reply("two"));
    stop();
}

/* One step of an application may send to many: the stage is one for all, and nothing is mixed up. */
static void several_are_sent_to_by_turns(void) {
    static struct client clients[3];
    start(hold);
    nheld = 0;
    for (int i = 0; i < 3; i++)
        client_open(&host, &clients[i], GET);
    for (int i = 0; i < 3; i++)
        fake_head(held[i], 200, 4);
    for (int i = 2; i >= 0; i--)
        fake_data(held[i], i == 0 ? "a1" : i == 1 ? "b1" : "c1");
    for (int i = 0; i < 3; i++) {
        fake_data(held[i], i == 0 ? "a2" : i == 1 ? "b2" : "c2");
        fake_end(held[i]);
    }
    host_step(&host);
    for (int i = 0; i < 3; i++) {
        client_read(&host, &clients[i]);
        client_got(&clients[i], ok_reply(i == 0 ? "a1a2" : i == 1 ? "b1b2" : "c1c2"));
        client_close(&host, &clients[i]);
    }
    host_stop(&host);
}

/* While one is served, its application sends to another. */
static void tell_the_first(struct vel_exchange *x) {
    if (nheld == 0) {
        fake_head(x, 200, 4);
        hold(x);
        return;
    }
    fake_head(x, 200, 4);
    fake_data(x, "he");
    fake_data(held[0], "from");
    fake_data(x, "re");
    fake_end(held[0]);
    fake_end(x);
}

static void one_is_sent_to_in_the_dispatch_of_another(void) {
    static struct client other;
    start(tell_the_first);
    nheld = 0;
    client_open(&host, &client, GET);
    client_open(&host, &other, GET);
    client_read(&host, &client);
    client_got(&other, ok_reply("here"));
    client_got(&client, ok_reply("from"));
    client_close(&host, &other);
    stop();
}

/* The client of what is staged goes before it is sent. */
static void what_is_staged_for_a_lost_client_is_nobody_elses(void) {
    static struct client other;
    start(hold);
    nheld = 0;
    client_open(&host, &client, GET);
    client_open(&host, &other, GET);
    fake_head(held[0], 200, 4);
    vel_conn_close(held[0]->conn);
    fake_reply(held[1], "mine");
    client_read(&host, &other);
    client_got(&other, ok_reply("mine"));
    client_close(&host, &other);
    stop();
}

/* --- on another's loop ------------------------------------------------------------------------------------------- */

static struct vel_loop others;
static struct vel_worker guest;
static struct fake_app guest_app;
static int due;

static void note_due(void *arg) {
    CHECK(arg == &guest);
    due++;
}

/* What the owner of the loop does: its turn, then what is due. */
static bool turn_others(void) {
    bool serves = true;
    for (int i = 0; i < 10; i++) {
        CHECK(vel_loop_turn(&others, 0) >= 0);
        while (due > 0 && serves) {
            due = 0;
            serves = vel_worker_after(&guest);
        }
    }
    return serves;
}

static void start_guest(void) {
    static const struct vel_config config = VEL_CONFIG_DEFAULT;
    fake_app_init(&guest_app);
    guest_app.ops.whole_body = false;
    guest_app.on_request = hold;
    nheld = due = 0;
    CHECK_INT(vel_loop_init(&others), VEL_OK);
    CHECK_INT(vel_worker_init_on(&guest, &others, &guest_app.app, &config, NULL, 0), VEL_OK);
    guest.on_due = note_due;
    guest.on_due_arg = &guest;
}

static void stop_guest(void) {
    vel_worker_free(&guest);
    CHECK_INT(fake_app_running(&guest_app), 0);
    CHECK_INT(vel_loop_timeout(&others), -1); /* it has left nothing there */
    CHECK(vel_list_empty(&others.timers));
    vel_loop_free(&others);
}

static void open_guest(int *client_end) {
    static const struct vel_endpoint endpoint = {.name = {"a", 1}, .port = {"1", 1}};
    union vel_addr peer = {.any.sa_family = AF_UNIX};
    struct client c;
    int server_end;
    client_pair(&c, &server_end);
    *client_end = c.fd;
    CHECK(write(c.fd, GET, sizeof(GET) - 1) == sizeof(GET) - 1);
    vel_conn_open(&guest, server_end, &peer, &endpoint);
}

static void a_worker_serves_on_anothers_loop(void) {
    int client_end;
    char got[512];
    start_guest();
    open_guest(&client_end);
    CHECK(turn_others() && nheld == 1 && due == 0);
    fake_reply(held[0], "hello");
    CHECK_INT(due, 1);
    CHECK(turn_others());
    ssize_t n = read(client_end, got, sizeof(got) - 1);
    CHECK(n > 0);
    got[n] = '\0';
    CHECK(strstr(got, "\r\n\r\nhello") != NULL);
    close(client_end);
    CHECK(turn_others());
    stop_guest();
}

static void a_worker_on_anothers_loop_says_when_it_is_drained(void) {
    int client_end;
    start_guest();
    open_guest(&client_end);
    vel_worker_drain(&guest);
    CHECK(turn_others()); /* one still runs */
    fake_reply(held[0], "last");
    CHECK(!turn_others());
    close(client_end);
    stop_guest();
}

static void a_worker_on_anothers_loop_can_be_killed(void) {
    int client_end;
    start_guest();
    open_guest(&client_end);
    vel_worker_kill(&guest);
    CHECK(!turn_others());
    close(client_end);
    stop_guest();
}

int main(void) {
    RUN(bytes_go_both_ways_as_they_are);
    RUN(bytes_behind_the_request_are_the_tunnels);
    RUN(a_tunnel_may_begin_later_with_what_came_meanwhile);
    RUN(a_tunnel_ends_when_all_is_sent);
    RUN(a_lost_client_aborts_the_tunnel);
    RUN(an_aborted_tunnel_is_reset);
    RUN(no_clock_of_http_runs_in_a_tunnel);
    RUN(a_tunnel_that_is_not_consumed_is_not_read_on);
    RUN(a_tunnel_begins_only_where_it_can);
    RUN(nothing_of_http_may_be_asked_of_a_tunnel);
    RUN(replies_sent_between_turns_leave_in_the_next);
    RUN(requests_that_wait_behind_are_served_then);
    RUN(several_are_sent_to_by_turns);
    RUN(one_is_sent_to_in_the_dispatch_of_another);
    RUN(what_is_staged_for_a_lost_client_is_nobody_elses);
    RUN(a_worker_serves_on_anothers_loop);
    RUN(a_worker_on_anothers_loop_says_when_it_is_drained);
    RUN(a_worker_on_anothers_loop_can_be_killed);
    return 0;
}

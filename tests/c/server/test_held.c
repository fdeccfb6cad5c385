/* Tests of exchanges that wait: what their peer does meanwhile, and what the application hears of it. */
#include "support/host.h"
#include "support/test.h"

#include <sys/socket.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

static struct host host;
static struct client client;
static int leaves, drains;

static void note_leave(struct vel_exchange *x) {
    CHECK(!x->ended && x->received);
    leaves++;
}

static void note_drain(struct vel_exchange *x) {
    CHECK(!x->ended);
    drains++;
}

static void end_it(struct vel_exchange *x) {
    drains++;
    fake_reply(x, "drained");
}

static void start(void) {
    leaves = drains = 0;
    host_init(&host);
    host.app.ops.whole_body = false;
    host.app.on_request = NULL;
    host.app.ops.on_leave = note_leave;
    host.app.ops.on_drain = note_drain;
    host_start(&host);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

static unsigned watched(void) {
    return host_conn(&host)->watch.io & (VEL_READ | VEL_WRITE);
}

static void a_peer_that_waits_for_its_answer_costs_no_system_call(void) {
    start();
    host.app.on_request = fake_hello;
    client_open(&host, &client, GET);
    CHECK_INT(watched(), VEL_READ);
    host.app.on_request = NULL;
    client_send(&host, &client, GET);
    CHECK_INT(watched(), VEL_READ);
    fake_reply(host.app.held, "later");
    host_step(&host);
    CHECK_INT(watched(), VEL_READ);
    stop();
}

static void what_a_peer_sends_meanwhile_is_left_to_the_kernel_and_served_after(void) {
    start();
    host.app.on_request = NULL;
    client_open(&host, &client, GET);
    for (int i = 0; i < 3; i++)
        client_send(&host, &client, GET);
    CHECK_INT(host.app.requests, 1);
    CHECK(!(watched() & VEL_READ));
    for (int i = 0; i < 4; i++) {
        CHECK_INT(host.app.requests, i + 1);
        fake_reply(host.app.held, "x");
        client_read(&host, &client);
        client_got(&client, ok_reply("x"));
    }
    CHECK_INT(leaves, 0);
    stop();
}

static void a_peer_that_ends_its_side_is_told_once_and_still_answered(void) {
    start();
    client_open_tcp(&host, &client, GET);
    client_shutdown(&host, &client);
    host_step(&host);
    CHECK_INT(leaves, 1);
    CHECK_INT(host.app.aborts, 0);
    fake_reply(host.app.held, "all the same");
    client_read(&host, &client);
    client_got(&client, ok_reply("all the same"));
    CHECK(client.eof);
    stop();
}

static void a_peer_that_ended_its_side_with_the_request_is_told_of(void) {
    start();
    client_open_tcp(&host, &client, NULL);
    CHECK(send(client.fd, GET, sizeof(GET) - 1, MSG_NOSIGNAL) == sizeof(GET) - 1);
    client_shutdown(&host, &client);
    host_step(&host);
    CHECK_INT(leaves, 1);
    fake_reply(host.app.held, "yes");
    client_read(&host, &client);
    client_got(&client, ok_reply("yes"));
    stop();
}

static void one_who_has_sent_more_and_left_is_told_of(void) {
    start();
    client_open_tcp(&host, &client, GET);
    client_send(&host, &client, GET);
    client_shutdown(&host, &client);
    host_step(&host);
    CHECK_INT(leaves, 1);
    fake_reply(host.app.held, "one");
    client_read(&host, &client);
    client_got(&client, ok_reply("one"));
    CHECK_INT(leaves, 2); /* the second request has the same peer */
    fake_reply(host.app.held, "two");
    client_read(&host, &client);
    client_got(&client, ok_reply("two"));
    stop();
}

static void an_application_that_does_not_ask_is_not_told(void) {
    start();
    host.app.ops.on_leave = NULL;
    client_open_tcp(&host, &client, GET);
    client_shutdown(&host, &client);
    host_step(&host);
    fake_reply(host.app.held, "fine");
    client_read(&host, &client);
    client_got(&client, ok_reply("fine"));
    stop();
}

static void running_exchanges_hear_of_the_drain_once(void) {
    start();
    client_open(&host, &client, GET);
    vel_worker_drain(&host.w);
    host_step(&host);
    host_step(&host);
    CHECK_INT(drains, 1);
    fake_reply(host.app.held, "last");
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "Connection: close"), 1);
    stop();
}

static void an_exchange_may_end_when_it_hears_of_the_drain(void) {
    start();
    host.app.ops.on_drain = end_it;
    client_open(&host, &client, GET);
    vel_worker_drain(&host.w);
    client_read(&host, &client);
    CHECK_INT(drains, 1);
    CHECK(client_count(&client, "drained") == 1 && client.eof);
    stop();
}

static void a_body_that_is_asked_for_gets_its_100_then(void) {
    start();
    host.app.ops.asks_for_body = true;
    client_open(&host, &client, POST);
    client_got(&client, "");
    vel_exchange_want_body(host.app.held);
    vel_exchange_want_body(host.app.held);
    client_read(&host, &client);
    client_got(&client, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(&host, &client, "hello");
    CHECK_INT(host.app.ends, 1);
    fake_reply(host.app.held, "done");
    client_read(&host, &client);
    client_got(&client, ok_reply("done"));
    stop();
}

static void a_body_that_is_not_asked_for_is_not_waited_for(void) {
    start();
    host.app.ops.asks_for_body = true;
    client_open(&host, &client, POST);
    fake_reply(host.app.held, "no");
    client_read(&host, &client);
    CHECK_INT(client_count(&client, "100 Continue"), 0);
    CHECK_INT(client_count(&client, "Connection: close"), 1);
    stop();
}

static void what_the_kernel_did_not_take_is_owed(void) {
    static char much[1 << 20];
    start();
    client_open_narrow(&host, &client, GET);
    CHECK_INT(vel_exchange_owed(host.app.held), 0);
    fake_head(host.app.held, 200, sizeof much);
    fake_lend(host.app.held, much, sizeof much);
    CHECK(vel_exchange_owed(host.app.held) > sizeof much / 2);
    fake_end(host.app.held);
    stop();
}

int main(void) {
    RUN(a_peer_that_waits_for_its_answer_costs_no_system_call);
    RUN(what_a_peer_sends_meanwhile_is_left_to_the_kernel_and_served_after);
    RUN(a_peer_that_ends_its_side_is_told_once_and_still_answered);
    RUN(a_peer_that_ended_its_side_with_the_request_is_told_of);
    RUN(one_who_has_sent_more_and_left_is_told_of);
    RUN(an_application_that_does_not_ask_is_not_told);
    RUN(running_exchanges_hear_of_the_drain_once);
    RUN(an_exchange_may_end_when_it_hears_of_the_drain);
    RUN(a_body_that_is_asked_for_gets_its_100_then);
    RUN(a_body_that_is_not_asked_for_is_not_waited_for);
    RUN(what_the_kernel_did_not_take_is_owed);
    return 0;
}

/* Tests of server/reply.c. */
#include "server/reply.h"

#include "support/host.h"
#include "support/test.h"

static struct host host;
static struct client client;
static unsigned status_to_send;

static void send_status(struct vel_exchange *x) {
    CHECK_INT(vel_reply_status(x, status_to_send), VEL_OK);
    CHECK(!x->ended);
    fake_end(x);
}

static void it_is_a_short_text_with_its_length(void) {
    host_init(&host);
    host.app.on_request = send_status;
    host_start(&host);
    status_to_send = 404;
    client_open(&host, &client, "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n");
    client_got(&client, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: 14\r\n\r\n404 Not Found\n");
    client_close(&host, &client);
    host_stop(&host);
}

/* The text has room for the longest reason; ASan sees when it has not. */
static void every_status_has_room(void) {
    char text[32];
    host_init(&host);
    host.app.on_request = send_status;
    host_start(&host);
    client_open(&host, &client, NULL);
    for (status_to_send = 400; status_to_send < 600; status_to_send++) {
        client.len = 0;
        client_send(&host, &client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        snprintf(text, sizeof text, "\r\n\r\n%u ", status_to_send);
        CHECK_INT(client_count(&client, text), 1);
    }
    client_close(&host, &client);
    host_stop(&host);
}

static void twice(struct vel_exchange *x) {
    CHECK_INT(vel_reply_status(x, 404), VEL_OK);
    CHECK_INT(vel_reply_status(x, 500), VEL_ESTATE);
    fake_end(x);
}

static void a_reply_that_has_begun_stays(void) {
    host_init(&host);
    host.app.on_request = twice;
    host_start(&host);
    client_open(&host, &client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_got(&client, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: 14\r\n\r\n");
    client_close(&host, &client);
    host_stop(&host);
}

int main(void) {
    RUN(it_is_a_short_text_with_its_length);
    RUN(every_status_has_room);
    RUN(a_reply_that_has_begun_stays);
    return 0;
}

/* Tests of src/server/proxied.c: whom a connection comes from. */
#include "server/proxied.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/packet.h"

static struct host host;
static struct client client;
static struct vel_cidr net;

#define PEER "203.0.113.9"
#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"

static int complaints;

static void on_complaint(void *arg, const union vel_addr *peer, const char *why, uint64_t more) {
    (void)arg, (void)peer, (void)more;
    CHECK(why[0] != '\0');
    complaints++;
}

/* "client:port scheme". */
static void tell(struct vel_exchange *x) {
    char text[200], peer[VEL_ADDR_TEXT_MAX + 1];
    peer[vel_addr_host(x->peer, peer)] = '\0';
    snprintf(text, sizeof text, "%s:%d %s", peer, vel_addr_port(x->peer),
             x->origin != NULL && x->origin->scheme.len == 5 ? "https" : "-");
    fake_reply(x, text);
}

static void start(void) {
    host_init(&host);
    CHECK(vel_cidr_parse(VEL_SLICE(PEER), &net));
    host.config.proxy_allow = (struct vel_trust){.n = 1, .nets = &net};
    host.app.on_request = tell;
    complaints = 0;
    host_start(&host);
    host.w.on_complaint = on_complaint;
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

static void send_bytes(const char *at, size_t len) {
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, at, len);
}

static void line_names_the_client(void) {
    start();
    client_open(&host, &client, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n" GET);
    client_got(&client, ok_reply("192.0.2.1:1234 -"));
    client_send(&host, &client, GET);
    client_got(&client, ok_reply("192.0.2.1:1234 -"));
    client_close(&host, &client);
    client_open(&host, &client, "PROXY TCP6 2001:db8::1 ::1 1234 80\r\n" GET);
    client_got(&client, ok_reply("2001:db8::1:1234 -"));
    client_close(&host, &client);
    client_open(&host, &client, "PROXY UNKNOWN\r\n" GET);
    client_got(&client, ok_reply(PEER ":4711 -"));
    stop();
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define HEADER                                                                                                         \
    SIGNATURE "\x21\x11\x00\x14\xC0\x00\x02\x01\xC6\x33\x64\x02\x04\xD2\x00\x50"                                       \
              "\x20\x00\x05\x01\0\0\0\0"

static void header_names_the_client_and_its_tls(void) {
    static const char bytes[] = HEADER GET;
    start();
    send_bytes(bytes, sizeof bytes - 1);
    client_got(&client, ok_reply("192.0.2.1:1234 https"));
    stop();
}

static void client_of_a_unix_socket_has_no_address(void) {
    static char bytes[16 + 216 + sizeof GET - 1] = SIGNATURE "\x21\x31\x00\xD8/run/client";
    memcpy(bytes + 16 + 216, GET, sizeof GET - 1);
    start();
    host.w.config.trust.unix_peers = true;
    send_bytes(bytes, sizeof bytes);
    client_got(&client, ok_reply(":0 -"));
    stop();
}

static void local_leaves_the_peer(void) {
    static const char bytes[] = SIGNATURE "\x20\x00\x00\x00" GET;
    start();
    send_bytes(bytes, sizeof bytes - 1);
    client_got(&client, ok_reply(PEER ":4711 -"));
    stop();
}

static void every_cut_gives_the_same(void) {
    static const char bytes[] = HEADER GET;
    start();
    for (size_t cut = 1; cut < sizeof bytes - 1; cut++) {
        send_bytes(bytes, cut);
        CHECK_INT(client.len, 0);
        client_send_bytes(&host, &client, bytes + cut, sizeof bytes - 1 - cut);
        client_got(&client, ok_reply("192.0.2.1:1234 https"));
        client_close(&host, &client);
    }
    stop();
}

static void what_is_no_header_is_cut_off(void) {
    static const char *const texts[] = {GET, "PROXY TCP4 1.2.3 192.0.2.2 1 2\r\n" GET,
                                        "PROXY TCP4 256.0.0.1 192.0.2.2 1 2\r\n" GET, "PROXY NONE\r\n" GET};
    start();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        host.w.complained = 0;
        client_open(&host, &client, texts[i]);
        CHECK_INT(client.len, 0);
        CHECK(client.eof || client.reset);
        CHECK_INT(complaints, i + 1);
        client_close(&host, &client);
    }
    CHECK_INT(host.w.stats->requests, 0);
    stop();
}

/* Nobody can choose an address by sending a header. */
static void strangers_headers_are_not_believed(void) {
    static const char bytes[] = HEADER GET;
    start();
    CHECK(vel_cidr_parse(VEL_SLICE("10.0.0.0/8"), &net));
    client_open(&host, &client, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" GET);
    client_got(&client, refusal(400));
    send_bytes(bytes, sizeof bytes - 1);
    client_got(&client, refusal(400));
    client_open(&host, &client, GET);
    client_got(&client, ok_reply(PEER ":4711 -"));
    stop();
}

static void second_header_is_no_request(void) {
    start();
    client_open(&host, &client, "PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n" GET);
    client_got(&client, refusal(400));
    stop();
}

static void header_that_does_not_come_is_not_waited_for(void) {
    start();
    client_open(&host, &client, "PROXY TCP4 ");
    host_expire(&host, VEL_TIMEOUT_HEADER);
    client_read(&host, &client);
    CHECK(client.eof || client.reset);
    CHECK_INT(client.len, 0);
    stop();
}

static void trust_is_in_the_client_that_is_named(void) {
    static struct vel_cidr trusted;
    start();
    CHECK(vel_cidr_parse(VEL_SLICE("192.0.2.1"), &trusted));
    host.w.config.trust = (struct vel_trust){.n = 1, .nets = &trusted};
    client_open(&host, &client,
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n");
    client_got(&client, ok_reply("10.1.1.1:0 -"));
    client_close(&host, &client);
    client_open(&host, &client,
                "PROXY TCP4 192.0.2.3 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n");
    client_got(&client, ok_reply("192.0.2.3:1 -"));
    stop();
}

static void packet_may_follow(void) {
    static struct packet packet;
    static char bytes[1000];
    start();
    host.endpoint.protocol = VEL_PROTOCOL_UWSGI;
    host.w.config.uwsgi_allow.everyone = true;
    packet_make(&packet, "REQUEST_METHOD=GET\nREQUEST_URI=/\nHTTP_HOST=h\n");
    memcpy(bytes, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 36);
    memcpy(bytes + 36, packet.bytes, packet.len);
    send_bytes(bytes, 36 + packet.len);
    CHECK_INT(client_count(&client, "192.0.2.1:1 -"), 1);
    stop();
}

static void every_allocation_may_fail(void) {
    static const char bytes[] = HEADER GET;
    for (unsigned long n = 1;; n++) {
        int server_end;
        start();
        client_pair(&client, &server_end);
        fail_malloc_at(n);
        host_serve(&host, server_end);
        client_send_bytes(&host, &client, bytes, 20);
        client_send_bytes(&host, &client, bytes + 20, sizeof bytes - 1 - 20);
        bool hit = fail_malloc_hit();
        fail_malloc_at(0);
        bool answered = client_count(&client, "192.0.2.1:1234 https") == 1;
        CHECK(answered || (hit && (client_count(&client, "HTTP/1.1 503") == 1 || client.eof || client.reset)));
        stop();
        if (!hit)
            break;
    }
}

int main(void) {
    RUN(line_names_the_client);
    RUN(header_names_the_client_and_its_tls);
    RUN(client_of_a_unix_socket_has_no_address);
    RUN(local_leaves_the_peer);
    RUN(every_cut_gives_the_same);
    RUN(what_is_no_header_is_cut_off);
    RUN(strangers_headers_are_not_believed);
    RUN(second_header_is_no_request);
    RUN(header_that_does_not_come_is_not_waited_for);
    RUN(trust_is_in_the_client_that_is_named);
    RUN(packet_may_follow);
    RUN(every_allocation_may_fail);
    return 0;
}

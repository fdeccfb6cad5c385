/* Tests of src/server/proto_uwsgi.c: packets on connections, and what comes back. */
#include "server/proto_uwsgi.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/packet.h"

static struct host host;
static struct client client;
static struct packet packet;

/* The peer of every connection here. */
#define PEER "203.0.113.9"

#define LEAST "REQUEST_METHOD=GET\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\n"

static struct {
    int count;
    char why[100];
    uint64_t more;
} complaints;

static void on_complaint(void *arg, const union vel_addr *peer, const char *why, uint64_t more) {
    (void)arg;
    CHECK(peer != NULL);
    complaints.count++;
    complaints.more = more;
    snprintf(complaints.why, sizeof complaints.why, "%s", why);
}

static void start(void (*on_request)(struct vel_exchange *x)) {
    host_init(&host);
    host.endpoint.protocol = VEL_PROTOCOL_UWSGI;
    host.config.uwsgi_allow.everyone = true;
    host.app.on_request = on_request;
    memset(&complaints, 0, sizeof complaints);
    host_start(&host);
    host.w.on_complaint = on_complaint;
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

/* A packet of these lines and what is behind it, on a new connection. */
static void send_packet(const char *lines, const char *behind) {
    packet_make(&packet, lines);
    memcpy(packet.bytes + packet.len, behind, strlen(behind));
    packet.len += strlen(behind);
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len);
}

#define CLOSING(status, length) "HTTP/1.1 " status "\r\nContent-Length: " length "\r\nConnection: close\r\n\r\n"

/* --- requests and replies ---------------------------------------------------------------------------------------- */

static void request_is_answered_and_the_connection_closed(void) {
    start(fake_echo);
    send_packet(LEAST, "");
    client_got(&client, CLOSING("200 OK", "7") "GET /x ");
    CHECK(client.eof);
    CHECK_INT(host.w.stats->requests, 1);
    CHECK_INT(host.w.stats->open, 0);
    stop();
}

static void body_follows_the_packet(void) {
    start(NULL);
    host.app.ops.whole_body = false;
    host.app.on_end = fake_echo;
    send_packet("REQUEST_METHOD=POST\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\nCONTENT_LENGTH=5\n", "hello");
    client_got(&client, CLOSING("200 OK", "13") "POST /x hello");
    CHECK(client.eof);
    stop();
}

static void chunked_body_is_taken_when_no_length_is_said(void) {
    start(NULL);
    host.app.ops.whole_body = false;
    host.app.on_end = fake_echo;
    send_packet("REQUEST_METHOD=POST\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\nHTTP_TRANSFER_ENCODING=chunked\n",
                "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    client_got(&client, CLOSING("200 OK", "13") "POST /x hello");
    stop();
}

static void every_cut_gives_the_same(void) {
    start(NULL);
    host.app.on_request = fake_echo;
    packet_make(&packet, "REQUEST_METHOD=POST\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\nCONTENT_LENGTH=5\nV=1\n");
    memcpy(packet.bytes + packet.len, "hello", 5);
    packet.len += 5;
    for (size_t cut = 1; cut < packet.len; cut++) {
        client_open(&host, &client, NULL);
        client_send_bytes(&host, &client, packet.bytes, cut);
        CHECK_INT(client.len, 0);
        client_send_bytes(&host, &client, packet.bytes + cut, packet.len - cut);
        client_got(&client, CLOSING("200 OK", "13") "POST /x hello");
        client_close(&host, &client);
    }
    stop();
}

static void byte_by_byte_gives_the_same(void) {
    start(fake_echo);
    packet_make(&packet, LEAST);
    client_open(&host, &client, NULL);
    for (size_t i = 0; i < packet.len; i++)
        client_send_bytes(&host, &client, packet.bytes + i, 1);
    client_got(&client, CLOSING("200 OK", "7") "GET /x ");
    stop();
}

static void stream_then_end(struct vel_exchange *x) {
    CHECK_INT(fake_head(x, 200, -1), VEL_OK);
    CHECK_INT(fake_data(x, "one"), VEL_OK);
    CHECK_INT(fake_data(x, "two"), VEL_OK);
    fake_end(x);
}

static void body_of_unknown_length_ends_with_the_connection(void) {
    start(stream_then_end);
    send_packet(LEAST, "");
    client_got(&client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo");
    CHECK(client.eof && !client.reset);
    stop();
}

static void stream_then_abort(struct vel_exchange *x) {
    CHECK_INT(fake_head(x, 200, -1), VEL_OK);
    CHECK_INT(fake_data(x, "one"), VEL_OK);
    fake_abort(x);
}

/* A gateway takes the end of the connection for the end of the body. */
static void body_that_fails_ends_in_a_reset(void) {
    start(stream_then_abort);
    packet_make(&packet, LEAST);
    client_open_tcp(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len);
    CHECK(client.reset);
    stop();
}

static void head_request_gets_no_body(void) {
    start(fake_hello);
    send_packet("REQUEST_METHOD=HEAD\nREQUEST_URI=/\nPATH_INFO=/\nHTTP_HOST=h\n", "");
    client_got(&client, CLOSING("200 OK", "5"));
    stop();
}

static void old_client_is_answered_the_same_way(void) {
    start(stream_then_end);
    send_packet("REQUEST_METHOD=GET\nREQUEST_URI=/\nPATH_INFO=/\nSERVER_PROTOCOL=HTTP/1.0\n", "");
    client_got(&client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo");
    stop();
}

static void inform_then_hello(struct vel_exchange *x) {
    struct vel_reply_head head = {.status = 103};
    CHECK_INT(vel_exchange_inform(x, &head), VEL_OK);
    fake_hello(x);
}

static void nothing_informational_is_sent(void) {
    start(inform_then_hello);
    send_packet(LEAST "HTTP_EXPECT=100-continue\n", "");
    client_got(&client, CLOSING("200 OK", "5") "hello");
    stop();
}

static void no_100_is_sent(void) {
    start(NULL);
    host.app.ops.whole_body = false;
    host.app.on_end = fake_echo;
    packet_make(&packet, "REQUEST_METHOD=POST\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\nCONTENT_LENGTH=5\n"
                         "HTTP_EXPECT=100-continue\n");
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len);
    CHECK_INT(client.len, 0);
    client_send(&host, &client, "hello");
    client_got(&client, CLOSING("200 OK", "13") "POST /x hello");
    stop();
}

static void second_packet_is_not_looked_at(void) {
    start(fake_hello);
    packet_make(&packet, LEAST);
    memcpy(packet.bytes + packet.len, packet.bytes, packet.len);
    packet.len *= 2;
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len);
    client_got(&client, CLOSING("200 OK", "5") "hello");
    CHECK_INT(host.w.stats->requests, 1);
    stop();
}

static void switch_protocols(struct vel_exchange *x) {
    struct vel_reply_head head = {.status = 101};
    CHECK_INT(vel_exchange_tunnel(x, &head, VEL_SLICE("websocket")), VEL_OK);
    CHECK_INT(fake_data(x, "raw"), VEL_OK);
}

static void tunnel_can_begin(void) {
    start(NULL);
    host.app.ops.whole_body = false;
    host.app.on_end = switch_protocols;
    send_packet(LEAST "HTTP_UPGRADE=websocket\nHTTP_CONNECTION=upgrade\n", "");
    CHECK_INT(client_count(&client, "HTTP/1.1 101 Switching Protocols\r\n"), 1);
    CHECK_INT(client_count(&client, "\r\n\r\nraw"), 1);
    host.app.on_end = NULL;
    stop();
}

/* --- what is said beside the head -------------------------------------------------------------------------------- */

/* "client:port scheme name port prefix", with "-" for what is not said. */
static void tell(struct vel_exchange *x) {
    const struct vel_origin *o = x->origin;
    char text[400], peer[VEL_ADDR_TEXT_MAX + 1];
    CHECK(o != NULL);
    peer[vel_addr_host(x->peer, peer)] = '\0';
    snprintf(text, sizeof text, "%s:%d %.*s %.*s %.*s %.*s", peer, vel_addr_port(x->peer), (int)o->scheme.len,
             o->scheme.at, (int)o->name.len, o->name.len ? o->name.at : "", (int)o->port.len,
             o->port.len ? o->port.at : "", (int)o->prefix.len, o->prefix.at ? o->prefix.at : "");
    fake_reply(x, text);
}

static void check_told(const char *lines, const char *want) {
    char head[200];
    char whole[600];
    snprintf(whole, sizeof whole, "%s%s", LEAST, lines);
    send_packet(whole, "");
    snprintf(head, sizeof head, CLOSING("200 OK", "%zu") "%s", strlen(want), want);
    client_got(&client, head);
    client_close(&host, &client);
}

static void gateway_says_who_the_client_is(void) {
    start(tell);
    check_told("", PEER ":4711 http h  ");
    check_told("REMOTE_ADDR=192.0.2.1\nREMOTE_PORT=99\n", "192.0.2.1:99 http h  ");
    check_told("REMOTE_ADDR=2001:db8::1\nREMOTE_PORT=\n", "2001:db8::1:0 http h  ");
    check_told("REMOTE_ADDR=unix:\n", ":0 http h  ");
    check_told("REMOTE_ADDR=192.0.2.1\nREMOTE_PORT=99999\n", "192.0.2.1:0 http h  ");
    check_told("HTTPS=on\nSERVER_NAME=site\nSERVER_PORT=443\nSCRIPT_NAME=/app\n", PEER ":4711 https site 443 /app");
    check_told("SERVER_NAME=\nSERVER_PORT=0\n", PEER ":4711 http h  ");
    stop();
}

static void fields_of_a_client_are_followed_only_if_it_is_trusted(void) {
    static struct vel_cidr net;
    start(tell);
    check_told("REMOTE_ADDR=192.0.2.1\nHTTP_X_FORWARDED_FOR=10.1.1.1\n", "192.0.2.1:0 http h  ");
    CHECK(vel_cidr_parse(VEL_SLICE("192.0.2.0/24"), &net));
    host.w.config.trust = (struct vel_trust){.n = 1, .nets = &net};
    check_told("REMOTE_ADDR=192.0.2.1\nHTTP_X_FORWARDED_FOR=10.1.1.1\nSERVER_PORT=81\nSCRIPT_NAME=/app\n",
               "10.1.1.1:0 http h 81 /app");
    check_told("REMOTE_ADDR=192.0.2.1\nHTTP_X_FORWARDED_PROTO=https\n", "192.0.2.1:0 https h  ");
    check_told("REMOTE_ADDR=198.51.100.1\nHTTP_X_FORWARDED_FOR=10.1.1.1\n", "198.51.100.1:0 http h  ");
    stop();
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

static void broken_packet_is_cut_off_with_a_line_for_the_log(void) {
    start(fake_hello);
    client_open(&host, &client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_INT(client.len, 0);
    CHECK(client.eof || client.reset);
    CHECK_INT(complaints.count, 1);
    CHECK(strstr(complaints.why, "HTTP") != NULL);
    CHECK_INT(host.w.stats->refused, 1);
    CHECK_INT(host.w.stats->requests, 0);
    stop();
}

static void request_that_breaks_a_rule_is_answered(void) {
    start(fake_hello);
    send_packet("REQUEST_METHOD=GET\nREQUEST_URI=/\nPATH_INFO=/\n", "");
    client_got(&client, refusal(400));
    CHECK(client.eof);
    send_packet(LEAST "CONTENT_LENGTH=99999999999\n", "");
    client_got(&client, refusal(413));
    CHECK_INT(complaints.count, 0);
    stop();
}

static void packet_that_does_not_come_whole_is_refused_in_time(void) {
    start(fake_hello);
    packet_make(&packet, LEAST);
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len - 1);
    host_expire(&host, VEL_TIMEOUT_HEADER);
    client_read(&host, &client);
    client_got(&client, refusal(408));
    stop();
}

static void end_within_a_packet_closes(void) {
    start(fake_hello);
    packet_make(&packet, LEAST);
    client_open(&host, &client, NULL);
    client_send_bytes(&host, &client, packet.bytes, packet.len - 1);
    client_shutdown(&host, &client);
    CHECK_INT(client.len, 0);
    CHECK_INT(host.w.stats->open, 0);
    stop();
}

static void strangers_are_not_spoken_with(void) {
    static struct vel_cidr net;
    start(fake_hello);
    CHECK(vel_cidr_parse(VEL_SLICE("127.0.0.0/8"), &net));
    host.w.config.uwsgi_allow = (struct vel_trust){.n = 1, .nets = &net};
    send_packet(LEAST, "");
    CHECK_INT(client.len, 0);
    CHECK(client.eof || client.reset);
    CHECK_INT(complaints.count, 1);
    CHECK_INT(host.w.stats->accepted, 0);
    CHECK(vel_cidr_parse(VEL_SLICE(PEER), &net));
    send_packet(LEAST, "");
    CHECK_INT(client_count(&client, "hello"), 1);
    stop();
}

static void log_gets_one_line_a_second(void) {
    start(fake_hello);
    for (int i = 0; i < 5; i++) {
        client_open(&host, &client, "GET / HTTP/1.1\r\n\r\n");
        client_close(&host, &client);
    }
    CHECK_INT(complaints.count, 1);
    CHECK_INT(complaints.more, 0);
    host.w.complained -= 2000;
    client_open(&host, &client, "GET / HTTP/1.1\r\n\r\n");
    CHECK_INT(complaints.count, 2);
    CHECK_INT(complaints.more, 4);
    stop();
}

static void nobody_need_hear_complaints(void) {
    start(fake_hello);
    host.w.on_complaint = NULL;
    client_open(&host, &client, "GET / HTTP/1.1\r\n\r\n");
    CHECK_INT(complaints.count, 0);
    stop();
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void every_allocation_may_fail(void) {
    for (unsigned long n = 1;; n++) {
        int server_end;
        start(NULL);
        host.app.on_request = tell;
        packet_make(&packet, "REQUEST_METHOD=POST\nREQUEST_URI=/x\nPATH_INFO=/x\nHTTP_HOST=h\nCONTENT_LENGTH=5\n"
                             "REMOTE_ADDR=192.0.2.1\nSERVER_NAME=site\nSERVER_PORT=443\nSCRIPT_NAME=/app\nV=1\n");
        memcpy(packet.bytes + packet.len, "hello", 5);
        packet.len += 5;
        client_pair(&client, &server_end);
        fail_malloc_at(n);
        host_serve(&host, server_end);
        for (size_t i = 0; i < packet.len; i += 40)
            client_send_bytes(&host, &client, packet.bytes + i, packet.len - i < 40 ? packet.len - i : 40);
        bool hit = fail_malloc_hit();
        fail_malloc_at(0);
        bool answered = client_count(&client, "192.0.2.1:0 http site 443 /app") == 1;
        bool refused = client_count(&client, "HTTP/1.1 503") == 1;
        CHECK(answered || (hit && (refused || client.eof || client.reset)));
        stop();
        if (!hit)
            break;
    }
}

int main(void) {
    RUN(request_is_answered_and_the_connection_closed);
    RUN(body_follows_the_packet);
    RUN(chunked_body_is_taken_when_no_length_is_said);
    RUN(every_cut_gives_the_same);
    RUN(byte_by_byte_gives_the_same);
    RUN(body_of_unknown_length_ends_with_the_connection);
    RUN(body_that_fails_ends_in_a_reset);
    RUN(head_request_gets_no_body);
    RUN(old_client_is_answered_the_same_way);
    RUN(nothing_informational_is_sent);
    RUN(no_100_is_sent);
    RUN(second_packet_is_not_looked_at);
    RUN(tunnel_can_begin);
    RUN(gateway_says_who_the_client_is);
    RUN(fields_of_a_client_are_followed_only_if_it_is_trusted);
    RUN(broken_packet_is_cut_off_with_a_line_for_the_log);
    RUN(request_that_breaks_a_rule_is_answered);
    RUN(packet_that_does_not_come_whole_is_refused_in_time);
    RUN(end_within_a_packet_closes);
    RUN(strangers_are_not_spoken_with);
    RUN(log_gets_one_line_a_second);
    RUN(nobody_need_hear_complaints);
    RUN(every_allocation_may_fail);
    return 0;
}

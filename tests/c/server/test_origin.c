/* Tests of server/origin.c: who is believed, and what. */
#include "server/origin.h"

#include "support/failmalloc.h"
#include "support/host.h"
#include "support/test.h"

#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct host host;
static struct client client;
static struct vel_cidr nets[4];

/* The peer of every connection here is 203.0.113.9. */
#define PEER "203.0.113.9"

static void trust(unsigned fields, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        CHECK(vel_cidr_parse(vel_slice(texts[i], strlen(texts[i])), &nets[i]));
    host.config.trust = (struct vel_trust){.n = n, .nets = nets};
    host.config.origin_fields = fields;
}

static const char *or_dash(struct vel_slice s, char *at, size_t max) {
    if (s.at == NULL)
        return "-";
    snprintf(at, max, "%.*s", (int)s.len, s.at);
    return at;
}

/* "client:port scheme host name port prefix", with "-" for what is not said. */
static void tell(struct vel_exchange *x) {
    static const struct vel_origin none;
    const struct vel_origin *origin = x->origin != NULL ? x->origin : &none;
    char text[1200], peer[VEL_ADDR_TEXT_MAX + 1], a[5][200];
    peer[vel_addr_host(x->peer, peer)] = '\0';
    snprintf(text, sizeof text, "%s:%d %s %s %s %s %s", peer, vel_addr_port(x->peer),
             or_dash(origin->scheme, a[0], 200), or_dash(x->head->host, a[1], 200), or_dash(origin->name, a[2], 200),
             or_dash(origin->port, a[3], 200), or_dash(origin->prefix, a[4], 200));
    fake_reply(x, text);
}

static void start(unsigned fields, const char *const *trusted, size_t n) {
    host_init(&host);
    trust(fields, trusted, n);
    host.app.on_request = tell;
    host_start(&host);
}

static void stop(void) {
    client_close(&host, &client);
    host_stop(&host);
}

/* What comes of a request with these field lines. */
static void check(const char *lines, const char *want) {
    char request[4000];
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: site\r\n%s\r\n", lines);
    client_open(&host, &client, request);
    client_got(&client, ok_reply(want));
    client_close(&host, &client);
}

#define NOTHING PEER ":4711 - site - - -"
#define ALL (VEL_ORIGIN_FOR | VEL_ORIGIN_PROTO | VEL_ORIGIN_HOST | VEL_ORIGIN_PORT | VEL_ORIGIN_PREFIX)

static const char *const peer_only[] = {PEER};
static const char *const chain[] = {PEER, "10.0.0.0/8", "2001:db8::/32"};

#define EVERY_FIELD                                                                                                    \
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"      \
    "X-Forwarded-Prefix: /evil\r\nForwarded: for=192.0.2.2;proto=https;host=evil\r\nX-Real-IP: 192.0.2.3\r\n"

static void nobody_is_believed_unless_somebody_says_so(void) {
    start(ALL, NULL, 0);
    check(EVERY_FIELD, NOTHING);
    stop();
}

static void strangers_are_not_believed(void) {
    static const char *const others[] = {"203.0.113.8", "10.0.0.0/8", "::/0"};
    start(ALL, others, 3);
    check(EVERY_FIELD, NOTHING);
    stop();
    start(VEL_ORIGIN_FORWARDED, others, 3);
    check(EVERY_FIELD, NOTHING);
    stop();
}

static void one_family_is_read_and_never_the_other(void) {
    start(ALL, peer_only, 1);
    check("Forwarded: for=192.0.2.2;proto=https;host=evil\r\n", NOTHING);
    stop();
    start(VEL_ORIGIN_FORWARDED, peer_only, 1);
    check("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n", NOTHING);
    stop();
}

static void only_the_fields_asked_for_are_read(void) {
    start(VEL_ORIGIN_FOR | VEL_ORIGIN_PROTO, peer_only, 1);
    check(EVERY_FIELD, "192.0.2.1:0 https site - - -");
    stop();
    start(VEL_ORIGIN_PREFIX, peer_only, 1);
    check(EVERY_FIELD, PEER ":4711 - site - - /evil");
    stop();
    start(0, peer_only, 1);
    check(EVERY_FIELD, NOTHING);
    stop();
}

struct origin_case {
    const char *lines, *want;
};

static void check_all(const struct origin_case *cases, size_t n) {
    for (size_t i = 0; i < n; i++)
        check(cases[i].lines, cases[i].want);
}

static void x_forwarded_for_is_followed_from_the_right(void) {
    static const struct origin_case cases[] = {
        {"", NOTHING},
        {"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: 192.0.2.1:47\r\n", "192.0.2.1:47 - site - - -"},
        {"X-Forwarded-For: ::1\r\n", "::1:0 - site - - -"},
        {"X-Forwarded-For: [2001:db9::1]:80\r\n", "2001:db9::1:80 - site - - -"},
        /* what a client has put there itself */
        {"X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: 10.1.1.1, 192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: garbage, \"192.0.2.1\r\n", NOTHING},
        {"X-Forwarded-For: \", 192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        /* through proxies that are trusted */
        {"X-Forwarded-For: 192.0.2.9, 192.0.2.1, 10.0.0.1,2001:db8::7\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.1\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n", "10.0.0.2:0 - site - - -"},
        {"X-Forwarded-For: , ,192.0.2.1, ,10.0.0.1,\r\n", "192.0.2.1:0 - site - - -"},
        {"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.1\r\n",
         "192.0.2.1:0 - site - - -"},
        /* the last that is known, where the next is not */
        {"X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.1\r\n", "10.0.0.1:0 - site - - -"},
        {"X-Forwarded-For: 192.0.2.1, _x, 10.0.0.1\r\n", "10.0.0.1:0 - site - - -"},
        {"X-Forwarded-For: 192.0.2.1, 10.0.0.256\r\n", NOTHING},
        {"X-Forwarded-For: 192.0.2.1, 10.0.0.01\r\n", NOTHING},
        {"X-Forwarded-For: unknown\r\n", NOTHING},
        {"X-Forwarded-For:\r\n", NOTHING},
        /* other spellings are other fields */
        {"X_Forwarded_For: 192.0.2.1\r\nX-Forwarded_For: 192.0.2.1\r\nX-Forwarded-For1: 192.0.2.1\r\n", NOTHING},
    };
    start(ALL, chain, COUNT(chain));
    check_all(cases, COUNT(cases));
    stop();
}

/* 33 hops that are all trusted: the 33rd is not looked at. */
static void a_chain_without_end_has_one(void) {
    char line[1000] = "X-Forwarded-For: 10.0.0.99";
    for (int i = 1; i <= VEL_HOPS_MAX; i++)
        strcat(line, ", 10.0.0.1");
    strcat(line, "\r\n");
    start(ALL, chain, COUNT(chain));
    check(line, "10.0.0.1:0 - site - - -");
    stop();
}

static void the_peer_says_the_scheme(void) {
    static const struct origin_case cases[] = {
        {"X-Forwarded-Proto: https\r\n", PEER ":4711 https site - - -"},
        {"X-Forwarded-Proto: HTTP\r\n", PEER ":4711 http site - - -"},
        {"X-Forwarded-Proto: wss\r\n", PEER ":4711 https site - - -"},
        {"X-Forwarded-Proto: https, http\r\n", PEER ":4711 http site - - -"},
        {"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", PEER ":4711 http site - - -"},
        {"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", PEER ":4711 https site - - -"},
        {"X-Forwarded-Proto: https,\r\n", PEER ":4711 https site - - -"},
        {"X-Forwarded-Proto: https, gopher\r\n", NOTHING},
        {"X-Forwarded-Proto: https;http\r\n", NOTHING},
        {"X-Forwarded-Proto: on\r\nX-Forwarded-Ssl: on\r\nFront-End-Https: on\r\n", NOTHING},
        {"X_Forwarded_Proto: https\r\n", NOTHING},
    };
    start(ALL, chain, COUNT(chain));
    check_all(cases, COUNT(cases));
    stop();
}

static void the_peer_says_host_and_port(void) {
    static const struct origin_case cases[] = {
        {"X-Forwarded-Host: a.example\r\n", PEER ":4711 - a.example a.example 80 -"},
        {"X-Forwarded-Host: a.example:81\r\n", PEER ":4711 - a.example:81 a.example 81 -"},
        {"X-Forwarded-Host: [::1]:81\r\n", PEER ":4711 - [::1]:81 [::1] 81 -"},
        {"X-Forwarded-Host: a, b\r\n", PEER ":4711 - b b 80 -"},
        {"X-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n", PEER ":4711 https a a 443 -"},
        {"X-Forwarded-Host: a:80\r\nX-Forwarded-Proto: https\r\n", PEER ":4711 https a:80 a 80 -"},
        {"X-Forwarded-Host: a/b\r\n", NOTHING},
        {"X-Forwarded-Host: u@a\r\n", NOTHING},
        {"X-Forwarded-Host: a\\b\r\n", NOTHING},
        {"X-Forwarded-Host: a:x\r\n", NOTHING},
        {"X-Forwarded-Host: a b\r\n", NOTHING},
        {"X-Forwarded-Host: evil, a?\r\n", NOTHING},
        {"X-Forwarded-Port: 8443\r\n", PEER ":4711 - site:8443 - 8443 -"},
        {"X-Forwarded-Port: 80\r\n", PEER ":4711 - site - 80 -"},
        {"X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n", PEER ":4711 https site - 443 -"},
        {"X-Forwarded-Port: 80\r\nX-Forwarded-Proto: https\r\n", PEER ":4711 https site:80 - 80 -"},
        {"X-Forwarded-Port: 82\r\nX-Forwarded-Host: [::1]:81\r\n", PEER ":4711 - [::1]:82 [::1] 82 -"},
        {"X-Forwarded-Port: 80\r\nX-Forwarded-Host: a:81\r\n", PEER ":4711 - a a 80 -"},
        {"X-Forwarded-Port: 1, 2\r\n", PEER ":4711 - site:2 - 2 -"},
        {"X-Forwarded-Port: 0\r\n", NOTHING},
        {"X-Forwarded-Port: 65536\r\n", NOTHING},
        {"X-Forwarded-Port: 80x\r\n", NOTHING},
    };
    start(ALL, chain, COUNT(chain));
    check_all(cases, COUNT(cases));
    stop();
}

static void the_peer_says_the_prefix(void) {
    static const struct origin_case cases[] = {
        {"X-Forwarded-Prefix: /app\r\n", PEER ":4711 - site - - /app"},
        {"X-Forwarded-Prefix: /app/\r\n", PEER ":4711 - site - - /app"},
        {"X-Forwarded-Prefix: /\r\n", PEER ":4711 - site - - "},
        {"X-Forwarded-Prefix: /evil, /app\r\n", PEER ":4711 - site - - /app"},
        {"X-Forwarded-Prefix: //evil.example\r\n", NOTHING},
        {"X-Forwarded-Prefix: http://evil.example\r\n", NOTHING},
        {"X-Forwarded-Prefix: /a/../b\r\n", NOTHING},
    };
    start(ALL, chain, COUNT(chain));
    check_all(cases, COUNT(cases));
    stop();
}

/* RFC 7239 */
static void forwarded_is_followed_from_the_right(void) {
    static const struct origin_case cases[] = {
        {"Forwarded: for=192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        {"Forwarded: FOR=\"192.0.2.1:47\";Proto=HTTPS\r\n", "192.0.2.1:47 https site - - -"},
        {"Forwarded: for=\"[2001:db9::1]:80\"; host=\"a:81\"; by=_x\r\n", "2001:db9::1:80 - a:81 a 81 -"},
        {"Forwarded: for=\"\\[2001:db9::\\1]\";host=\"a\\.b\";proto=\"h\\ttps\"\r\n",
         "2001:db9::1:0 https a.b a.b 443 -"},
        {"Forwarded: proto=https\r\n", PEER ":4711 https site - - -"},
        /* what a client has put there itself */
        {"Forwarded: for=127.0.0.1;proto=https;host=evil, for=192.0.2.1;proto=http\r\n", "192.0.2.1:0 http site - - -"},
        {"Forwarded: for=\"evil;host=evil, for=192.0.2.1\r\n", "192.0.2.1:0 - site - - -"},
        {"Forwarded: for=\"evil\r\nForwarded: for=\"192.0.2.1\"\r\n", "192.0.2.1:0 - site - - -"},
        {"Forwarded: for=evil\\, for=\"192.0.2.1\"\r\n", "192.0.2.1:0 - site - - -"},
        /* through proxies that are trusted: each element says of whom it is told, the outermost what the client used */
        {"Forwarded: host=evil, for=192.0.2.1;proto=https;host=a, for=10.0.0.1;proto=http;host=inner\r\n",
         "192.0.2.1:0 https a a 443 -"},
        {"Forwarded: for=192.0.2.1, for=10.0.0.1;proto=https\r\n", "192.0.2.1:0 https site - - -"},
        {"Forwarded: for=192.0.2.1;host=\"a/b\", for=10.0.0.1\r\n", "192.0.2.1:0 - site - - -"},
        /* the chain ends where it is broken; what is to the right of that holds */
        {"Forwarded: for=192.0.2.1;proto=https, for=unknown, for=10.0.0.1\r\n", "10.0.0.1:0 - site - - -"},
        {"Forwarded: for=192.0.2.1, for=_secret;proto=https\r\n", PEER ":4711 https site - - -"},
        {"Forwarded: for=192.0.2.1;proto=https, proto=http\r\n", PEER ":4711 http site - - -"},
        {"Forwarded: for=192.0.2.1, for=10.0.0.1;for=10.0.0.2\r\n", NOTHING},
        {"Forwarded: for=192.0.2.1, for=2001:db8::1\r\n", NOTHING},
        {"Forwarded: for=192.0.2.1, for=10.0.0.1:80\r\n", NOTHING},
        {"Forwarded: for=192.0.2.1, for=\"10.0.0.1\r\n", NOTHING},
        {"Forwarded: for=192.0.2.1, 10.0.0.1\r\n", NOTHING},
        {"Forwarded:\r\n", NOTHING},
    };
    start(VEL_ORIGIN_FORWARDED, chain, COUNT(chain));
    check_all(cases, COUNT(cases));
    stop();
}

static void what_is_too_long_for_an_address_is_none(void) {
    char line[600] = "Forwarded: for=\"";
    for (int i = 0; i < 200; i++)
        strcat(line, "\\1");
    strcat(line, "\"\r\n");
    start(VEL_ORIGIN_FORWARDED, chain, COUNT(chain));
    check(line, NOTHING);
    stop();
}

static void everyone_is_a_chain_to_its_left_end(void) {
    start(ALL, NULL, 0);
    host.w.config.trust.everyone = true;
    check("X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n", "192.0.2.1:0 - site - - -");
    check("X-Forwarded-For: evil, 192.0.2.2\r\n", "192.0.2.2:0 - site - - -");
    stop();
}

static void a_request_without_host_gets_the_one_that_is_said(void) {
    start(ALL, peer_only, 1);
    client_open(&host, &client, "GET / HTTP/1.0\r\nX-Forwarded-Host: a\r\n\r\n");
    CHECK_INT(client_count(&client, "\r\n\r\n" PEER ":4711 - a a 80 -"), 1);
    client_close(&host, &client);
    client_open(&host, &client, "GET / HTTP/1.0\r\nX-Forwarded-Port: 81\r\n\r\n");
    CHECK_INT(client_count(&client, "\r\n\r\n" PEER ":4711 - - - 81 -"), 1);
    stop();
}

static void hold_first(struct vel_exchange *x) {
    host.app.left++;
    if (host.app.left > 1)
        tell(x);
}

/* The next request of the connection is parsed into the same memory. */
static void it_stays_with_an_exchange_that_waits(void) {
    start(ALL, peer_only, 1);
    host.app.on_request = hold_first;
    host.app.on_turn = tell;
    client_open(&host, &client,
                "GET / HTTP/1.1\r\nHost: site\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a:81\r\n"
                "X-Forwarded-Prefix: /app\r\n\r\n");
    struct vel_exchange *first = host.app.held;
    struct client second;
    client_open(&host, &second, "GET / HTTP/1.1\r\nHost: evil\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n");
    client_got(&second, ok_reply("198.51.100.1:0 - evil - - -"));
    vel_exchange_yield(first);
    client_read(&host, &client);
    client_got(&client, ok_reply("192.0.2.1:0 - a:81 a 81 /app"));
    client_close(&host, &second);
    stop();
}

static void one_request_does_not_speak_for_the_next(void) {
    start(ALL, peer_only, 1);
    client_open(&host, &client,
                "GET / HTTP/1.1\r\nHost: site\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
                "GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    char want[500];
    snprintf(want, sizeof want, "%s", ok_reply("192.0.2.1:0 - site - - -"));
    strcat(want, ok_reply(NOTHING));
    client_got(&client, want);
    stop();
}

/* A request that may be half decided is not answered. */
static void each_allocation_may_fail(void) {
    const char *request = "GET / HTTP/1.1\r\nHost: site\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 81\r\n"
                          "X-Forwarded-Prefix: /app\r\n\r\n";
    unsigned long n = 0;
    bool failed;
    do {
        int server_end;
        start(ALL, peer_only, 1);
        client_pair(&client, &server_end);
        CHECK(write(client.fd, request, strlen(request)) > 0);
        fail_malloc_at(++n);
        host_serve(&host, server_end);
        failed = fail_malloc_hit();
        fail_malloc_at(0);
        client_read(&host, &client);
        if (failed)
            CHECK_INT(host.app.requests, 0);
        else
            client_got(&client, ok_reply(PEER ":4711 - a:81 a 81 /app"));
        stop();
    } while (failed);
    CHECK(n > 2);
}

int main(void) {
    RUN(nobody_is_believed_unless_somebody_says_so);
    RUN(strangers_are_not_believed);
    RUN(one_family_is_read_and_never_the_other);
    RUN(only_the_fields_asked_for_are_read);
    RUN(x_forwarded_for_is_followed_from_the_right);
    RUN(a_chain_without_end_has_one);
    RUN(the_peer_says_the_scheme);
    RUN(the_peer_says_host_and_port);
    RUN(the_peer_says_the_prefix);
    RUN(forwarded_is_followed_from_the_right);
    RUN(what_is_too_long_for_an_address_is_none);
    RUN(everyone_is_a_chain_to_its_left_end);
    RUN(a_request_without_host_gets_the_one_that_is_said);
    RUN(it_stays_with_an_exchange_that_waits);
    RUN(one_request_does_not_speak_for_the_next);
    RUN(each_allocation_may_fail);
}

/* Tests of src/ws/handshake.c: RFC 6455 4.2.1 as rows. */
#include "ws/handshake.h"

#include "support/test.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
#define VERSION "Sec-WebSocket-Version: 13\n"
#define BOTH "Upgrade: websocket\nConnection: Upgrade\n"

/* A head from "Name: value\n" lines. */
static struct vel_head make(const char *lines) {
    struct vel_head head = {.minor = 1, .method = VEL_METHOD_GET};
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        const char *colon = memchr(lines, ':', (size_t)(end - lines));
        struct vel_slice name = vel_slice(lines, (size_t)(colon - lines));
        struct vel_slice value = vel_slice_trim(vel_slice(colon + 1, (size_t)(end - colon) - 1));
        head.fields[head.nfields++] = (struct vel_field){name, value, vel_field_find(name)};
    }
    return head;
}

static int ask(const struct vel_head *head) {
    const char *why = NULL;
    int verdict = vel_ws_handshake(head, &why);
    CHECK((verdict < 0) == (why != NULL));
    return verdict;
}

static int verdict_of(const char *lines) {
    struct vel_head head = make(lines);
    return ask(&head);
}

static void good_ones_are_known(void) {
    CHECK_INT(verdict_of(BOTH KEY VERSION), 1);
    CHECK_INT(verdict_of("upgrade: h2c, WebSocket\nConnection: keep-alive, UPGRADE\n" KEY VERSION), 1);
    CHECK_INT(verdict_of("Connection: keep-alive\nConnection: upgrade\nUpgrade: websocket\n" KEY VERSION), 1);
    CHECK_INT(verdict_of(BOTH KEY VERSION "Sec-WebSocket-Protocol: chat, superchat\nSec-WebSocket-Protocol: c\n"), 1);
}

static void what_is_not_meant_as_one_is_an_ordinary_request(void) {
    CHECK_INT(verdict_of(""), 0);
    CHECK_INT(verdict_of("Connection: Upgrade\n" KEY VERSION), 0);
    CHECK_INT(verdict_of("Upgrade: websocket\n" KEY VERSION), 0);
    CHECK_INT(verdict_of("Upgrade: h2c\nConnection: Upgrade\n" KEY VERSION), 0);
    CHECK_INT(verdict_of("Upgrade: websockets\nConnection: Upgrade\n" KEY VERSION), 0);
    struct vel_head head = make(BOTH KEY VERSION);
    head.method = VEL_METHOD_POST;
    CHECK_INT(ask(&head), 0);
    head.method = VEL_METHOD_GET;
    head.minor = 0; /* RFC 9110 7.8 */
    CHECK_INT(ask(&head), 0);
}

/* RFC 6455 4.4. */
static void another_version_is_told_ours(void) {
    CHECK_INT(verdict_of(BOTH KEY), -426);
    CHECK_INT(verdict_of(BOTH KEY "Sec-WebSocket-Version: 8\n"), -426);
    CHECK_INT(verdict_of(BOTH KEY "Sec-WebSocket-Version: 013\n"), -426);
    CHECK_INT(verdict_of(BOTH KEY "Sec-WebSocket-Version: 13, 8\n"), -426);
    CHECK_INT(verdict_of(BOTH KEY VERSION VERSION), -426);
}

/* RFC 6455 4.2.1 5. */
static void keys_are_sixteen_bytes_in_base64(void) {
    static const char *const keys[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQQ=",
        "dGhlIHNhbXBsZSBub25jZR==", /* bits behind the last byte */
        "dGhlIHNhbXBsZSBub25jZ-==",
        "dGhlIHNhbXBsZSBub25j Q==",
        "dGhlIHNhbXBsZSBub25jZQ==dGhl",
    };
    CHECK_INT(verdict_of(BOTH VERSION), -400);
    CHECK_INT(verdict_of(BOTH KEY KEY VERSION), -400);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char lines[256];
        snprintf(lines, sizeof(lines), BOTH VERSION "Sec-WebSocket-Key: %s\n", keys[i]);
        CHECK_INT(verdict_of(lines), -400);
    }
}

static void protocols_are_tokens(void) {
    CHECK_INT(verdict_of(BOTH KEY VERSION "Sec-WebSocket-Protocol: a b\n"), -400);
    CHECK_INT(verdict_of(BOTH KEY VERSION "Sec-WebSocket-Protocol: ok\nSec-WebSocket-Protocol: caf\xC3\xA9\n"), -400);
    CHECK_INT(verdict_of(BOTH KEY VERSION "Sec-WebSocket-Protocol:\n"), 1);
}

static void a_body_is_refused(void) {
    struct vel_head head = make(BOTH KEY VERSION);
    head.framing = (struct vel_framing){.kind = VEL_BODY_LENGTH, .length = 0};
    CHECK_INT(ask(&head), 1);
    head.framing.length = 1;
    CHECK_INT(ask(&head), -400);
    head.framing = (struct vel_framing){.kind = VEL_BODY_CHUNKED};
    CHECK_INT(ask(&head), -400);
}

/* RFC 6455 1.3. */
static void the_example_of_the_standard_comes_out(void) {
    char accept[VEL_WS_ACCEPT_LEN];
    vel_ws_accept(VEL_SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    CHECK_SLICE(vel_slice(accept, sizeof(accept)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void) {
    RUN(good_ones_are_known);
    RUN(what_is_not_meant_as_one_is_an_ordinary_request);
    RUN(another_version_is_told_ours);
    RUN(keys_are_sixteen_bytes_in_base64);
    RUN(protocols_are_tokens);
    RUN(a_body_is_refused);
    RUN(the_example_of_the_standard_comes_out);
    return 0;
}

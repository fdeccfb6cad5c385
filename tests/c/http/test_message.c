/* Tests of src/http/message.c. */
#include "http/message.h"

#include "support/test.h"

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

/* A head from "Name: value\n" lines; no rule of its own. */
static struct vel_head make(unsigned minor, const char *lines) {
    struct vel_head head = {.minor = minor, .method = VEL_METHOD_POST, .bytes = vel_slice(lines, strlen(lines))};
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        const char *colon = memchr(lines, ':', (size_t)(end - lines));
        struct vel_slice name = vel_slice(lines, (size_t)(colon - lines));
        struct vel_slice value = vel_slice_trim(vel_slice(colon + 1, (size_t)(end - colon) - 1));
        head.fields[head.nfields++] = (struct vel_field){name, value, vel_field_find(name)};
    }
    return head;
}

static int check(struct vel_head *head) {
    const char *why = NULL;
    int status = vel_head_check(head, &limits, &why);
    CHECK((status < 0) == (why != NULL));
    return status;
}

static struct vel_head accepted(unsigned minor, const char *lines) {
    struct vel_head head = make(minor, lines);
    CHECK_INT(check(&head), 0);
    return head;
}

static int status_of(unsigned minor, const char *lines) {
    struct vel_head head = make(minor, lines);
    return check(&head);
}

/* RFC 9112 3.2. */
static void host_is_needed_from_1_1_on(void) {
    CHECK_INT(status_of(1, ""), -400);
    CHECK_INT(status_of(1, "Accept: a\n"), -400);
    CHECK_INT(status_of(2, "Accept: a\n"), -400);
    CHECK_INT(status_of(9, ""), -400);
    struct vel_head head = accepted(0, "");
    CHECK(!head.has_host);
    CHECK_INT(head.host.len, 0);
}

static void host_may_be_empty(void) {
    struct vel_head head = accepted(1, "Host:\n");
    CHECK(head.has_host);
    CHECK_INT(head.host.len, 0);
}

static void host_is_taken_as_it_was_sent(void) {
    struct vel_head head = accepted(1, "A: b\nhOST: Example.org:8000\n");
    CHECK(head.has_host);
    CHECK_SLICE(head.host, "Example.org:8000");
}

static void second_host_line_is_refused_in_every_version(void) {
    CHECK_INT(status_of(1, "Host: a\nHost: a\n"), -400);
    CHECK_INT(status_of(1, "Host: a\nX: y\nhost: b\n"), -400);
    CHECK_INT(status_of(1, "Host:\nHost:\n"), -400);
    CHECK_INT(status_of(0, "Host: a\nHost: a\n"), -400);
}

static void invalid_host_is_refused_in_every_version(void) {
    const char *const lines[] = {"Host: a b\n",     "Host: a/b\n",  "Host: u@h\n", "Host: h:x\n",
                                 "Host: h:65536\n", "Host: [::1\n", "Host: a?b\n", "Host: a,b c\n",
                                 "Host: %zz\n",     "Host: a\\b\n", "Host: \xE4\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        CHECK_INT(status_of(1, lines[i]), -400);
        CHECK_INT(status_of(0, lines[i]), -400);
    }
}

/* RFC 9112 3.2.2: what the client sent as Host is not what the application sees. */
static void authority_of_the_target_beats_the_host_field(void) {
    struct vel_head head = make(1, "Host: forged\n");
    CHECK_INT(vel_target_parse(VEL_METHOD_GET, VEL_SLICE("http://real:81/a"), &head.target), 0);
    CHECK_INT(check(&head), 0);
    CHECK_SLICE(head.host, "real:81");
}

static void host_field_is_still_needed_and_checked_beside_an_authority(void) {
    const char *const lines[] = {"", "Host: a b\n", "Host: a\nHost: a\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct vel_head head = make(1, lines[i]);
        CHECK_INT(vel_target_parse(VEL_METHOD_GET, VEL_SLICE("http://real/"), &head.target), 0);
        CHECK_INT(check(&head), -400);
    }
    struct vel_head head = make(0, "");
    CHECK_INT(vel_target_parse(VEL_METHOD_GET, VEL_SLICE("http://real/"), &head.target), 0);
    CHECK_INT(check(&head), 0);
    CHECK(head.has_host);
    CHECK_SLICE(head.host, "real");
}

static void every_field_marked_single_is_refused_when_repeated(void) {
    for (int id = 1; id < VEL_FIELD_COUNT; id++) {
        struct vel_slice name = vel_field_name((enum vel_field_id)id);
        struct vel_head head = make(1, "Host: h\n");
        head.nfields = id == VEL_FIELD_HOST ? 0 : 1;
        const char *value = id == VEL_FIELD_TRANSFER_ENCODING ? "chunked" : "5";
        for (int i = 0; i < 2; i++)
            head.fields[head.nfields++] =
                (struct vel_field){name, vel_slice(value, strlen(value)), (enum vel_field_id)id};
        bool single = (vel_field_flags((enum vel_field_id)id) & VEL_FIELD_SINGLE) != 0;
        /* Transfer-Encoding is a list field, but two lines of it are refused by the framing. */
        CHECK_INT(check(&head), single || id == VEL_FIELD_TRANSFER_ENCODING ? -400 : 0);
    }
}

static void unknown_fields_may_repeat(void) {
    CHECK_INT(status_of(1, "Host: h\nX-A: 1\nX-A: 1\nX-A: 2\nCookie: a\nCookie: b\nAccept: a\nAccept: b\n"), 0);
}

static void names_with_underscore_touch_nothing(void) {
    struct vel_head head = accepted(1, "Host: h\nContent_Length: 5\nTransfer_Encoding: chunked\nContent_Length: 6\n");
    CHECK_INT(head.framing.kind, VEL_BODY_NONE);
}

static void body_length_is_decided(void) {
    CHECK_INT(accepted(1, "Host: h\n").framing.kind, VEL_BODY_NONE);
    struct vel_head head = accepted(1, "Host: h\nContent-Length: 5\n");
    CHECK_INT(head.framing.kind, VEL_BODY_LENGTH);
    CHECK_INT(head.framing.length, 5);
    CHECK_INT(accepted(1, "Host: h\nTransfer-Encoding: Chunked\n").framing.kind, VEL_BODY_CHUNKED);
    CHECK_INT(accepted(7, "Host: h\nTransfer-Encoding: chunked\n").framing.kind, VEL_BODY_CHUNKED);
}

static void ambiguous_length_is_refused(void) {
    CHECK_INT(status_of(1, "Host: h\nContent-Length: 5\nContent-Length: 5\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nContent-Length: 5\nTransfer-Encoding: chunked\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding: chunked\nContent-Length: 5\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding: gzip\nTransfer-Encoding: chunked\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding: identity\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding:\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nContent-Length:\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nContent-Length: +5\n"), -400);
    CHECK_INT(status_of(0, "Transfer-Encoding: chunked\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nTransfer-Encoding: gzip, chunked\n"), -501);
    CHECK_INT(status_of(1, "Host: h\nContent-Length: 1073741825\n"), -413);
}

/* RFC 9112 9.3. */
static void connection_stays_by_default_from_1_1_on(void) {
    CHECK(accepted(1, "Host: h\n").keep_alive);
    CHECK(accepted(5, "Host: h\n").keep_alive);
    CHECK(!accepted(0, "").keep_alive);
}

static void close_ends_the_connection_wherever_it_stands(void) {
    CHECK(!accepted(1, "Host: h\nConnection: close\n").keep_alive);
    CHECK(!accepted(1, "Host: h\nCONNECTION: CLOSE\n").keep_alive);
    CHECK(!accepted(1, "Host: h\nConnection: upgrade, Close\n").keep_alive);
    CHECK(!accepted(1, "Host: h\nConnection: keep-alive\nConnection: close\n").keep_alive);
    CHECK(!accepted(1, "Host: h\nConnection: close\nConnection: keep-alive\n").keep_alive);
    CHECK(!accepted(1, "Host: h\nConnection: close, keep-alive\n").keep_alive);
    CHECK(!accepted(0, "Connection: keep-alive, close\n").keep_alive);
}

static void what_only_looks_like_close_ends_nothing(void) {
    CHECK(accepted(1, "Host: h\nConnection: closed\n").keep_alive);
    CHECK(accepted(1, "Host: h\nConnection: x-close\n").keep_alive);
    CHECK(accepted(1, "Host: h\nConnection:\n").keep_alive);
    CHECK(accepted(1, "Host: h\nX-Connection: close\n").keep_alive);
    CHECK(accepted(1, "Host: h\nProxy-Connection: close\n").keep_alive);
}

static void http_1_0_stays_when_it_asks(void) {
    CHECK(accepted(0, "Connection: keep-alive\n").keep_alive);
    CHECK(accepted(0, "Connection: Keep-Alive\n").keep_alive);
    CHECK(accepted(0, "Connection: x\nConnection: y, keep-alive\n").keep_alive);
    CHECK(!accepted(0, "Connection: keep-alives\n").keep_alive);
    CHECK(!accepted(0, "Keep-Alive: timeout=5\n").keep_alive);
    CHECK(!accepted(0, "Proxy-Connection: keep-alive\n").keep_alive);
}

/* RFC 9110 10.1.1. */
static void expectation_counts_when_a_body_is_to_come(void) {
    CHECK(accepted(1, "Host: h\nExpect: 100-continue\nContent-Length: 1\n").expect_continue);
    CHECK(accepted(1, "Host: h\nExpect: 100-Continue\nTransfer-Encoding: chunked\n").expect_continue);
    CHECK(accepted(1, "Content-Length: 1\nExpect: 100-CONTINUE\nHost: h\n").expect_continue);
    CHECK(accepted(3, "Host: h\nExpect: 100-continue\nContent-Length: 1\n").expect_continue);
}

static void expectation_without_a_body_is_nothing(void) {
    CHECK(!accepted(1, "Host: h\nExpect: 100-continue\n").expect_continue);
    CHECK(!accepted(1, "Host: h\nExpect: 100-continue\nContent-Length: 0\n").expect_continue);
}

static void expectation_of_http_1_0_is_ignored(void) {
    CHECK(!accepted(0, "Expect: 100-continue\nContent-Length: 1\n").expect_continue);
}

static void other_expectations_are_ignored(void) {
    CHECK(!accepted(1, "Host: h\nExpect: 200-ok\nContent-Length: 1\n").expect_continue);
    CHECK(!accepted(1, "Host: h\nExpect: 100-continued\nContent-Length: 1\n").expect_continue);
    CHECK(!accepted(1, "Host: h\nExpect:\nContent-Length: 1\n").expect_continue);
}

static void bad_framing_comes_before_the_expectation(void) {
    CHECK_INT(status_of(1, "Host: h\nExpect: 100-continue\nContent-Length: x\n"), -400);
    CHECK_INT(status_of(1, "Host: h\nExpect: 100-continue\nContent-Length: 9999999999\n"), -413);
}

static void as_many_fields_as_there_is_room_for_are_looked_at(void) {
    struct vel_head head = make(1, "Host: h\n");
    while (head.nfields < VEL_FIELDS_MAX - 1)
        head.fields[head.nfields++] = (struct vel_field){VEL_SLICE("x-a"), VEL_SLICE("b"), VEL_FIELD_OTHER};
    head.fields[head.nfields++] = (struct vel_field){VEL_SLICE("connection"), VEL_SLICE("close"), VEL_FIELD_CONNECTION};
    CHECK_INT(check(&head), 0);
    CHECK(!head.keep_alive);
}

static void first_field_with_a_number_is_found(void) {
    struct vel_head head = accepted(1, "Host: h\nAccept: a\nX: y\naccept: b\n");
    CHECK_SLICE(vel_head_field(&head, VEL_FIELD_ACCEPT)->value, "a");
    CHECK_SLICE(vel_head_field(&head, VEL_FIELD_HOST)->value, "h");
    CHECK(vel_head_field(&head, VEL_FIELD_COOKIE) == NULL);
    head.nfields = 0;
    CHECK(vel_head_field(&head, VEL_FIELD_HOST) == NULL);
}

#define REQUEST "GET http://real?q HTTP/1.1\nHost: forged\nX-Empty:\nAccept: a\n"

/* A head whose slices point into text, which holds REQUEST. */
static struct vel_head make_whole(const char *text) {
    struct vel_head head = make(1, strchr(text, '\n') + 1);
    head.bytes = vel_slice(text, strlen(text));
    head.method_text = vel_slice(text, 3);
    CHECK_INT(vel_target_parse(VEL_METHOD_GET, vel_slice(text + 4, 13), &head.target), 0);
    CHECK_INT(check(&head), 0);
    return head;
}

static void moved_head_needs_the_old_memory_no_more(void) {
    char *old = strdup(REQUEST), *copy = strdup(REQUEST);
    struct vel_head head = make_whole(old);
    vel_head_rebase(&head, copy);
    memset(old, '#', strlen(old));
    free(old);
    CHECK(head.bytes.at == copy);
    CHECK_SLICE(head.bytes, REQUEST);
    CHECK_SLICE(head.method_text, "GET");
    CHECK_SLICE(head.target.raw, "http://real?q");
    CHECK_SLICE(head.target.authority, "real");
    CHECK_SLICE(head.target.query, "q");
    CHECK_SLICE(head.host, "real");
    CHECK(head.host.at == copy + 11);
    CHECK_SLICE(head.fields[0].name, "Host");
    CHECK_SLICE(head.fields[0].value, "forged");
    CHECK_SLICE(head.fields[1].name, "X-Empty");
    CHECK_INT(head.fields[1].value.len, 0);
    CHECK_SLICE(head.fields[2].name, "Accept");
    CHECK_SLICE(head.fields[2].value, "a");
    free(copy);
}

static void constants_and_absent_slices_stay_where_they_are(void) {
    char *copy = strdup(REQUEST);
    struct vel_head head = make_whole(REQUEST);
    const char *root = head.target.path.at;
    head.target.authority = (struct vel_slice){0};
    head.host = VEL_SLICE("constant");
    const char *constant = head.host.at;
    vel_head_rebase(&head, copy);
    CHECK(head.target.path.at == root);
    CHECK_SLICE(head.target.path, "/");
    CHECK(head.target.authority.at == NULL);
    CHECK(head.host.at == constant);
    free(copy);
}

static void bytes_behind_the_head_are_not_its_own(void) {
    static const char text[] = REQUEST "body", copy[] = REQUEST;
    struct vel_head head = make_whole(text);
    head.bytes.len = strlen(REQUEST);
    head.host = vel_slice(text + strlen(REQUEST), 4);
    vel_head_rebase(&head, copy);
    CHECK(head.host.at == text + strlen(REQUEST));
}

static void raw_path_of_a_decoded_one_is_the_targets(void) {
    struct vel_head head = {.target = {.raw = VEL_SLICE("/a%20b?c=/d?"), .path = VEL_SLICE("/a b")}};
    CHECK_SLICE(vel_head_raw_path(&head), "/a b");
    head.path_is_decoded = true;
    CHECK_SLICE(vel_head_raw_path(&head), "/a%20b");
    head.target.raw = VEL_SLICE("/a");
    CHECK_SLICE(vel_head_raw_path(&head), "/a");
    head.target.raw = VEL_SLICE("http://h/a");
    CHECK_SLICE(vel_head_raw_path(&head), "/a b");
}

int main(void) {
    RUN(host_is_needed_from_1_1_on);
    RUN(host_may_be_empty);
    RUN(host_is_taken_as_it_was_sent);
    RUN(second_host_line_is_refused_in_every_version);
    RUN(invalid_host_is_refused_in_every_version);
    RUN(authority_of_the_target_beats_the_host_field);
    RUN(host_field_is_still_needed_and_checked_beside_an_authority);
    RUN(every_field_marked_single_is_refused_when_repeated);
    RUN(unknown_fields_may_repeat);
    RUN(names_with_underscore_touch_nothing);
    RUN(body_length_is_decided);
    RUN(ambiguous_length_is_refused);
    RUN(connection_stays_by_default_from_1_1_on);
    RUN(close_ends_the_connection_wherever_it_stands);
    RUN(what_only_looks_like_close_ends_nothing);
    RUN(http_1_0_stays_when_it_asks);
    RUN(expectation_counts_when_a_body_is_to_come);
    RUN(expectation_without_a_body_is_nothing);
    RUN(expectation_of_http_1_0_is_ignored);
    RUN(other_expectations_are_ignored);
    RUN(bad_framing_comes_before_the_expectation);
    RUN(as_many_fields_as_there_is_room_for_are_looked_at);
    RUN(first_field_with_a_number_is_found);
    RUN(moved_head_needs_the_old_memory_no_more);
    RUN(constants_and_absent_slices_stay_where_they_are);
    RUN(bytes_behind_the_head_are_not_its_own);
    RUN(raw_path_of_a_decoded_one_is_the_targets);
}

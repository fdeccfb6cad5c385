/* Tests of src/uwsgi/vars.c. */
#include "uwsgi/vars.h"

#include "support/guard.h"
#include "support/packet.h"

static const struct vel_limits defaults = VEL_LIMITS_DEFAULT;

/* What nginx sends with its own uwsgi_params. */
static const char usual[] = "QUERY_STRING=a=1\n"
                            "REQUEST_METHOD=POST\n"
                            "CONTENT_TYPE=text/plain\n"
                            "CONTENT_LENGTH=5\n"
                            "REQUEST_URI=/a%20b?a=1\n"
                            "PATH_INFO=/a b\n"
                            "DOCUMENT_ROOT=/usr/share/nginx/html\n"
                            "SERVER_PROTOCOL=HTTP/1.1\n"
                            "REQUEST_SCHEME=http\n"
                            "REMOTE_ADDR=203.0.113.9\n"
                            "REMOTE_PORT=40000\n"
                            "SERVER_PORT=80\n"
                            "SERVER_NAME=example.org\n"
                            "HTTP_HOST=example.org\n"
                            "HTTP_X_REQUEST_ID=7\n"
                            "HTTP_CONTENT_LENGTH=5\n"
                            "HTTP_CONTENT_TYPE=text/plain\n";

/* The least that is a request. */
static const char least[] = "REQUEST_METHOD=GET\nREQUEST_URI=/\nPATH_INFO=/\nHTTP_HOST=h\n";

struct parsed {
    struct packet packet;
    struct vel_head head;
    struct vel_uwsgi_vars vars;
    const char *why;
    char *copy;
    size_t copied;
    long result;
};

static struct parsed parsed;

/* The packet made, parsed at a guard page. */
static long parse_made(const struct vel_limits *limits) {
    if (parsed.copy != NULL)
        guard_free(parsed.copy, parsed.copied);
    parsed.copy = guard_copy(parsed.packet.bytes, parsed.packet.len);
    parsed.copied = parsed.packet.len;
    parsed.why = NULL;
    memset(&parsed.head, 0xA5, sizeof parsed.head);
    parsed.result = vel_uwsgi_parse(vel_scan_best(), limits, parsed.copy, parsed.packet.len, &parsed.head, &parsed.vars,
                                    &parsed.why);
    CHECK((parsed.result < 0) == (parsed.why != NULL));
    return parsed.result;
}

static long parse(const char *lines) {
    packet_make(&parsed.packet, lines);
    return parse_made(&defaults);
}

/* The least request and these lines. */
static long parse_with(const char *lines) {
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, lines);
    return parse_made(&defaults);
}

static void accept_with(const char *lines) {
    CHECK_INT(parse_with(lines), parsed.packet.len);
}

static const struct vel_field *find(const char *name, size_t from, size_t n) {
    for (size_t i = from; i < from + n; i++)
        if (vel_slice_eq(parsed.head.fields[i].name, vel_slice(name, strlen(name))))
            return &parsed.head.fields[i];
    return NULL;
}

static const struct vel_field *field(const char *name) {
    return find(name, 0, parsed.head.nfields);
}

static const struct vel_field *variable(const char *name) {
    return find(name, parsed.head.nfields, parsed.head.nvars);
}

/* --- what is taken ----------------------------------------------------------------------------------------------- */

static void usual_packet_of_nginx_is_a_request(void) {
    CHECK_INT(parse(usual), parsed.packet.len);
    const struct vel_head *head = &parsed.head;
    CHECK_INT(head->method, VEL_METHOD_POST);
    CHECK_SLICE(head->method_text, "POST");
    CHECK_INT(head->minor, 1);
    CHECK_SLICE(head->target.raw, "/a%20b?a=1");
    CHECK_SLICE(head->target.path, "/a b");
    CHECK_SLICE(head->target.query, "a=1");
    CHECK(head->path_is_decoded);
    CHECK_SLICE(head->host, "example.org");
    CHECK_INT(head->framing.kind, VEL_BODY_LENGTH);
    CHECK_INT(head->framing.length, 5);
    CHECK_INT(head->nfields, 4);
    CHECK_INT(field("content-type")->id, VEL_FIELD_CONTENT_TYPE);
    CHECK_INT(field("x-request-id")->id, VEL_FIELD_X_REQUEST_ID);
    CHECK_SLICE(field("x-request-id")->value, "7");
    CHECK_INT(head->nvars, 3);
    CHECK_SLICE(variable("DOCUMENT_ROOT")->value, "/usr/share/nginx/html");
    CHECK_SLICE(variable("REQUEST_URI")->value, "/a%20b?a=1");
    CHECK_SLICE(variable("REQUEST_SCHEME")->value, "http");
    CHECK_SLICE(parsed.vars.remote_addr, "203.0.113.9");
    CHECK_SLICE(parsed.vars.remote_port, "40000");
    CHECK_SLICE(parsed.vars.server_name, "example.org");
    CHECK_SLICE(parsed.vars.server_port, "80");
    CHECK(parsed.vars.script_name.at == NULL);
    CHECK(!parsed.vars.secure);
    CHECK(!head->keep_alive && !head->expect_continue);
}

static void slices_follow_a_head_that_moves(void) {
    static char moved[70000];
    CHECK_INT(parse(usual), parsed.packet.len);
    memcpy(moved, parsed.head.bytes.at, parsed.head.bytes.len);
    vel_head_rebase(&parsed.head, moved);
    memset(parsed.copy, 0, parsed.packet.len);
    CHECK_SLICE(parsed.head.target.path, "/a b");
    CHECK_SLICE(variable("DOCUMENT_ROOT")->value, "/usr/share/nginx/html");
    CHECK_SLICE(field("content-type")->value, "text/plain");
}

static void body_behind_the_packet_is_not_touched(void) {
    packet_make(&parsed.packet, usual);
    memcpy(parsed.packet.bytes + parsed.packet.len, "hello", 5);
    parsed.packet.len += 5;
    CHECK_INT(parse_made(&defaults), parsed.packet.len - 5);
}

static void more_is_asked_for_wherever_the_packet_is_cut(void) {
    packet_make(&parsed.packet, usual);
    for (size_t len = 0; len < parsed.packet.len; len++) {
        char *copy = guard_copy(parsed.packet.bytes, len);
        const char *why = NULL;
        CHECK_INT(vel_uwsgi_parse(vel_scan_best(), &defaults, copy, len, &parsed.head, &parsed.vars, &why), 0);
        CHECK(memcmp(copy, parsed.packet.bytes, len) == 0);
        guard_free(copy, len);
    }
}

static void field_without_a_number_gets_its_name_in_lower_case(void) {
    accept_with("HTTP_X_AUTH_USER2=me\n");
    CHECK_INT(field("x-auth-user2")->id, VEL_FIELD_OTHER);
    CHECK_SLICE(field("x-auth-user2")->value, "me");
}

static void value_of_a_field_is_trimmed(void) {
    accept_with("HTTP_ACCEPT= \ta \n");
    CHECK_SLICE(field("accept")->value, "a");
}

static void variables_stay_behind_the_fields_whatever_the_order(void) {
    accept_with("V1=1\nHTTP_A=a\nV2=2\nHTTP_B=b\nHTTP_C=c\nV3=3\nCONTENT_TYPE=t\n");
    CHECK_INT(parsed.head.nfields, 5);
    CHECK_INT(parsed.head.nvars, 4);
    const char *const names[] = {"V1", "V2", "V3", "REQUEST_URI"};
    for (size_t i = 0; i < 4; i++)
        CHECK(variable(names[i]) != NULL);
    CHECK_SLICE(field("b")->value, "b");
}

/* --- what is not ------------------------------------------------------------------------------------------------- */

static void only_capitals_digits_and_underscores_make_a_name(void) {
    accept_with("wsgi.input=x\nWSGI.INPUT=x\nwsgi_input=x\nHTTP_x=1\nHTTP_X-Y=1\nA B=1\n=1\nGEO\x80=1\n");
    CHECK_INT(parsed.head.nfields, 1);
    CHECK_INT(parsed.head.nvars, 1);
}

/* httpoxy */
static void proxy_is_not_taken(void) {
    accept_with("HTTP_PROXY=http://evil\n");
    CHECK_INT(parsed.head.nfields, 1);
    CHECK_INT(parsed.head.nvars, 1);
}

static void duplicates_are_refused(void) {
    const char *const lines[] = {"REQUEST_METHOD=GET\n",
                                 "REQUEST_URI=/\n",
                                 "PATH_INFO=/\n",
                                 "HTTP_HOST=h\n",
                                 "HTTP_A=1\nHTTP_A=1\n",
                                 "V=1\nV=2\n",
                                 "HTTPS=on\nHTTPS=\n",
                                 "HTTP_COOKIE=a\nHTTP_COOKIE=b\n",
                                 "HTTP_PROXY=\nHTTP_PROXY=\n",
                                 "CONTENT_LENGTH=1\nCONTENT_LENGTH=1\n",
                                 "SCRIPT_NAME=\nSCRIPT_NAME=\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK_INT(parse_with(lines[i]), -400);
}

static void same_name_may_be_a_field_and_a_variable(void) {
    accept_with("HTTP_V=1\nV=2\n");
    CHECK_SLICE(field("v")->value, "1");
    CHECK_SLICE(variable("V")->value, "2");
}

static void control_bytes_in_a_field_are_refused(void) {
    CHECK_INT(parse_with("HTTP_A=a\rb\n"), -400);
    CHECK_INT(parse_with("CONTENT_TYPE=a\rb\n"), -400);
    packet_make(&parsed.packet, least);
    put_string(&parsed.packet, "HTTP_A", 6);
    put_string(&parsed.packet, "a\0b", 3);
    set_size(&parsed.packet);
    CHECK_INT(parse_made(&defaults), -400);
}

static void broken_packet_is_told_from_a_bad_request(void) {
    packet_make(&parsed.packet, least);
    parsed.packet.bytes[4] = '\x7F';
    CHECK_INT(parse_made(&defaults), VEL_UWSGI_MALFORMED);
    packet_begin(&parsed.packet);
    CHECK_INT(parse_made(&defaults), VEL_UWSGI_MALFORMED);
    packet_make(&parsed.packet, least);
    parsed.packet.bytes[3] = 1;
    CHECK_INT(parse_made(&defaults), VEL_UWSGI_MALFORMED);
    for (int modifier = 1; modifier < 256; modifier++) {
        packet_make(&parsed.packet, least);
        parsed.packet.bytes[0] = (char)modifier;
        CHECK_INT(parse_made(&defaults), modifier == 30 ? (long)parsed.packet.len : VEL_UWSGI_MALFORMED);
    }
}

static void http_is_recognised(void) {
    const char *why = NULL;
    char *copy = guard_copy("GET / HTTP/1.1\r\n", 16);
    CHECK_INT(vel_uwsgi_parse(vel_scan_best(), &defaults, copy, 16, &parsed.head, &parsed.vars, &why),
              VEL_UWSGI_MALFORMED);
    CHECK(strstr(why, "HTTP") != NULL);
    guard_free(copy, 16);
}

/* --- limits ------------------------------------------------------------------------------------------------------ */

static void packet_over_the_limit_is_refused_before_it_is_here(void) {
    struct vel_limits limits = defaults;
    limits.head = 100;
    const char *why = NULL;
    char *copy = guard_copy("\0\x61\0\0", 4);
    CHECK_INT(vel_uwsgi_parse(vel_scan_best(), &limits, copy, 4, &parsed.head, &parsed.vars, &why), -431);
    copy[1] = 0x60;
    CHECK_INT(vel_uwsgi_parse(vel_scan_best(), &limits, copy, 4, &parsed.head, &parsed.vars, &why), 0);
    guard_free(copy, 4);
}

static void limits_of_heads_hold(void) {
    struct vel_limits limits = defaults;
    limits.fields = 3;
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, "HTTP_A=1\nHTTP_B=1\n");
    CHECK_INT(parse_made(&limits), (long)parsed.packet.len);
    put_lines(&parsed.packet, "HTTP_C=1\n");
    CHECK_INT(parse_made(&limits), -431);

    limits = defaults;
    limits.field = 20;
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, "HTTP_A=56789012345678901\n");
    CHECK_INT(parse_made(&limits), -431);
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, "VARIAB=56789012345678901\n");
    CHECK_INT(parse_made(&limits), -431);

    limits = defaults;
    limits.name = 14;
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, "HTTP_FIFTEEN_CH=1\n");
    CHECK_INT(parse_made(&limits), -431);

    limits = defaults;
    limits.target = 4;
    packet_make(&parsed.packet, "REQUEST_METHOD=GET\nREQUEST_URI=/2345\nHTTP_HOST=h\n");
    CHECK_INT(parse_made(&limits), -414);
    packet_make(&parsed.packet, "REQUEST_METHOD=GET\nPATH_INFO=/2345\nHTTP_HOST=h\n");
    CHECK_INT(parse_made(&limits), -414);

    limits = defaults;
    limits.body = 4;
    packet_make(&parsed.packet, least);
    put_lines(&parsed.packet, "CONTENT_LENGTH=5\n");
    CHECK_INT(parse_made(&limits), -413);
}

static void more_variables_than_a_head_has_room_for_are_refused(void) {
    char name[16];
    packet_make(&parsed.packet, least);
    for (int i = 0; i < VEL_FIELDS_MAX - 3; i++) {
        snprintf(name, sizeof name, "V%d", i);
        put_pair(&parsed.packet, name, "");
    }
    CHECK_INT(parse_made(&defaults), -431);
}

/* --- the request line -------------------------------------------------------------------------------------------- */

static void method_is_needed_and_a_token(void) {
    CHECK_INT(parse("REQUEST_URI=/\nHTTP_HOST=h\n"), -400);
    CHECK_INT(parse("REQUEST_METHOD=\nREQUEST_URI=/\nHTTP_HOST=h\n"), -400);
    CHECK_INT(parse("REQUEST_METHOD=G T\nREQUEST_URI=/\nHTTP_HOST=h\n"), -400);
    CHECK_INT(parse("REQUEST_METHOD=CONNECT\nREQUEST_URI=h:1\nHTTP_HOST=h\n"), -501);
    CHECK_INT(parse("REQUEST_METHOD=PROPFIND\nREQUEST_URI=/\nHTTP_HOST=h\n"), parsed.packet.len);
    CHECK_INT(parsed.head.method, VEL_METHOD_OTHER);
}

static void target_must_be_one(void) {
    const char *const lines[] = {
        "",
        "REQUEST_URI=\n",
        "REQUEST_URI=a\nPATH_INFO=/\n",
        "REQUEST_URI=/#x\nPATH_INFO=/\n",
        "REQUEST_URI=/ x\nPATH_INFO=/\n",
        "REQUEST_URI=/\nPATH_INFO=x\n",
        "REQUEST_URI=/\nPATH_INFO=/\nQUERY_STRING=a b\n",
        "REQUEST_URI=/\nPATH_INFO=*\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        packet_make(&parsed.packet, "REQUEST_METHOD=GET\nHTTP_HOST=h\n");
        put_lines(&parsed.packet, lines[i]);
        CHECK_INT(parse_made(&defaults), -400);
    }
}

static void path_without_path_info_is_the_undecoded_one(void) {
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/a%20b?q\nHTTP_HOST=h\n"), parsed.packet.len);
    CHECK(!parsed.head.path_is_decoded);
    CHECK_SLICE(parsed.head.target.path, "/a%20b");
    CHECK_SLICE(parsed.head.target.query, "q");
}

static void rewritten_path_and_query_count(void) {
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/old?x\nPATH_INFO=/new\nQUERY_STRING=\nHTTP_HOST=h\n"),
              parsed.packet.len);
    CHECK_SLICE(parsed.head.target.raw, "/old?x");
    CHECK_SLICE(parsed.head.target.path, "/new");
    CHECK_SLICE(parsed.head.target.query, "");
}

static void asterisk_is_for_options(void) {
    CHECK_INT(parse("REQUEST_METHOD=OPTIONS\nREQUEST_URI=*\nPATH_INFO=*\nHTTP_HOST=h\n"), parsed.packet.len);
    CHECK_SLICE(parsed.head.target.path, "*");
}

static void version_decides_whether_host_is_needed(void) {
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/\n"), -400);
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/\nSERVER_PROTOCOL=HTTP/2.0\n"), -400);
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/\nSERVER_PROTOCOL=HTTP/1.0\n"), parsed.packet.len);
    CHECK_INT(parsed.head.minor, 0);
    CHECK_INT(parse("REQUEST_METHOD=GET\nREQUEST_URI=/\nSERVER_PROTOCOL=HTTP/0.9\n"), parsed.packet.len);
}

static void later_versions_are_shown_by_their_name(void) {
    accept_with("SERVER_PROTOCOL=HTTP/2.0\n");
    CHECK_INT(parsed.head.minor, 1);
    CHECK_SLICE(variable("SERVER_PROTOCOL")->value, "HTTP/2.0");
    accept_with("SERVER_PROTOCOL=HTTP/1.1\n");
    CHECK(variable("SERVER_PROTOCOL") == NULL);
}

/* --- the body ---------------------------------------------------------------------------------------------------- */

static void empty_length_and_type_are_none(void) {
    accept_with("CONTENT_LENGTH=\nCONTENT_TYPE=\n");
    CHECK_INT(parsed.head.framing.kind, VEL_BODY_NONE);
    CHECK_INT(parsed.head.nfields, 1);
}

static void bad_length_is_refused(void) {
    const char *const lines[] = {"CONTENT_LENGTH=-1\n", "CONTENT_LENGTH=+1\n", "CONTENT_LENGTH=1,1\n",
                                 "CONTENT_LENGTH=0x1\n", "CONTENT_LENGTH=99999999999999999999\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK_INT(parse_with(lines[i]), -400);
}

/* nginx has put the chunks together, and passes the client's fields on as they came. */
static void length_stands_above_the_clients_coding(void) {
    accept_with("CONTENT_LENGTH=7\nHTTP_TRANSFER_ENCODING=chunked\n");
    CHECK_INT(parsed.head.framing.kind, VEL_BODY_LENGTH);
    CHECK_INT(parsed.head.framing.length, 7);
    CHECK(field("transfer-encoding") == NULL);
}

static void chunks_come_when_there_is_no_length(void) {
    accept_with("CONTENT_LENGTH=\nHTTP_TRANSFER_ENCODING=chunked\n");
    CHECK_INT(parsed.head.framing.kind, VEL_BODY_CHUNKED);
    CHECK_INT(parse_with("HTTP_TRANSFER_ENCODING=gzip\n"), -400);
    CHECK_INT(parse_with("HTTP_TRANSFER_ENCODING=gzip, chunked\n"), -501);
}

static void length_that_only_the_client_has_said_is_none(void) {
    accept_with("HTTP_CONTENT_LENGTH=5\n");
    CHECK_INT(parsed.head.framing.kind, VEL_BODY_NONE);
}

/* --- what is said beside the head -------------------------------------------------------------------------------- */

static void scheme_is_said_in_three_ways(void) {
    const struct {
        const char *lines;
        bool secure;
    } cases[] = {
        {"HTTPS=on\n", true},
        {"HTTPS=1\n", true},
        {"HTTPS=ON\n", true},
        {"HTTPS=true\n", true},
        {"HTTPS=off\n", false},
        {"HTTPS=\n", false},
        {"HTTPS=\nREQUEST_SCHEME=https\n", true},
        {"REQUEST_SCHEME=http\n", false},
        {"HTTPS=on\nREQUEST_SCHEME=http\n", true},
        {"UWSGI_SCHEME=https\n", true},
        {"UWSGI_SCHEME=http\nHTTPS=on\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        accept_with(cases[i].lines);
        CHECK_INT(parsed.vars.secure, cases[i].secure);
    }
}

static void script_name_is_taken_off_a_path_that_has_it(void) {
    const struct {
        const char *script_name, *path, *name, *rest;
    } cases[] = {
        {"/app", "/app/x", "/app", "/x"}, {"/app/", "/app/x", "/app", "/x"},    {"/app", "/app", "/app", ""},
        {"/app", "/x", "/app", "/x"},     {"/app", "/apple", "/app", "/apple"}, {"/", "/x", "", "/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        packet_make(&parsed.packet, "REQUEST_METHOD=GET\nREQUEST_URI=/raw\nHTTP_HOST=h\n");
        put_pair(&parsed.packet, "SCRIPT_NAME", cases[i].script_name);
        put_pair(&parsed.packet, "PATH_INFO", cases[i].path);
        CHECK_INT(parse_made(&defaults), (long)parsed.packet.len);
        CHECK_SLICE(parsed.vars.script_name, cases[i].name);
        CHECK(parsed.vars.script_name.at != NULL);
        CHECK_SLICE(parsed.head.target.path, cases[i].rest);
    }
}

static void script_name_that_is_no_path_says_nothing(void) {
    accept_with("SCRIPT_NAME=\n");
    CHECK(parsed.vars.script_name.at == NULL);
    accept_with("SCRIPT_NAME=app\n");
    CHECK(parsed.vars.script_name.at == NULL);
}

/* They name files and modules that uWSGI would load: here they are words for the application. */
static void variables_of_uwsgi_are_only_shown(void) {
    accept_with("UWSGI_FILE=/etc/passwd\nUWSGI_MODULE=os\n");
    CHECK_SLICE(variable("UWSGI_FILE")->value, "/etc/passwd");
    CHECK_SLICE(variable("UWSGI_MODULE")->value, "os");
}

int main(void) {
    RUN(usual_packet_of_nginx_is_a_request);
    RUN(slices_follow_a_head_that_moves);
    RUN(body_behind_the_packet_is_not_touched);
    RUN(more_is_asked_for_wherever_the_packet_is_cut);
    RUN(field_without_a_number_gets_its_name_in_lower_case);
    RUN(value_of_a_field_is_trimmed);
    RUN(variables_stay_behind_the_fields_whatever_the_order);
    RUN(only_capitals_digits_and_underscores_make_a_name);
    RUN(proxy_is_not_taken);
    RUN(duplicates_are_refused);
    RUN(same_name_may_be_a_field_and_a_variable);
    RUN(control_bytes_in_a_field_are_refused);
    RUN(broken_packet_is_told_from_a_bad_request);
    RUN(http_is_recognised);
    RUN(packet_over_the_limit_is_refused_before_it_is_here);
    RUN(limits_of_heads_hold);
    RUN(more_variables_than_a_head_has_room_for_are_refused);
    RUN(method_is_needed_and_a_token);
    RUN(target_must_be_one);
    RUN(path_without_path_info_is_the_undecoded_one);
    RUN(rewritten_path_and_query_count);
    RUN(asterisk_is_for_options);
    RUN(version_decides_whether_host_is_needed);
    RUN(later_versions_are_shown_by_their_name);
    RUN(empty_length_and_type_are_none);
    RUN(bad_length_is_refused);
    RUN(length_stands_above_the_clients_coding);
    RUN(chunks_come_when_there_is_no_length);
    RUN(length_that_only_the_client_has_said_is_none);
    RUN(scheme_is_said_in_three_ways);
    RUN(script_name_is_taken_off_a_path_that_has_it);
    RUN(script_name_that_is_no_path_says_nothing);
    RUN(variables_of_uwsgi_are_only_shown);
    guard_free(parsed.copy, parsed.copied);
    return 0;
}

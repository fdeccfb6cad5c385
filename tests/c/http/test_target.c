/* Tests of src/http/target.c. */
#include "http/target.h"

#include "support/guard.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* text must be a literal, or live as long as out. */
static int parse(enum vel_method method, const char *text, struct vel_target *out) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    struct vel_target unused;
    int status = vel_target_parse(method, vel_slice(copy, len), &unused);
    guard_free(copy, len);
    CHECK_INT(vel_target_parse(method, vel_slice(text, len), out), status);
    return status;
}

static void check_parts(enum vel_method method, const char *text, enum vel_target_form form, const char *authority,
                        const char *path, const char *query) {
    struct vel_target out;
    CHECK_INT(parse(method, text, &out), 0);
    CHECK_INT(out.form, form);
    CHECK_SLICE(out.raw, text);
    CHECK_SLICE(out.authority, authority);
    CHECK_SLICE(out.path, path);
    CHECK_SLICE(out.query, query);
}

static void check_origin(const char *text, const char *path, const char *query) {
    check_parts(VEL_METHOD_GET, text, VEL_TARGET_ORIGIN, "", path, query);
}

static void check_absolute(const char *text, const char *authority, const char *path, const char *query) {
    check_parts(VEL_METHOD_GET, text, VEL_TARGET_ABSOLUTE, authority, path, query);
}

static void check_refused(enum vel_method method, const char *text) {
    struct vel_target out;
    if (parse(method, text, &out) != -400)
        fprintf(stderr, "%s\n", text);
    CHECK_INT(parse(method, text, &out), -400);
}

/* RFC 9112 3.2.1. */
static void origin_form_is_split_at_the_first_question_mark(void) {
    check_origin("/", "/", "");
    check_origin("/a/b", "/a/b", "");
    check_origin("/a?b=c", "/a", "b=c");
    check_origin("/a?b?c", "/a", "b?c");
    check_origin("/a?", "/a", "");
    check_origin("/?", "/", "");
    check_origin("/?/a", "/", "/a");
    check_origin("/a?http://h/", "/a", "http://h/");
}

static void path_is_left_as_it_was_sent(void) {
    check_origin("/%2F/%zz/../.", "/%2F/%zz/../.", "");
    check_origin("/a;b=c,d@e:f", "/a;b=c,d@e:f", "");
    check_origin("/\"<>\\^`{|}", "/\"<>\\^`{|}", "");
    check_origin("/*", "/*", "");
}

static void two_slashes_begin_a_path_and_no_authority(void) {
    check_origin("//evil/x", "//evil/x", "");
    check_origin("//", "//", "");
    check_origin("///?//", "///", "//");
}

static void fragment_is_refused_everywhere(void) {
    check_refused(VEL_METHOD_GET, "/a#b");
    check_refused(VEL_METHOD_GET, "/a?b#c");
    check_refused(VEL_METHOD_GET, "/#");
    check_refused(VEL_METHOD_GET, "#");
    check_refused(VEL_METHOD_GET, "http://h/#a");
    check_refused(VEL_METHOD_GET, "http://h#a");
    check_refused(VEL_METHOD_OPTIONS, "*#");
    check_refused(VEL_METHOD_CONNECT, "h:1#");
}

static void relative_target_is_refused(void) {
    const char *const texts[] = {"a",    "a/b",       "?x",   "?",   "index.html", ".", "../a",
                                 "h:80", "localhost", "%2Fa", "\\a", "@",          ":"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_refused(VEL_METHOD_GET, texts[i]);
        check_refused(VEL_METHOD_OPTIONS, texts[i]);
        check_refused(VEL_METHOD_OTHER, texts[i]);
    }
}

static void nothing_is_refused(void) {
    struct vel_target out;
    check_refused(VEL_METHOD_GET, "");
    CHECK_INT(vel_target_parse(VEL_METHOD_GET, (struct vel_slice){0}, &out), -400);
    CHECK_INT(vel_target_parse(VEL_METHOD_CONNECT, (struct vel_slice){0}, &out), -400);
}

/* RFC 9112 3.2.4. */
static void asterisk_is_for_options_alone(void) {
    check_parts(VEL_METHOD_OPTIONS, "*", VEL_TARGET_ASTERISK, "", "*", "");
    for (int method = 0; method <= VEL_METHOD_OTHER; method++)
        if (method != VEL_METHOD_OPTIONS)
            check_refused((enum vel_method)method, "*");
    check_refused(VEL_METHOD_OPTIONS, "**");
    check_refused(VEL_METHOD_OPTIONS, "*?a");
    check_refused(VEL_METHOD_OPTIONS, "*/");
}

static void options_may_have_any_other_form_of_a_resource(void) {
    check_parts(VEL_METHOD_OPTIONS, "/a", VEL_TARGET_ORIGIN, "", "/a", "");
    check_parts(VEL_METHOD_OPTIONS, "http://h/a", VEL_TARGET_ABSOLUTE, "h", "/a", "");
}

/* RFC 9112 3.2.3, RFC 9110 9.3.6: the port may not be missing. */
static void authority_form_is_for_connect_alone(void) {
    check_parts(VEL_METHOD_CONNECT, "h:443", VEL_TARGET_AUTHORITY, "h:443", "", "");
    check_parts(VEL_METHOD_CONNECT, "[::1]:443", VEL_TARGET_AUTHORITY, "[::1]:443", "", "");
    const char *const texts[] = {"h",         "h:",         ":443",     ":",         "/",       "/a",      "*",
                                 "http://h/", "http://h:1", "h:443/",   "h:443?",    "u@h:443", "h:65536", "h:x",
                                 "[::1]",     "[::1]:",     "[::1:443", "h:443:443", "h::443"};
    for (size_t i = 0; i < COUNT(texts); i++)
        check_refused(VEL_METHOD_CONNECT, texts[i]);
}

/* RFC 9112 3.2.2. */
static void absolute_form_is_taken_apart(void) {
    check_absolute("http://h/p?q", "h", "/p", "q");
    check_absolute("https://example.org:8443/a/b?c=d&e", "example.org:8443", "/a/b", "c=d&e");
    check_absolute("http://127.0.0.1:80/", "127.0.0.1:80", "/", "");
    check_absolute("http://[::1]:80/a", "[::1]:80", "/a", "");
    check_absolute("http://h//x", "h", "//x", "");
    check_absolute("http://h:/a", "h:", "/a", "");
}

/* RFC 3986 3.1. */
static void scheme_has_no_case(void) {
    check_absolute("HTTP://h/", "h", "/", "");
    check_absolute("hTtPs://H/", "H", "/", "");
}

static void empty_path_of_an_absolute_form_is_the_root(void) {
    check_absolute("http://h", "h", "/", "");
    check_absolute("http://h?q", "h", "/", "q");
    check_absolute("http://h?", "h", "/", "");
    check_absolute("http://h?a/b", "h", "/", "a/b");
    check_absolute("http://h:80?q", "h:80", "/", "q");
}

static void other_schemes_are_refused(void) {
    const char *const texts[] = {"ftp://h/",   "file:///a", "ws://h/", "httpx://h/",  "xhttp://h/",
                                 "http:/h/",   "http:h",    "http:",   "https:/h",    "http//h/",
                                 "mailto:a@b", "://h/",     "htt",     "http:\\\\h\\"};
    for (size_t i = 0; i < COUNT(texts); i++)
        check_refused(VEL_METHOD_GET, texts[i]);
}

/* RFC 9110 4.2.1 and 4.2.4: no empty host, no userinfo. */
static void bad_authority_of_an_absolute_form_is_refused(void) {
    const char *const texts[] = {
        "http://",         "http:///",      "http:///a",      "http://?q",    "http://:80/",     "http://:/",
        "http://u@h/",     "http://u:p@h/", "http://@h/",     "http://h:8x/", "http://h:65536/", "http://h:-1/",
        "http://h:80:80/", "http://[::1/",  "http://[::1]x/", "http://[]/",   "http://h\\a/",    "http://h%zz/",
        "http://h%/",      "http://h|/",    "http://h\"/",    "https://",     "https:///a",      "http://a/b@h:x#"};
    for (size_t i = 0; i < COUNT(texts); i++)
        check_refused(VEL_METHOD_GET, texts[i]);
}

static void at_sign_behind_the_authority_is_no_userinfo(void) {
    check_absolute("http://h/@a", "h", "/@a", "");
    check_absolute("http://h?u@a", "h", "/", "u@a");
}

static bool valid(const char *host) {
    size_t len = strlen(host);
    char *copy = guard_copy(host, len);
    bool legal = vel_host_valid(vel_slice(copy, len));
    guard_free(copy, len);
    return legal;
}

static void check_hosts(const char *const *hosts, size_t n, bool want) {
    for (size_t i = 0; i < n; i++) {
        if (valid(hosts[i]) != want)
            fprintf(stderr, "%s\n", hosts[i]);
        CHECK(valid(hosts[i]) == want);
    }
}

/* RFC 9112 3.2: a Host field may be empty. */
static void empty_host_is_valid(void) {
    CHECK(valid(""));
    CHECK(vel_host_valid((struct vel_slice){0}));
}

/* RFC 3986 3.2.2: unreserved, sub-delims and percent escapes. */
static void names_and_addresses_are_valid_hosts(void) {
    const char *const hosts[] = {"localhost",
                                 "example.org",
                                 "EXAMPLE.org.",
                                 "127.0.0.1",
                                 "a_b",
                                 "xn--bcher-kva.example",
                                 "a-b.c~d",
                                 "!$&'()*+,;=",
                                 "%41",
                                 "a%2Fb",
                                 "%c3%A4.example",
                                 "999.1.1.1",
                                 "1",
                                 "-",
                                 "."};
    check_hosts(hosts, COUNT(hosts), true);
}

static void ports_up_to_65535_or_empty_are_valid(void) {
    const char *const good[] = {"h:0",         "h:80",   "h:65535", "h:", "h:00080", "127.0.0.1:8000",
                                "[::1]:65535", "[::1]:", "%41:1"};
    check_hosts(good, COUNT(good), true);
    const char *const bad[] = {"h:65536",     "h:99999999999999999999",
                               "h:8x",        "h:x",
                               "h:-1",        "h:+1",
                               "h: 1",        "h:1 ",
                               "h:80:80",     "h::",
                               "h:0x50",      "h:8_0",
                               "[::1]:65536", "[::1]:a",
                               "[::1]80",     "[::1]::"};
    check_hosts(bad, COUNT(bad), false);
}

/* RFC 9110 4.2.1: a port needs a host before it. */
static void port_without_host_is_refused(void) {
    const char *const hosts[] = {":", ":80", "::1", "::"};
    check_hosts(hosts, COUNT(hosts), false);
}

static void other_bytes_are_no_host(void) {
    const char *const hosts[] = {"a b", " a",    "a ",    "a\tb", "a/b",           "/",    "a/",       "u@h",
                                 "@",   "a?b",   "?",     "a#b",  "a\\b",          "\\",   "a\"b",     "a<b",
                                 "a>b", "a^b",   "a`b",   "a{b",  "a|b",           "a}b",  "a[b",      "a]b",
                                 "]",   "h\x7F", "h\x01", "h\r",  "b\303\274cher", "\xFF", "http://h", "h,h2 ",
                                 "%",   "%4",    "%zz",   "a%4g", "%%41",          "h%"};
    check_hosts(hosts, COUNT(hosts), false);
    CHECK(!vel_host_valid(VEL_SLICE("a\0b")));
    CHECK(!vel_host_valid(VEL_SLICE("\0")));
}

static void ipv6_addresses_are_valid_in_brackets(void) {
    const char *const hosts[] = {"[::]",
                                 "[::1]",
                                 "[1::]",
                                 "[1:2:3:4:5:6:7:8]",
                                 "[2001:db8::ff00:42:8329]",
                                 "[FE80::abcd]",
                                 "[::ffff:192.0.2.1]",
                                 "[1:2:3:4:5:6:192.0.2.1]",
                                 "[1::192.0.2.1]",
                                 "[::192.0.2.1]",
                                 "[1:2:3:4:5:6:7::]",
                                 "[::2:3:4:5:6:7:8]",
                                 "[0000:0000:0000:0000:0000:0000:0000:0000]",
                                 "[1:2::5:6:7:8]",
                                 "[ABCD:ABCD:ABCD:ABCD:ABCD:ABCD:192.168.158.190]"};
    check_hosts(hosts, COUNT(hosts), true);
}

static void malformed_literals_are_refused(void) {
    const char *const hosts[] = {"[",
                                 "[]",
                                 "[::1",
                                 "::1]",
                                 "[:]",
                                 "[:::]",
                                 "[1]",
                                 "[1:2]",
                                 "[1:2:3:4:5:6:7]",
                                 "[1:2:3:4:5:6:7:8:9]",
                                 "[1::2::3]",
                                 "[12345::]",
                                 "[g::]",
                                 "[::1%25eth0]",
                                 "[::1%eth0]",
                                 "[:1:2:3:4:5:6:7]",
                                 "[1:2:3:4:5:6:7:]",
                                 "[1:2:3:4::5:6:7:8]",
                                 "[::1.2.3]",
                                 "[::1.2.3.4.5]",
                                 "[::256.1.1.1]",
                                 "[::01.1.1.1]",
                                 "[::1.1.1.1:1]",
                                 "[1.2.3.4]",
                                 "[1:2:3:4:5:6:7:1.2.3.4]",
                                 "[ ::1]",
                                 "[::1 ]",
                                 "[[::1]]",
                                 "[::1]]",
                                 "[localhost]",
                                 "[::.1.1.1]",
                                 "[::1.1.1.]",
                                 "[::1..1.1]",
                                 "[::1.1.1.1000]",
                                 "[1:]",
                                 "[:1]",
                                 "[::1:]",
                                 "[1:::2]",
                                 "[::1/64]",
                                 "[1.2.3.4::]",
                                 "[1.2.3.4::1]",
                                 "[::1::]",
                                 "[1::2:]",
                                 "[::1:2:3:4:5:6:7:8]"};
    check_hosts(hosts, COUNT(hosts), false);
}

static void future_addresses_have_a_version_and_a_text(void) {
    const char *const good[] = {"[v1.a]", "[V1F.a:b]", "[vF.!$&'()*+,;=:~]", "[v1.a]:80"};
    check_hosts(good, COUNT(good), true);
    const char *const bad[] = {"[v]",      "[v1]",      "[v1.]",    "[v.a]", "[vg.a]",
                               "[v1.a/b]", "[v1.a%41]", "[v1.a@b]", "[v1a]", "[x1.a]"};
    check_hosts(bad, COUNT(bad), false);
}

static void check_decoded(const char *in, const char *want, size_t want_len) {
    size_t len = strlen(in);
    char *copy = guard_copy(in, len), *out = guard_copy(in, len);
    size_t have = vel_percent_decode(vel_slice(copy, len), out);
    CHECK_INT(have, want_len);
    CHECK(memcmp(out, want, want_len) == 0);
    /* And in place. */
    have = vel_percent_decode(vel_slice(copy, len), copy);
    CHECK_INT(have, want_len);
    CHECK(memcmp(copy, want, want_len) == 0);
    guard_free(copy, len);
    guard_free(out, len);
}

static void escapes_are_decoded_once(void) {
    check_decoded("", "", 0);
    check_decoded("/a/b", "/a/b", 4);
    check_decoded("%41%6a%6A", "Ajj", 3);
    check_decoded("/%2F%2f", "///", 3);
    check_decoded("%2541", "%41", 3);
    check_decoded("%25%34%31", "%41", 3);
    check_decoded("a+b%2B", "a+b+", 4);
    check_decoded("%C3%bc", "\xC3\xBC", 2);
    CHECK_INT(vel_percent_decode((struct vel_slice){0}, NULL), 0);
}

static void control_bytes_come_out_and_cut_nothing(void) {
    check_decoded("a%00b", "a\0b", 3);
    check_decoded("%0d%0A", "\r\n", 2);
    check_decoded("%FF%00", "\xFF\0", 2);
}

static void broken_escapes_stay(void) {
    check_decoded("%", "%", 1);
    check_decoded("%4", "%4", 2);
    check_decoded("a%zz", "a%zz", 4);
    check_decoded("%4g%41", "%4gA", 4);
    check_decoded("%%41", "%A", 2);
    check_decoded("%u0041", "%u0041", 6);
    check_decoded("%-1%+1% 1", "%-1%+1% 1", 9);
}

static void every_escape_gives_its_byte(void) {
    for (int byte = 0; byte < 256; byte++) {
        char text[4], out[3];
        snprintf(text, sizeof(text), byte % 2 ? "%%%02x" : "%%%02X", byte);
        CHECK_INT(vel_percent_decode(vel_slice(text, 3), out), 1);
        CHECK_INT((unsigned char)out[0], byte);
    }
}

static void check_split(const char *host, const char *name, const char *port) {
    struct vel_slice have_name, have_port;
    CHECK(vel_host_valid(vel_slice(host, strlen(host))));
    vel_host_split(vel_slice(host, strlen(host)), &have_name, &have_port);
    CHECK_SLICE(have_name, name);
    CHECK_SLICE(have_port, port);
}

static void a_host_is_split_into_name_and_port(void) {
    check_split("example.org", "example.org", "");
    check_split("example.org:8080", "example.org", "8080");
    check_split("example.org:", "example.org", "");
    check_split("[2001:db8::1]:80", "[2001:db8::1]", "80");
    check_split("[::1]", "[::1]", "");
    check_split("", "", "");
}

int main(void) {
    RUN(origin_form_is_split_at_the_first_question_mark);
    RUN(path_is_left_as_it_was_sent);
    RUN(two_slashes_begin_a_path_and_no_authority);
    RUN(fragment_is_refused_everywhere);
    RUN(relative_target_is_refused);
    RUN(nothing_is_refused);
    RUN(asterisk_is_for_options_alone);
    RUN(options_may_have_any_other_form_of_a_resource);
    RUN(authority_form_is_for_connect_alone);
    RUN(absolute_form_is_taken_apart);
    RUN(scheme_has_no_case);
    RUN(empty_path_of_an_absolute_form_is_the_root);
    RUN(other_schemes_are_refused);
    RUN(bad_authority_of_an_absolute_form_is_refused);
    RUN(at_sign_behind_the_authority_is_no_userinfo);
    RUN(empty_host_is_valid);
    RUN(names_and_addresses_are_valid_hosts);
    RUN(ports_up_to_65535_or_empty_are_valid);
    RUN(port_without_host_is_refused);
    RUN(other_bytes_are_no_host);
    RUN(ipv6_addresses_are_valid_in_brackets);
    RUN(malformed_literals_are_refused);
    RUN(future_addresses_have_a_version_and_a_text);
    RUN(escapes_are_decoded_once);
    RUN(control_bytes_come_out_and_cut_nothing);
    RUN(broken_escapes_stay);
    RUN(every_escape_gives_its_byte);
    RUN(a_host_is_split_into_name_and_port);
}

/* Field lines that have come before: found byte for byte or not at all, and no secret is kept. */
#include "http1/lines.h"

#include "support/guard.h"
#include "support/test.h"

static struct vel_h1_lines lines;

/* As the parser does: a name, a colon, a value with blanks around it, CRLF. */
static struct vel_field read_line(struct vel_slice line) {
    const char *colon = memchr(line.at, ':', line.len);
    struct vel_slice name = vel_slice(line.at, (size_t)(colon - line.at));
    struct vel_slice value = vel_slice(colon + 1, line.len - name.len - 3);
    return (struct vel_field){.name = name, .value = vel_slice_trim(value), .id = vel_field_find(name)};
}

static void keep(struct vel_slice line) {
    struct vel_field field = read_line(line);
    vel_h1_lines_keep(&lines, line.at, line.len, &field);
}

/* Of a copy with nothing readable behind it. */
static size_t found(struct vel_slice in, struct vel_field *field) {
    char *copy = guard_copy(in.at, in.len);
    struct vel_field at = {.id = VEL_FIELD_COUNT};
    size_t n = vel_h1_lines_find(&lines, copy, copy + in.len, &at);
    CHECK(n == 0 ? at.id == VEL_FIELD_COUNT : at.name.at == copy);
    if (n > 0 && field != NULL) {
        field->id = at.id;
        field->name = vel_slice(in.at, at.name.len);
        field->value = vel_slice(in.at + (at.value.at - copy), at.value.len);
    }
    guard_free(copy, in.len);
    return n;
}

static void nothing_is_known_at_first(void) {
    lines = (struct vel_h1_lines){0};
    CHECK(found(VEL_SLICE("Accept-Language: en\r\n"), NULL) == 0);
    char zeros[64] = {0};
    CHECK(found(vel_slice(zeros, sizeof(zeros)), NULL) == 0);
}

static void a_line_that_came_before_is_its_field(void) {
    struct vel_slice line = VEL_SLICE("Accept-Language: \t en-US,en;q=0.9 \r\n");
    struct vel_field field;
    lines = (struct vel_h1_lines){0};
    keep(line);
    CHECK(found(line, &field) == line.len);
    CHECK(field.id == VEL_FIELD_ACCEPT_LANGUAGE);
    CHECK(vel_slice_eq(field.name, VEL_SLICE("Accept-Language")));
    CHECK(vel_slice_eq(field.value, VEL_SLICE("en-US,en;q=0.9")));
    struct vel_slice more = VEL_SLICE("Accept-Language: \t en-US,en;q=0.9 \r\nHost: a\r\n\r\n");
    CHECK(found(more, NULL) == line.len);
}

static void an_empty_value_is_kept_too(void) {
    struct vel_slice line = VEL_SLICE("Accept-Language:\r\n");
    struct vel_field field;
    lines = (struct vel_h1_lines){0};
    keep(line);
    CHECK(found(line, &field) == line.len && field.value.len == 0);
}

static void one_other_byte_is_another_line(void) {
    struct vel_slice line = VEL_SLICE("Accept-Language: en-US,en;q=0.9\r\n");
    char other[64];
    lines = (struct vel_h1_lines){0};
    keep(line);
    for (size_t i = 0; i < line.len; i++) {
        memcpy(other, line.at, line.len);
        other[i] ^= 0x20;
        CHECK(found(vel_slice(other, line.len), NULL) == 0);
    }
}

static void a_line_that_is_not_all_here_is_not_found(void) {
    struct vel_slice line = VEL_SLICE("Accept-Language: en-US,en;q=0.9\r\n");
    lines = (struct vel_h1_lines){0};
    keep(line);
    for (size_t n = 0; n < line.len; n++)
        CHECK(found(vel_slice(line.at, n), NULL) == 0);
}

static void what_may_be_a_secret_is_not_kept(void) {
    struct vel_slice secrets[] = {
        VEL_SLICE("Cookie: sessionid=abcdef\r\n"),
        VEL_SLICE("Authorization: Basic dXNlcjpwYXNz\r\n"),
        VEL_SLICE("Proxy-Authorization: Basic dXNlcg==\r\n"),
        VEL_SLICE("X-CSRFToken: 0123456789abcdef\r\n"),
        VEL_SLICE("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        VEL_SLICE("X-Name-Of-Ones-Own: perhaps a key\r\n"),
    };
    lines = (struct vel_h1_lines){0};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        keep(secrets[i]);
        CHECK(found(secrets[i], NULL) == 0);
    }
}

static void short_and_long_lines_are_read_anew(void) {
    char line[VEL_H1_LINE_MAX + 1];
    for (size_t len = 9; len <= sizeof(line); len++) {
        memset(line, 'a', sizeof(line));
        memcpy(line, "Accept:", 7);
        memcpy(line + len - 2, "\r\n", 2);
        lines = (struct vel_h1_lines){0};
        keep(vel_slice(line, len));
        bool fits = len >= VEL_H1_LINE_MIN && len <= VEL_H1_LINE_MAX;
        CHECK(found(vel_slice(line, len), NULL) == (fits ? len : 0));
    }
}

/* Their first sixteen bytes are the same. */
static void the_last_line_of_a_slot_stays(void) {
    struct vel_slice first = VEL_SLICE("User-Agent: Mozilla/5.0 (one)\r\n");
    struct vel_slice last = VEL_SLICE("User-Agent: Mozilla/5.0 (another)\r\n");
    lines = (struct vel_h1_lines){0};
    keep(first);
    keep(last);
    CHECK(found(first, NULL) == 0 && found(last, NULL) == last.len);
}

int main(void) {
    RUN(nothing_is_known_at_first);
    RUN(a_line_that_came_before_is_its_field);
    RUN(an_empty_value_is_kept_too);
    RUN(one_other_byte_is_another_line);
    RUN(a_line_that_is_not_all_here_is_not_found);
    RUN(what_may_be_a_secret_is_not_kept);
    RUN(short_and_long_lines_are_read_anew);
    RUN(the_last_line_of_a_slot_stays);
    return 0;
}

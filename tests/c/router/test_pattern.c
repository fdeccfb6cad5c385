/* Tests of router/pattern.c. */
#include "router/pattern.h"

#include "support/guard.h"
#include "support/test.h"

/* The pieces as text: "/ a / <x:int(1)> / ", or "!" and where the problem is. */
static const char *pieces(const char *text) {
    static char out[1024];
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    struct vel_pattern p;
    struct vel_piece piece;
    size_t n = 0;
    vel_pattern_init(&p, vel_slice(copy, len));
    while (vel_pattern_next(&p, &piece)) {
        if (piece.kind == VEL_PIECE_SLASH)
            n += (size_t)sprintf(out + n, "/");
        else if (piece.kind == VEL_PIECE_LITERAL)
            n += (size_t)sprintf(out + n, " %.*s", (int)piece.text.len, piece.text.at);
        else
            n += (size_t)sprintf(out + n, " <%.*s:%.*s(%.*s)%d>", (int)piece.text.len, piece.text.at,
                                 (int)piece.converter.len, piece.converter.len ? piece.converter.at : "",
                                 (int)piece.args.len, piece.args.len ? piece.args.at : "", piece.param);
    }
    if (p.why != NULL)
        sprintf(out, "!%zu", p.at);
    out[p.why != NULL ? strlen(out) : n] = '\0';
    guard_free(copy, len);
    return out;
}

#define CHECK_PIECES(text, want)                                                                                       \
    do {                                                                                                               \
        const char *got_ = pieces(text);                                                                               \
        if (strcmp(got_, want) != 0)                                                                                   \
            fprintf(stderr, "%s: \"%s\", not \"%s\"\n", text, got_, want);                                             \
        CHECK(strcmp(got_, want) == 0);                                                                                \
    } while (0)

static void pieces_of_patterns(void) {
    CHECK_PIECES("/", "/");
    CHECK_PIECES("/a/b/", "/ a/ b/");
    CHECK_PIECES("/{x}", "/ <x:()7>");
    CHECK_PIECES("/a-{x:int}.{y}", "/ a- <x:int()1> . <y:()7>");
    CHECK_PIECES("/{x:enum(a,b)}/c", "/ <x:enum(a,b)4>/ c");
    CHECK_PIECES("/{x:re([0-9]{4}(a|b))}", "/ <x:re([0-9]{4}(a|b))5>");
    CHECK_PIECES("/{x:own}", "/ <x:own()6>");
    CHECK_PIECES("/{x:own(1, 2)}", "/ <x:own(1, 2)6>");
    CHECK_PIECES("/v{rest:path}", "/ v <rest:path()8>");
    CHECK_PIECES("/a{{b}}c", "/ a{ b} c");
    CHECK_PIECES("/{{}}", "/ { }");
    CHECK_PIECES("//", "//");
}

static void what_is_no_pattern(void) {
    CHECK_PIECES("", "!0");
    CHECK_PIECES("a", "!0");
    CHECK_PIECES("/{", "!1");
    CHECK_PIECES("/{x", "!1");
    CHECK_PIECES("/}", "!1");
    CHECK_PIECES("/a}b", "!2");
    CHECK_PIECES("/{}", "!1");
    CHECK_PIECES("/{1}", "!1");
    CHECK_PIECES("/{a-b}", "!1");
    CHECK_PIECES("/{x:}", "!1");
    CHECK_PIECES("/{x:int(1)}", "!1");
    CHECK_PIECES("/{x:enum}", "!1");
    CHECK_PIECES("/{x:enum(a,,b)}", "!1");
    CHECK_PIECES("/{x:enum(a/b)}", "!1");
    CHECK_PIECES("/{x:re}", "!1");
    CHECK_PIECES("/{x:re(a}", "!1");
    CHECK_PIECES("/{x}{y}", "!4");
    CHECK_PIECES("/{x}/{x}", "!5");
    CHECK_PIECES("/{x:path}/a", "!9");
    CHECK_PIECES("/{x}-{y:path}", "!5");
    CHECK_PIECES("/{x:path}-{y}", "!10");
}

static void there_are_limits(void) {
    char text[VEL_PATTERN_MAX + 2] = "";
    for (unsigned i = 0; i < VEL_PATTERN_SEGMENTS; i++)
        strcat(text, "/a");
    CHECK(pieces(text)[0] == '/');
    strcat(text, "/a");
    CHECK(pieces(text)[0] == '!');
    text[0] = '\0';
    for (unsigned i = 0; i <= VEL_PATTERN_PARAMS; i++)
        sprintf(text + strlen(text), "/{p%u}", i);
    CHECK(pieces(text)[0] == '!');
    memset(text, '/', sizeof(text) - 1);
    memset(text + 1, 'a', sizeof(text) - 2);
    text[sizeof(text) - 1] = '\0';
    CHECK(pieces(text)[0] == '!');
    struct vel_pattern p;
    struct vel_piece piece;
    vel_pattern_init(&p, VEL_SLICE("/a\0b"));
    CHECK(!vel_pattern_next(&p, &piece) && p.why != NULL);
}

int main(void) {
    RUN(pieces_of_patterns);
    RUN(what_is_no_pattern);
    RUN(there_are_limits);
}

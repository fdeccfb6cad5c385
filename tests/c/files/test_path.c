/* Tests of src/files/path.c. */
#include "files/path.h"

#include "support/guard.h"
#include "support/test.h"

static char out[VEL_FILE_PATH_MAX];

static int made(const char *text, bool encoded, bool dotfiles) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    int n = vel_file_path(vel_slice(copy, len), encoded, dotfiles, out);
    guard_free(copy, len);
    return n;
}

static void check(const char *text, const char *want) {
    int n = made(text, true, false);
    if (n < 0 || strcmp(out, want) != 0)
        fprintf(stderr, "%s: %d %s, not %s\n", text, n, n < 0 ? "" : out, want);
    CHECK_INT(n, strlen(want));
    CHECK(strcmp(out, want) == 0);
}

static void paths_are_decoded_once(void) {
    check("", "");
    check("/", "");
    check("/a", "a");
    check("/a/b.c", "a/b.c");
    check("/a/", "a/");
    check("/a%20b/%C3%A9", "a b/\xC3\xA9");
    check("/%2561", "%61");
    check("/a..b/c...", "a..b/c...");
}

static void what_leads_upwards_or_hides_is_none(void) {
    static const char *const texts[] = {
        "/..",   "/../a",   "/a/..",   "/a/../b", "/.",     "/a/./b",   "/%2e%2e/a", "/%2E./a",   "/a/.%2e", "//a",
        "/a//b", "/a%2fb",  "/..%2fa", "/%2F",    "/a%5cb", "/..\\a",   "/%00",      "/a%00.png", "/%",      "/%4",
        "/%zz",  "/.git/a", "/a/.env", "/%2egit", "//",     "/a/.%2e/", "/...",      "/.a/"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (made(texts[i], true, false) >= 0)
            fprintf(stderr, "%s: %s\n", texts[i], out);
        CHECK_INT(made(texts[i], true, false), -1);
    }
}

static void hidden_files_are_there_for_who_wants_them(void) {
    CHECK_INT(made("/.well-known/a", true, true), 13);
    CHECK_INT(made("/..", true, true), -1);
    CHECK_INT(made("/a/.", true, true), -1);
}

static void a_decoded_path_is_not_decoded_again(void) {
    CHECK_INT(made("/a%2fb", false, false), 5);
    CHECK(strcmp(out, "a%2fb") == 0);
}

static void what_is_too_long_is_none(void) {
    static char text[VEL_FILE_PATH_MAX + 2];
    memset(text, 'a', sizeof(text) - 1);
    CHECK_INT(made(text, true, false), -1);
    text[VEL_FILE_PATH_MAX - 1] = '\0';
    CHECK_INT(made(text, true, false), VEL_FILE_PATH_MAX - 1);
}

int main(void) {
    RUN(paths_are_decoded_once);
    RUN(what_leads_upwards_or_hides_is_none);
    RUN(hidden_files_are_there_for_who_wants_them);
    RUN(a_decoded_path_is_not_decoded_again);
    RUN(what_is_too_long_is_none);
    return 0;
}

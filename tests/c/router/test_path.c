/* Tests of router/path.c. */
#include "router/path.h"

#include "support/guard.h"
#include "support/test.h"

/* "a|b|c/" where the path ends in a slash; "none" and "bad". */
static const char *split(const char *text, bool encoded, unsigned most) {
    static char out[512];
    size_t len = strlen(text), n = 0;
    char *copy = guard_copy(text, len), *scratch = guard_copy(text, len);
    struct vel_path path;
    enum vel_path_result result = vel_path_split(&path, vel_slice(copy, len), encoded, scratch, most);
    out[0] = '\0';
    for (unsigned i = 0; result == VEL_PATH_OK && i < path.nsegments; i++)
        n += (size_t)sprintf(out + n, "%s%.*s", i > 0 ? "|" : "", (int)path.segments[i].len, path.segments[i].at);
    if (result == VEL_PATH_OK && path.slash)
        sprintf(out + n, "/");
    guard_free(scratch, len);
    guard_free(copy, len);
    return result == VEL_PATH_NONE ? "none" : result == VEL_PATH_BAD ? "bad" : out;
}

#define CHECK_TEXT(have, want) CHECK(strcmp(have, want) == 0)

static void segments_of_paths(void) {
    CHECK_TEXT(split("/", false, 8), "/");
    CHECK_TEXT(split("/a", false, 8), "a");
    CHECK_TEXT(split("/a/", false, 8), "a/");
    CHECK_TEXT(split("//", false, 8), "/");
    CHECK_TEXT(split("/a//b", false, 8), "a||b");
    CHECK_TEXT(split("", false, 8), "none");
    CHECK_TEXT(split("a/b", false, 8), "none");
    CHECK_TEXT(split("/a/b/c/d", false, 2), "a|b");
    CHECK_TEXT(split("/a/b/", false, 2), "a|b");
}

/* Runs of sixteen bytes, and what is left, in every place. */
static void slashes_wherever_they_are(void) {
    for (size_t len = 1; len < 70; len++)
        for (size_t at = 1; at <= len; at++) {
            char text[80] = "/", want[80] = "";
            memset(text + 1, 'x', len);
            text[at] = '/';
            memset(want, 'x', at - 1);
            sprintf(want + at - 1, at == len ? "/" : "|");
            for (size_t i = at; i < len; i++)
                strcat(want, "x");
            CHECK_TEXT(split(text, false, 8), want);
        }
}

static void escapes_are_decoded(void) {
    CHECK_TEXT(split("/a%20b/%41", true, 8), "a b|A");
    CHECK_TEXT(split("/a%2Fb/c", true, 8), "a/b|c");
    CHECK_TEXT(split("/a%2F", true, 8), "a/");
    CHECK_TEXT(split("/%2f", true, 8), "/");
    CHECK_TEXT(split("/a%20b", false, 8), "a%20b");
    CHECK_TEXT(split("/%", true, 8), "bad");
    CHECK_TEXT(split("/%0", true, 8), "bad");
    CHECK_TEXT(split("/%00", true, 8), "bad");
    CHECK_TEXT(split("/%0g", true, 8), "bad");
    CHECK_TEXT(split("/a-long-segment-of-text/%e4/b", true, 8), "a-long-segment-of-text|\xe4|b");
}

static const char *labels(const char *host) {
    static char out[512];
    static char scratch[VEL_HOST_MAX];
    struct vel_path path;
    size_t len = strlen(host), n = 0;
    char *copy = guard_copy(host, len);
    bool ok = vel_path_of_host(&path, vel_slice(copy, len), scratch, 8);
    out[0] = '\0';
    for (unsigned i = 0; ok && i < path.nsegments; i++)
        n += (size_t)sprintf(out + n, "%s%.*s", i > 0 ? "|" : "", (int)path.segments[i].len, path.segments[i].at);
    guard_free(copy, len);
    return ok ? out : "none";
}

static void labels_of_hosts(void) {
    CHECK_TEXT(labels("www.Example.com"), "com|example|www");
    CHECK_TEXT(labels("localhost:8000"), "localhost");
    CHECK_TEXT(labels("a.b."), "b|a");
    CHECK_TEXT(labels(""), "none");
    CHECK_TEXT(labels("."), "none");
    CHECK_TEXT(labels(":80"), "none");
    CHECK_TEXT(labels("a..b"), "none");
    CHECK_TEXT(labels(".a"), "none");
    CHECK_TEXT(labels("[::1]:80"), "none");
    char longest[300];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    CHECK_TEXT(labels(longest), "none");
    longest[255] = '\0';
    CHECK(strlen(labels(longest)) == 255);
}

int main(void) {
    RUN(segments_of_paths);
    RUN(slashes_wherever_they_are);
    RUN(escapes_are_decoded);
    RUN(labels_of_hosts);
}

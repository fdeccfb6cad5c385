/* Tests of server/body.c. */
#include "server/body.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vel_slice text(const char *s) {
    return vel_slice(s, strlen(s));
}

static void check_content(const struct vel_body *body, const char *want) {
    char got[64];
    size_t at = 0;
    long n;
    CHECK_INT(body->size, strlen(want));
    while ((n = vel_body_read(body, at, got + at, 3)) > 0)
        at += (size_t)n;
    CHECK_INT(n, 0);
    CHECK(at == strlen(want) && memcmp(got, want, at) == 0);
}

static void a_run_that_was_read_to_its_place_is_not_copied(void) {
    struct vel_body body = {0};
    CHECK(vel_body_room(&body, 8) == NULL);
    CHECK_INT(vel_body_add(&body, text("abc"), 100), VEL_OK);
    CHECK(vel_body_room(&body, 8) == NULL);
    CHECK_INT(vel_body_own(&body), VEL_OK);
    char *room = vel_body_room(&body, 5000);
    CHECK(room != NULL);
    memcpy(room, "defgh", 5);
    CHECK_INT(vel_body_add(&body, vel_slice(room, 5), 100), VEL_OK);
    CHECK(body.bytes.at + 3 == room);
    check_content(&body, "abcdefgh");
    CHECK_INT(vel_body_add(&body, text("ij"), 100), VEL_OK);
    check_content(&body, "abcdefghij");
    vel_body_free(&body);
}

static void an_empty_body_reads_as_its_end(void) {
    struct vel_body body = {0};
    char at[4];
    CHECK_INT(vel_body_add(&body, text(""), 10), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_EMPTY);
    CHECK_INT(vel_body_read(&body, 0, at, sizeof at), 0);
    CHECK_INT(vel_body_own(&body), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_EMPTY);
    vel_body_free(&body);
}

static void the_first_run_is_borrowed(void) {
    struct vel_body body = {0};
    const char *run = "abc";
    CHECK_INT(vel_body_add(&body, text(run), 10), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_BORROWED);
    CHECK(body.bytes.at == run);
    check_content(&body, "abc");
    vel_body_free(&body);
}

static void own_copies_what_was_borrowed(void) {
    struct vel_body body = {0};
    char run[] = "abc";
    CHECK_INT(vel_body_add(&body, text(run), 10), VEL_OK);
    CHECK_INT(vel_body_own(&body), VEL_OK);
    memset(run, 'x', 3);
    CHECK_INT(body.place, VEL_BODY_MEMORY);
    check_content(&body, "abc");
    vel_body_free(&body);
}

static void a_second_run_makes_both_owned(void) {
    struct vel_body body = {0};
    char run[] = "abc";
    CHECK_INT(vel_body_add(&body, text(run), 10), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("def"), 10), VEL_OK);
    memset(run, 'x', 3);
    CHECK_INT(body.place, VEL_BODY_MEMORY);
    check_content(&body, "abcdef");
    vel_body_free(&body);
}

static void the_threshold_itself_stays_in_memory(void) {
    struct vel_body body = {0};
    CHECK_INT(vel_body_add(&body, text("abc"), 6), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("def"), 6), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_MEMORY);
    vel_body_free(&body);
}

static void one_byte_more_moves_all_to_a_file(void) {
    struct vel_body body = {0};
    CHECK_INT(vel_body_add(&body, text("abc"), 6), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("def"), 6), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("g"), 6), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_FILE);
    CHECK(body.memory.data == NULL);
    CHECK_INT(vel_body_add(&body, text("hij"), 6), VEL_OK);
    CHECK_INT(vel_body_own(&body), VEL_OK);
    check_content(&body, "abcdefghij");
    vel_body_free(&body);
    CHECK_INT(body.place, VEL_BODY_EMPTY);
}

static void a_borrowed_run_may_go_to_the_file_directly(void) {
    struct vel_body body = {0};
    CHECK_INT(vel_body_add(&body, text("abc"), 0), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_BORROWED);
    CHECK_INT(vel_body_add(&body, text("def"), 0), VEL_OK);
    CHECK_INT(body.place, VEL_BODY_FILE);
    check_content(&body, "abcdef");
    vel_body_free(&body);
}

static void the_file_is_private_closed_on_exec_and_has_no_name(void) {
    struct vel_body body = {0};
    struct stat st;
    vel_body_add(&body, text("abc"), 0);
    vel_body_add(&body, text("def"), 0);
    CHECK(fstat(body.file, &st) == 0);
    CHECK_INT(st.st_nlink, 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK(fcntl(body.file, F_GETFD) & FD_CLOEXEC);
    vel_body_free(&body);
}

static void the_file_is_closed_with_the_body(void) {
    struct vel_body body = {0};
    vel_body_add(&body, text("abc"), 0);
    vel_body_add(&body, text("def"), 0);
    int file = body.file;
    vel_body_free(&body);
    CHECK(fcntl(file, F_GETFD) < 0);
}

static void reading_past_the_end_gives_nothing(void) {
    struct vel_body body = {0};
    char at[8];
    vel_body_add(&body, text("abc"), 10);
    CHECK_INT(vel_body_read(&body, 3, at, sizeof at), 0);
    CHECK_INT(vel_body_read(&body, UINT64_MAX, at, sizeof at), 0);
    CHECK_INT(vel_body_read(&body, 2, at, sizeof at), 1);
    CHECK_INT(vel_body_read(&body, 0, at, 0), 0);
    vel_body_free(&body);
}

static void without_a_temporary_folder_it_fails(void) {
    struct vel_body body = {0};
    setenv("TMPDIR", "/nonexistent/folder", 1);
    CHECK_INT(vel_body_add(&body, text("abc"), 0), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("def"), 0), VEL_ESYS);
    vel_body_free(&body);
    char longest[5000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    setenv("TMPDIR", longest, 1);
    CHECK_INT(vel_body_add(&body, text("abc"), 0), VEL_OK);
    CHECK_INT(vel_body_add(&body, text("def"), 0), VEL_ESYS);
    vel_body_free(&body);
    unsetenv("TMPDIR");
}

static void an_empty_tmpdir_means_the_default(void) {
    struct vel_body body = {0};
    setenv("TMPDIR", "", 1);
    vel_body_add(&body, text("abc"), 0);
    CHECK_INT(vel_body_add(&body, text("def"), 0), VEL_OK);
    vel_body_free(&body);
    unsetenv("TMPDIR");
}

/* A file that may not grow is as good as a full disk. */
static void a_full_disk_fails(void) {
    struct rlimit old, small;
    struct vel_body body = {0};
    char run[600];
    memset(run, 'a', sizeof run);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = (struct rlimit){1000, old.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    int first = vel_body_add(&body, vel_slice(run, 300), 0);
    int second = vel_body_add(&body, vel_slice(run, 300), 0);
    int third = vel_body_add(&body, vel_slice(run, 600), 0);
    vel_body_free(&body);
    /* And when already the first bytes do not fit. */
    struct vel_body other = {0};
    small.rlim_cur = 100;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    vel_body_add(&other, vel_slice(run, 300), 0);
    int at_once = vel_body_add(&other, vel_slice(run, 300), 0);
    enum vel_body_place place = other.place;
    vel_body_free(&other);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_INT(first, VEL_OK);
    CHECK_INT(second, VEL_OK);
    CHECK_INT(third, VEL_ESYS);
    CHECK_INT(at_once, VEL_ESYS);
    CHECK_INT(place, VEL_BODY_BORROWED);
}

static void short_memory_is_told_and_leaks_nothing(void) {
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        struct vel_body body = {0};
        int err = VEL_OK;
        for (int i = 0; i < 300 && err == VEL_OK; i++)
            err = vel_body_add(&body, text("abcdefgh"), 1000000);
        bool hit = fail_malloc_hit();
        CHECK_INT(err, hit ? VEL_ENOMEM : VEL_OK);
        vel_body_free(&body);
    }
}

int main(void) {
    RUN(an_empty_body_reads_as_its_end);
    RUN(a_run_that_was_read_to_its_place_is_not_copied);
    RUN(the_first_run_is_borrowed);
    RUN(own_copies_what_was_borrowed);
    RUN(a_second_run_makes_both_owned);
    RUN(the_threshold_itself_stays_in_memory);
    RUN(one_byte_more_moves_all_to_a_file);
    RUN(a_borrowed_run_may_go_to_the_file_directly);
    RUN(the_file_is_private_closed_on_exec_and_has_no_name);
    RUN(the_file_is_closed_with_the_body);
    RUN(reading_past_the_end_gives_nothing);
    RUN(without_a_temporary_folder_it_fails);
    RUN(an_empty_tmpdir_means_the_default);
    RUN(a_full_disk_fails);
    RUN(short_memory_is_told_and_leaks_nothing);
    return 0;
}

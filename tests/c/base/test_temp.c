/* Tests of base/temp.c. */
#include "base/temp.h"

#include "base/err.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void what_is_written_can_be_read(void) {
    char at[16];
    int file = vel_temp_open();
    CHECK(file >= 0);
    CHECK_INT(vel_temp_write(file, 0, "one ", 4), VEL_OK);
    CHECK_INT(vel_temp_write(file, 4, "two", 3), VEL_OK);
    CHECK_INT(vel_temp_write(file, 7, "", 0), VEL_OK);
    CHECK_INT(pread(file, at, sizeof at, 0), 7);
    CHECK(memcmp(at, "one two", 7) == 0);
    close(file);
}

static void it_has_no_name_and_is_private(void) {
    struct stat st;
    int file = vel_temp_open();
    CHECK_INT(fstat(file, &st), 0);
    CHECK_INT(st.st_nlink, 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK(fcntl(file, F_GETFD) & FD_CLOEXEC);
    close(file);
}

static void a_folder_that_is_not_there(void) {
    setenv("TMPDIR", "/nowhere/at/all", 1);
    CHECK_INT(vel_temp_open(), -1);
    CHECK_INT(errno, ENOENT);
    unsetenv("TMPDIR");
}

static void what_does_not_fit_is_told(void) {
    struct rlimit old, low;
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){100, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    int file = vel_temp_open();
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &low), 0);
    CHECK_INT(vel_temp_write(file, 0, (char[200]){0}, 200), VEL_ESYS);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    CHECK_INT(vel_temp_write(file, 50, (char[200]){0}, 200), VEL_OK); /* as if nothing had been */
    CHECK_INT(lseek(file, 0, SEEK_END), 250);
    close(file);
}

int main(void) {
    RUN(what_is_written_can_be_read);
    RUN(it_has_no_name_and_is_private);
    RUN(a_folder_that_is_not_there);
    RUN(what_does_not_fit_is_told);
}

/* Tests of net/wake.c. */
#include "net/wake.h"

#include "base/err.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct vel_loop loop;
    struct vel_wake wake;
    int woken;
    bool again;
};

static void woken(void *arg) {
    struct fixture *f = arg;
    f->woken++;
    if (f->again)
        vel_wake_up(&f->wake);
    f->again = false;
}

static void fixture_open(struct fixture *f) {
    *f = (struct fixture){0};
    CHECK_INT(vel_loop_init(&f->loop), VEL_OK);
    CHECK_INT(vel_wake_init(&f->wake, &f->loop, woken, f), VEL_OK);
}

static void fixture_close(struct fixture *f) {
    vel_wake_free(&f->wake, &f->loop);
    vel_loop_free(&f->loop);
}

static void nothing_wakes_by_itself(void) {
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(f.woken, 0);
    fixture_close(&f);
}

static void many_wake_ups_are_one_call(void) {
    struct fixture f;
    fixture_open(&f);
    for (int i = 0; i < 1000; i++)
        vel_wake_up(&f.wake);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.woken, 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(f.woken, 1);
    fixture_close(&f);
}

/* A drain that stops at a short read must not take a read that filled its buffer for one. */
static void any_number_of_bytes_is_drained(void) {
    int counts[] = {1, 255, 256, 257, 512, 4096};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fixture f;
        fixture_open(&f);
        for (int n = 0; n < counts[i]; n++)
            vel_wake_up(&f.wake);
        CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
        CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
        CHECK_INT(f.woken, 1);
        fixture_close(&f);
    }
}

static void a_full_pipe_still_wakes_and_does_not_block(void) {
    struct fixture f;
    fixture_open(&f);
    while (write(f.wake.write_fd, "x", 1) == 1)
        ;
    CHECK_INT(errno, EAGAIN);
    errno = 77;
    vel_wake_up(&f.wake);
    CHECK_INT(errno, 77); /* safe in a signal handler */
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(f.woken, 1);
    fixture_close(&f);
}

static void a_wake_up_during_the_call_makes_another_turn(void) {
    struct fixture f;
    fixture_open(&f);
    f.again = true;
    vel_wake_up(&f.wake);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 1);
    CHECK_INT(f.woken, 2);
    fixture_close(&f);
}

static void any_single_byte_wakes(void) {
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(write(f.wake.write_fd, "\017", 1), 1); /* what a Python signal handler writes */
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.woken, 1);
    fixture_close(&f);
}

static void *wake_from_thread(void *arg) {
    vel_wake_up(arg);
    return NULL;
}

static void another_thread_wakes_a_waiting_loop(void) {
    struct fixture f;
    pthread_t thread;
    fixture_open(&f);
    CHECK_INT(pthread_create(&thread, NULL, wake_from_thread, &f.wake), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.woken, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    fixture_close(&f);
}

static const struct vel_wake *signalled;

static void on_signal(int number) {
    (void)number;
    vel_wake_up(signalled);
}

static void a_signal_handler_wakes(void) {
    struct fixture f;
    struct sigaction action = {.sa_handler = on_signal}, old;
    fixture_open(&f);
    signalled = &f.wake;
    CHECK_INT(sigaction(SIGUSR1, &action, &old), 0);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.woken, 1);
    CHECK_INT(sigaction(SIGUSR1, &old, NULL), 0);
    fixture_close(&f);
}

static void its_descriptors_are_private_and_do_not_block(void) {
    struct fixture f;
    fixture_open(&f);
    int fds[] = {f.wake.watch.fd, f.wake.write_fd};
    for (int i = 0; i < 2; i++) {
        CHECK(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
    }
    fixture_close(&f);
    CHECK(fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) < 0);
}

static void free_itself(void *arg) {
    struct fixture *f = arg;
    vel_wake_free(&f->wake, &f->loop);
    f->woken++;
}

static void fn_may_free_it(void) {
    struct fixture f;
    fixture_open(&f);
    f.wake.fn = free_itself;
    vel_wake_up(&f.wake);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.woken, 1);
    vel_loop_free(&f.loop);
}

static void without_descriptors_it_fails(void) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct vel_loop loop;
        struct vel_wake wake;
        struct rlimit none = {0, 0};
        CHECK_INT(vel_loop_init(&loop), VEL_OK);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
        CHECK_INT(vel_wake_init(&wake, &loop, woken, NULL), VEL_ESYS);
        CHECK_INT(errno, EMFILE);
        vel_loop_free(&loop);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

static void a_loop_that_cannot_watch_leaves_no_descriptors(void) {
    struct vel_loop loop = {.poll.fd = -1};
    struct vel_wake wake = {0};
    int before = dup(0);
    close(before);
    CHECK_INT(vel_wake_init(&wake, &loop, woken, NULL), VEL_ESYS);
    CHECK_INT(errno, EBADF);
    int after = dup(0);
    close(after);
    CHECK_INT(after, before);
}

int main(void) {
    RUN(nothing_wakes_by_itself);
    RUN(many_wake_ups_are_one_call);
    RUN(any_number_of_bytes_is_drained);
    RUN(a_full_pipe_still_wakes_and_does_not_block);
    RUN(a_wake_up_during_the_call_makes_another_turn);
    RUN(any_single_byte_wakes);
    RUN(another_thread_wakes_a_waiting_loop);
    RUN(a_signal_handler_wakes);
    RUN(its_descriptors_are_private_and_do_not_block);
    RUN(fn_may_free_it);
    RUN(without_descriptors_it_fails);
    RUN(a_loop_that_cannot_watch_leaves_no_descriptors);
}

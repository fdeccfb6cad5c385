/* Tests of server/inbox.c. */
#include "server/inbox.h"

#include "base/err.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>

struct letter {
    struct vel_post post;
    int number;
    int writer;
    bool answers;
};

struct fixture {
    struct vel_loop loop;
    struct vel_inbox inbox;
};

static struct fixture f;
static int read_numbers[64], nread;

static void read_it(struct vel_post *post) {
    struct letter *letter = VEL_CONTAINER(post, struct letter, post);
    read_numbers[nread++] = letter->number;
    if (letter->answers) {
        letter->answers = false;
        letter->number = 100;
        vel_inbox_put(&f.inbox, post);
    }
}

static void rise(void *arg) {
    vel_inbox_rise(arg);
}

static void open_fixture(void) {
    memset(&f, 0, sizeof f);
    nread = 0;
    CHECK_INT(vel_loop_init(&f.loop), VEL_OK);
    CHECK_INT(vel_inbox_init(&f.inbox, &f.loop), VEL_OK);
    f.loop.on_unblock = rise;
    f.loop.hook_arg = &f.inbox;
}

static void close_fixture(void) {
    vel_inbox_free(&f.inbox, &f.loop);
    vel_loop_free(&f.loop);
}

static void posts_come_in_the_order_of_putting(void) {
    struct letter letters[5];
    open_fixture();
    for (int i = 0; i < 5; i++) {
        letters[i] = (struct letter){.post.fn = read_it, .number = i};
        vel_inbox_put(&f.inbox, &letters[i].post);
    }
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 5);
    for (int i = 0; i < 5; i++)
        CHECK_INT(read_numbers[i], i);
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 5);
    close_fixture();
}

static void a_loop_that_is_awake_is_not_woken(void) {
    struct letter letter = {.post.fn = read_it};
    open_fixture();
    vel_inbox_put(&f.inbox, &letter.post);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    vel_inbox_run(&f.inbox);
    close_fixture();
}

static void a_loop_that_sleeps_is_woken_once(void) {
    struct letter letters[2] = {{.post.fn = read_it}, {.post.fn = read_it}};
    open_fixture();
    CHECK(vel_inbox_doze(&f.inbox, true));
    vel_inbox_put(&f.inbox, &letters[0].post);
    CHECK_INT(f.inbox.state, VEL_INBOX_AWAKE); /* the second does not write */
    vel_inbox_put(&f.inbox, &letters[1].post);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 2);
    close_fixture();
}

static void a_loop_that_dozes_is_left_alone_by_who_goes_on(void) {
    struct letter letters[3] = {{.post.fn = read_it}, {.post.fn = read_it}, {.post.fn = read_it}};
    open_fixture();
    CHECK(vel_inbox_doze(&f.inbox, false));
    CHECK(vel_inbox_put_lazily(&f.inbox, &letters[0].post));
    CHECK(vel_inbox_put_lazily(&f.inbox, &letters[1].post));
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    vel_inbox_put(&f.inbox, &letters[2].post);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 3);
    close_fixture();
}

static void a_loop_that_sleeps_is_woken_by_who_goes_on_too(void) {
    struct letter letter = {.post.fn = read_it};
    open_fixture();
    CHECK(vel_inbox_doze(&f.inbox, true));
    CHECK(!vel_inbox_put_lazily(&f.inbox, &letter.post));
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    vel_inbox_run(&f.inbox);
    close_fixture();
}

static void with_a_post_there_is_no_sleep(void) {
    struct letter letter = {.post.fn = read_it};
    open_fixture();
    vel_inbox_put(&f.inbox, &letter.post);
    CHECK(!vel_inbox_doze(&f.inbox, true));
    CHECK_INT(f.inbox.state, VEL_INBOX_AWAKE);
    vel_inbox_run(&f.inbox);
    CHECK(vel_inbox_doze(&f.inbox, true));
    close_fixture();
}

static void what_is_put_by_a_call_comes_next_time(void) {
    struct letter letter = {.post.fn = read_it, .answers = true};
    open_fixture();
    vel_inbox_put(&f.inbox, &letter.post);
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 1);
    vel_inbox_run(&f.inbox);
    CHECK_INT(nread, 2);
    CHECK_INT(read_numbers[1], 100);
    close_fixture();
}

/* Several threads write, the loop sleeps whenever it has read everything: none is lost, each writer's come in order. */
enum { WRITERS = 3, LETTERS = 5000 };

static int next_of[WRITERS];
static int total;

static void read_from_thread(struct vel_post *post) {
    struct letter *letter = VEL_CONTAINER(post, struct letter, post);
    CHECK_INT(letter->number, next_of[letter->writer]);
    next_of[letter->writer]++;
    total++;
    free(letter);
}

static void *write_letters(void *arg) {
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof *letter);
        CHECK(letter != NULL);
        *letter = (struct letter){.post.fn = read_from_thread, .number = i, .writer = (int)(intptr_t)arg};
        vel_inbox_put(&f.inbox, &letter->post);
    }
    return NULL;
}

static void threads_wake_the_loop_as_often_as_it_sleeps(void) {
    pthread_t threads[WRITERS];
    open_fixture();
    total = 0;
    memset(next_of, 0, sizeof next_of);
    for (int i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, write_letters, (void *)(intptr_t)i), 0);
    while (total < WRITERS * LETTERS) {
        CHECK(vel_loop_turn(&f.loop, vel_inbox_doze(&f.inbox, true) ? 10000 : 0) >= 0);
        vel_inbox_run(&f.inbox);
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    close_fixture();
}

int main(void) {
    RUN(posts_come_in_the_order_of_putting);
    RUN(a_loop_that_is_awake_is_not_woken);
    RUN(a_loop_that_sleeps_is_woken_once);
    RUN(a_loop_that_dozes_is_left_alone_by_who_goes_on);
    RUN(a_loop_that_sleeps_is_woken_by_who_goes_on_too);
    RUN(with_a_post_there_is_no_sleep);
    RUN(what_is_put_by_a_call_comes_next_time);
    RUN(threads_wake_the_loop_as_often_as_it_sleeps);
}

/* Tests of net/listener.c. */
#include "net/listener.h"

#include "base/err.h"
#include "support/tcp.h"
#include "support/test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define CLIENTS_MAX 200

struct fixture {
    struct vel_loop loop;
    struct vel_listener listener;
    struct sockaddr_in at;
    int fd;
    int clients[CLIENTS_MAX], accepted[CLIENTS_MAX];
    int n_clients, n_accepted;
    int stop_at; /* on_accept stops the listener at this many */
    int refuse_at;
    int asked, spare; /* on_exhausted: how often, and how many it can close */
    int family;       /* of the last one accepted */
    int left;         /* how often it has told that it has retired */
    bool stop_when_asked;
};

static bool on_accept(struct vel_listener *l, int fd, const union vel_addr *peer) {
    struct fixture *f = l->owner;
    CHECK(fd >= 0);
    f->family = peer->any.sa_family;
    f->accepted[f->n_accepted++] = fd;
    if (f->n_accepted == f->stop_at)
        vel_listener_stop(l);
    return f->n_accepted != f->refuse_at;
}

static bool on_exhausted(struct vel_listener *l) {
    struct fixture *f = l->owner;
    f->asked++;
    if (f->stop_when_asked)
        vel_listener_stop(l);
    if (f->spare == 0)
        return false;
    f->spare--;
    close(f->accepted[--f->n_accepted]);
    return true;
}

static void on_left(struct vel_listener *l) {
    ((struct fixture *)l->owner)->left++;
}

static void fixture_open(struct fixture *f) {
    *f = (struct fixture){0};
    CHECK_INT(vel_loop_init(&f->loop), VEL_OK);
    f->fd = tcp_listen(&f->at);
    f->listener.on_accept = on_accept;
    f->listener.on_exhausted = on_exhausted;
    f->listener.on_left = on_left;
    f->listener.owner = f;
    CHECK_INT(vel_listener_init(&f->listener, &f->loop, f->fd), VEL_OK);
}

static void fixture_close(struct fixture *f) {
    vel_listener_stop(&f->listener);
    for (int i = 0; i < f->n_clients; i++)
        close(f->clients[i]);
    for (int i = 0; i < f->n_accepted; i++)
        close(f->accepted[i]);
    close(f->fd);
    vel_loop_free(&f->loop);
}

static void connect_clients(struct fixture *f, int n) {
    for (int i = 0; i < n; i++)
        f->clients[f->n_clients++] = tcp_connect(&f->at);
}

static void a_connection_is_handed_over(void) {
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    connect_clients(&f, 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 1);
    CHECK_INT(f.family, AF_INET);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    fixture_close(&f);
}

static void a_turn_takes_a_bounded_batch(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, VEL_ACCEPT_BATCH + 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH + 1);
    fixture_close(&f);
}

static void false_ends_the_batch_and_the_next_turn_goes_on(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, 3);
    f.refuse_at = 1;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 3);
    fixture_close(&f);
}

static void stopping_during_the_batch_leaves_the_rest_in_the_queue(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, 3);
    f.stop_at = 2;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 2);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(vel_listener_init(&f.listener, &f.loop, f.fd), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 3);
    fixture_close(&f);
}

static void stopping_twice_does_no_harm(void) {
    struct fixture f;
    fixture_open(&f);
    vel_listener_stop(&f.listener);
    vel_listener_stop(&f.listener);
    connect_clients(&f, 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(vel_loop_timeout(&f.loop), -1);
    fixture_close(&f);
}

static bool free_listener(struct vel_listener *l, int fd, const union vel_addr *peer) {
    struct fixture *f = l->owner;
    (void)peer;
    f->accepted[f->n_accepted++] = fd;
    vel_listener_stop(l);
    free(l);
    return false;
}

static void the_owner_may_free_it_when_it_returns_false(void) {
    struct fixture f;
    fixture_open(&f);
    struct vel_listener *other = malloc(sizeof *other);
    CHECK(other);
    vel_listener_stop(&f.listener);
    other->on_accept = free_listener;
    other->on_exhausted = NULL;
    other->owner = &f;
    CHECK_INT(vel_listener_init(other, &f.loop, f.fd), VEL_OK);
    connect_clients(&f, 2);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 1);
    fixture_close(&f);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void) {
    struct vel_loop loop;
    struct vel_listener listener = {.on_accept = on_accept};
    CHECK_INT(vel_loop_init(&loop), VEL_OK);
    CHECK_INT(vel_listener_init(&listener, &loop, -1), VEL_ESYS);
    CHECK(vel_list_empty(&loop.timers));
    vel_listener_stop(&listener);
    vel_loop_free(&loop);
}

/* A socket that no longer listens is told in every turn. */
static void a_broken_listener_pauses(void) {
    struct fixture f;
    fixture_open(&f);
    CHECK_INT(shutdown(f.fd, SHUT_RDWR), 0);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK(f.listener.pause.in != NULL);
    CHECK_INT(f.asked, 0);
    fixture_close(&f);
}

/* n (0 or 1) more descriptors can be made from here on: every number below the next one is in use. */
static void leave_descriptors(int n) {
    struct rlimit limit;
    int next = dup(0);
    CHECK(next >= 0);
    close(next);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)(next + n);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The limit is the process's: each of these tests runs in a child. */
static void in_child(void (*body)(struct fixture *f)) {
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct fixture f;
        fixture_open(&f);
        body(&f);
        fixture_close(&f);
        exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

static void check_paused(struct fixture *f) {
    CHECK_INT(f->listener.watch.io, 0);
    CHECK(f->listener.pause.in != NULL);
    CHECK_INT(vel_loop_turn(&f->loop, 0), 0); /* a connection waits, yet the loop does not spin */
}

static void pause_and_resume(struct fixture *f) {
    connect_clients(f, 2);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->asked, 1);
    check_paused(f);
    close(f->clients[0]); /* the connection still waits in the queue */
    f->listener.pause.due = f->loop.now;
    CHECK_INT(vel_loop_turn(&f->loop, 0), 0);
    CHECK(f->listener.pause.in == NULL);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->n_accepted, 1);
    f->clients[0] = -1;
}

static void without_descriptors_it_pauses_and_resumes_by_its_timer(void) {
    in_child(pause_and_resume);
}

static void make_room(struct fixture *f) {
    connect_clients(f, 1);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    connect_clients(f, 1);
    f->spare = 1;
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->asked, 1);
    CHECK_INT(f->n_accepted, 1);
    CHECK(f->listener.watch.io != 0);
    CHECK(f->listener.pause.in == NULL);
}

static void room_that_the_owner_makes_is_used_at_once(void) {
    in_child(make_room);
}

/* The kernel refuses for want of a descriptor before it looks whether anybody waits. */
static void last_descriptor(struct fixture *f) {
    connect_clients(f, 1);
    f->spare = 1;
    leave_descriptors(1);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->n_accepted, 1);
    CHECK_INT(f->asked, 0);
    CHECK(f->listener.watch.io != 0);
}

static void taking_the_last_descriptor_closes_nothing(void) {
    in_child(last_descriptor);
}

static bool claims_to_have_closed(struct vel_listener *l) {
    ((struct fixture *)l->owner)->asked++;
    return true;
}

static void useless_owner(struct fixture *f) {
    f->listener.on_exhausted = claims_to_have_closed;
    connect_clients(f, 1);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->asked, 1);
    check_paused(f);
}

static void an_owner_who_made_no_room_is_asked_once(void) {
    in_child(useless_owner);
}

static void no_owner(struct fixture *f) {
    f->listener.on_exhausted = NULL;
    connect_clients(f, 1);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    check_paused(f);
}

static void without_on_exhausted_it_pauses(void) {
    in_child(no_owner);
}

static void stop_when_asked(struct fixture *f) {
    f->stop_when_asked = true;
    connect_clients(f, 1);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    CHECK_INT(f->asked, 1);
    CHECK(f->listener.pause.in == NULL);
    CHECK_INT(vel_loop_timeout(&f->loop), -1);
    CHECK_INT(vel_loop_turn(&f->loop, 0), 0);
}

static void stopping_while_asked_starts_no_pause(void) {
    in_child(stop_when_asked);
}

static void stop_while_paused(struct fixture *f) {
    connect_clients(f, 1);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    check_paused(f);
    vel_listener_stop(&f->listener);
    CHECK(f->listener.pause.in == NULL);
    CHECK_INT(vel_loop_timeout(&f->loop), -1);
}

static void stopping_ends_the_pause(void) {
    in_child(stop_while_paused);
}

/* --- retiring ---------------------------------------------------------------------------------------------------- */

static void check_refused(const struct fixture *f) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (const struct sockaddr *)&f->at, sizeof f->at) < 0);
    CHECK_INT(errno, ECONNREFUSED);
    close(fd);
}

static void check_left(const struct fixture *f) {
    CHECK_INT(f->left, 1);
    CHECK_INT(f->listener.watch.io, 0);
    CHECK(!vel_listener_is_retiring(&f->listener));
    CHECK(f->listener.pause.in == NULL);
    CHECK_INT(vel_loop_timeout(&f->loop), -1);
}

/* The time for what is under way is over when end_grace says so, however slow the machine is. */
static void retire(struct fixture *f) {
    vel_listener_retire(&f->listener);
    f->listener.pause.due = UINT64_MAX / 2;
}

/* Lets the time for what is under way run out. */
static void end_grace(struct fixture *f) {
    f->listener.pause.due = f->loop.now;
    CHECK(vel_loop_turn(&f->loop, 0) >= 0);
}

static void one_that_retires_refuses_soon_when_nobody_waits(void) {
    struct fixture f;
    fixture_open(&f);
    vel_listener_retire(&f.listener);
    CHECK(vel_listener_is_retiring(&f.listener));
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK(vel_loop_timeout(&f.loop) <= VEL_RETIRE_MS);
    end_grace(&f);
    check_left(&f);
    check_refused(&f);
    fixture_close(&f);
}

static void one_that_retires_takes_its_queue_in_batches(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, VEL_ACCEPT_BATCH + 3);
    retire(&f);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH + 3);
    CHECK(vel_listener_is_retiring(&f.listener));
    end_grace(&f);
    check_left(&f);
    check_refused(&f);
    fixture_close(&f);
}

/* A client whose handshake begins now is not told that it has succeeded, and tries again a second later. */
static void no_connection_begins_while_it_retires(void) {
    struct fixture f;
    fixture_open(&f);
    if (!vel_sock_begin_no_more(f.fd)) {
        fixture_close(&f);
        return; /* some kernels let only root set a filter */
    }
    retire(&f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (const struct sockaddr *)&f.at, sizeof f.at) < 0);
    CHECK_INT(errno, EINPROGRESS);
    struct pollfd ask = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&ask, 1, 50), 0);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK_INT(f.n_accepted, 0);
    close(fd);
    fixture_close(&f);
}

/* The kernel holds it back until its first bytes come, though its client is connected. */
static void one_that_was_deferred_comes_to_its_end(void) {
    struct fixture f;
    int seconds = 1;
    fixture_open(&f);
    CHECK(setsockopt(f.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) == 0);
    connect_clients(&f, 1);
    retire(&f);
    CHECK_INT(f.n_accepted, 0);
    CHECK(write(f.clients[0], "G", 1) == 1);
    CHECK_INT(vel_loop_turn(&f.loop, VEL_RETIRE_MS), 1);
    CHECK_INT(f.n_accepted, 1);
    fixture_close(&f);
}

/* Nothing is readable any more, so no event would tell that it is empty. */
static void a_last_batch_that_is_full_is_followed_by_another_look(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, 2 * VEL_ACCEPT_BATCH);
    retire(&f);
    f.listener.last_call = true;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 2 * VEL_ACCEPT_BATCH);
    CHECK_INT(vel_loop_turn(&f.loop, 0), 0);
    CHECK(vel_listener_is_retiring(&f.listener));
    end_grace(&f);
    check_left(&f);
    fixture_close(&f);
}

static void retiring_ends_under_a_load_that_does_not(void) {
    struct fixture f;
    fixture_open(&f);
    connect_clients(&f, VEL_ACCEPT_BATCH + 3);
    retire(&f);
    f.listener.retiring = 2;
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH + 2);
    check_left(&f);
    fixture_close(&f);
}

static void one_that_was_stopped_does_not_retire(void) {
    struct fixture f;
    fixture_open(&f);
    vel_listener_stop(&f.listener);
    vel_listener_retire(&f.listener);
    CHECK(!vel_listener_is_retiring(&f.listener));
    connect_clients(&f, 1);
    CHECK_INT(vel_listener_init(&f.listener, &f.loop, f.fd), VEL_OK);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, 1);
    fixture_close(&f);
}

/* With the last descriptor in use the kernel does not tell that the queue is empty: one must be free. */
static void give_back_and_wait(struct fixture *f, int fd) {
    close(fd);
    f->listener.pause.due = f->loop.now;
    CHECK(vel_loop_turn(&f->loop, 0) >= 0);
}

static void retire_without_descriptors(struct fixture *f) {
    connect_clients(f, 2);
    leave_descriptors(0);
    vel_listener_retire(&f->listener);
    check_paused(f);
    CHECK(vel_listener_is_retiring(&f->listener));
    give_back_and_wait(f, f->clients[--f->n_clients]);
    CHECK_INT(f->n_accepted, 1);
    give_back_and_wait(f, f->clients[--f->n_clients]);
    CHECK_INT(f->n_accepted, 2);
    CHECK(vel_listener_is_retiring(&f->listener));
    give_back_and_wait(f, f->accepted[--f->n_accepted]);
    check_left(f);
}

static void one_that_retires_waits_for_descriptors(void) {
    in_child(retire_without_descriptors);
}

static void retire_while_paused(struct fixture *f) {
    connect_clients(f, 1);
    leave_descriptors(0);
    CHECK_INT(vel_loop_turn(&f->loop, -1), 1);
    check_paused(f);
    vel_listener_retire(&f->listener);
    check_paused(f);
    give_back_and_wait(f, f->clients[--f->n_clients]);
    CHECK_INT(f->n_accepted, 1);
    give_back_and_wait(f, f->accepted[--f->n_accepted]);
    check_left(f);
}

static void retiring_keeps_the_pause(void) {
    in_child(retire_while_paused);
}

static int unix_client(const struct sockaddr_un *at, socklen_t len) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (const struct sockaddr *)at, len) == 0)
        return fd;
    CHECK_INT(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

/* The kernel refuses before the queue is emptied: nobody comes in between. */
static void a_unix_socket_refuses_first_and_is_emptied_then(void) {
    struct fixture f;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                (size_t)sprintf(at.sun_path + 1, "velocem-test-%d", (int)getpid()) + 1);
    fixture_open(&f);
    vel_listener_stop(&f.listener);
    close(f.fd);
    f.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(f.fd, (struct sockaddr *)&at, len) == 0 && listen(f.fd, 128) == 0);
    CHECK_INT(vel_listener_init(&f.listener, &f.loop, f.fd), VEL_OK);
    for (int i = 0; i < VEL_ACCEPT_BATCH + 2; i++)
        CHECK((f.clients[f.n_clients++] = unix_client(&at, len)) >= 0);
    vel_listener_retire(&f.listener);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH);
    CHECK_INT(f.family, AF_UNIX);
    CHECK_INT(unix_client(&at, len), -1);
    CHECK_INT(vel_loop_turn(&f.loop, -1), 1);
    CHECK_INT(f.n_accepted, VEL_ACCEPT_BATCH + 2);
    check_left(&f);
    fixture_close(&f);
}

int main(void) {
    RUN(a_connection_is_handed_over);
    RUN(a_turn_takes_a_bounded_batch);
    RUN(false_ends_the_batch_and_the_next_turn_goes_on);
    RUN(stopping_during_the_batch_leaves_the_rest_in_the_queue);
    RUN(stopping_twice_does_no_harm);
    RUN(the_owner_may_free_it_when_it_returns_false);
    RUN(a_descriptor_that_cannot_be_watched_is_an_error);
    RUN(a_broken_listener_pauses);
    RUN(without_descriptors_it_pauses_and_resumes_by_its_timer);
    RUN(room_that_the_owner_makes_is_used_at_once);
    RUN(taking_the_last_descriptor_closes_nothing);
    RUN(an_owner_who_made_no_room_is_asked_once);
    RUN(without_on_exhausted_it_pauses);
    RUN(stopping_while_asked_starts_no_pause);
    RUN(stopping_ends_the_pause);
    RUN(one_that_retires_refuses_soon_when_nobody_waits);
    RUN(one_that_retires_takes_its_queue_in_batches);
    RUN(no_connection_begins_while_it_retires);
    RUN(one_that_was_deferred_comes_to_its_end);
    RUN(a_last_batch_that_is_full_is_followed_by_another_look);
    RUN(retiring_ends_under_a_load_that_does_not);
    RUN(one_that_was_stopped_does_not_retire);
    RUN(one_that_retires_waits_for_descriptors);
    RUN(retiring_keeps_the_pause);
    RUN(a_unix_socket_refuses_first_and_is_emptied_then);
}

/* Tests of server/remote_spool.c: replies to slow clients while others wait for the thread, whose part is done here. */
#include "server/remote.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/remote.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BLOCK = 10000, BLOCKS = 40, TOTAL = BLOCK * BLOCKS };

static struct vel_job waiting; /* of somebody else, for a thread */
static void (*on_rest)(void);  /* what happens while the thread sleeps or writes; once */
static void (*after)(void);    /* and after that */
static int descriptors;        /* open before a request */
static char block[BLOCK];

static void nothing(void) {
}

static void rest(void *arg) {
    void (*now)(void) = on_rest;
    (void)arg;
    on_rest = after;
    now();
}

static int count_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void run_nothing(struct vel_job *job, struct vel_pool_thread *by) {
    (void)job;
    (void)by;
}

/* Somebody wants the thread, and there is no other. */
static void somebody_waits(void) {
    waiting.run = run_nothing;
    vel_pool_add(&pool, &waiting);
    while (!thread.base.hurried) {
        host_step(&host);
        usleep(200);
    }
}

static void start(uint64_t spool_max) {
    start_remote(100, false, rest);
    remote.spool_max = spool_max;
    on_rest = somebody_waits;
    after = nothing;
}

static void ask(void) {
    client_open_narrow(&host, &client, GET);
    descriptors = count_descriptors();
    work();
}

static char letter_of(int number) {
    return (char)('a' + number % 26);
}

static int send_block(struct vel_exchange *x, int number) {
    memset(block, letter_of(number), BLOCK);
    return vel_exchange_data(x, vel_slice(block, BLOCK), NULL);
}

static void send_blocks(struct vel_exchange *x, int from, int to) {
    for (int i = from; i < to && inner.err == VEL_OK; i++) {
        inner.err = send_block(x, i);
        if (inner.err == VEL_OK)
            inner.err = vel_exchange_flush(x);
    }
}

static void finish(struct vel_exchange *x) {
    if (inner.err == VEL_OK)
        fake_end(x);
    else
        fake_abort(x);
}

static void streams(struct vel_exchange *x) {
    inner.err = fake_head(x, 200, TOTAL);
    send_blocks(x, 0, BLOCKS);
    finish(x);
}

/* Every byte, in its place. */
static void check_body(void) {
    client.got[client.len] = '\0';
    char *at = strstr(client.got, "\r\n\r\n");
    CHECK(at != NULL);
    at += 4;
    CHECK_INT(client.got + client.len - at, TOTAL);
    for (int i = 0; i < TOTAL; i++)
        CHECK_INT(at[i], letter_of(i / BLOCK));
}

/* --- when -------------------------------------------------------------------------------------------------------- */

static void a_thread_that_others_wait_for_is_free_before_its_client_has_read(void) {
    start(TOTAL);
    inner.on_request = streams;
    ask();
    CHECK_INT(inner.err, VEL_OK);
    CHECK_INT(client.len, 0);
    CHECK_INT(count_descriptors(), descriptors + 1);
    work_and_read();
    check_body();
    CHECK_INT(count_descriptors(), descriptors);
    stop();
}

static void read_without_a_file(void) {
    CHECK_INT(count_descriptors(), descriptors);
    client_read(&host, &client);
}

static void without_others_it_waits_for_its_client(void) {
    start(TOTAL);
    inner.on_request = streams;
    on_rest = after = read_without_a_file;
    ask();
    work_and_read();
    check_body();
    stop();
}

static void add_waiting(void) {
    vel_pool_add(&pool, &waiting);
    for (int i = 0; i < 10; i++) {
        host_step(&host);
        usleep(500);
    }
    CHECK(!thread.base.hurried);
    client_read(&host, &client);
}

static void with_no_file_allowed_it_waits_for_its_client(void) {
    start(0);
    inner.on_request = streams;
    waiting.run = run_nothing;
    on_rest = add_waiting;
    after = read_without_a_file;
    ask();
    work_and_read();
    check_body();
    stop();
}

static void lends(struct vel_exchange *x) {
    inner.err = fake_head(x, 200, TOTAL);
    send_blocks(x, 0, BLOCKS / 2);
    int before = inner.returned;
    for (int i = BLOCKS / 2; i < BLOCKS; i++) {
        memset(block, letter_of(i), BLOCK);
        fake_lend(x, block, BLOCK);
        CHECK_INT(inner.returned, ++before);
    }
    finish(x);
}

static void what_is_lent_comes_back_at_once(void) {
    start(TOTAL);
    inner.on_request = lends;
    ask();
    work_and_read();
    check_body();
    stop();
}

/* --- in order ---------------------------------------------------------------------------------------------------- */

static void what_a_file_may_not_hold_waits_and_comes_behind(void) {
    for (uint64_t max = 5000; max < TOTAL; max += 45000) {
        start(max);
        inner.on_request = streams;
        after = serve_meanwhile;
        ask();
        work_and_read();
        check_body();
        CHECK_INT(count_descriptors(), descriptors);
        stop();
    }
}

static int rests; /* until the client reads */

static void serve_later(void) {
    if (--rests < 0)
        serve_meanwhile();
}

static void a_client_that_catches_up_gets_the_rest_as_it_is_made(void) {
    for (int later = 1; later < BLOCKS; later += 3) {
        start(TOTAL);
        inner.on_request = streams;
        rests = later;
        after = serve_later;
        ask();
        work_and_read();
        check_body();
        CHECK_INT(count_descriptors(), descriptors);
        stop();
    }
}

static int some_file(void) {
    int file = memfd_create("file", MFD_CLOEXEC);
    for (int i = BLOCKS / 2; i < BLOCKS; i++) {
        memset(block, letter_of(i), BLOCK);
        CHECK_INT(write(file, block, BLOCK), BLOCK);
    }
    return file;
}

static void sends_a_file_last(struct vel_exchange *x) {
    int file = some_file();
    inner.err = fake_head(x, 200, TOTAL);
    send_blocks(x, 0, BLOCKS / 2);
    fake_file(x, file, 0, TOTAL - TOTAL / 2);
    finish(x);
    close(file);
}

static void a_file_of_the_applications_comes_behind(void) {
    start(TOTAL);
    inner.on_request = sends_a_file_last;
    ask();
    work_and_read();
    check_body();
    stop();
}

static void another_thread_sends(struct vel_exchange *x) {
    inner.err = fake_head(x, 200, TOTAL);
    send_blocks(x, 0, BLOCKS / 2);
    thread.base.self = (pthread_t){0};
    CHECK_INT(send_block(x, BLOCKS / 2), VEL_OK);
    CHECK_INT(vel_exchange_flush(x), VEL_EAGAIN);
    thread.base.self = pthread_self();
    send_blocks(x, BLOCKS / 2 + 1, BLOCKS);
    finish(x);
}

static void what_another_thread_of_the_applications_sends_comes_behind(void) {
    start(TOTAL);
    inner.on_request = another_thread_sends;
    after = serve_meanwhile;
    ask();
    work_and_read();
    check_body();
    stop();
}

/* --- what may go wrong ------------------------------------------------------------------------------------------- */

static void with_limit(int what, rlim_t most, void (*test)(void)) {
    struct rlimit old, low;
    CHECK_INT(getrlimit(what, &old), 0);
    low = (struct rlimit){most, old.rlim_max};
    CHECK_INT(setrlimit(what, &low), 0);
    test();
    CHECK_INT(setrlimit(what, &old), 0);
}

static void work_once(void) {
    work();
}

static void a_full_disk_is_waited_out(void) {
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < 3 * BLOCK; room += BLOCK / 2) {
        start(TOTAL);
        inner.on_request = streams;
        after = serve_meanwhile;
        client_open_narrow(&host, &client, GET);
        with_limit(RLIMIT_FSIZE, room, work_once);
        CHECK_INT(inner.err, VEL_OK);
        work_and_read();
        check_body();
        stop();
    }
}

static void no_descriptor_is_waited_out(void) {
    start(TOTAL);
    inner.on_request = streams;
    after = serve_meanwhile;
    client_open_narrow(&host, &client, GET);
    with_limit(RLIMIT_NOFILE, 0, work_once);
    CHECK_INT(inner.err, VEL_OK);
    work_and_read();
    check_body();
    stop();
}

static void go(void) {
    client_close(&host, &client);
    after = nothing;
}

static void a_client_that_goes_ends_it(void) {
    start(TOTAL);
    inner.on_request = streams;
    after = go;
    ask();
    CHECK_INT(inner.err, VEL_ERESET);
    host_step(&host);
    CHECK_INT(pool.open, 0);
    CHECK_INT(count_descriptors(), descriptors - 2);
    stop();
}

static void a_client_that_goes_before_it_has_read_leaves_no_file(void) {
    start(TOTAL);
    inner.on_request = streams;
    ask();
    host_step(&host);
    client_close(&host, &client);
    CHECK_INT(count_descriptors(), descriptors - 2);
    stop();
}

static void any_allocation_may_fail(void) {
    int whole = 0;
    for (unsigned long n = 1; fail_malloc_next(n); n++) {
        fail_malloc_at(0);
        start(TOTAL);
        inner.on_request = streams;
        after = serve_meanwhile;
        fail_malloc_at(n);
        client_open_narrow(&host, &client, GET);
        descriptors = count_descriptors() - 2 * (host_conn(&host) != NULL);
        if (work())
            work_and_read();
        whole += inner.err == VEL_OK;
        if (client_count(&client, "200 OK") && !client.eof && !client.reset)
            check_body();
        client_close(&host, &client);
        CHECK(count_descriptors() <= descriptors + 1);
        stop();
    }
    CHECK(whole > 0);
}

/* --- with threads ------------------------------------------------------------------------------------------------- */

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n"

enum { THREADS = 2, CLIENTS = 8 };

static struct crew {
    struct vel_remote_thread base;
    struct vel_app app;
    pthread_t thread;
} crew[THREADS];

static void stream_by_a_thread(struct vel_exchange *x) {
    struct vel_reply_head head = {.status = 200, .reason = VEL_SLICE("OK"), .length = TOTAL};
    char own[BLOCK];
    vel_exchange_head(x, &head);
    for (int i = 0; i < BLOCKS; i++) {
        memset(own, letter_of(i), BLOCK);
        CHECK_INT(vel_exchange_data(x, vel_slice(own, BLOCK), NULL), VEL_OK);
        CHECK_INT(vel_exchange_flush(x), VEL_OK);
    }
    vel_exchange_end(x);
}

static const struct vel_app_ops crew_ops = {.whole_body = true, .on_request = stream_by_a_thread};

static void *crew_work(void *arg) {
    vel_pool_work(&pool, &((struct crew *)arg)->base.base);
    return NULL;
}

static void start_crew(uint64_t spool_max) {
    start(spool_max);
    for (int i = 0; i < THREADS; i++) {
        crew[i].app.ops = &crew_ops;
        crew[i].base = (struct vel_remote_thread){.app = &crew[i].app, .places = &place};
        CHECK_INT(pthread_create(&crew[i].thread, NULL, crew_work, &crew[i]), 0);
    }
}

static void stop_crew(void) {
    vel_pool_close(&pool);
    CHECK_INT(vel_pool_join(&pool, 10000), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(crew[i].thread, NULL), 0);
    client.fd = -1;
    stop();
}

static void turn(void) {
    CHECK(vel_worker_turn(&host.w, 1) >= 0);
}

/* With room for all of it every thread is free at the end without a byte having been read; the others have to be. */
static void many_slow_clients_of_few_threads(void) {
    static struct client clients[CLIENTS];
    for (uint64_t max = TOTAL; max > 1000; max /= 6) {
        int server_end, narrow = 4096;
        start_crew(max);
        descriptors = count_descriptors();
        for (int i = 0; i < CLIENTS; i++) {
            client_pair(&clients[i], &server_end);
            CHECK(setsockopt(server_end, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow) == 0);
            CHECK(send(clients[i].fd, GET, strlen(GET), 0) > 0);
            host_serve(&host, server_end);
        }
        while (max == TOTAL && vel_pool_waiting(&pool) > 0)
            turn();
        for (int whole = 0; whole < CLIENTS;) {
            whole = 0;
            turn();
            for (int i = 0; i < CLIENTS; i++) {
                client_take(&clients[i], (size_t)(1000 + 3000 * i));
                whole += clients[i].len >= sizeof HEAD - 1 + TOTAL;
            }
        }
        for (int i = 0; i < CLIENTS; i++) {
            client = clients[i];
            check_body();
            close(clients[i].fd);
        }
        while (pool.open > 0 || !vel_list_empty(&host.w.conns))
            turn();
        CHECK_INT(count_descriptors(), descriptors);
        stop_crew();
    }
}

int main(void) {
    RUN(a_thread_that_others_wait_for_is_free_before_its_client_has_read);
    RUN(without_others_it_waits_for_its_client);
    RUN(with_no_file_allowed_it_waits_for_its_client);
    RUN(what_is_lent_comes_back_at_once);
    RUN(what_a_file_may_not_hold_waits_and_comes_behind);
    RUN(a_client_that_catches_up_gets_the_rest_as_it_is_made);
    RUN(a_file_of_the_applications_comes_behind);
    RUN(what_another_thread_of_the_applications_sends_comes_behind);
    RUN(a_full_disk_is_waited_out);
    RUN(no_descriptor_is_waited_out);
    RUN(a_client_that_goes_ends_it);
    RUN(a_client_that_goes_before_it_has_read_leaves_no_file);
    RUN(any_allocation_may_fail);
    RUN(many_slow_clients_of_few_threads);
}

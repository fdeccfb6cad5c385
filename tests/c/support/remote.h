/* A remote application whose thread's part is done here, for the tests of server/remote*.c. */
#pragma once

#include "server/remote.h"

#include "support/host.h"
#include "support/test.h"

#define GET "GET /path HTTP/1.1\r\nHost: a\r\n\r\n"

static struct host host;
static struct client client;
static struct vel_pool pool;
static struct vel_remote remote;
static struct fake_app inner; /* what answers in the thread */
static const struct vel_endpoint place = {.name = {"inner", 5}};
static struct vel_remote_thread thread;

static void serve_meanwhile(void) {
    client_read(&host, &client);
}

/* rest is called where the thread would sleep. */
static void start_remote(size_t waiting_max, bool streaming, void (*rest)(void *arg)) {
    host_init(&host);
    host_start(&host);
    CHECK_INT(vel_pool_init(&pool, host.w.loop), VEL_OK);
    vel_remote_init(&remote, &pool, waiting_max, streaming);
    host.w.app = &remote.app;
    host.w.pool = &pool;
    fake_app_init(&inner);
    inner.ops.whole_body = true;
    thread = (struct vel_remote_thread){.base.rest = rest, .app = &inner.app, .places = &place};
    thread.base.self = pthread_self();
}

static void stop(void) {
    client_close(&host, &client);
    vel_worker_close_all(&host.w);
    vel_pool_free(&pool);
    host.w.pool = NULL;
    CHECK_INT(pool.open, 0);
    CHECK_INT(fake_app_running(&inner), 0);
    CHECK_INT(inner.returned, inner.lent);
    host_stop(&host);
}

/* What a thread would do. False: there is no job. */
static bool work(void) {
    if (vel_list_empty(&pool.jobs))
        return false;
    struct vel_job *job = VEL_CONTAINER(pool.jobs.next, struct vel_job, node);
    CHECK(vel_pool_cancel(&pool, job));
    job->run(job, &thread.base);
    return true;
}

static void work_and_read(void) {
    do
        client_read(&host, &client);
    while (work());
}

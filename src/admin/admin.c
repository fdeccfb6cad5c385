/* The application behind the admin address, in C: health, readiness, metrics, and the page that draws them. */
#include "admin/admin.h"

#include "admin/exposition.h"
#include "base/err.h"
#include "http/status.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name, value)                                                                                             \
    { {name, sizeof(name) - 1}, {value, sizeof(value) - 1}, VEL_FIELD_OTHER }
#define NO_STORE FIELD("Cache-Control", "no-store")
#define NO_SNIFF FIELD("X-Content-Type-Options", "nosniff")
#define CONTENT_TYPE(value)                                                                                            \
    { {"Content-Type", 12}, {value, sizeof(value) - 1}, VEL_FIELD_CONTENT_TYPE }

static const struct vel_field plain[] = {CONTENT_TYPE("text/plain; charset=utf-8"), NO_STORE, NO_SNIFF};
static const struct vel_field other_method[] = {CONTENT_TYPE("text/plain; charset=utf-8"), NO_STORE,
                                                FIELD("Allow", "GET, HEAD")};
static const struct vel_field metrics[] = {CONTENT_TYPE("text/plain; version=0.0.4; charset=utf-8"), NO_STORE,
                                           NO_SNIFF};
/* It may do nothing but ask this address. */
static const struct vel_field html[] = {
    CONTENT_TYPE("text/html; charset=utf-8"), NO_STORE, NO_SNIFF,
    FIELD("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                     "connect-src 'self'; img-src data:; frame-ancestors 'none'")};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static void answer(struct vel_exchange *x, unsigned status, const struct vel_field *fields, size_t n,
                   struct vel_slice body) {
    struct vel_reply_head head = {.status = status, .fields = fields, .nfields = n, .length = (int64_t)body.len};
    head.reason = vel_status_reason(status);
    if (vel_exchange_head(x, &head) == VEL_OK && vel_exchange_data(x, body, NULL) == VEL_OK)
        vel_exchange_end(x);
    else
        vel_exchange_abort(x);
}

static void answer_ready(struct vel_exchange *x, const struct vel_board *board) {
    if (vel_board_is_ready(board))
        answer(x, 200, plain, COUNT(plain), VEL_SLICE("ready\n"));
    else if (__atomic_load_n(&board->draining, __ATOMIC_RELAXED))
        answer(x, 503, plain, COUNT(plain), VEL_SLICE("the server stops\n"));
    else
        answer(x, 503, plain, COUNT(plain), VEL_SLICE("no worker serves\n"));
}

static void answer_metrics(struct vel_exchange *x, const struct vel_admin *admin) {
    struct vel_buf text = {0};
    if (vel_exposition_render(admin->board, admin->version, &text) == VEL_OK)
        answer(x, 200, metrics, COUNT(metrics), vel_slice(text.data, text.len));
    else
        vel_exchange_abort(x);
    vel_buf_free(&text);
}

static bool is_at(const struct vel_exchange *x, const char *path) {
    return vel_slice_eq(x->head->target.path, vel_slice(path, strlen(path)));
}

static void on_request(struct vel_exchange *x) {
    const struct vel_admin *admin = VEL_CONTAINER(x->app, struct vel_admin, app);
    if (x->head->method != VEL_METHOD_GET && x->head->method != VEL_METHOD_HEAD)
        answer(x, 405, other_method, COUNT(other_method), VEL_SLICE("GET or HEAD\n"));
    else if (is_at(x, "/healthz"))
        answer(x, 200, plain, COUNT(plain), VEL_SLICE("alive\n"));
    else if (is_at(x, "/readyz"))
        answer_ready(x, admin->board);
    else if (is_at(x, "/metrics"))
        answer_metrics(x, admin);
    else if (is_at(x, "/"))
        answer(x, 200, html, COUNT(html), admin->page);
    else
        answer(x, 404, plain, COUNT(plain), VEL_SLICE("/healthz, /readyz, /metrics or /\n"));
}

/* What is sent waits nowhere, and everything is answered at once. */
static void nothing(struct vel_exchange *x) {
    (void)x;
}

static const struct vel_app_ops ops = {
    .whole_body = true, .on_request = on_request, .on_turn = nothing, .on_abort = nothing};

int vel_admin_init(struct vel_admin *admin, struct vel_board *board, const struct vel_socket *sockets, size_t n,
                   const char *version, struct vel_slice page) {
    struct vel_config config = VEL_CONFIG_DEFAULT;
    *admin = (struct vel_admin){.app.ops = &ops, .board = board, .version = version, .page = page};
    config.limits.body = 0;
    int err = vel_worker_init(&admin->worker, &admin->app, &config, sockets, n);
    admin->worker.shared = true; /* children of fork(2) have copies of its connections */
    return err;
}

static void *run(void *arg) {
    struct vel_admin *admin = arg;
    vel_worker_run(&admin->worker);
    return NULL;
}

int vel_admin_start(struct vel_admin *admin) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&admin->thread, NULL, run, admin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    admin->runs = errno == 0;
    return admin->runs ? VEL_OK : VEL_ESYS;
}

void vel_admin_free(struct vel_admin *admin) {
    if (admin->runs) {
        vel_worker_kill(&admin->worker);
        pthread_join(admin->thread, NULL);
    }
    vel_worker_free(&admin->worker);
}

void vel_admin_forked(struct vel_admin *admin) {
    admin->runs = false;
    close(vel_loop_fd(admin->worker.loop));
    close(admin->worker.wake.watch.fd);
    if (admin->worker.wake.write_fd != admin->worker.wake.watch.fd)
        close(admin->worker.wake.write_fd);
}

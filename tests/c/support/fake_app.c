/* The fake application. */
#include "support/fake_app.h"

#include "http/status.h"
#include "support/test.h"

struct fake_app *fake_app_of(struct vel_exchange *x) {
    return VEL_CONTAINER(x->app, struct fake_app, app);
}

int fake_app_running(const struct fake_app *f) {
    int n = 0;
    for (size_t i = 0; i < sizeof f->bodies / sizeof f->bodies[0]; i++)
        n += f->bodies[i].of != NULL;
    return n;
}

static void take_up(struct fake_app *f, struct vel_exchange *x) {
    struct fake_body *body = f->bodies;
    while (body->of != NULL)
        CHECK(++body < f->bodies + sizeof f->bodies / sizeof f->bodies[0]);
    body->of = x;
    body->len = 0;
    x->app_data = f->body = body;
    f->held = x;
}

static void let_go(struct fake_app *f, struct vel_exchange *x) {
    struct fake_body *body = x->app_data;
    CHECK(body->of == x);
    body->of = NULL;
    if (f->held == x)
        f->held = NULL;
}

static void keep_body(struct fake_body *body, struct vel_slice data) {
    CHECK(body->len + data.len <= sizeof body->bytes);
    memcpy(body->bytes + body->len, data.at, data.len);
    body->len += data.len;
}

/* By pieces of an odd size, so that offsets are used. */
static void read_body(struct fake_body *to, const struct vel_body *body) {
    char piece[997];
    long n;
    while ((n = vel_body_read(body, to->len, piece, sizeof piece)) > 0)
        keep_body(to, vel_slice(piece, (size_t)n));
    CHECK_INT(n, 0);
    CHECK_INT(to->len, body->size);
}

static void on_request(struct vel_exchange *x) {
    struct fake_app *f = fake_app_of(x);
    CHECK(x->given && !x->ended && x->head != NULL);
    f->requests++;
    take_up(f, x);
    if (f->ops.whole_body)
        read_body(f->body, &x->body);
    if (f->on_request != NULL)
        f->on_request(x);
}

static void on_data(struct vel_exchange *x, struct vel_slice data) {
    struct fake_app *f = fake_app_of(x);
    CHECK(!f->ops.whole_body && !x->ended && data.len > 0);
    f->runs++;
    keep_body(x->app_data, data);
    if (!f->hoards)
        vel_exchange_consume(x, data.len);
    if (f->on_data != NULL)
        f->on_data(x, data);
}

static void on_end(struct vel_exchange *x) {
    struct fake_app *f = fake_app_of(x);
    CHECK(!f->ops.whole_body && !x->ended && x->received);
    f->ends++;
    if (f->on_end != NULL)
        f->on_end(x);
}

static void on_turn(struct vel_exchange *x) {
    struct fake_app *f = fake_app_of(x);
    CHECK(!x->ended);
    f->turns++;
    if (f->on_turn != NULL)
        f->on_turn(x);
}

/* Reads the head, as an application may that logs what it lost: lines, or a packet. */
static void on_abort(struct vel_exchange *x) {
    struct fake_app *f = fake_app_of(x);
    struct vel_slice bytes = x->head->bytes;
    CHECK(x->given && bytes.len > 0 && (bytes.at[bytes.len - 1] == '\n' || bytes.at[0] == '\0'));
    f->aborts++;
    let_go(f, x);
}

void fake_app_init(struct fake_app *f) {
    memset(f, 0, sizeof *f);
    f->app.ops = &f->ops;
    f->ops = (struct vel_app_ops){.whole_body = true,
                                  .on_request = on_request,
                                  .on_data = on_data,
                                  .on_end = on_end,
                                  .on_turn = on_turn,
                                  .on_abort = on_abort};
}

int fake_head(struct vel_exchange *x, unsigned status, int64_t length) {
    struct vel_reply_head head = {.status = status, .reason = vel_status_reason(status), .length = length};
    return fake_app_of(x)->err = vel_exchange_head(x, &head);
}

int fake_data(struct vel_exchange *x, const char *text) {
    return fake_app_of(x)->err = vel_exchange_data(x, vel_slice(text, strlen(text)), NULL);
}

static void give_back(void *owner) {
    struct fake_app *f = owner;
    f->returned++;
}

/* A loan that was refused was not made. */
static int count_loan(struct fake_app *f, int err) {
    if (err != VEL_ENOMEM)
        f->lent++;
    CHECK(f->returned <= f->lent);
    return f->err = err;
}

int fake_lend(struct vel_exchange *x, const char *at, size_t len) {
    struct fake_app *f = fake_app_of(x);
    struct vel_loan loan = {give_back, f};
    return count_loan(f, vel_exchange_data(x, vel_slice(at, len), &loan));
}

int fake_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len) {
    struct fake_app *f = fake_app_of(x);
    return count_loan(f, vel_exchange_file(x, file, offset, len, (struct vel_loan){give_back, f}));
}

int fake_end(struct vel_exchange *x) {
    struct fake_app *f = fake_app_of(x);
    let_go(f, x);
    return f->err = vel_exchange_end(x);
}

/* Refused trailers leave it with the application. */
int fake_end_with(struct vel_exchange *x, const struct vel_field *trailers, size_t n) {
    struct fake_app *f = fake_app_of(x);
    f->err = vel_exchange_end_with(x, trailers, n);
    if (f->err != VEL_EINVAL)
        let_go(f, x);
    return f->err;
}

void fake_abort(struct vel_exchange *x) {
    let_go(fake_app_of(x), x);
    vel_exchange_abort(x);
}

/* What cannot be sent is aborted, as the contract asks. */
static void reply_bytes(struct vel_exchange *x, struct vel_slice bytes) {
    if (fake_head(x, 200, (int64_t)bytes.len) != VEL_OK || vel_exchange_data(x, bytes, NULL) != VEL_OK)
        fake_abort(x);
    else
        fake_end(x);
}

void fake_reply(struct vel_exchange *x, const char *text) {
    reply_bytes(x, vel_slice(text, strlen(text)));
}

void fake_hello(struct vel_exchange *x) {
    fake_reply(x, "hello");
}

void fake_echo(struct vel_exchange *x) {
    static char text[FAKE_BODY_MAX + 20000];
    const struct fake_body *body = x->app_data;
    int n = snprintf(text, 20000, "%.*s %.*s ", (int)x->head->method_text.len, x->head->method_text.at,
                     (int)x->head->target.raw.len, x->head->target.raw.at);
    CHECK(n > 0 && n < 20000);
    memcpy(text + n, body->bytes, body->len);
    reply_bytes(x, vel_slice(text, (size_t)n + body->len));
}

void fake_yield(struct vel_exchange *x) {
    vel_exchange_yield(x);
}

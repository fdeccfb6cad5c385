/* An application for the tests of the server: counts what it is told, answers as the test says. */
#pragma once

#include "server/app.h"

#define FAKE_BODY_MAX 400000

/* What an exchange has received, streamed or collected. */
struct fake_body {
    struct vel_exchange *of; /* NULL: free */
    char bytes[FAKE_BODY_MAX];
    size_t len;
};

struct fake_app {
    struct vel_app app;
    struct vel_app_ops ops; /* filled by fake_app_init; whole_body may be changed before the first request */
    bool hoards;            /* consumes nothing on its own; otherwise every run at once */
    /* What to do; NULL: nothing. */
    void (*on_request)(struct vel_exchange *x);
    void (*on_data)(struct vel_exchange *x, struct vel_slice data);
    void (*on_end)(struct vel_exchange *x);
    void (*on_turn)(struct vel_exchange *x);
    int requests, runs, ends, turns, aborts;
    struct vel_exchange *held; /* the latest request, until it is ended or aborted */
    int lent, returned;        /* loans */
    int err;                   /* what the latest call that could fail returned */
    int left;                  /* for the tests: what is still to be done */
    struct fake_body bodies[3];
    struct fake_body *body; /* of the latest request; good until the next one */
};

void fake_app_init(struct fake_app *f);

/* Exchanges that were neither ended nor aborted. */
int fake_app_running(const struct fake_app *f);

struct fake_app *fake_app_of(struct vel_exchange *x);

/* The final head: 200 or another status, length -1 when it is not known. */
int fake_head(struct vel_exchange *x, unsigned status, int64_t length);

/* Body bytes by copy. */
int fake_data(struct vel_exchange *x, const char *text);

/* Body bytes on loan, and a file: counted in lent and returned. */
int fake_lend(struct vel_exchange *x, const char *at, size_t len);
int fake_file(struct vel_exchange *x, int file, int64_t offset, uint64_t len);

int fake_end(struct vel_exchange *x);
int fake_end_with(struct vel_exchange *x, const struct vel_field *trailers, size_t n);
void fake_abort(struct vel_exchange *x);

/* 200, the length, these bytes, the end. */
void fake_reply(struct vel_exchange *x, const char *text);

/* --- for on_request, on_end and on_turn -------------------------------------------------------------------------- */

/* "hello" */
void fake_hello(struct vel_exchange *x);

/* The method, the target and the body, as "POST /path body". */
void fake_echo(struct vel_exchange *x);

/* Asks for a turn. */
void fake_yield(struct vel_exchange *x);

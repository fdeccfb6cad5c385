/* A worker that is moved by hand, with a fake application, and clients that talk to it. */
#pragma once

#include "server/worker.h"
#include "support/fake_app.h"

/* Bytes a client keeps. */
#define CLIENT_MAX (1 << 20)

struct host {
    struct vel_worker w;
    struct vel_config config; /* of the worker once it runs; before: what it will have */
    struct fake_app app;
    struct vel_endpoint endpoint; /* of every connection: that of a plain HTTP server, unless it is changed */
    int wait_ms;                  /* how long a step waits for what the kernel brings later: 0, or little for TCP */
};

struct client {
    int fd; /* -1: closed */
    char got[CLIENT_MAX + 1];
    size_t len;
    bool eof, reset;
};

/* The defaults, but no Date and no Server: replies can be told to the byte. */
void host_init(struct host *h);

/* Starts the worker, without listening sockets. */
void host_start(struct host *h);

/* As long as there is something to do. A loop that never comes to rest fails the test. */
void host_step(struct host *h);

/* Closes and frees everything; no loan may be left. */
void host_stop(struct host *h);

/* A connection through a Unix socket pair, which knows no delay; bytes sent before host_serve are read at once. */
void client_pair(struct client *c, int *server_end);
void host_serve(struct host *h, int server_end);

/* Both, with the first bytes sent before (may be NULL), and stepped. */
void client_open(struct host *h, struct client *c, const char *first);

/* The same through TCP. */
void client_open_tcp(struct host *h, struct client *c, const char *first);

/* A server side that takes few bytes, so that the reader is slow. */
void client_open_narrow(struct host *h, struct client *c, const char *first);

/* Sends all, steps, reads what came. */
void client_send(struct host *h, struct client *c, const char *text);
void client_send_bytes(struct host *h, struct client *c, const char *at, size_t len);

/* Steps and reads until nothing more comes. */
void client_read(struct host *h, struct client *c);

/* Reads what is there now, at most max bytes, without a step. */
size_t client_take(struct client *c, size_t max);

/* Ends the sending side, or everything; and steps. */
void client_shutdown(struct host *h, struct client *c);
void client_close(struct host *h, struct client *c);

/* What was got so far is exactly this; it is forgotten. */
void client_got(struct client *c, const char *text);

/* "HTTP/1.1 200 OK", this length, this text. */
const char *ok_reply(const char *text);

/* A reply of the server's own that closes: "HTTP/1.1 408 Request Timeout" and so on. */
const char *refusal(unsigned status);

/* How many times text is in what was got. */
int client_count(const struct client *c, const char *text);

/* Lets every timer of this kind run out. */
void host_expire(struct host *h, enum vel_timeout kind);

/* The only connection, or NULL. */
struct vel_conn *host_conn(struct host *h);

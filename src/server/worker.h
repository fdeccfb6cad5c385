/* A worker: one loop, its listening sockets, its connections, one application. */
#pragma once

#include "net/listener.h"
#include "net/wake.h"
#include "server/access.h"
#include "server/conn.h"
#include "server/output.h"
#include "server/pool.h"
#include "server/stats.h"
#include "uwsgi/vars.h"

/* One receive takes at most this much; shared by all connections of the loop. */
#define VEL_READ_MAX 65536

struct vel_port {
    struct vel_listener listener;
    struct vel_endpoint endpoint;
    struct vel_worker *worker;
    _Atomic bool retires; /* asked for by any thread */
};

enum vel_worker_state { VEL_WORKER_SERVING, VEL_WORKER_DRAINING, VEL_WORKER_KILLED };

struct vel_worker {
    struct vel_loop *loop;
    struct vel_loop own; /* where loop points unless it is another's */
    struct vel_wake wake;
    struct vel_config config;
    struct vel_app *app;
    const struct vel_scan *scan;
    struct vel_h1_lines lines;
    struct vel_port *ports; /* owned */
    size_t nports;
    struct vel_timeouts timeouts;
    struct vel_timers drain_timers; /* one timer of drain_ms */
    struct vel_timer drain_timer;
    struct vel_timers idle_timers; /* one timer of drain_idle_ms */
    struct vel_timer idle_timer;
    bool sheds_idle; /* draining, and what is idle has had its time */
    struct vel_list conns;
    struct vel_list turns; /* exchanges that asked for a turn, or are to be read on */
    struct vel_pool *pool; /* the owner's, who sets it before the first turn; NULL: none */
    struct vel_access access;
    uint64_t log_dropped;    /* of access.dropped, what stats has */
    struct vel_stats *stats; /* own_stats, or what config.stats names */
    struct vel_stats own_stats;
    enum vel_worker_state state;
    struct vel_timers log_timers; /* one timer: lines of the log that wait are tried again */
    struct vel_timer log_timer;
    bool due;                  /* on_due has been called and vel_worker_after has not */
    _Atomic bool shared;       /* a child process may hold its connections too: to close them is not to end them */
    _Atomic int asked;         /* enum vel_worker_state, asked for by any thread */
    void (*on_due)(void *arg); /* on another's loop: vel_worker_after is to be called soon */
    void *on_due_arg;
    void (*on_wake)(void *arg); /* called in the loop after a wake-up; may be NULL */
    void *on_wake_arg;
    /* A peer that keeps no rule of the protocol, or that nobody has allowed, was cut off; more such are not told of one
     * by one. May be NULL. */
    void (*on_complaint)(void *arg, const union vel_addr *peer, const char *why, uint64_t more);
    void *on_complaint_arg;
    uint64_t complained; /* loop.now of the last one; 0: none so far */
    uint64_t uncomplained;
    char *in;  /* VEL_READ_MAX bytes, owned */
    char *out; /* VEL_STAGE_MAX bytes, owned: output of the connection `staged` */
    size_t out_len;
    struct vel_conn *staged;    /* not owned; means nothing while out_len is 0 */
    struct vel_conn *serving;   /* not owned; the connection whose dispatch runs, and which is settled after it */
    struct vel_head *head;      /* owned: of the request being parsed */
    struct vel_uwsgi_vars vars; /* what stands beside it in its packet */
    struct vel_exchange *spare; /* owned: exchanges ready for use, linked by app_data */
    unsigned nspare;
    int64_t date_at;    /* the second that date_line tells */
    uint64_t date_turn; /* loop.now when the wall clock was last looked at */
    char date_line[48];
    struct vel_slice date, server; /* ready lines, or empty */
    char server_line[128];
};

/* A listening socket for vel_worker_init: fd stays the caller's, the slices must outlive the worker. */
struct vel_socket {
    int fd;
    struct vel_slice name, port, path; /* as in struct vel_endpoint */
    enum vel_protocol protocol;
};

/* Makes a worker that listens on these. app must outlive it. VEL_OK, VEL_ENOMEM, VEL_ESYS. */
int vel_worker_init(struct vel_worker *w, struct vel_app *app, const struct vel_config *config,
                    const struct vel_socket *sockets, size_t n);

/* The same on a loop that is another's, who turns it, and who must set on_due first thing and outlive the worker. */
int vel_worker_init_on(struct vel_worker *w, struct vel_loop *loop, struct vel_app *app,
                       const struct vel_config *config, const struct vel_socket *sockets, size_t n);

/* On another's loop, after on_due, in the loop's thread and outside of its turn: gives turns, writes the log, obeys.
 * False when the worker is drained or killed: there is nothing left to do but vel_worker_close_all. */
bool vel_worker_after(struct vel_worker *w);

/* vel_worker_after has something to do. */
void vel_worker_set_due(struct vel_worker *w);

/* The exchange is to have a turn, behind those that are to have one already. It must be in no list. */
void vel_worker_add_turn(struct vel_worker *w, struct vel_exchange *x);

/* One turn: waits as vel_loop_turn does (not at all when exchanges have asked for a turn), then serves. Returns how
 * many descriptors were told, or VEL_ESYS. */
int vel_worker_turn(struct vel_worker *w, int wait_ms);

/* Serves until it is drained or killed. VEL_OK or VEL_ESYS. */
int vel_worker_run(struct vel_worker *w);

/* Closes every connection and stops listening: nothing is served any more. Not while it runs. */
void vel_worker_close_all(struct vel_worker *w);

/* The same, and frees everything. */
void vel_worker_free(struct vel_worker *w);

/* From any thread or signal handler. Drain: accept no more, let requests finish within drain_ms. Each answer from now
 * on tells that it is the last of its connection; what is idle gets drain_idle_ms for a request that may be under way.
 * Kill: close everything as soon as the application gives control back. */
void vel_worker_drain(struct vel_worker *w);
void vel_worker_kill(struct vel_worker *w);

/* The same, before vel_worker_drain: nobody is to go on listening on this socket. Connections that the kernel has made
 * on it by then are accepted and served; after them it refuses new ones, whoever else holds the descriptor, and the
 * drain ends no sooner. Without it a socket's queue is left to those who listen on. */
void vel_worker_retire(struct vel_worker *w, int fd);

/* For on_complaint, once a second at most: those between are counted. why is a constant. */
void vel_worker_complain(struct vel_worker *w, const union vel_addr *peer, const char *why);

/* Exchanges come from here: zeroed but for an empty arena, or NULL. They go back with all that is theirs. */
struct vel_exchange *vel_worker_exchange(struct vel_worker *w);
void vel_worker_exchange_free(struct vel_worker *w, struct vel_exchange *x);

/* The Date line of now. */
struct vel_slice vel_worker_date(struct vel_worker *w);

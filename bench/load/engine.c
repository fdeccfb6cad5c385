/* A thread's loop: open everything, wait until all are ready, load for the time given, let an open loop drain. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    OPENING_MOST = 64, /* connections that are opened at a time: a backlog holds more */
    MILLISECOND = 1000000,
};

static const uint64_t drain = 2000ull * MILLISECOND; /* what an open loop waits for late answers */
static const uint64_t look = 10ull * MILLISECOND;    /* how often it looks at what other threads say */

static unsigned all(const struct engine *e) {
    return e->active + e->idle;
}

static void push_free(struct engine *e, struct conn *c) {
    e->free[(e->free_at + e->free_count++) % e->active] = c;
}

static struct conn *pop_free(struct engine *e) {
    struct conn *c = e->free[e->free_at];
    e->free_at = (e->free_at + 1) % e->active;
    e->free_count--;
    return c;
}

static bool gave_up(const struct engine *e) {
    return atomic_load_explicit(&e->shared->gave_up, memory_order_relaxed);
}

static void give_up(struct engine *e) {
    atomic_store(&e->shared->gave_up, true);
}

static uint64_t due(const struct engine *e, uint64_t train) {
    return atomic_load(&e->shared->go) + (uint64_t)((double)train * 1e9 / e->rate);
}

/* A train that gets no answer is not forgotten: it counts with its age. */
static void count_unanswered(struct engine *e, uint64_t since, uint64_t now) {
    if (since >= e->host.begin && since < e->host.end) {
        e->tally->unanswered++;
        histogram_add(&e->tally->latency, now > since ? now - since : 0);
    }
}

/* Starts trains until one goes on; each that fails at once is counted as an error, and too many of them end the run. */
static void start(struct engine *e, struct conn *c, uint64_t since) {
    if (conn_start(&e->host, c, since) == CONN_GOES_ON)
        return;
    if (tally_errors(e->tally) > TALLY_ERRORS_MOST)
        give_up(e);
    if (e->rate > 0 && e->running)
        count_unanswered(e, since, tally_now());
    push_free(e, c);
}

static bool has_crowd(const struct engine *e) {
    return e->plan->crowd != PLAN_RESTS;
}

/* Connections in order, a few at a time. A crowd that hears is there before anything is sent that it might hear of. */
static void open_more(struct engine *e, uint64_t now) {
    while (e->opening < OPENING_MOST && e->opened + e->opening < all(e) && !gave_up(e)) {
        unsigned next = e->opened + e->opening;
        if (has_crowd(e) && next >= e->idle && e->opened < e->idle)
            return;
        struct conn *c = &e->conns[has_crowd(e) ? (e->active + next) % all(e) : next];
        e->opening++;
        if (conn_start(&e->host, c, now) != CONN_GOES_ON) {
            give_up(e); /* a server that was seen to listen refuses */
            return;
        }
    }
}

static void first_answer(struct engine *e, struct conn *c, enum conn_outcome outcome, uint64_t now) {
    if (outcome == CONN_LOST) {
        give_up(e);
        return;
    }
    e->opened++;
    e->opening--;
    if (!c->resting)
        push_free(e, c);
    open_more(e, now);
    if (e->opened == all(e) && atomic_fetch_sub(&e->shared->opening, 1) == 1)
        atomic_store(&e->shared->go, tally_now());
}

static void handle(struct engine *e, struct conn *c, uint32_t events) {
    uint64_t now = tally_now();
    enum conn_outcome outcome = conn_event(&e->host, c, events, now);
    if (has_crowd(e) && c->resting && outcome == CONN_LOST)
        give_up(e);
    if (outcome == CONN_GOES_ON || (c->resting && e->running))
        return;
    if (!e->running) {
        first_answer(e, c, outcome, now);
        return;
    }
    if (outcome == CONN_LOST) {
        if (tally_errors(e->tally) > TALLY_ERRORS_MOST)
            give_up(e);
        if (e->rate > 0)
            count_unanswered(e, c->since, now);
    }
    if (e->rate > 0 || e->ended || has_crowd(e))
        push_free(e, c);
    else
        start(e, c, now);
}

/* What is due now, and in a closed loop everyone who is free: at the start, and after errors. */
static void start_free(struct engine *e, uint64_t now) {
    if (e->rate > 0) {
        for (uint64_t at; e->free_count > 0 && (at = due(e, e->next)) <= now && at < e->host.end; e->next++)
            start(e, pop_free(e), at);
        return;
    }
    if (e->host.unheard > 0)
        return;
    for (unsigned left = e->free_count; left > 0 && !e->ended; left--)
        start(e, pop_free(e), now);
}

/* Begins and ends the counting when it is time. */
static void look_at_clock(struct engine *e, uint64_t now) {
    uint64_t go = atomic_load(&e->shared->go);
    if (!e->running && go != 0) {
        e->running = true;
        e->host.begin = go + e->plan->warm;
        e->host.end = e->host.begin + e->plan->time;
    }
    if (!e->running || e->ended)
        return;
    if (!e->host.counting && now >= e->host.begin) {
        e->host.counting = true;
        if (e->first)
            tally_begin(e->tally, e->plan);
    }
    if (e->host.counting && now >= e->host.end) {
        if (e->first)
            tally_end(e->tally, e->plan);
        e->host.counting = false;
        e->ended = true;
    }
}

static bool is_over(const struct engine *e, uint64_t now, uint64_t patience) {
    if (gave_up(e) || (!e->running && now > patience))
        return true;
    if (!e->ended || e->rate <= 0)
        return e->ended;
    bool all_answered = e->free_count == e->active && due(e, e->next) >= e->host.end;
    return all_answered || now > e->host.end + drain;
}

static struct timespec time_to_wait(const struct engine *e, uint64_t now) {
    uint64_t until = now + look;
    if (e->running && !e->ended) {
        uint64_t turn = e->host.counting ? e->host.end : e->host.begin;
        until = turn < until ? turn : until;
    }
    if (e->running && e->rate > 0 && e->free_count > 0) {
        uint64_t next = due(e, e->next);
        until = next < until && next < e->host.end ? next : until;
    }
    return (struct timespec){.tv_nsec = until > now ? (long)(until - now) : 0};
}

static void loop(struct engine *e) {
    struct epoll_event events[EVENTS];
    uint64_t now = tally_now();
    uint64_t patience = now + e->plan->patience;
    if (e->opened < all(e))
        open_more(e, now);
    while (!is_over(e, now, patience)) {
        struct timespec wait = time_to_wait(e, now);
        int n = epoll_pwait2(e->host.epoll, events, EVENTS, &wait, NULL);
        look_at_clock(e, tally_now());
        for (int i = 0; i < n; i++) {
            handle(e, events[i].data.ptr, events[i].events);
            if (e->running && !e->ended && i % 16 == 15)
                look_at_clock(e, tally_now());
        }
        now = tally_now();
        if (e->running)
            start_free(e, now);
    }
    if (!e->running)
        give_up(e);
}

/* What is still under way: in an open loop all of it, in a closed one what was for the whole time. */
static void count_left(struct engine *e) {
    uint64_t now = tally_now();
    for (unsigned i = 0; e->ended && i < e->active; i++) {
        const struct conn *c = &e->conns[i];
        if (c->state != CONN_BUSY && c->state != CONN_SHAKING)
            continue;
        if (e->rate > 0) {
            count_unanswered(e, c->since, now);
        } else if (c->since < e->host.begin) {
            e->tally->unanswered++;
            histogram_add(&e->tally->latency, now - c->since);
        }
    }
    for (uint64_t at; e->ended && e->rate > 0 && (at = due(e, e->next)) < e->host.end; e->next++)
        count_unanswered(e, at, now);
}

static bool set_up(struct engine *e) {
    e->host = (struct conn_host){.plan = e->plan, .tally = e->tally, .in = malloc(CONN_READ)};
    e->conns = calloc(all(e), sizeof *e->conns);
    e->free = calloc(e->active, sizeof(struct conn *));
    e->host.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (e->host.in == NULL || e->conns == NULL || e->free == NULL || e->host.epoll < 0)
        return false;
    for (unsigned i = 0; i < all(e); i++) {
        e->conns[i].fd = -1;
        e->conns[i].resting = i >= e->active;
    }
    prctl(PR_SET_TIMERSLACK, 1UL); /* this thread's; the default of 50 us would be a part of every latency */
    return true;
}

/* A server that closes each connection has none to be opened before. */
static void skip_opening(struct engine *e) {
    for (unsigned i = 0; i < e->active; i++)
        push_free(e, &e->conns[i]);
    e->opened = all(e);
    if (atomic_fetch_sub(&e->shared->opening, 1) == 1)
        atomic_store(&e->shared->go, tally_now());
}

static void tear_down(struct engine *e) {
    for (unsigned i = 0; e->conns != NULL && i < all(e); i++)
        conn_close(&e->conns[i]);
    if (e->host.epoll >= 0)
        close(e->host.epoll);
    free(e->free);
    free(e->conns);
    free(e->host.in);
}

bool engine_run(struct engine *e) {
    bool good = set_up(e);
    if (good) {
        if (e->plan->closes)
            skip_opening(e);
        loop(e);
        count_left(e);
    } else {
        give_up(e);
    }
    tear_down(e);
    return good;
}

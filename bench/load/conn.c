/* The life of a connection: it is written to first, and epoll is asked about that only when the system has no room. */
#include "conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char handshake[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WEBSOCKET_KEY "\r\n\r\n";

void conn_close(struct conn *c) {
    if (c->fd >= 0)
        close(c->fd); /* leaves epoll by itself: the descriptor has no duplicate */
    response_free(&c->response);
    c->fd = -1;
    c->state = CONN_CLOSED;
}

static enum conn_outcome lose(struct conn_host *host, struct conn *c, enum tally_error error) {
    host->tally->errors[error]++;
    conn_close(c);
    return CONN_LOST;
}

static bool arm(struct conn_host *host, struct conn *c, bool on) {
    if (c->armed == on)
        return true;
    c->armed = on;
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    return epoll_ctl(host->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

static enum conn_outcome flush(struct conn_host *host, struct conn *c) {
    while (c->out_sent < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return arm(host, c, true) ? CONN_GOES_ON : lose(host, c, TALLY_RESET);
        if (n < 0)
            return lose(host, c, errno == ECONNREFUSED ? TALLY_CONNECT : TALLY_RESET);
        c->out_sent += (size_t)n;
        if (host->counting)
            host->tally->sent += (uint64_t)n;
    }
    return arm(host, c, false) ? CONN_GOES_ON : lose(host, c, TALLY_RESET);
}

static enum conn_outcome put(struct conn_host *host, struct conn *c, const char *out, size_t size) {
    c->out = out;
    c->out_size = size;
    c->out_sent = 0;
    return flush(host, c);
}

/* Over the loopback the handshake is done when connect returns, whatever it returns: so there is no wait for it, and
 * where it is not done the first send says so. */
static bool open_socket(struct conn_host *host, struct conn *c) {
    *c = (struct conn){.resting = c->resting, .since = c->since};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    const struct sockaddr *address = (const struct sockaddr *)&host->plan->address;
    if (connect(c->fd, address, sizeof host->plan->address) != 0 && errno != EINPROGRESS)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (host->counting)
        host->tally->opened++;
    return epoll_ctl(host->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static const char subscription[] = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";

static bool hears(const struct conn_host *host, const struct conn *c) {
    return c->resting && host->plan->crowd != PLAN_RESTS;
}

static enum conn_outcome send_train(struct conn_host *host, struct conn *c) {
    c->state = CONN_BUSY;
    if (host->plan->crowd != PLAN_RESTS) {
        host->unheard = host->plan->idle;
        host->published = tally_now();
    }
    c->due = host->plan->together;
    c->echoed = 0;
    return put(host, c, host->plan->train, host->plan->train_size);
}

enum conn_outcome conn_start(struct conn_host *host, struct conn *c, uint64_t since) {
    c->since = since;
    if (c->state == CONN_READY)
        return send_train(host, c);
    if (!open_socket(host, c))
        return lose(host, c, TALLY_CONNECT);
    if (hears(host, c)) {
        bool events = host->plan->crowd == PLAN_HEARS_EVENTS;
        c->state = CONN_SHAKING;
        return events ? put(host, c, subscription, sizeof subscription - 1)
                      : put(host, c, handshake, sizeof handshake - 1);
    }
    if (host->plan->way != PLAN_WEBSOCKET)
        return send_train(host, c);
    c->state = CONN_SHAKING;
    return put(host, c, handshake, sizeof handshake - 1);
}

static void record(struct conn_host *host, const struct conn *c, uint64_t now) {
    bool timely = host->plan->rate > 0 ? c->since >= host->begin && c->since < host->end : host->counting;
    if (timely)
        histogram_add(&host->tally->latency, now > c->since ? now - c->since : 0);
}

static void count_status(struct conn_host *host, const struct response *r) {
    if (host->counting)
        host->tally->statuses[r->status]++;
    if (host->plan->status != 0 && r->status != host->plan->status)
        host->tally->errors[TALLY_STATUS]++;
    else if (r->wrong_body)
        host->tally->errors[TALLY_BODY]++;
}

/* One answer has come whole. */
static enum conn_outcome answered(struct conn_host *host, struct conn *c, uint64_t now) {
    if (host->counting && host->plan->crowd == PLAN_RESTS)
        host->tally->answers++;
    if (host->plan->crowd == PLAN_RESTS)
        record(host, c, now);
    bool last = host->plan->way == PLAN_HTTP && c->response.closes;
    if (--c->due > 0)
        return last ? lose(host, c, TALLY_CLOSED) : CONN_GOES_ON;
    if (c->out_sent < c->out_size)
        return lose(host, c, TALLY_MALFORMED); /* before it had been asked in full */
    if (last || host->plan->closes) {
        c->state = CONN_ENDING;
        return CONN_GOES_ON;
    }
    c->state = CONN_READY;
    return CONN_FREE;
}

static enum conn_outcome take_response(struct conn_host *host, struct conn *c, const char **at, const char *end,
                                       uint64_t now) {
    switch (response_feed(&c->response, &host->plan->expect, at, end)) {
    case RESPONSE_MORE:
        return CONN_GOES_ON;
    case RESPONSE_DONE:
        count_status(host, &c->response);
        return answered(host, c, now);
    default:
        return lose(host, c, TALLY_MALFORMED);
    }
}

static enum conn_outcome take_handshake(struct conn_host *host, struct conn *c, const char **at, const char *end) {
    static const struct expect anything = {0};
    enum response_result result = response_feed(&c->response, &anything, at, end);
    if (result == RESPONSE_MORE)
        return CONN_GOES_ON;
    if (result == RESPONSE_DONE && c->response.status == 101 && c->response.accepted && hears(host, c)) {
        c->state = CONN_HEARING;
        return CONN_FREE;
    }
    if (result == RESPONSE_DONE && c->response.status == 101 && c->response.accepted)
        return send_train(host, c);
    return lose(host, c, result == RESPONSE_DONE ? TALLY_STATUS : TALLY_MALFORMED);
}

/* A pong between two frames of ours, or none: its few bytes find room, and a server asks again. */
static void pong(const struct conn *c) {
    char frame[WEBSOCKET_PONG_MOST + WEBSOCKET_HEAD_MOST];
    size_t size = websocket_frame(frame, WEBSOCKET_PONG, (const char *)c->websocket.control, c->websocket.control_size);
    if (c->out_sent == c->out_size && send(c->fd, frame, size, MSG_NOSIGNAL) < 0)
        return;
}

/* One of the crowd has heard: what is counted, with the time since the train was sent. */
static void hear(struct conn_host *host, struct conn *c, uint64_t now) {
    c->heard++;
    host->unheard -= host->unheard > 0;
    if (!host->counting)
        return;
    host->tally->answers++;
    histogram_add(&host->tally->latency, now > host->published ? now - host->published : 0);
}

/* An answer, or what one of the crowd has heard. */
static enum conn_outcome take_message(struct conn_host *host, struct conn *c, const char **at, const char *end,
                                      uint64_t now) {
    bool heard = c->state == CONN_HEARING;
    switch (websocket_feed(&c->websocket, heard ? &host->plan->heard : &host->plan->expect, at, end)) {
    case WEBSOCKET_MORE:
        return CONN_GOES_ON;
    case WEBSOCKET_PINGED:
        pong(c);
        return CONN_GOES_ON;
    case WEBSOCKET_MESSAGE:
        if (c->websocket.wrong_body)
            host->tally->errors[TALLY_BODY]++;
        if (!heard)
            return answered(host, c, now);
        hear(host, c, now);
        return CONN_GOES_ON;
    case WEBSOCKET_CLOSED:
        return lose(host, c, TALLY_CLOSED);
    default:
        return lose(host, c, TALLY_MALFORMED);
    }
}

static enum conn_outcome take_echo(struct conn_host *host, struct conn *c, const char **at, const char *end,
                                   uint64_t now) {
    const struct expect *expect = &host->plan->expect;
    size_t size = (size_t)(end - *at), left = expect->size - (size_t)c->echoed;
    size = size < left ? size : left;
    if (!expect_holds(expect, c->echoed, *at, size))
        return lose(host, c, TALLY_BODY);
    *at += size;
    c->echoed += size;
    if (c->echoed < expect->size)
        return CONN_GOES_ON;
    c->echoed = 0;
    return answered(host, c, now);
}

/* The head is the handshake, and the body never ends. */
static enum conn_outcome take_events(struct conn_host *host, struct conn *c, const char **at, const char *end,
                                     uint64_t now) {
    if (response_feed(&c->response, &host->plan->heard, at, end) != RESPONSE_MORE)
        return lose(host, c, TALLY_MALFORMED);
    if (c->response.wrong_body || (response_begun(&c->response) && c->response.status != 200))
        return lose(host, c, c->response.wrong_body ? TALLY_BODY : TALLY_STATUS);
    while (c->state == CONN_HEARING && c->heard < c->response.size / host->plan->heard.size)
        hear(host, c, now);
    if (c->state == CONN_HEARING || c->response.state == RESPONSE_HEAD)
        return CONN_GOES_ON;
    c->state = CONN_HEARING;
    return CONN_FREE;
}

static enum conn_outcome take(struct conn_host *host, struct conn *c, const char **at, const char *end, uint64_t now) {
    if (hears(host, c) && host->plan->crowd == PLAN_HEARS_EVENTS)
        return take_events(host, c, at, end, now);
    if (c->state == CONN_SHAKING)
        return take_handshake(host, c, at, end);
    if (c->state == CONN_HEARING || host->plan->way == PLAN_WEBSOCKET)
        return take_message(host, c, at, end, now);
    /* Nothing was asked: only a ping may come. */
    if (c->state != CONN_BUSY)
        return lose(host, c, TALLY_MALFORMED);
    return host->plan->way == PLAN_HTTP ? take_response(host, c, at, end, now) : take_echo(host, c, at, end, now);
}

/* The server has closed it, or it broke. */
static enum conn_outcome ended(struct conn_host *host, struct conn *c, ssize_t n, uint64_t now) {
    if (c->state == CONN_BUSY && n == 0 && response_ends_by_close(&c->response, &host->plan->expect)) {
        count_status(host, &c->response);
        if (answered(host, c, now) == CONN_LOST)
            return CONN_LOST;
    }
    bool free = c->state == CONN_ENDING;
    if (c->state == CONN_BUSY || c->state == CONN_SHAKING || c->state == CONN_HEARING) {
        bool refused = n < 0 && errno == ECONNREFUSED;
        return lose(host, c, n == 0 ? TALLY_CLOSED : refused ? TALLY_CONNECT : TALLY_RESET);
    }
    if (c->resting)
        host->tally->errors[TALLY_IDLE]++;
    conn_close(c);
    return free ? CONN_FREE : CONN_GOES_ON;
}

static enum conn_outcome readable(struct conn_host *host, struct conn *c, uint64_t now) {
    ssize_t n = recv(c->fd, host->in, CONN_READ, 0);
    if (n < 0 && errno == EAGAIN)
        return CONN_GOES_ON;
    if (n <= 0)
        return ended(host, c, n, now);
    if (host->counting)
        host->tally->received += (uint64_t)n;
    enum conn_outcome outcome = CONN_GOES_ON;
    const char *at = host->in, *end = at + n;
    while (at < end && c->fd >= 0) {
        enum conn_outcome next = take(host, c, &at, end, now);
        outcome = next == CONN_GOES_ON ? outcome : next;
    }
    return outcome;
}

enum conn_outcome conn_event(struct conn_host *host, struct conn *c, uint32_t events, uint64_t now) {
    if (events & EPOLLOUT) {
        enum conn_outcome outcome = flush(host, c);
        if (outcome != CONN_GOES_ON)
            return outcome;
    }
    return events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? readable(host, c, now) : CONN_GOES_ON;
}

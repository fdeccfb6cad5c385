/* Fuzzes connections: the same requests, bodies and refusals in the same order, whatever the cuts. */
#include "support.h"

#include "http1/conn.h"

static const struct vel_limits limits = {
    .target = 64, .head = 400, .fields = 8, .field = 100, .name = 32, .trailers = 48, .chunk_ext = 32, .body = 4096};

struct run {
    struct vel_h1_conn conn;
    struct vel_head head;
    bool early; /* the reply comes before the body */
    bool stopped;
    size_t at;   /* input used so far */
    char *story; /* what happened; data runs are joined */
    size_t told, room;
    bool in_data;
};

static void tell(struct run *run, const char *at, size_t len) {
    MUST(run->told + len <= run->room);
    if (len > 0)
        memcpy(run->story + run->told, at, len);
    run->told += len;
}

static void reply(struct run *run) {
    struct vel_reply_head head = {.status = run->head.nfields % 2 ? 200 : 204,
                                  .length = run->head.nfields % 3 ? -1 : 3};
    struct vel_h1_rendering r = {0};
    enum vel_h1_wrap wrap;
    uint64_t len = 3;
    struct vel_slice tail;
    vel_h1_conn_reply(&run->conn, &head, false, &r);
    MUST(vel_h1_conn_data(&run->conn, &len, &wrap) == 0 && len <= 3);
    MUST(vel_h1_conn_end(&run->conn, &tail) == 0);
}

static void finish(struct run *run) {
    if (!run->early)
        reply(run);
    bool next = vel_h1_conn_finish(&run->conn);
    MUST(run->early || next == run->head.keep_alive || run->head.minor == 0);
    tell(run, next ? "E" : "L", 1);
}

static void take(struct run *run, enum vel_h1_event event, struct vel_slice data) {
    if (event == VEL_H1_DATA) {
        if (!run->in_data)
            tell(run, "D", 1);
        tell(run, data.at, data.len);
    }
    run->in_data = event == VEL_H1_DATA || (run->in_data && event == VEL_H1_MORE);
    if (event == VEL_H1_REQUEST) {
        tell(run, "R", 1);
        tell(run, run->head.target.raw.at, run->head.target.raw.len);
        if (run->early)
            reply(run);
    }
    if (event == VEL_H1_END)
        finish(run);
    if (event == VEL_H1_REFUSED) {
        char status = (char)(run->conn.status - 400);
        tell(run, &status, 1);
        tell(run, run->conn.why, strlen(run->conn.why));
    }
    MUST(event != VEL_H1_WAIT);
    run->stopped = event == VEL_H1_CLOSED;
}

/* What is not used yet of the bytes up to size, at a new address. */
static void feed(struct run *run, const uint8_t *data, size_t size) {
    size_t len = size - run->at, at = 0, used;
    char *copy = exact_copy(data + run->at, len);
    for (enum vel_h1_event event = VEL_H1_END; event != VEL_H1_MORE && !run->stopped;) {
        struct vel_slice slice;
        event = vel_h1_conn_next(&run->conn, copy + at, len - at, &used, &run->head, &slice);
        MUST(used <= len - at);
        at += used;
        take(run, event, slice);
    }
    run->at += at;
    free(copy);
}

static void serve(struct run *run, const struct vel_scan *scan, bool early, const uint8_t *data, size_t size,
                  size_t first, size_t step) {
    *run = (struct run){.early = early, .room = 4 * size + 256};
    run->story = malloc(run->room);
    MUST(run->story != NULL);
    vel_h1_conn_init(&run->conn, scan, &limits);
    for (size_t n = first; n < size && !run->stopped; n += step)
        feed(run, data, n);
    if (!run->stopped)
        feed(run, data, size);
    bool begun = vel_h1_conn_in_request(&run->conn);
    MUST(vel_h1_conn_eof(&run->conn) == !begun);
    tell(run, begun ? "cut" : "end", 3);
}

static void must_be_same(const struct run *a, const struct run *b) {
    MUST(a->told == b->told && memcmp(a->story, b->story, a->told) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct run whole, other;
    size_t cut = cut_of(data, size);
    serve(&whole, &vel_scan_plain, false, data, size, size, 1);
    serve(&other, vel_scan_best(), false, data, size, cut, size + 1);
    must_be_same(&whole, &other);
    free(other.story);
    serve(&other, vel_scan_best(), false, data, size, 0, 1 + size / 256);
    must_be_same(&whole, &other);
    free(other.story);
    /* When the reply comes early, an unanswered Expect closes, and that depends on the cut: no comparing. */
    serve(&other, vel_scan_best(), true, data, size, cut, size + 1);
    free(other.story);
    free(whole.story);
    return 0;
}

/* The Prometheus text of a board: the server's families, then the application's. */
#include "admin/exposition.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM 512

/* Text with where it goes; what finds no memory is noticed once, at the end. */
struct text {
    struct vel_buf *to;
    int err;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...) {
    char *at = vel_buf_reserve(t->to, ROOM);
    if (at == NULL) {
        t->err = VEL_ENOMEM;
        return;
    }
    va_list args;
    va_start(args, format);
    int n = vsnprintf(at, ROOM, format, args);
    va_end(args);
    t->to->len += n > 0 && n < ROOM ? (size_t)n : 0;
}

static void put_family(struct text *t, const char *name, const char *kind, const char *help) {
    put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static uint64_t load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* --- of the server ----------------------------------------------------------------------------------------------- */

/* All words but the last are summed; the state is none to sum. */
#define WORDS (sizeof(struct vel_stats) / sizeof(uint64_t))

struct sums {
    struct vel_stats stats;
    unsigned starting, serving, draining;
};

static bool is_taken(const struct vel_slot *slot) {
    return __atomic_load_n(&slot->pid, __ATOMIC_ACQUIRE) != 0;
}

static void add_state(struct sums *sums, const struct vel_slot *slot) {
    switch (load(&slot->stats.state)) {
    case VEL_STATS_SERVING:
        sums->serving++;
        break;
    case VEL_STATS_DRAINING:
        sums->draining++;
        break;
    default:
        sums->starting++;
    }
}

static struct sums add_up(const struct vel_board *board) {
    struct sums sums = {0};
    uint64_t *to = (uint64_t *)&sums.stats;
    for (size_t i = 0; i < VEL_BOARD_SLOTS; i++) {
        const struct vel_slot *slot = &board->slots[i];
        const uint64_t *from = (const uint64_t *)&slot->stats;
        for (size_t word = 0; word < WORDS; word++)
            to[word] += load(&from[word]);
        if (is_taken(slot))
            add_state(&sums, slot);
    }
    return sums;
}

static void put_number(struct text *t, const char *name, const char *kind, const char *help, uint64_t value) {
    put_family(t, name, kind, help);
    put(t, "%s %" PRIu64 "\n", name, value);
}

static void put_durations(struct text *t, const char *name, const char *help, const struct vel_durations *d) {
    uint64_t n = 0;
    put_family(t, name, "histogram", help);
    for (int i = 0; i < VEL_BUCKETS - 1; i++) {
        n += d->buckets[i];
        put(t, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name, ldexp(VEL_BUCKET_FIRST_US / 1e6, i), n);
    }
    n += d->buckets[VEL_BUCKETS - 1];
    put(t, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name, n, name,
        (double)d->us / 1e6, name, n);
}

static void put_replies(struct text *t, const uint64_t *replies) {
    static const char *const names[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const char *name = "velocem_requests_total";
    put_family(t, name, "counter", "Requests that are over, by the class of their status; none: no answer was sent.");
    for (int i = 0; i < 6; i++)
        put(t, "%s{status=\"%s\"} %" PRIu64 "\n", name, names[i], replies[i]);
}

static void put_conns(struct text *t, const uint64_t *conns) {
    static const char *const names[VEL_CONN_STATES] = {
        [VEL_CONN_HEAD] = "head",       [VEL_CONN_BODY] = "body",       [VEL_CONN_IDLE] = "idle",
        [VEL_CONN_WRITING] = "writing", [VEL_CONN_CLOSING] = "closing", [VEL_CONN_APPLICATION] = "application",
        [VEL_CONN_TUNNEL] = "tunnel",
    };
    const char *name = "velocem_connections";
    put_family(t, name, "gauge", "Open connections, by what each waits for.");
    for (int i = 0; i < VEL_CONN_STATES; i++)
        put(t, "%s{state=\"%s\"} %" PRIu64 "\n", name, names[i], conns[i]);
}

static void put_workers(struct text *t, const struct sums *sums) {
    const char *name = "velocem_workers";
    put_family(t, name, "gauge", "Worker processes, by state.");
    put(t, "%s{state=\"starting\"} %u\n%s{state=\"serving\"} %u\n%s{state=\"draining\"} %u\n", name, sums->starting,
        name, sums->serving, name, sums->draining);
}

static void put_replaced(struct text *t, const uint64_t *replaced) {
    static const char *const names[] = {
#define VEL_CAUSE(name) #name,
#include "admin/cause.def"
    };
    const char *name = "velocem_workers_replaced_total";
    put_family(t, name, "counter", "Workers that were replaced, by cause.");
    for (int i = 0; i < VEL_CAUSE_COUNT; i++)
        put(t, "%s{cause=\"%s\"} %" PRIu64 "\n", name, names[i], load(&replaced[i]));
}

/* Pages that are resident, proc_pid_statm(5); 0 when the process is gone. */
static uint64_t resident(int64_t pid) {
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/statm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_memory(struct text *t, const struct vel_board *board) {
    const char *name = "velocem_worker_memory_bytes";
    put_family(t, name, "gauge", "Resident memory of each worker process.");
    for (size_t i = 0; i < VEL_BOARD_SLOTS; i++) {
        const struct vel_slot *slot = &board->slots[i];
        int64_t pid = __atomic_load_n(&slot->pid, __ATOMIC_ACQUIRE);
        if (pid != 0)
            put(t, "%s{worker=\"%" PRIu64 "\",pid=\"%" PRId64 "\"} %" PRIu64 "\n", name, load(&slot->number), pid,
                resident(pid));
    }
    name = "velocem_main_memory_bytes";
    put_number(t, name, "gauge", "Resident memory of the process that has this address.", resident(getpid()));
}

static void put_server(struct text *t, const struct vel_board *board, const char *version) {
    struct sums sums = add_up(board);
    const struct vel_stats *s = &sums.stats;
    put_family(t, "velocem_build_info", "gauge", "The version that runs.");
    put(t, "velocem_build_info{version=\"%s\"} 1\n", version);
    put_number(t, "velocem_start_time_seconds", "gauge", "When the server started, since 1970.",
               (uint64_t)board->began);
    put_workers(t, &sums);
    put_replaced(t, board->replaced);
    put_replies(t, s->replies);
    put_number(t, "velocem_requests_running", "gauge", "Requests that the application is working on.", s->running);
    put_number(t, "velocem_requests_refused_total", "counter", "Requests that broke a rule or a limit.", s->refused);
    put_number(t, "velocem_requests_aborted_total", "counter", "Requests whose client went or was too slow.",
               s->aborted);
    put_number(t, "velocem_requests_shed_total", "counter", "Requests beyond --limit-concurrency.", s->shed);
    put_durations(t, "velocem_request_duration_seconds", "From the arrival of a request to the end of its response.",
                  &s->whole);
    put_durations(t, "velocem_request_queue_seconds", "From the arrival of a request to the call of the application.",
                  &s->queued);
    put_number(t, "velocem_connections_accepted_total", "counter", "Connections since the start.", s->accepted);
    put_conns(t, s->conns);
    put_number(t, "velocem_received_bytes_total", "counter", "Bytes that came from clients.", s->received);
    put_number(t, "velocem_sent_bytes_total", "counter", "Bytes that were sent to clients.", s->sent);
    put_number(t, "velocem_log_lines_dropped_total", "counter", "Lines of the access log that found no room.",
               s->log_dropped);
    put_memory(t, board);
}

/* --- of the application ------------------------------------------------------------------------------------------ */

static int name_order(const void *a, const void *b) {
    const struct vel_series *one = a, *two = b;
    size_t len = one->name_len < two->name_len ? one->name_len : two->name_len;
    int order = memcmp(one->text, two->text, len);
    if (order == 0 && one->name_len != two->name_len)
        return one->name_len < two->name_len ? -1 : 1;
    return order != 0 ? order : strcmp(one->text, two->text);
}

#define DOUBLE_MAX 32

/* As short as it can be read back from: 0.1 and not 0.10000000000000001. */
static void format_double(char *at, double value) {
    if (isnan(value))
        strcpy(at, "NaN");
    else if (isinf(value))
        strcpy(at, value > 0 ? "+Inf" : "-Inf");
    else
        for (int digits = 15; digits <= 17; digits++)
            if (snprintf(at, DOUBLE_MAX, "%.*g", digits, value) > 0 && strtod(at, NULL) == value)
                break;
}

static void put_double(struct text *t, double value) {
    char at[DOUBLE_MAX];
    format_double(at, value);
    put(t, "%s\n", at);
}

/* name<suffix>{labels,le="..."}: the labels of a histogram have one more. */
static void put_name(struct text *t, const struct vel_series *s, const char *suffix, const char *le) {
    const char *labels = s->text + s->name_len;
    size_t len = strlen(labels); /* with both braces, or 0 */
    put(t, "%.*s%s", (int)s->name_len, s->text, suffix);
    if (le == NULL)
        put(t, "%s ", labels);
    else if (len > 0)
        put(t, "%.*s,le=\"%s\"} ", (int)len - 1, labels, le);
    else
        put(t, "{le=\"%s\"} ", le);
}

static void put_histogram(struct text *t, const struct vel_board *board, const struct vel_series *s) {
    const uint64_t *words = &board->words[s->words];
    uint64_t n = 0;
    for (size_t i = 0; i <= s->nbounds; i++) {
        char le[DOUBLE_MAX] = "+Inf";
        double bound;
        memcpy(&bound, &words[i], sizeof(bound));
        if (i < s->nbounds)
            format_double(le, bound);
        n += load(&words[s->nbounds + i]);
        put_name(t, s, "_bucket", le);
        put(t, "%" PRIu64 "\n", n);
    }
    put_name(t, s, "_sum", NULL);
    put_double(t, vel_series_value(s));
    put_name(t, s, "_count", NULL);
    put(t, "%" PRIu64 "\n", n);
}

static void put_series(struct text *t, const struct vel_board *board, const struct vel_series *s, bool first) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    if (first)
        put(t, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)s->name_len, s->text, s->help, (int)s->name_len, s->text,
            kinds[s->kind]);
    if (s->kind == VEL_HISTOGRAM) {
        put_histogram(t, board, s);
        return;
    }
    put_name(t, s, "", NULL);
    put_double(t, vel_series_value(s));
}

static bool same_name(const struct vel_series *a, const struct vel_series *b) {
    return a->name_len == b->name_len && memcmp(a->text, b->text, a->name_len) == 0;
}

/* Any process of the server may write anything there, also one that somebody has taken over: what is shown is a copy,
 * and what it points to is inside. */
static bool take_series(const struct vel_series *shared, struct vel_series *out) {
    if (__atomic_load_n(&shared->taken, __ATOMIC_ACQUIRE) != VEL_SERIES_READY)
        return false;
    memcpy(out, shared, sizeof(*out));
    out->text[VEL_BOARD_TEXT - 1] = out->help[VEL_BOARD_HELP - 1] = '\0';
    if (out->kind > VEL_HISTOGRAM || out->name_len == 0 || out->name_len > strlen(out->text))
        return false;
    return out->kind != VEL_HISTOGRAM || (out->nbounds <= VEL_BOUNDS_MAX && out->words < VEL_BOARD_WORDS &&
                                          out->words + 2 * out->nbounds + 1 <= VEL_BOARD_WORDS);
}

static void put_application(struct text *t, const struct vel_board *board) {
    size_t n = 0, most = 0;
    for (size_t i = 0; i < VEL_BOARD_SERIES; i++)
        most += __atomic_load_n(&board->series[i].taken, __ATOMIC_RELAXED) == VEL_SERIES_READY;
    struct vel_series *all = vel_alloc_array(most + 1, sizeof(*all));
    if (all == NULL) {
        t->err = VEL_ENOMEM;
        return;
    }
    for (size_t i = 0; i < VEL_BOARD_SERIES && n < most; i++)
        n += take_series(&board->series[i], &all[n]);
    qsort(all, n, sizeof(*all), name_order);
    for (size_t i = 0; i < n; i++)
        put_series(t, board, &all[i], i == 0 || !same_name(&all[i - 1], &all[i]));
    put_number(t, "velocem_series_lost_total", "counter", "Series of the application that found no room.",
               load(&board->series_lost));
    vel_free(all);
}

int vel_exposition_render(const struct vel_board *board, const char *version, struct vel_buf *to) {
    struct text t = {.to = to, .err = VEL_OK};
    put_server(&t, board, version);
    put_application(&t, board);
    return t.err;
}

/* Counts, clocks of processes, and their JSON. */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* The clocks of another process: its pid inverted, and one of three kinds (linux/posix-timers.h). */
enum clock_kind {
    CLOCK_ALL_TICKS = 0,
    CLOCK_USER_TICKS = 1,
    CLOCK_EXACT = 2,
};

static uint64_t read_clock(clockid_t id) {
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        return 0; /* a process that has ended */
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t tally_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t clock_of(const struct plan *plan, enum clock_kind kind) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < plan->watched_count; i++)
        sum += read_clock((clockid_t)(~(unsigned)plan->watched[i] << 3 | (unsigned)kind));
    return sum;
}

static struct tally_clocks clocks_of(const struct plan *plan) {
    return (struct tally_clocks){
        .exact = clock_of(plan, CLOCK_EXACT),
        .user_ticks = clock_of(plan, CLOCK_USER_TICKS),
        .all_ticks = clock_of(plan, CLOCK_ALL_TICKS),
    };
}

static uint64_t weigh(pid_t pid) {
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && kib == 0 && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Pss: %" SCNu64 " kB", &kib) != 1)
            kib = 0;
    }
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

void tally_begin(struct tally *t, const struct plan *plan) {
    for (unsigned i = 0; plan->weigh && i < plan->watched_count; i++)
        t->weight += weigh(plan->watched[i]);
    t->server_began = clocks_of(plan);
    t->own_began = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    t->began = tally_now();
}

void tally_end(struct tally *t, const struct plan *plan) {
    t->server_ended = clocks_of(plan);
    t->own_ended = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    t->ended = tally_now();
}

uint64_t tally_errors(const struct tally *t) {
    uint64_t sum = 0;
    for (int i = 0; i < TALLY_ERRORS; i++)
        sum += t->errors[i];
    return sum;
}

void tally_merge(struct tally *into, const struct tally *from) {
    into->answers += from->answers;
    into->sent += from->sent;
    into->received += from->received;
    into->opened += from->opened;
    into->unanswered += from->unanswered;
    for (int i = 0; i < TALLY_STATUSES; i++)
        into->statuses[i] += from->statuses[i];
    for (int i = 0; i < TALLY_ERRORS; i++)
        into->errors[i] += from->errors[i];
    histogram_merge(&into->latency, &from->latency);
}

static void print_statuses(const struct tally *t) {
    const char *comma = "";
    printf("\"statuses\": {");
    for (int i = 0; i < TALLY_STATUSES; i++) {
        if (t->statuses[i] > 0) {
            printf("%s\"%d\": %" PRIu64, comma, i, t->statuses[i]);
            comma = ", ";
        }
    }
    printf("}, ");
}

static void print_errors(const struct tally *t) {
    static const char *const names[TALLY_ERRORS] = {"connect", "reset",  "closed", "malformed",
                                                    "body",    "status", "idle"};
    const char *comma = "";
    printf("\"errors\": {");
    for (int i = 0; i < TALLY_ERRORS; i++) {
        if (t->errors[i] > 0) {
            printf("%s\"%s\": %" PRIu64, comma, names[i], t->errors[i]);
            comma = ", ";
        }
    }
    printf("}, ");
}

static void print_latency(const struct tally *t) {
    const char *comma = "";
    printf("\"latency\": [");
    for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
        if (t->latency.counts[i] > 0) {
            printf("%s[%" PRIu64 ", %" PRIu64 "]", comma, histogram_value(i), t->latency.counts[i]);
            comma = ", ";
        }
    }
    printf("]");
}

static double seconds(uint64_t from, uint64_t to) {
    return to > from ? (double)(to - from) / 1e9 : 0;
}

void tally_print(const struct tally *t) {
    printf("{\"complete\": %s, ", t->ended > 0 ? "true" : "false");
    printf("\"answers\": %" PRIu64 ", \"seconds\": %.6f, ", t->answers, seconds(t->began, t->ended));
    printf("\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", ", t->sent, t->received);
    printf("\"opened\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", ", t->opened, t->unanswered);
    printf("\"client\": %.6f, ", seconds(t->own_began, t->own_ended));
    printf("\"server\": %.9f, ", seconds(t->server_began.exact, t->server_ended.exact));
    printf("\"user_ticks\": %.6f, ", seconds(t->server_began.user_ticks, t->server_ended.user_ticks));
    printf("\"all_ticks\": %.6f, ", seconds(t->server_began.all_ticks, t->server_ended.all_ticks));
    printf("\"weight\": %" PRIu64 ", ", t->weight);
    print_statuses(t);
    print_errors(t);
    print_latency(t);
    puts("}");
}

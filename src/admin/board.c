/* The shared memory of a server's processes: slots are claimed and given back, series found or made. */
#include "admin/board.h"

#include "base/clock.h"

#include <sched.h>
#include <sys/mman.h>

/* Whoever writes a series is interrupted for longer only by its own death. */
#define CLAIM_TRIES 10000

struct vel_board *vel_board_new(void) {
    void *at = mmap(NULL, sizeof(struct vel_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    struct vel_board *board = at;
    board->began = vel_clock_wall();
    return board;
}

void vel_board_free(struct vel_board *board) {
    munmap(board, sizeof(*board));
}

/* --- slots ------------------------------------------------------------------------------------------------------- */

struct vel_slot *vel_board_enter(struct vel_board *board, int64_t pid, uint64_t number) {
    for (size_t i = 0; i < VEL_BOARD_SLOTS; i++) {
        struct vel_slot *slot = &board->slots[i];
        int64_t nobody = 0;
        if (__atomic_compare_exchange_n(&slot->pid, &nobody, pid, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            __atomic_store_n(&slot->number, number, __ATOMIC_RELAXED);
            return slot;
        }
    }
    return NULL;
}

static void take_back_what_is_now(struct vel_stats *stats) {
    stats->open = stats->running = stats->state = 0;
    memset(stats->conns, 0, sizeof(stats->conns));
}

void vel_board_leave(struct vel_board *board, int64_t pid) {
    for (size_t i = 0; i < VEL_BOARD_SLOTS; i++) {
        struct vel_slot *slot = &board->slots[i];
        if (__atomic_load_n(&slot->pid, __ATOMIC_ACQUIRE) != pid)
            continue;
        take_back_what_is_now(&slot->stats);
        __atomic_store_n(&slot->pid, 0, __ATOMIC_RELEASE);
    }
}

bool vel_board_is_ready(const struct vel_board *board) {
    if (__atomic_load_n(&board->draining, __ATOMIC_RELAXED))
        return false;
    for (size_t i = 0; i < VEL_BOARD_SLOTS; i++)
        if (__atomic_load_n(&board->slots[i].pid, __ATOMIC_RELAXED) != 0 &&
            __atomic_load_n(&board->slots[i].stats.state, __ATOMIC_RELAXED) == VEL_STATS_SERVING)
            return true;
    return false;
}

/* --- series ------------------------------------------------------------------------------------------------------ */

static size_t hash(struct vel_slice text) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.at[i]) * 1099511628211u;
    return (size_t)(h % VEL_BOARD_SERIES);
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double value_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool take_words(struct vel_board *board, struct vel_series *s, const double *bounds, size_t n) {
    uint64_t from = __atomic_fetch_add(&board->words_used, 2 * n + 1, __ATOMIC_RELAXED);
    if (from + 2 * n + 1 > VEL_BOARD_WORDS)
        return false;
    for (size_t i = 0; i < n; i++)
        board->words[from + i] = bits_of(bounds[i]);
    s->words = from;
    s->nbounds = (uint32_t)n;
    return true;
}

/* Claimed by us. */
static bool write_series(struct vel_board *board, struct vel_series *s, enum vel_series_kind kind,
                         struct vel_slice text, size_t name_len, struct vel_slice help, const double *bounds,
                         size_t nbounds) {
    if (kind == VEL_HISTOGRAM && !take_words(board, s, bounds, nbounds)) {
        __atomic_store_n(&s->taken, VEL_SERIES_DEAD,
                         __ATOMIC_RELEASE); /* others that came to this place lie behind it */
        return false;
    }
    memcpy(s->text, text.at, text.len);
    memcpy(s->help, help.at, help.len);
    s->name_len = (uint32_t)name_len;
    s->kind = kind;
    __atomic_store_n(&s->taken, VEL_SERIES_READY, __ATOMIC_RELEASE);
    return true;
}

static bool is_it(const struct vel_series *s, struct vel_slice text) {
    return strlen(s->text) == text.len && memcmp(s->text, text.at, text.len) == 0;
}

static bool has_shape(const struct vel_board *board, const struct vel_series *s, enum vel_series_kind kind,
                      const double *bounds, size_t nbounds) {
    if (s->kind != kind)
        return false;
    if (kind != VEL_HISTOGRAM)
        return true;
    for (size_t i = 0; i < s->nbounds && s->nbounds == nbounds; i++)
        if (board->words[s->words + i] != bits_of(bounds[i]))
            return false;
    return s->nbounds == nbounds;
}

static uint32_t wait_for_writer(const struct vel_series *s) {
    uint32_t taken;
    for (int i = 0; (taken = __atomic_load_n(&s->taken, __ATOMIC_ACQUIRE)) == VEL_SERIES_CLAIMED && i < CLAIM_TRIES;
         i++)
        sched_yield();
    return taken;
}

static struct vel_series *lose(struct vel_board *board) {
    __atomic_fetch_add(&board->series_lost, 1, __ATOMIC_RELAXED);
    return NULL;
}

struct vel_series *vel_board_series(struct vel_board *board, enum vel_series_kind kind, struct vel_slice text,
                                    size_t name_len, struct vel_slice help, const double *bounds, size_t nbounds) {
    if (text.len >= VEL_BOARD_TEXT || help.len >= VEL_BOARD_HELP || nbounds > VEL_BOUNDS_MAX)
        return lose(board);
    size_t from = hash(text);
    for (size_t i = 0; i < VEL_BOARD_SERIES; i++) {
        struct vel_series *s = &board->series[(from + i) % VEL_BOARD_SERIES];
        uint32_t taken = VEL_SERIES_FREE;
        if (__atomic_compare_exchange_n(&s->taken, &taken, VEL_SERIES_CLAIMED, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return write_series(board, s, kind, text, name_len, help, bounds, nbounds) ? s : lose(board);
        if (taken == VEL_SERIES_CLAIMED)
            taken = wait_for_writer(s);
        if (taken == VEL_SERIES_READY && is_it(s, text))
            return has_shape(board, s, kind, bounds, nbounds) ? s : NULL;
    }
    return lose(board);
}

static void add_to(uint64_t *bits, double amount) {
    uint64_t old = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(bits, &old, bits_of(value_of(old) + amount), true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
}

void vel_series_add(struct vel_series *s, double amount) {
    add_to(&s->value, amount);
}

void vel_series_set(struct vel_series *s, double value) {
    __atomic_store_n(&s->value, bits_of(value), __ATOMIC_RELAXED);
}

void vel_series_observe(struct vel_board *board, struct vel_series *s, double value) {
    uint64_t from = __atomic_load_n(&s->words, __ATOMIC_RELAXED);
    size_t n = __atomic_load_n(&s->nbounds, __ATOMIC_RELAXED), i = 0;
    if (n > VEL_BOUNDS_MAX || from >= VEL_BOARD_WORDS || from + 2 * n + 1 > VEL_BOARD_WORDS)
        return; /* another process has written what it should not */
    uint64_t *words = &board->words[from];
    while (i < n && value > value_of(words[i]))
        i++;
    __atomic_fetch_add(&words[n + i], 1, __ATOMIC_RELAXED);
    add_to(&s->value, value);
}

double vel_series_value(const struct vel_series *s) {
    return value_of(__atomic_load_n(&s->value, __ATOMIC_RELAXED));
}

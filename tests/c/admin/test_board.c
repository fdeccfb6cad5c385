/* Tests of admin/board.c. */
#include "admin/board.h"

#include "support/test.h"

#include <sys/wait.h>
#include <unistd.h>

static struct vel_board *board;

static void begin(void) {
    board = vel_board_new();
    CHECK(board != NULL);
}

static void end(void) {
    vel_board_free(board);
}

static struct vel_series *series(enum vel_series_kind kind, const char *text, size_t name_len) {
    return vel_board_series(board, kind, vel_slice(text, strlen(text)), name_len, VEL_SLICE("help"), NULL, 0);
}

static void counters_go_on_with_the_next_process_and_the_present_is_taken_back(void) {
    begin();
    struct vel_slot *slot = vel_board_enter(board, 100, 1);
    slot->stats.requests = 7;
    slot->stats.open = slot->stats.running = slot->stats.conns[VEL_CONN_IDLE] = 3;
    slot->stats.state = VEL_STATS_SERVING;
    CHECK(vel_board_is_ready(board));
    vel_board_leave(board, 100);
    CHECK(!vel_board_is_ready(board));
    CHECK(vel_board_enter(board, 101, 2) == slot);
    CHECK_INT(slot->stats.requests, 7);
    CHECK_INT(slot->stats.open + slot->stats.running + slot->stats.conns[VEL_CONN_IDLE], 0);
    CHECK_INT((int)slot->number, 2);
    end();
}

static void each_process_has_a_slot_until_none_is_left(void) {
    begin();
    for (int64_t pid = 1; pid <= VEL_BOARD_SLOTS; pid++)
        CHECK(vel_board_enter(board, pid, 1) == &board->slots[pid - 1]);
    CHECK(vel_board_enter(board, 9999, 1) == NULL);
    vel_board_leave(board, 12345); /* is nobody */
    vel_board_leave(board, 500);
    CHECK(vel_board_enter(board, 9999, 1) == &board->slots[499]);
    end();
}

static void a_server_on_its_way_out_is_not_ready(void) {
    begin();
    CHECK(!vel_board_is_ready(board));
    struct vel_slot *slot = vel_board_enter(board, 100, 1);
    CHECK(!vel_board_is_ready(board)); /* it starts */
    slot->stats.state = VEL_STATS_DRAINING;
    CHECK(!vel_board_is_ready(board));
    slot->stats.state = VEL_STATS_SERVING;
    CHECK(vel_board_is_ready(board));
    board->draining = 1;
    CHECK(!vel_board_is_ready(board));
    end();
}

static void the_same_text_is_the_same_series(void) {
    begin();
    struct vel_series *one = series(VEL_COUNTER, "jobs_total{kind=\"a\"}", 10);
    CHECK(one != NULL);
    CHECK(series(VEL_COUNTER, "jobs_total{kind=\"a\"}", 10) == one);
    CHECK(series(VEL_COUNTER, "jobs_total{kind=\"b\"}", 10) != one);
    CHECK(series(VEL_GAUGE, "jobs_total{kind=\"a\"}", 10) == NULL);
    vel_series_add(one, 2);
    vel_series_add(one, 0.5);
    CHECK(vel_series_value(one) == 2.5);
    vel_series_set(one, -1);
    CHECK(vel_series_value(one) == -1);
    end();
}

static void a_text_that_is_too_long_is_lost_and_counted(void) {
    static char text[VEL_BOARD_TEXT + 1];
    begin();
    memset(text, 'a', sizeof(text) - 1);
    CHECK(series(VEL_COUNTER, text, 1) == NULL);
    CHECK_INT((int)board->series_lost, 1);
    text[VEL_BOARD_TEXT - 1] = '\0';
    CHECK(series(VEL_COUNTER, text, 1) != NULL);
    end();
}

static void a_histogram_counts_by_its_bounds(void) {
    static const double bounds[] = {1, 2}, others[] = {1, 3};
    begin();
    struct vel_slice text = VEL_SLICE("sizes"), help = VEL_SLICE("");
    struct vel_series *s = vel_board_series(board, VEL_HISTOGRAM, text, 5, help, bounds, 2);
    CHECK(s != NULL);
    CHECK(vel_board_series(board, VEL_HISTOGRAM, text, 5, help, bounds, 2) == s);
    CHECK(vel_board_series(board, VEL_HISTOGRAM, text, 5, help, others, 2) == NULL);
    CHECK(vel_board_series(board, VEL_HISTOGRAM, text, 5, help, bounds, 1) == NULL);
    vel_series_observe(board, s, 1);
    vel_series_observe(board, s, 1.5);
    vel_series_observe(board, s, 9);
    for (int i = 0; i < 3; i++)
        CHECK_INT((int)board->words[s->words + 2 + (size_t)i], 1);
    CHECK(vel_series_value(s) == 11.5);
    end();
}

static void room_for_words_ends(void) {
    double bounds[VEL_BOUNDS_MAX];
    char text[16];
    int made = 0;
    begin();
    for (int i = 0; i < VEL_BOUNDS_MAX; i++)
        bounds[i] = i;
    for (int i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "h%d", i);
        made += vel_board_series(board, VEL_HISTOGRAM, vel_slice(text, strlen(text)), 2, VEL_SLICE(""), bounds,
                                 VEL_BOUNDS_MAX) != NULL;
    }
    CHECK_INT(made, VEL_BOARD_WORDS / (2 * VEL_BOUNDS_MAX + 1));
    CHECK_INT((int)board->series_lost, 600 - made);
    CHECK(series(VEL_COUNTER, "small", 5) != NULL);
    end();
}

static void processes_add_to_one_number(void) {
    begin();
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            struct vel_series *s = series(VEL_COUNTER, "n_total", 7);
            for (int n = 0; n < 10000; n++)
                vel_series_add(s, 1);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    CHECK(vel_series_value(series(VEL_COUNTER, "n_total", 7)) == 40000);
    end();
}

int main(void) {
    RUN(counters_go_on_with_the_next_process_and_the_present_is_taken_back);
    RUN(each_process_has_a_slot_until_none_is_left);
    RUN(a_server_on_its_way_out_is_not_ready);
    RUN(the_same_text_is_the_same_series);
    RUN(a_text_that_is_too_long_is_lost_and_counted);
    RUN(a_histogram_counts_by_its_bounds);
    RUN(room_for_words_ends);
    RUN(processes_add_to_one_number);
    return 0;
}

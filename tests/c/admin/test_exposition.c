/* Tests of admin/exposition.c: what a parser says of the whole is tested from Python. */
#include "admin/exposition.h"

#include "base/err.h"
#include "support/failmalloc.h"
#include "support/test.h"

static struct vel_board *board;
static struct vel_buf text;

static void render(void) {
    text.len = 0;
    CHECK_INT(vel_exposition_render(board, "1.2.3", &text), VEL_OK);
    CHECK(vel_buf_append(&text, "", 1) == VEL_OK);
}

static void has(const char *line) {
    if (strstr(text.data, line) == NULL)
        fprintf(stderr, "no %s in\n%s\n", line, text.data);
    CHECK(strstr(text.data, line) != NULL);
}

static void workers_are_summed(void) {
    board = vel_board_new();
    for (int i = 1; i <= 3; i++) {
        struct vel_slot *slot = vel_board_enter(board, i, (uint64_t)i);
        slot->stats.replies[2] = 10;
        slot->stats.replies[0] = 1;
        slot->stats.conns[VEL_CONN_IDLE] = 2;
        slot->stats.state = i < 3 ? VEL_STATS_SERVING : VEL_STATS_DRAINING;
    }
    vel_board_enter(board, 4, 4);
    vel_board_leave(board, 2);
    render();
    has("velocem_requests_total{status=\"2xx\"} 30\n");
    has("velocem_requests_total{status=\"none\"} 3\n");
    has("velocem_connections{state=\"idle\"} 4\n");
    has("velocem_workers{state=\"starting\"} 1\nvelocem_workers{state=\"serving\"} 1\n"
        "velocem_workers{state=\"draining\"} 1\n");
    has("velocem_build_info{version=\"1.2.3\"} 1\n");
    vel_board_free(board);
}

static void durations_fall_into_buckets(void) {
    board = vel_board_new();
    struct vel_durations *d = &board->slots[0].stats.whole;
    static const uint64_t us[] = {0, 64, 65, 128, 129, 33554432, 33554433, UINT64_MAX / 4};
    for (size_t i = 0; i < sizeof(us) / sizeof(us[0]); i++)
        vel_durations_add(d, us[i]);
    CHECK_INT((int)d->buckets[0], 2);
    CHECK_INT((int)d->buckets[1], 2);
    CHECK_INT((int)d->buckets[2], 1);
    CHECK_INT((int)d->buckets[VEL_BUCKETS - 2], 1);
    CHECK_INT((int)d->buckets[VEL_BUCKETS - 1], 2);
    render();
    has("velocem_request_duration_seconds_bucket{le=\"6.4e-05\"} 2\n");
    has("velocem_request_duration_seconds_bucket{le=\"33.554432\"} 6\n");
    has("velocem_request_duration_seconds_bucket{le=\"+Inf\"} 8\n");
    has("velocem_request_duration_seconds_count 8\n");
    vel_board_free(board);
}

static void families_of_the_application_stand_together(void) {
    static const double bounds[] = {0.5};
    board = vel_board_new();
    struct vel_slice help = VEL_SLICE("Jobs.");
    vel_board_series(board, VEL_COUNTER, VEL_SLICE("jobs_total{kind=\"b\"}"), 10, help, NULL, 0);
    vel_board_series(board, VEL_GAUGE, VEL_SLICE("jobs"), 4, help, NULL, 0);
    vel_board_series(board, VEL_COUNTER, VEL_SLICE("jobs_total{kind=\"a\"}"), 10, help, NULL, 0);
    struct vel_series *s =
        vel_board_series(board, VEL_HISTOGRAM, VEL_SLICE("took{kind=\"c\"}"), 4, VEL_SLICE("Time."), bounds, 1);
    vel_series_observe(board, s, 0.25);
    vel_series_observe(board, s, 0.75);
    render();
    has("# HELP jobs Jobs.\n# TYPE jobs gauge\njobs 0\n# HELP jobs_total Jobs.\n# TYPE jobs_total counter\n"
        "jobs_total{kind=\"a\"} 0\njobs_total{kind=\"b\"} 0\n# HELP took Time.\n# TYPE took histogram\n"
        "took_bucket{kind=\"c\",le=\"0.5\"} 1\ntook_bucket{kind=\"c\",le=\"+Inf\"} 2\ntook_sum{kind=\"c\"} 1\n"
        "took_count{kind=\"c\"} 2\n");
    vel_board_free(board);
}

/* As a process that somebody has taken over could leave it. */
static void a_board_full_of_nonsense_is_read_within_its_bounds(void) {
    static const double bounds[] = {1};
    unsigned seed = 1;
    for (int round = 0; round < 200; round++) {
        board = vel_board_new();
        vel_board_series(board, VEL_HISTOGRAM, VEL_SLICE("sizes"), 5, VEL_SLICE(""), bounds, 1);
        vel_board_series(board, VEL_GAUGE, VEL_SLICE("jobs"), 4, VEL_SLICE(""), NULL, 0);
        for (size_t i = 0; i < VEL_BOARD_SERIES; i++) {
            unsigned char *bytes = (unsigned char *)&board->series[i];
            if (board->series[i].taken == VEL_SERIES_READY)
                for (size_t at = sizeof(uint32_t); at < sizeof(struct vel_series); at++)
                    if ((seed = seed * 1103515245 + 12345) >> 16 & 1)
                        bytes[at] = (unsigned char)(seed >> 20);
        }
        render();
        vel_board_free(board);
    }
}

static void memory_that_is_short_is_told(void) {
    board = vel_board_new();
    vel_board_series(board, VEL_GAUGE, VEL_SLICE("jobs"), 4, VEL_SLICE(""), NULL, 0);
    bool failed = true;
    for (int n = 1; failed && n < 100; n++) {
        struct vel_buf to = {0};
        fail_malloc_at(n);
        int err = vel_exposition_render(board, "1", &to);
        failed = fail_malloc_hit();
        fail_malloc_at(0);
        CHECK_INT(err, failed ? VEL_ENOMEM : VEL_OK);
        vel_buf_free(&to);
    }
    CHECK(!failed);
    vel_board_free(board);
}

int main(void) {
    RUN(workers_are_summed);
    RUN(durations_fall_into_buckets);
    RUN(families_of_the_application_stand_together);
    RUN(a_board_full_of_nonsense_is_read_within_its_bounds);
    RUN(memory_that_is_short_is_told);
    vel_buf_free(&text);
    return 0;
}

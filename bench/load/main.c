/* The load generator: asks a server on the loopback as it is told and prints what came back as one JSON object. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "engine.h"

static void raise_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void *run(void *engine) {
    return engine_run(engine) ? engine : NULL;
}

/* The number'th part of a whole. */
static unsigned share(unsigned whole, unsigned parts, unsigned number) {
    return whole / parts + (number < whole % parts);
}

static void prepare(struct engine *e, const struct plan *plan, struct engine_shared *shared, unsigned number) {
    *e = (struct engine){
        .plan = plan,
        .shared = shared,
        .first = number == 0,
        .active = share(plan->connections, plan->threads, number),
        .idle = share(plan->idle, plan->threads, number),
        .rate = plan->rate / plan->threads,
    };
}

/* Runs them all; those that could not be started give the others up. */
static bool run_all(struct engine *engines, struct tally *tallies, pthread_t *threads, const struct plan *plan) {
    struct engine_shared shared = {.opening = plan->threads};
    unsigned started = 0;
    bool good = true;
    for (; started < plan->threads; started++) {
        prepare(&engines[started], plan, &shared, started);
        engines[started].tally = &tallies[started];
        if (pthread_create(&threads[started], NULL, run, &engines[started]) != 0)
            break;
    }
    if (started < plan->threads)
        atomic_store(&shared.gave_up, true);
    for (unsigned i = 0; i < started; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good = good && result != NULL;
    }
    for (unsigned i = 1; i < started; i++)
        tally_merge(&tallies[0], &tallies[i]);
    return good && started == plan->threads;
}

int main(int argc, char **argv) {
    struct plan plan;
    int status = 2;
    if (plan_read(&plan, argc, argv)) {
        raise_limits();
        struct engine *engines = calloc(plan.threads, sizeof *engines);
        struct tally *tallies = calloc(plan.threads, sizeof *tallies);
        pthread_t *threads = calloc(plan.threads, sizeof *threads);
        bool good = engines != NULL && tallies != NULL && threads != NULL;
        if (good && (good = run_all(engines, tallies, threads, &plan)))
            tally_print(&tallies[0]);
        if (!good)
            fprintf(stderr, "load: not enough memory, threads or descriptors\n");
        status = good ? 0 : 1;
        free(threads);
        free(tallies);
        free(engines);
    }
    plan_free(&plan);
    return status;
}

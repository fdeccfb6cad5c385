/* Threads of the WSGI application: made with the worker, run by Python's threads. */
#include "py/wsgi/pool.h"

#include "base/mem.h"
#include "py/wsgi/template.h"

/* --- the GIL ----------------------------------------------------------------------------------------------------- */

static void rest(void *arg) {
    struct vel_wsgi_thread *thread = arg;
    thread->state = PyEval_SaveThread();
}

static void resume(void *arg) {
    struct vel_wsgi_thread *thread = arg;
    PyEval_RestoreThread(thread->state);
}

int vel_wsgi_pool_work(struct vel_wsgi_pool *pool, size_t number) {
    if (number >= pool->n || pool->threads[number].working) {
        PyErr_SetString(PyExc_RuntimeError, "no such thread, or it works already");
        return -1;
    }
    struct vel_wsgi_thread *thread = &pool->threads[number];
    thread->working = true;
    thread->wsgi.thread = PyThread_get_thread_ident();
    vel_pool_work(&pool->core, &thread->remote.base);
    thread->working = false;
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static int init_places(struct vel_wsgi_thread *thread, const struct vel_worker *worker, bool multithread,
                       bool multiprocess) {
    thread->places = vel_alloc_zero((worker->nports ? worker->nports : 1) * sizeof(*thread->places));
    if (thread->places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < worker->nports; i++, thread->nplaces++) {
        struct vel_endpoint *place = &thread->places[i];
        *place = worker->ports[i].endpoint;
        place->app_data = vel_wsgi_template_new(&thread->wsgi, place, multithread, multiprocess);
        if (place->app_data == NULL)
            return -1;
    }
    return 0;
}

static int init_thread(struct vel_wsgi_thread *thread, const struct vel_worker *worker, const struct vel_wsgi *w,
                       bool multithread, bool multiprocess) {
    if (vel_wsgi_init(&thread->wsgi, w->state, w->callable, w->log) < 0)
        return -1;
    thread->wsgi.root = Py_XNewRef(w->root);
    thread->wsgi.write_ms = worker->config.write_ms;
    thread->wsgi.queue_time = w->queue_time;
    if (init_places(thread, worker, multithread, multiprocess) < 0)
        return -1;
    thread->remote = (struct vel_remote_thread){
        .base = {.rest = rest, .resume = resume, .arg = thread}, .app = &thread->wsgi.app, .places = thread->places};
    return 0;
}

int vel_wsgi_pool_init(struct vel_wsgi_pool *pool, struct vel_worker *worker, const struct vel_wsgi *w, size_t n,
                       bool multithread, bool multiprocess) {
    struct vel_wsgi_thread *threads = vel_alloc_zero(n * sizeof(*threads));
    if (threads == NULL || vel_pool_init(&pool->core, worker->loop) != VEL_OK) {
        vel_free(threads);
        PyErr_NoMemory();
        return -1;
    }
    pool->threads = threads;
    pool->n = n;
    worker->pool = &pool->core;
    for (size_t i = 0; i < n; i++)
        if (init_thread(&threads[i], worker, w, multithread, multiprocess) < 0)
            return -1;
    return 0;
}

int vel_wsgi_pool_visit(struct vel_wsgi_pool *pool, visitproc visit, void *arg) {
    for (size_t i = 0; i < pool->n; i++) {
        int answer = vel_wsgi_visit(&pool->threads[i].wsgi, visit, arg);
        if (answer != 0)
            return answer;
    }
    return 0;
}

static void free_thread(struct vel_wsgi_thread *thread) {
    for (size_t i = 0; i < thread->nplaces; i++)
        vel_wsgi_template_free(thread->places[i].app_data);
    vel_free(thread->places);
    vel_wsgi_clear(&thread->wsgi);
}

void vel_wsgi_pool_free(struct vel_wsgi_pool *pool) {
    size_t n = pool->n;
    if (n == 0)
        return;
    vel_pool_free(&pool->core);
    pool->n = 0;
    for (size_t i = 0; i < n; i++)
        free_thread(&pool->threads[i]);
    vel_free(pool->threads);
}

/* Whom a Worker believes, and what it says of those that it cuts off. */
#include "py/worker.h"

#include "py/error.h"
#include "py/trust.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

static int take_list(struct worker *self, enum worker_list list, PyObject *given, struct vel_trust *out) {
    vel_free(self->nets[list]); /* of an earlier call that failed after this */
    self->nets[list] = NULL;
    return given != NULL ? vel_take_trust(given, out, &self->nets[list]) : 0;
}

int vel_worker_take_peers(struct worker *self, const struct worker_peers *given, struct vel_config *config) {
    if (take_list(self, WORKER_FORWARDED, given->forwarded_allow, &config->trust) < 0 ||
        take_list(self, WORKER_UWSGI, given->uwsgi_allow, &config->uwsgi_allow) < 0 ||
        take_list(self, WORKER_PROXY, given->proxy_allow, &config->proxy_allow) < 0)
        return -1;
    return given->forwarded_headers != NULL ? vel_take_origin_fields(given->forwarded_headers, &config->origin_fields)
                                            : 0;
}

void vel_worker_free_peers(struct worker *self) {
    for (int list = 0; list < WORKER_LISTS; list++) {
        vel_free(self->nets[list]);
        self->nets[list] = NULL;
    }
}

static void write_line(char *at, size_t room, const union vel_addr *peer, const char *why, uint64_t more) {
    char host[VEL_ADDR_TEXT_MAX];
    int len = (int)vel_addr_host(peer, host);
    int n = len > 0 ? snprintf(at, room, "connection from %.*s closed: %s", len, host, why)
                    : snprintf(at, room, "connection by a Unix socket closed: %s", why);
    if (more > 0 && n > 0 && (size_t)n < room)
        snprintf(at + n, room - (size_t)n, "; and %" PRIu64 " more like it", more);
}

/* With a pool the loop has no GIL, and is in need of it only here. */
static void on_complaint(void *arg, const union vel_addr *peer, const char *why, uint64_t more) {
    struct worker *self = arg;
    bool without = self->thread != NULL;
    char line[200];
    write_line(line, sizeof(line), peer, why, more);
    if (without)
        PyEval_RestoreThread(self->thread);
    PyObject *raised = vel_take_raised();
    vel_log(self->is_asgi ? self->asgi.log : self->wsgi.log, VEL_LOG_WARNING, line);
    if (raised != NULL)
        vel_set_raised(raised);
    if (without)
        self->thread = PyEval_SaveThread();
}

void vel_worker_hear_complaints(struct worker *self) {
    self->core.on_complaint = on_complaint;
    self->core.on_complaint_arg = self;
}

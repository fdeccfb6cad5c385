/* uwsgi packets: one on each connection, then a body, then a reply that ends with the connection. */
#include "server/proto_uwsgi.h"

#include "server/worker.h"

enum vel_h1_event vel_proto_uwsgi_next(struct vel_conn *c, char *in, size_t len, size_t *used, struct vel_head *head) {
    struct vel_worker *w = c->worker;
    const char *why = NULL;
    *used = 0;
    if (len == 0)
        return VEL_H1_MORE;
    long n = vel_uwsgi_parse(w->scan, &w->config.limits, in, len, head, &w->vars, &why);
    if (n == VEL_UWSGI_MALFORMED) {
        w->stats->refused++;
        vel_worker_complain(w, &c->peer, why);
        vel_conn_doom(c, VEL_FATE_CUT);
        return VEL_H1_CLOSED;
    }
    *used = n > 0 ? (size_t)n : 0;
    return vel_h1_conn_head(&c->h1, head, n, why);
}

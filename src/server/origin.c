/* Following forwarded fields, from the nearest hop outwards. */
#include "server/origin.h"

#include "base/num.h"
#include "http/forwarded.h"
#include "net/cidr.h"
#include "server/worker.h"

/* The longest node is an IPv6 address with brackets and port; escapes may double it. */
#define NODE_MAX 128

/* --- what is said ------------------------------------------------------------------------------------------------ */

/* Members of all lines of one field, from the last one on. */
struct cursor {
    const struct vel_head *head;
    enum vel_field_id id;
    size_t line; /* the one that rest is of */
    struct vel_slice rest;
};

static struct cursor cursor_of(const struct vel_head *head, enum vel_field_id id) {
    return (struct cursor){.head = head, .id = id, .line = head->nfields};
}

static bool next(struct cursor *c, struct vel_slice *member) {
    bool (*last)(struct vel_slice *, struct vel_slice *) =
        c->id == VEL_FIELD_FORWARDED ? vel_forwarded_last : vel_list_last;
    while (!last(&c->rest, member)) {
        do {
            if (c->line == 0)
                return false;
        } while (c->head->fields[--c->line].id != c->id);
        c->rest = c->head->fields[c->line].value;
    }
    return true;
}

/* What was found, before it is known whether there is anything to keep. */
struct findings {
    union vel_addr client;
    unsigned hops; /* members that were believed */
    bool escaped;  /* host may have quoted pairs */
    struct vel_slice scheme, host, port, prefix;
};

/* Moves on to the node. True when it is one that may speak of others. */
static bool follow(struct findings *found, const struct vel_node *node, const struct vel_trust *trust) {
    union vel_addr addr;
    bool is_address = node->kind == VEL_NODE_IPV4 || node->kind == VEL_NODE_IPV6;
    if (!is_address || !vel_addr_parse(node->address, node->port, &addr))
        return false;
    found->client = addr;
    return vel_trust_has(trust, &addr);
}

/* --- X-Forwarded-* ----------------------------------------------------------------------------------------------- */

static void follow_list(struct findings *found, const struct vel_head *head, const struct vel_trust *trust) {
    struct cursor c = cursor_of(head, VEL_FIELD_X_FORWARDED_FOR);
    struct vel_slice member;
    struct vel_node node;
    while (found->hops < VEL_HOPS_MAX && next(&c, &member) && vel_node_parse_bare(member, &node)) {
        found->hops++;
        if (!follow(found, &node, trust))
            return;
    }
}

/* The last one, which the nearest hop has written. Those before it cannot be told apart: one hop adds to a list,
 * another replaces it, a third passes on what a client has sent. */
static struct vel_slice last_of(const struct vel_head *head, enum vel_field_id id) {
    struct cursor c = cursor_of(head, id);
    struct vel_slice member;
    return next(&c, &member) ? member : (struct vel_slice){0};
}

static void read_last(struct findings *found, const struct vel_head *head, unsigned fields) {
    if (fields & VEL_ORIGIN_PROTO)
        found->scheme = vel_forwarded_scheme(last_of(head, VEL_FIELD_X_FORWARDED_PROTO));
    if (fields & VEL_ORIGIN_HOST)
        found->host = last_of(head, VEL_FIELD_X_FORWARDED_HOST);
    if (fields & VEL_ORIGIN_PORT)
        found->port = last_of(head, VEL_FIELD_X_FORWARDED_PORT);
    if (fields & VEL_ORIGIN_PREFIX)
        found->prefix = last_of(head, VEL_FIELD_X_FORWARDED_PREFIX);
}

/* --- Forwarded --------------------------------------------------------------------------------------------------- */

/* Short text without its escapes; what is longer is none that we know. */
static struct vel_slice plain(struct vel_slice text, char *at) {
    if (text.len > NODE_MAX)
        return (struct vel_slice){0};
    return vel_slice(at, vel_forwarded_unescape(text, at));
}

/* One hop. True when the one before it may speak. */
static bool follow_element(struct findings *found, struct vel_slice text, const struct vel_trust *trust) {
    struct vel_forwarded element;
    struct vel_node node;
    char at[NODE_MAX];
    if (!vel_forwarded_parse(text, &element))
        return false;
    struct vel_slice scheme = vel_forwarded_scheme(plain(element.proto, at));
    if (scheme.len > 0)
        found->scheme = scheme;
    if (element.host.len > 0)
        found->host = element.host;
    return vel_node_parse(plain(element.node, at), &node) && follow(found, &node, trust);
}

static void follow_elements(struct findings *found, const struct vel_head *head, const struct vel_trust *trust) {
    struct cursor c = cursor_of(head, VEL_FIELD_FORWARDED);
    struct vel_slice element;
    found->escaped = true;
    while (found->hops < VEL_HOPS_MAX && next(&c, &element)) {
        found->hops++;
        if (!follow_element(found, element, trust))
            return;
    }
}

/* --- what comes of it -------------------------------------------------------------------------------------------- */

static struct vel_slice default_port(struct vel_slice scheme) {
    return vel_slice_eq(scheme, VEL_SLICE("https")) ? VEL_SLICE("443") : VEL_SLICE("80");
}

/* VEL_EINVAL: what was said is no host. */
static int take_host(struct vel_exchange *x, const struct findings *found) {
    if (found->host.len == 0)
        return VEL_EINVAL;
    struct vel_slice host = vel_arena_copy(&x->arena, found->host);
    if (host.at == NULL)
        return VEL_ENOMEM;
    if (found->escaped)
        host.len = vel_forwarded_unescape(host, (char *)host.at); /* the arena is ours */
    if (!vel_host_valid(host))
        return VEL_EINVAL;
    x->head->host = host;
    x->head->has_host = true;
    return VEL_OK;
}

/* Name and port as the client knows them. */
static int decide_host(struct vel_exchange *x, struct vel_origin *origin, const struct findings *found) {
    int err = take_host(x, found);
    if (err == VEL_ENOMEM)
        return err;
    if (err == VEL_OK) {
        vel_host_split(x->head->host, &origin->name, &origin->port);
        if (origin->port.len == 0)
            origin->port = default_port(origin->scheme);
    }
    return VEL_OK;
}

/* A port that is said apart stands in the place of the host's own; one that goes without saying is left out there. */
static int decide_port(struct vel_exchange *x, struct vel_origin *origin, struct vel_slice said) {
    struct vel_slice name, old;
    if (!vel_forwarded_port(said))
        return VEL_OK;
    vel_host_split(x->head->host, &name, &old);
    char *at = vel_arena_alloc(&x->arena, name.len + 1 + said.len);
    if (at == NULL)
        return VEL_ENOMEM;
    if (name.len > 0)
        memcpy(at, name.at, name.len);
    at[name.len] = ':';
    memcpy(at + name.len + 1, said.at, said.len);
    origin->port = vel_slice(at + name.len + 1, said.len);
    bool is_default = vel_slice_eq(said, default_port(origin->scheme));
    if (name.len > 0)
        x->head->host = vel_slice(at, name.len + (is_default ? 0 : 1 + said.len));
    return VEL_OK;
}

static int decide_prefix(struct vel_exchange *x, struct vel_origin *origin, struct vel_slice said) {
    struct vel_slice prefix;
    if (!vel_forwarded_prefix(said, &prefix))
        return VEL_OK;
    origin->prefix = vel_arena_copy(&x->arena, prefix);
    return origin->prefix.at != NULL ? VEL_OK : VEL_ENOMEM;
}

/* --- gateways ---------------------------------------------------------------------------------------------------- */

/* Names of Unix sockets and the like are no addresses: such a client has none. */
static void read_client(const struct vel_uwsgi_vars *vars, union vel_addr *out) {
    int64_t port;
    bool has_port = vel_num_parse(vars->remote_port, &port) && port <= UINT16_MAX;
    if (!vel_addr_parse(vars->remote_addr, has_port ? (uint16_t)port : 0, out))
        *out = (union vel_addr){.any.sa_family = AF_UNSPEC};
}

static int copy(struct vel_exchange *x, struct vel_slice from, struct vel_slice *to) {
    if (from.at != NULL)
        *to = vel_arena_copy(&x->arena, from);
    return from.at == NULL || to->at != NULL ? VEL_OK : VEL_ENOMEM;
}

/* nginx has no name of its own unless it is given one; the client has called it something. */
static struct vel_slice name_of(const struct vel_uwsgi_vars *vars, const struct vel_head *head) {
    struct vel_slice name, port;
    if (vars->server_name.len > 0)
        return vars->server_name;
    vel_host_split(head->host, &name, &port);
    return name;
}

static int take_vars(struct vel_exchange *x, const struct vel_uwsgi_vars *vars) {
    struct vel_origin *origin = vel_arena_alloc(&x->arena, sizeof(*origin));
    if (origin == NULL)
        return VEL_ENOMEM;
    *origin = (struct vel_origin){.client = *x->peer, .scheme = vars->secure ? VEL_SLICE("https") : VEL_SLICE("http")};
    if (vars->remote_addr.at != NULL)
        read_client(vars, &origin->client);
    x->origin = origin;
    x->peer = &origin->client;
    int err = copy(x, name_of(vars, x->head), &origin->name);
    if (err == VEL_OK && vel_forwarded_port(vars->server_port))
        err = copy(x, vars->server_port, &origin->port);
    return err == VEL_OK ? copy(x, vars->script_name, &origin->prefix) : err;
}

/* A proxy has said it in front of the connection. */
static int take_secure(struct vel_exchange *x) {
    struct vel_origin *origin = vel_arena_alloc(&x->arena, sizeof(*origin));
    if (origin == NULL)
        return VEL_ENOMEM;
    *origin = (struct vel_origin){.client = *x->peer, .scheme = VEL_SLICE("https")};
    x->origin = origin;
    return VEL_OK;
}

static int begin(struct vel_exchange *x) {
    if (x->conn->uwsgi)
        return take_vars(x, &x->conn->worker->vars);
    return x->conn->secure ? take_secure(x) : VEL_OK;
}

/* --- fields on top of that --------------------------------------------------------------------------------------- */

static bool says_anything(const struct findings *found) {
    return found->hops > 0 || found->scheme.len > 0 || found->host.len > 0 || found->port.len > 0 ||
           found->prefix.len > 0;
}

/* Everything in the arena, since the head may move. */
static int keep(struct vel_exchange *x, const struct findings *found) {
    struct vel_origin *origin = vel_arena_alloc(&x->arena, sizeof(*origin));
    if (origin == NULL)
        return VEL_ENOMEM;
    *origin = x->origin != NULL ? *x->origin : (struct vel_origin){0};
    origin->client = found->client;
    if (found->scheme.len > 0)
        origin->scheme = found->scheme;
    x->origin = origin;
    x->peer = &origin->client;
    int err = decide_host(x, origin, found);
    if (err == VEL_OK)
        err = decide_port(x, origin, found->port);
    return err == VEL_OK ? decide_prefix(x, origin, found->prefix) : err;
}

static int follow_fields(struct vel_exchange *x, const struct vel_config *config) {
    struct findings found = {.client = *x->peer};
    if (config->origin_fields & VEL_ORIGIN_FORWARDED) {
        follow_elements(&found, x->head, &config->trust);
    } else {
        if (config->origin_fields & VEL_ORIGIN_FOR)
            follow_list(&found, x->head, &config->trust);
        read_last(&found, x->head, config->origin_fields);
    }
    return says_anything(&found) ? keep(x, &found) : VEL_OK;
}

int vel_origin_decide(struct vel_exchange *x) {
    struct vel_worker *w = x->conn->worker;
    int err = begin(x);
    if (err == VEL_OK && vel_trust_has(&w->config.trust, x->peer))
        err = follow_fields(x, &w->config);
    return err;
}

/* Building scopes: a copied template, then what this request says; last values used again when the bytes are equal. */
#include "py/asgi/call.h"

#include "base/mem.h"
#include "http/field_check.h"
#include "py/peer.h"
#include "py/queue_time.h"
#include "py/text.h"

static PyObject *bytes_of(struct vel_slice s) {
    return PyBytes_FromStringAndSize(s.at, (Py_ssize_t)s.len);
}

static bool bytes_are(PyObject *bytes, struct vel_slice s) {
    return vel_slice_eq(vel_bytes_slice(bytes), s);
}

/* --- fields ------------------------------------------------------------------------------------------------------ */

/* (name, value), with references to a name and to a fresh value. */
static PyObject *make_pair(PyObject *name, struct vel_slice value) {
    PyObject *bytes = bytes_of(value);
    PyObject *pair = bytes != NULL ? PyTuple_Pack(2, name, bytes) : NULL;
    Py_XDECREF(bytes);
    return pair;
}

static bool pair_has(PyObject *pair, struct vel_slice value) {
    return pair != NULL && bytes_are(PyTuple_GET_ITEM(pair, 1), value);
}

static PyObject *known_pair(struct vel_asgi *a, const struct vel_field *field) {
    PyObject **slot = &a->pairs[field->id];
    if (pair_has(*slot, field->value))
        return Py_NewRef(*slot);
    PyObject *pair = make_pair(a->state->field_names[field->id], field->value);
    if (pair != NULL && field->value.len <= VEL_ASGI_VALUE_MAX && !(vel_field_flags(field->id) & VEL_FIELD_SECRET))
        Py_XSETREF(*slot, Py_NewRef(pair));
    return pair;
}

static PyObject *lower_name(struct vel_slice name) {
    PyObject *bytes = bytes_of(vel_slice(NULL, 0));
    if (name.len > 0) {
        Py_XSETREF(bytes, PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.len));
        for (size_t i = 0; bytes != NULL && i < name.len; i++)
            PyBytes_AS_STRING(bytes)[i] = vel_ascii_lower(name.at[i]);
    }
    return bytes;
}

static PyObject *fresh_pair(struct vel_slice name, struct vel_slice value) {
    PyObject *lower = lower_name(name);
    PyObject *pair = lower != NULL ? make_pair(lower, value) : NULL;
    Py_XDECREF(lower);
    return pair;
}

/* FNV-1a: names are short. */
static unsigned hash_name(struct vel_slice name) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.at[i]) * 16777619u;
    return (h ^ (h >> 16)) % VEL_ASGI_NAMES;
}

/* One name a slot, the last one stays, so that a client can fill the cache but not grow it. Values are not kept here:
 * what a name of one's own says may be a secret. */
static PyObject *other_pair(struct vel_asgi *a, const struct vel_field *field) {
    struct vel_slice name = field->name;
    if (name.len > VEL_ASGI_NAME_MAX)
        return fresh_pair(name, field->value);
    struct vel_asgi_name *slot = &a->names[hash_name(name)];
    if (slot->name != NULL && vel_slice_eq(vel_slice(slot->text, slot->len), name))
        return make_pair(slot->name, field->value);
    PyObject *lower = lower_name(name);
    if (lower == NULL)
        return NULL;
    memcpy(slot->text, name.at, name.len);
    slot->len = (unsigned char)name.len;
    Py_XSETREF(slot->name, lower);
    return make_pair(lower, field->value);
}

/* An HTTP/1.0 target may have an authority with no Host beside it. */
static int add_host(struct vel_asgi *a, PyObject *list, const struct vel_head *head) {
    struct vel_field field = {.id = VEL_FIELD_HOST, .name = VEL_SLICE("host"), .value = head->host};
    PyObject *pair = known_pair(a, &field);
    int err = pair != NULL ? PyList_Append(list, pair) : -1;
    Py_XDECREF(pair);
    return err;
}

static PyObject *make_headers(struct vel_asgi *a, const struct vel_head *head) {
    PyObject *list = PyList_New((Py_ssize_t)head->nfields);
    bool has_host = head->host.len == 0;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < head->nfields; i++) {
        struct vel_field field = head->fields[i];
        if (field.id == VEL_FIELD_HOST) {
            field.value = head->host; /* the target's authority, or a proxy, may have said another (RFC 9112 3.2.2) */
            has_host = true;
        }
        PyObject *pair = field.id != VEL_FIELD_OTHER ? known_pair(a, &field) : other_pair(a, &field);
        if (pair == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    if (!has_host && add_host(a, list, head) < 0)
        Py_CLEAR(list);
    return list;
}

/* --- the request line -------------------------------------------------------------------------------------------- */

/* Decoded, then read as UTF-8; what is none becomes U+FFFD, as with others. */
static PyObject *decode_path(struct vel_slice raw, bool decoded) {
    char small[VEL_ASGI_VALUE_MAX], *at = small;
    if (decoded || memchr(raw.at, '%', raw.len) == NULL)
        return PyUnicode_DecodeUTF8(raw.at, (Py_ssize_t)raw.len, "replace");
    if (raw.len > sizeof(small) && (at = PyMem_Malloc(raw.len)) == NULL)
        return PyErr_NoMemory();
    PyObject *path = PyUnicode_DecodeUTF8(at, (Py_ssize_t)vel_percent_decode(raw, at), "replace");
    if (at != small)
        PyMem_Free(at);
    return path;
}

/* An application's own paths begin with its root: where a proxy has taken it off it is put back. */
static PyObject *with_root(struct vel_asgi *a, PyObject *path) {
    Py_ssize_t n = a->root != NULL ? PyUnicode_GET_LENGTH(a->root) : 0;
    if (n == 0 || path == NULL || PyUnicode_READ_CHAR(path, 0) != '/')
        return path;
    Py_ssize_t begins = PyUnicode_Tailmatch(path, a->root, 0, n, -1);
    bool whole = begins > 0 && (PyUnicode_GET_LENGTH(path) == n || PyUnicode_READ_CHAR(path, n) == '/');
    PyObject *full = begins < 0 ? NULL : whole ? Py_NewRef(path) : PyUnicode_Concat(a->root, path);
    Py_DECREF(path);
    return full;
}

/* A gateway's path is not the raw one: it was rewritten, or there was something to decode. */
static bool is_otherwise_decoded(const struct vel_head *head, struct vel_slice raw) {
    return !vel_slice_eq(raw, head->target.path) || memchr(raw.at, '%', raw.len) != NULL;
}

static int set_path(PyObject *dict, struct vel_state *s, PyObject *path, PyObject *raw_path) {
    return PyDict_SetItem(dict, s->path, path) < 0 ? -1 : PyDict_SetItem(dict, s->raw_path, raw_path);
}

/* The last path stays in the template: most requests that follow each other ask for the same. */
static int keep_path(struct vel_asgi *a, struct vel_asgi_kind *t) {
    if (t->path == a->path)
        return 0;
    int err = set_path(t->scope, a->state, a->path, a->raw_path);
    t->path = err == 0 ? a->path : NULL;
    return err;
}

/* Into the scope, or, if it may be kept, into the template that the scope is going to be a copy of: then *scope is NULL
 * still. */
static int add_path(struct vel_asgi *a, struct vel_asgi_kind *t, const struct vel_head *head, PyObject **scope) {
    struct vel_slice raw = head->path_is_decoded ? vel_head_raw_path(head) : head->target.path;
    bool decoded = head->path_is_decoded && is_otherwise_decoded(head, raw);
    if (a->raw_path != NULL && bytes_are(a->raw_path, raw) && !decoded)
        return keep_path(a, t);
    PyObject *bytes = bytes_of(raw);
    PyObject *path = bytes != NULL ? with_root(a, decode_path(head->target.path, head->path_is_decoded)) : NULL;
    int err = path != NULL ? 0 : -1;
    if (err == 0 && (raw.len > VEL_ASGI_VALUE_MAX || decoded)) {
        *scope = PyDict_Copy(t->scope);
        err = *scope != NULL ? set_path(*scope, a->state, path, bytes) : -1;
    } else if (err == 0) {
        Py_XSETREF(a->raw_path, Py_NewRef(bytes));
        Py_XSETREF(a->path, Py_NewRef(path));
        err = keep_path(a, t);
    }
    Py_XDECREF(path);
    Py_XDECREF(bytes);
    return err;
}

/* The template already says GET, 1.1 and an empty query. */
static int add_request_line(struct vel_asgi *a, PyObject *scope, const struct vel_head *head, bool http) {
    struct vel_state *s = a->state;
    int err = 0;
    if (http && head->method == VEL_METHOD_OTHER)
        err = vel_dict_put(scope, s->method, vel_text_new(head->method_text));
    else if (http && head->method != VEL_METHOD_GET)
        err = PyDict_SetItem(scope, s->method, s->methods[head->method]);
    if (err == 0 && head->target.query.len > 0)
        err = vel_dict_put(scope, s->query_string, bytes_of(head->target.query));
    if (err == 0 && head->minor == 0)
        err = PyDict_SetItem(scope, s->http_version, s->version_1_0);
    return err;
}

/* --- the client -------------------------------------------------------------------------------------------------- */

static bool same_addr(const union vel_addr *a, const union vel_addr *b) {
    if (a->any.sa_family != b->any.sa_family || vel_addr_port(a) != vel_addr_port(b))
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->any.sa_family == AF_INET6 && memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

static int keep_client(struct vel_asgi *a, struct vel_asgi_kind *t, PyObject *client) {
    if (t->client == client)
        return 0;
    int err = PyDict_SetItem(t->scope, a->state->client, client);
    t->client = err == 0 ? client : NULL;
    return err;
}

static int add_client(struct vel_asgi *a, struct vel_asgi_kind *t, const union vel_addr *peer) {
    struct vel_asgi_client *slot = &a->clients[vel_addr_port(peer) % VEL_ASGI_CLIENTS];
    if (slot->pair == NULL || !same_addr(&slot->addr, peer)) {
        PyObject *pair = vel_client_pair(peer);
        if (pair == NULL)
            return -1;
        Py_XSETREF(slot->pair, pair);
        slot->addr = *peer;
    }
    return keep_client(a, t, slot->pair);
}

/* --- what trusted proxies say ------------------------------------------------------------------------------------ */

/* Takes over root. The path begins with the root that was configured. */
static int replace_root(struct vel_asgi *a, PyObject *scope, PyObject *root) {
    PyObject *path = PyDict_GetItemWithError(scope, a->state->path); // borrowed: the scope is ours alone
    Py_ssize_t n = a->root != NULL ? PyUnicode_GET_LENGTH(a->root) : 0;
    PyObject *rest = root != NULL && path != NULL ? PyUnicode_Substring(path, n, PY_SSIZE_T_MAX) : NULL;
    PyObject *full = rest != NULL ? PyUnicode_Concat(root, rest) : NULL;
    int err = full != NULL ? PyDict_SetItem(scope, a->state->path, full) : -1;
    if (err == 0)
        err = PyDict_SetItem(scope, a->state->root_path, root);
    Py_XDECREF(full);
    Py_XDECREF(rest);
    Py_XDECREF(root);
    return err;
}

static int add_origin(struct vel_asgi *a, PyObject *scope, const struct vel_exchange *x, bool http) {
    struct vel_state *s = a->state;
    const struct vel_origin *origin = x->origin;
    bool secure = vel_slice_eq(origin->scheme, VEL_SLICE("https"));
    if (secure && PyDict_SetItem(scope, s->scheme, http ? s->https : s->wss) < 0)
        return -1;
    if (origin->name.len > 0 && vel_dict_put(scope, s->server, vel_server_pair(origin->name, origin->port)) < 0)
        return -1;
    return origin->prefix.at != NULL ? replace_root(a, scope, vel_text_new(origin->prefix)) : 0;
}

/* --- the scope --------------------------------------------------------------------------------------------------- */

/* Tokens of every line, in order. */
static PyObject *make_subprotocols(const struct vel_head *head) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < head->nfields; i++) {
        struct vel_slice rest = head->fields[i].value, member;
        if (head->fields[i].id != VEL_FIELD_SEC_WEBSOCKET_PROTOCOL)
            continue;
        while (list != NULL && vel_list_next(&rest, &member)) {
            PyObject *text = vel_text_new(member);
            if (text == NULL || PyList_Append(list, text) < 0)
                Py_CLEAR(list);
            Py_XDECREF(text);
        }
    }
    return list;
}

/* What the application may change is its own. */
static int add_copies(struct vel_asgi *a, PyObject *scope, PyObject *extensions) {
    struct vel_state *s = a->state;
    if (vel_dict_put(scope, s->extensions, PyDict_Copy(extensions)) < 0)
        return -1;
    return a->lifespan_state != NULL ? vel_dict_put(scope, s->state, PyDict_Copy(a->lifespan_state)) : 0;
}

PyObject *vel_asgi_scope(struct vel_asgi_call *call) {
    struct vel_asgi *a = call->asgi;
    struct vel_exchange *x = call->exchange;
    struct vel_asgi_template *template = x->endpoint->app_data;
    bool http = call->socket == NULL;
    struct vel_asgi_kind *t = http ? &template->http : &template->websocket;
    PyObject *scope = NULL;
    int err = add_client(a, t, x->peer);
    if (err == 0)
        err = add_path(a, t, x->head, &scope);
    if (err == 0 && scope == NULL)
        err = (scope = PyDict_Copy(t->scope)) != NULL ? 0 : -1;
    if (err == 0)
        err = add_request_line(a, scope, x->head, http);
    if (err == 0 && x->origin != NULL)
        err = add_origin(a, scope, x, http);
    if (err == 0 && a->queue_time)
        err = vel_add_queue_time(a->state, scope, x);
    if (err == 0)
        err = vel_dict_put(scope, a->state->headers, make_headers(a, x->head));
    if (err == 0)
        err = add_copies(a, scope, t->extensions);
    if (err == 0 && !http)
        err = vel_dict_put(scope, a->state->subprotocols, make_subprotocols(x->head));
    if (err < 0)
        Py_CLEAR(scope);
    return scope;
}

/* --- templates --------------------------------------------------------------------------------------------------- */

/* A Unix socket's server is its path, with no port. */
static PyObject *server_of(const struct vel_endpoint *endpoint) {
    struct vel_slice none = {0};
    return endpoint->path.len > 0 ? vel_server_pair(endpoint->path, none)
                                  : vel_server_pair(endpoint->name, endpoint->port);
}

static PyObject *versions(void) {
    return Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.5");
}

/* What each request says itself has its place already: a copy that grew would be laid out anew. */
static int add_places(PyObject *d, const struct vel_asgi *a) {
    struct vel_state *s = a->state;
    PyObject *keys[] = {s->path, s->raw_path, s->headers, s->extensions};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (PyDict_SetItem(d, keys[i], Py_None) < 0)
            return -1;
    return a->lifespan_state != NULL ? PyDict_SetItem(d, s->state, Py_None) : 0;
}

static PyObject *make_common(const struct vel_asgi *a, const struct vel_endpoint *endpoint, PyObject *type,
                             PyObject *scheme) {
    struct vel_state *s = a->state;
    PyObject *d = PyDict_New();
    if (d == NULL)
        return NULL;
    if (vel_dict_put(d, s->type, Py_NewRef(type)) < 0 || vel_dict_put(d, s->asgi, versions()) < 0 ||
        vel_dict_put(d, s->http_version, Py_NewRef(s->version_1_1)) < 0 ||
        vel_dict_put(d, s->server, server_of(endpoint)) < 0 || vel_dict_put(d, s->client, Py_NewRef(Py_None)) < 0 ||
        vel_dict_put(d, s->scheme, Py_NewRef(scheme)) < 0 ||
        vel_dict_put(d, s->root_path, Py_NewRef(a->root != NULL ? a->root : s->empty)) < 0 ||
        vel_dict_put(d, s->query_string, PyBytes_FromStringAndSize(NULL, 0)) < 0 || add_places(d, a) < 0)
        Py_CLEAR(d);
    return d;
}

static PyObject *make_extensions(const char *const *names, size_t n) {
    PyObject *d = PyDict_New();
    for (size_t i = 0; d != NULL && i < n; i++) {
        PyObject *empty = PyDict_New();
        if (empty == NULL || PyDict_SetItemString(d, names[i], empty) < 0)
            Py_CLEAR(d);
        Py_XDECREF(empty);
    }
    return d;
}

struct vel_asgi_template *vel_asgi_template_new(struct vel_asgi *a, const struct vel_endpoint *endpoint) {
    static const char *const http[] = {"http.response.pathsend", "http.response.zerocopysend", "http.response.trailers",
                                       "http.response.early_hint"};
    static const char *const websocket[] = {"websocket.http.response"};
    struct vel_state *s = a->state;
    struct vel_asgi_template *t = vel_alloc_zero(sizeof(*t));
    if (t == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    t->http.scope = make_common(a, endpoint, s->http, s->http);
    t->websocket.scope = t->http.scope != NULL ? make_common(a, endpoint, s->websocket, s->ws) : NULL;
    t->http.extensions = t->websocket.scope != NULL ? make_extensions(http, 4) : NULL;
    t->websocket.extensions = t->http.extensions != NULL ? make_extensions(websocket, 1) : NULL;
    if (t->websocket.extensions != NULL && PyDict_SetItem(t->http.scope, s->method, s->methods[VEL_METHOD_GET]) == 0)
        return t;
    vel_asgi_template_free(t);
    return NULL;
}

void vel_asgi_template_free(struct vel_asgi_template *t) {
    if (t == NULL)
        return;
    Py_XDECREF(t->http.scope);
    Py_XDECREF(t->http.extensions);
    Py_XDECREF(t->websocket.scope);
    Py_XDECREF(t->websocket.extensions);
    vel_free(t);
}

/* Building environ: a copied template, then what this request says; last values used again when the bytes are equal. */
#include "py/wsgi/environ.h"

#include "base/num.h"
#include "py/queue_time.h"
#include "py/text.h"
#include "py/wsgi/input.h"
#include "py/wsgi/template.h"

/* --- fields ------------------------------------------------------------------------------------------------------ */

/* A str for a known field's value; borrowed from the cache when *owned stays NULL, so that the usual hit costs no
 * reference count. */
static PyObject *value_of(struct vel_wsgi *w, const struct vel_field *field, PyObject **owned) {
    PyObject **slot = &w->values[field->id];
    if (*slot != NULL && vel_text_is(*slot, field->value))
        return *slot; // borrowed: the cache holds it, and nothing runs before the dict takes its own reference
    *owned = vel_text_new(field->value);
    if (*owned == NULL)
        return NULL;
    if (field->value.len <= VEL_WSGI_VALUE_MAX && !(vel_field_flags(field->id) & VEL_FIELD_SECRET))
        Py_XSETREF(*slot, Py_NewRef(*owned));
    return *owned;
}

/* Repeated lines are one list (RFC 9110 5.2), but Cookie is joined as a browser would have written it. */
static int join(struct vel_wsgi *w, PyObject *env, PyObject *key, enum vel_field_id id, PyObject *more) {
    PyObject *old, *with_separator, *joined = NULL;
    PyObject *separator = id == VEL_FIELD_COOKIE ? w->state->semicolon : w->state->comma;
    int err = vel_dict_get(env, key, &old);
    if (err <= 0)
        return err < 0 ? -1 : PyDict_SetItem(env, key, more);
    with_separator = PyUnicode_Concat(old, separator);
    if (with_separator != NULL)
        joined = PyUnicode_Concat(with_separator, more);
    err = joined != NULL ? PyDict_SetItem(env, key, joined) : -1;
    Py_XDECREF(joined);
    Py_XDECREF(with_separator);
    Py_DECREF(old);
    return err;
}

static int add_known(struct vel_wsgi *w, PyObject *env, const struct vel_field *field, uint64_t seen[2]) {
    PyObject *key = w->state->environ_keys[field->id], *owned = NULL;
    if (key == NULL)
        return 0;
    PyObject *value = value_of(w, field, &owned);
    if (value == NULL)
        return -1;
    uint64_t bit = (uint64_t)1 << (field->id & 63), *word = &seen[field->id >> 6];
    int err = *word & bit ? join(w, env, key, field->id, value) : PyDict_SetItem(env, key, value);
    *word |= bit;
    Py_XDECREF(owned);
    return err;
}

static PyObject *make_key(struct vel_slice name) {
    PyObject *key = PyUnicode_New((Py_ssize_t)name.len + 5, 127);
    if (key == NULL)
        return NULL;
    char *at = (char *)PyUnicode_1BYTE_DATA(key);
    memcpy(at, "HTTP_", 5);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        at[5 + i] = c == '-' ? '_' : (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    return key;
}

/* FNV-1a: names are short. */
static unsigned hash_name(struct vel_slice name) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.at[i]) * 16777619u;
    return (h ^ (h >> 16)) % VEL_WSGI_NAMES;
}

/* The key of a name that is not in field.def: a new reference. One name a slot, the last one stays, so that a client
 * can fill the cache but not grow it. */
static PyObject *key_of(struct vel_wsgi *w, struct vel_slice name) {
    if (name.len > VEL_WSGI_NAME_MAX)
        return make_key(name);
    struct vel_wsgi_name *slot = &w->names[hash_name(name)];
    if (slot->key != NULL && vel_slice_eq(vel_slice(slot->text, slot->len), name))
        return Py_NewRef(slot->key);
    PyObject *key = make_key(name);
    if (key == NULL)
        return NULL;
    memcpy(slot->text, name.at, name.len);
    slot->len = (unsigned char)name.len;
    Py_XSETREF(slot->key, Py_NewRef(key));
    return key;
}

/* X_Auth_User would stand where X-Auth-User stands: a name with '_' is dropped. */
static bool may_be_forged(struct vel_slice name) {
    return memchr(name.at, '_', name.len) != NULL;
}

static int add_other(struct vel_wsgi *w, PyObject *env, const struct vel_field *field) {
    if (may_be_forged(field->name))
        return 0;
    PyObject *key = key_of(w, field->name);
    PyObject *value = key != NULL ? vel_text_new(field->value) : NULL;
    int err = -1;
    if (value != NULL) {
        /* One lookup sets it; the size shows a repeat, since two strings of one character are one object. */
        Py_ssize_t before = PyDict_GET_SIZE(env);
        PyObject *present = PyDict_SetDefault(env, key, value); // borrowed: environ holds it and is ours alone
        bool repeat = PyDict_GET_SIZE(env) == before;
        err = present == NULL ? -1 : repeat ? join(w, env, key, VEL_FIELD_OTHER, value) : 0;
    }
    Py_XDECREF(value);
    Py_XDECREF(key);
    return err;
}

static int add_fields(struct vel_wsgi *w, PyObject *env, const struct vel_head *head) {
    uint64_t seen[2] = {0, 0};
    _Static_assert(VEL_FIELD_COUNT <= 128, "seen has a bit for every known field");
    for (size_t i = 0; i < head->nfields; i++) {
        const struct vel_field *field = &head->fields[i];
        if (field->id == VEL_FIELD_HOST)
            continue; /* in the template already */
        int err = field->id != VEL_FIELD_OTHER ? add_known(w, env, field, seen) : add_other(w, env, field);
        if (err < 0)
            return -1;
    }
    return 0;
}

/* --- the request line -------------------------------------------------------------------------------------------- */

/* Without SCRIPT_NAME, if it begins with that: some proxies pass the prefix on and others take it off. */
static struct vel_slice below_root(const struct vel_wsgi *w, struct vel_slice path) {
    if (w->root == NULL)
        return path;
    size_t n = (size_t)PyUnicode_GET_LENGTH(w->root);
    bool begins = path.len >= n && memcmp(path.at, PyUnicode_1BYTE_DATA(w->root), n) == 0;
    return begins && (path.len == n || path.at[n] == '/') ? vel_slice(path.at + n, path.len - n) : path;
}

static bool has_escape(struct vel_slice path) {
    return path.len > 0 && memchr(path.at, '%', path.len) != NULL;
}

static PyObject *decode_path(const struct vel_wsgi *w, struct vel_slice raw, bool decoded) {
    char small[VEL_WSGI_VALUE_MAX], *at = small;
    if (decoded || !has_escape(raw))
        return vel_text_new(below_root(w, raw));
    if (raw.len > sizeof(small) && (at = PyMem_Malloc(raw.len)) == NULL)
        return PyErr_NoMemory();
    PyObject *path = vel_text_new(below_root(w, vel_slice(at, vel_percent_decode(raw, at))));
    if (at != small)
        PyMem_Free(at);
    return path;
}

/* The asterisk form has no path: OPTIONS * gives PATH_INFO "*", as others do. */
static int add_path(struct vel_wsgi *w, PyObject *env, const struct vel_head *head) {
    struct vel_slice raw = head->target.path;
    if (raw.len == 1 && raw.at[0] == '/')
        return 0;
    /* The same bytes mean another path when they are decoded already. */
    bool keeps = raw.len <= VEL_WSGI_VALUE_MAX && !(head->path_is_decoded && has_escape(raw));
    if (keeps && w->path != NULL && vel_slice_eq(vel_slice(w->path_raw, w->path_len), raw))
        return PyDict_SetItem(env, w->state->PATH_INFO, w->path);
    PyObject *path = decode_path(w, raw, head->path_is_decoded);
    if (path == NULL)
        return -1;
    int err = PyDict_SetItem(env, w->state->PATH_INFO, path);
    if (keeps) {
        memcpy(w->path_raw, raw.at, raw.len);
        w->path_len = raw.len;
        Py_XSETREF(w->path, Py_NewRef(path));
    }
    Py_DECREF(path);
    return err;
}

static int set_text(PyObject *env, PyObject *key, struct vel_slice text) {
    PyObject *value = vel_text_new(text);
    int err = value != NULL ? PyDict_SetItem(env, key, value) : -1;
    Py_XDECREF(value);
    return err;
}

/* With the same str as the last time while its bytes are equal. */
static int set_again(PyObject *env, PyObject *key, PyObject **last, struct vel_slice text) {
    if (*last != NULL && vel_text_is(*last, text))
        return PyDict_SetItem(env, key, *last);
    PyObject *value = vel_text_new(text);
    int err = value != NULL ? PyDict_SetItem(env, key, value) : -1;
    if (err == 0 && text.len <= VEL_WSGI_VALUE_MAX)
        Py_XSETREF(*last, Py_NewRef(value));
    Py_XDECREF(value);
    return err;
}

/* The template already says GET, HTTP/1.1, the path "/" and an empty query. */
static int add_request_line(struct vel_wsgi *w, PyObject *env, const struct vel_head *head) {
    struct vel_state *s = w->state;
    int err = add_path(w, env, head);
    if (err == 0 && head->method == VEL_METHOD_OTHER)
        err = set_text(env, s->REQUEST_METHOD, head->method_text);
    else if (err == 0 && head->method != VEL_METHOD_GET)
        err = PyDict_SetItem(env, s->REQUEST_METHOD, s->methods[head->method]);
    if (err == 0 && head->target.query.len > 0)
        err = set_text(env, s->QUERY_STRING, head->target.query);
    if (err == 0 && head->minor == 0)
        err = PyDict_SetItem(env, s->SERVER_PROTOCOL, s->HTTP_1_0);
    return err;
}

/* --- what the template follows ----------------------------------------------------------------------------------- */

static bool same_host(const union vel_addr *a, const union vel_addr *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->any.sa_family == AF_INET6 && memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

static int remember_peer(struct vel_wsgi *w, const union vel_addr *peer) {
    char text[VEL_ADDR_TEXT_MAX];
    PyObject *host = vel_text_new(vel_slice(text, vel_addr_host(peer, text)));
    if (host == NULL)
        return -1;
    Py_XSETREF(w->peer_host, host);
    w->peer = *peer;
    return 0;
}

/* Behind a proxy every request comes from one address: it is set when it changes, and copied with the rest. */
static int follow_peer(struct vel_wsgi *w, struct vel_wsgi_template *t, const union vel_addr *peer) {
    if (w->peer_host == NULL || !same_host(&w->peer, peer))
        if (remember_peer(w, peer) < 0)
            return -1;
    return vel_wsgi_template_follow(t, w->state->REMOTE_ADDR, w->peer_host, &t->peer_host);
}

/* The same with Host, which is the target's authority if that has one (RFC 9112 3.2.2). */
static int follow_host(struct vel_wsgi *w, struct vel_wsgi_template *t, struct vel_slice host) {
    PyObject *owned = NULL;
    PyObject *value = value_of(w, &(struct vel_field){.value = host, .id = VEL_FIELD_HOST}, &owned);
    int err = value != NULL ? vel_wsgi_template_follow(t, w->state->HTTP_HOST, value, &t->host) : -1;
    Py_XDECREF(owned);
    return err;
}

/* A copy of the template once it says what is the same for this request and the one before. */
static PyObject *begin(struct vel_wsgi *w, struct vel_exchange *x) {
    struct vel_wsgi_template *t = x->endpoint->app_data;
    const struct vel_head *head = x->head;
    if (follow_peer(w, t, x->peer) < 0 || (head->has_host && follow_host(w, t, head->host) < 0))
        return NULL;
    PyObject *env = PyDict_Copy(head->nfields + head->nvars <= VEL_WSGI_FEW ? t->few : t->many);
    if (env != NULL && !head->has_host && PyDict_DelItem(env, w->state->HTTP_HOST) < 0)
        Py_CLEAR(env);
    return env;
}

/* --- the port ---------------------------------------------------------------------------------------------------- */

/* A connection is told by its port: while it lives, its port has mostly a slot to itself. */
static int add_port(struct vel_wsgi *w, PyObject *env, const union vel_addr *peer) {
    char text[20];
    uint16_t number = vel_addr_port(peer);
    struct vel_wsgi_port *slot = &w->ports[number % VEL_WSGI_PORTS];
    if (slot->text == NULL || slot->number != number) {
        PyObject *fresh = vel_text_new(vel_slice(text, number != 0 ? vel_num_format(text, number) : 0));
        if (fresh == NULL)
            return -1;
        Py_XSETREF(slot->text, fresh);
        slot->number = number;
    }
    return PyDict_SetItem(env, w->state->REMOTE_PORT, slot->text);
}

/* --- what trusted proxies say ------------------------------------------------------------------------------------ */

static int add_origin(struct vel_wsgi *w, PyObject *env, const struct vel_origin *origin) {
    struct vel_state *s = w->state;
    if (vel_slice_eq(origin->scheme, VEL_SLICE("https")) && PyDict_SetItem(env, s->wsgi_url_scheme, s->https) < 0)
        return -1;
    if (origin->name.len > 0 && set_again(env, s->SERVER_NAME, &w->origin_name, origin->name) < 0)
        return -1;
    if (origin->port.len > 0 && set_again(env, s->SERVER_PORT, &w->origin_port, origin->port) < 0)
        return -1;
    return origin->prefix.at != NULL ? set_again(env, s->SCRIPT_NAME, &w->origin_prefix, origin->prefix) : 0;
}

/* --- what a gateway says beside it ------------------------------------------------------------------------------- */

static PyObject *var_key(struct vel_wsgi_name *slot, struct vel_slice name) {
    if (name.len > VEL_WSGI_NAME_MAX)
        return vel_text_new(name);
    if (slot->key != NULL && vel_slice_eq(vel_slice(slot->text, slot->len), name))
        return Py_NewRef(slot->key);
    PyObject *key = vel_text_new(name);
    if (key == NULL)
        return NULL;
    memcpy(slot->text, name.at, name.len);
    slot->len = (unsigned char)name.len;
    Py_XSETREF(slot->key, Py_NewRef(key));
    return key;
}

/* A query may hold what is to be forgotten. */
static bool may_be_kept(struct vel_slice name) {
    return !vel_slice_eq(name, VEL_SLICE("REQUEST_URI"));
}

static int add_var(struct vel_wsgi_var *slot, PyObject *env, const struct vel_field *var) {
    PyObject *key = var_key(&slot->name, var->name);
    if (key == NULL)
        return -1;
    int err = may_be_kept(var->name) ? set_again(env, key, &slot->value, var->value) : set_text(env, key, var->value);
    Py_DECREF(key);
    return err;
}

/* Names of CGI already. None of them is one that stands in environ for another reason. */
static int add_vars(struct vel_wsgi *w, PyObject *env, const struct vel_head *head) {
    int err = 0;
    for (size_t i = 0; err == 0 && i < head->nvars; i++)
        err = add_var(&w->vars[i % VEL_WSGI_VARS], env, &head->fields[head->nfields + i]);
    return err;
}

/* --- the body ---------------------------------------------------------------------------------------------------- */

/* The body is all here and decoded: it has a length whatever its transfer coding was (RFC 9112 6.1, RFC 3875 4.1.2).
 * Django and others read only as much as CONTENT_LENGTH says. */
static int unchunk(struct vel_wsgi *w, PyObject *env, uint64_t size) {
    char text[20];
    PyObject *key = w->state->environ_keys[VEL_FIELD_TRANSFER_ENCODING];
    if (set_text(env, w->state->CONTENT_LENGTH, vel_slice(text, vel_num_format(text, size))) < 0)
        return -1;
    return PyDict_DelItem(env, key);
}

static int add_body(struct vel_wsgi *w, PyObject *env, struct vel_exchange *x) {
    bool chunked = x->head->framing.kind == VEL_BODY_CHUNKED;
    uint64_t size = x->body.size;
    if (size > 0) {
        PyObject *input = vel_wsgi_input_new(w->state, &x->body);
        int err = input != NULL ? PyDict_SetItem(env, w->state->wsgi_input, input) : -1;
        Py_XDECREF(input);
        if (err < 0)
            return -1;
    }
    return chunked && x->received ? unchunk(w, env, size) : 0;
}

PyObject *vel_wsgi_environ(struct vel_wsgi *w, struct vel_exchange *x) {
    PyObject *env = begin(w, x);
    if (env == NULL)
        return NULL;
    if (add_fields(w, env, x->head) < 0 || add_request_line(w, env, x->head) < 0 || add_port(w, env, x->peer) < 0 ||
        add_body(w, env, x) < 0 || (x->origin != NULL && add_origin(w, env, x->origin) < 0) ||
        add_vars(w, env, x->head) < 0 || (w->queue_time && vel_add_queue_time(w->state, env, x) < 0)) {
        Py_DECREF(env);
        return NULL;
    }
    return env;
}

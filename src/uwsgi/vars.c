/* Variables to a head: names looked up once, each rule of a head held by the code that holds it for HTTP/1. */
#include "uwsgi/vars.h"

#include "http/field_check.h"

#include <stdint.h>

/* For Python applications, and what old configurations say for the same with SCRIPT_NAME to be taken off. */
#define MODIFIER_PYTHON 0
#define MODIFIER_SCRIPT_NAME 30

#define COLD __attribute__((cold, noinline))

enum var {
    VAR_OTHER,
#define VEL_UWSGI_VAR(name) VAR_##name,
#define VEL_UWSGI_FIELD(name) VAR_##name,
#include "uwsgi/vars.def"
#undef VEL_UWSGI_FIELD
#undef VEL_UWSGI_VAR
    VAR_COUNT
};

struct reading {
    const struct vel_scan *scan;
    const struct vel_limits *limits;
    struct vel_head *head;
    const char **why;
    uint64_t seen[2];                 /* known fields, a bit for each */
    struct vel_slice said[VAR_COUNT]; /* at NULL: not said */
};

static COLD int refuse(const struct reading *r, int status, const char *why) {
    *r->why = why;
    return status;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static const unsigned char name_table[256] = {['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['_'] = 1};

/* So that no packet can name what is not CGI's, as wsgi.input. */
static bool may_be_taken(struct vel_slice name) {
    for (size_t i = 0; i < name.len; i++)
        if (name_table[(unsigned char)name.at[i]] == 0)
            return false;
    return name.len > 0;
}

#define IF_IS(text)                                                                                                    \
    if (name.len == sizeof(#text) - 1 && memcmp(name.at, #text, sizeof(#text) - 1) == 0)                               \
        return VAR_##text;

static enum var find_var(struct vel_slice name) {
#define VEL_UWSGI_VAR(text) IF_IS(text)
#define VEL_UWSGI_FIELD(text)
#include "uwsgi/vars.def"
#undef VEL_UWSGI_FIELD
#undef VEL_UWSGI_VAR
    return VAR_OTHER;
}

/* Most of a packet are fields: they are looked for among four. */
static enum var find_field(struct vel_slice name) {
#define VEL_UWSGI_VAR(text)
#define VEL_UWSGI_FIELD(text) IF_IS(text)
#include "uwsgi/vars.def"
#undef VEL_UWSGI_FIELD
#undef VEL_UWSGI_VAR
    return VAR_OTHER;
}

static bool is_field(struct vel_slice name) {
    return name.len > 5 && memcmp(name.at, "HTTP_", 5) == 0;
}

/* What a character of CGI's name is in that of a field; 0: it may not be taken. */
static const char field_char[256] = {
    ['_'] = '-', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

/* X_REQUEST_ID to x-request-id. False, and of no more use, if it may not be taken. */
static bool to_field_name(char *at, size_t len) {
    bool good = true;
    for (size_t i = 0; i < len; i++) {
        at[i] = field_char[(unsigned char)at[i]];
        good &= at[i] != 0;
    }
    return good;
}

/* --- pairs ------------------------------------------------------------------------------------------------------- */

static int check_room(const struct reading *r, const struct vel_uwsgi_pair *pair) {
    const struct vel_head *head = r->head;
    if (pair->name.len > r->limits->name)
        return refuse(r, -431, "name too long");
    if (pair->name.len + pair->value.len > r->limits->field)
        return refuse(r, -431, "variable too long");
    if (head->nfields >= r->limits->fields || head->nfields + head->nvars >= VEL_FIELDS_MAX)
        return refuse(r, -431, "too many fields");
    return 0;
}

/* The variables stand behind the fields: the first of them makes room. */
static void add_field(struct vel_head *head, struct vel_slice name, struct vel_slice value, enum vel_field_id id) {
    head->fields[head->nfields + head->nvars] = head->fields[head->nfields];
    head->fields[head->nfields++] = (struct vel_field){.name = name, .value = vel_slice_trim(value), .id = id};
}

static bool is_among(const struct vel_field *fields, size_t n, struct vel_slice name) {
    for (size_t i = 0; i < n; i++)
        if (fields[i].id == VEL_FIELD_OTHER && vel_slice_eq(fields[i].name, name))
            return true;
    return false;
}

static int take_var(struct reading *r, const struct vel_uwsgi_pair *pair) {
    struct vel_head *head = r->head;
    struct vel_field *vars = head->fields + head->nfields;
    if (check_room(r, pair) < 0)
        return -431;
    if (is_among(vars, head->nvars, pair->name))
        return refuse(r, -400, "repeated variable");
    vars[head->nvars++] = (struct vel_field){.name = pair->name, .value = pair->value, .id = VEL_FIELD_OTHER};
    return 0;
}

static bool is_repeat(struct reading *r, enum vel_field_id id, struct vel_slice name) {
    if (id == VEL_FIELD_OTHER)
        return is_among(r->head->fields, r->head->nfields, name);
    uint64_t bit = (uint64_t)1 << id % 64, *seen = &r->seen[id / 64];
    bool repeat = (*seen & bit) != 0;
    *seen |= bit;
    return repeat;
}

static int take_field(struct reading *r, const struct vel_uwsgi_pair *pair) {
    struct vel_slice name = vel_slice(pair->name.at + 5, pair->name.len - 5);
    if (!to_field_name((char *)name.at, name.len))
        return 0;
    if (check_room(r, pair) < 0)
        return -431;
    if (!vel_check_value(r->scan, pair->value))
        return refuse(r, -400, "control byte in a field value");
    enum vel_field_id id = vel_field_find(name);
    if (is_repeat(r, id, name))
        return refuse(r, -400, "repeated field");
    add_field(r->head, name, pair->value, id);
    return 0;
}

/* What applications look for beside what PEP 3333 has. */
static bool is_shown(enum var var) {
    return var == VAR_REQUEST_URI || var == VAR_HTTPS || var == VAR_REQUEST_SCHEME || var == VAR_UWSGI_SCHEME;
}

static int take_pair(struct reading *r, const struct vel_uwsgi_pair *pair) {
    bool field = is_field(pair->name);
    enum var var = field ? find_field(pair->name) : find_var(pair->name);
    if (var == VAR_OTHER && field)
        return take_field(r, pair);
    if (var == VAR_OTHER)
        return may_be_taken(pair->name) ? take_var(r, pair) : 0;
    if (r->said[var].at != NULL)
        return refuse(r, -400, "repeated variable");
    r->said[var] = pair->value;
    return is_shown(var) && pair->value.len > 0 ? take_var(r, pair) : 0;
}

static int take_pairs(struct reading *r, struct vel_slice rest) {
    struct vel_uwsgi_pair pair;
    int more, err = 0;
    while ((more = vel_uwsgi_pair_next(&rest, &pair)) > 0 && err == 0)
        err = take_pair(r, &pair);
    return more < 0 ? refuse(r, VEL_UWSGI_MALFORMED, "a size reaches beyond the packet") : err;
}

/* --- the request line -------------------------------------------------------------------------------------------- */

static int read_method(const struct reading *r) {
    struct vel_slice text = r->said[VAR_REQUEST_METHOD];
    if (text.len > VEL_METHOD_MAX || !vel_check_token(text))
        return refuse(r, -400, "no method");
    r->head->method_text = text;
    r->head->method = vel_method_find(text);
    /* An origin server is no tunnel, and no application shall answer 2xx to one (RFC 9110 9.3.6). */
    return r->head->method == VEL_METHOD_CONNECT ? refuse(r, -501, "CONNECT") : 0;
}

/* Of HTTP/2 and later, which the gateway speaks in our place, an application hears by the name that it was given. */
static int read_protocol(struct reading *r) {
    struct vel_slice text = r->said[VAR_SERVER_PROTOCOL];
    bool old = vel_slice_eq(text, VEL_SLICE("HTTP/1.0")) || vel_slice_eq(text, VEL_SLICE("HTTP/0.9"));
    r->head->minor = old ? 0 : 1;
    if (old || text.len == 0 || vel_slice_eq(text, VEL_SLICE("HTTP/1.1")))
        return 0;
    return take_var(r, &(struct vel_uwsgi_pair){VEL_SLICE("SERVER_PROTOCOL"), text});
}

static int check_target(const struct reading *r, struct vel_slice part) {
    if (part.len > r->limits->target)
        return refuse(r, -414, "target too long");
    return r->scan->target(part.at, part.len) == part.len ? 0 : refuse(r, -400, "bad byte in the target");
}

static int read_uri(const struct reading *r, struct vel_target *target) {
    struct vel_slice uri = r->said[VAR_REQUEST_URI], path = r->said[VAR_PATH_INFO];
    if (uri.len == 0) {
        *target = (struct vel_target){.raw = path, .path = path};
        return path.len > 0 ? 0 : refuse(r, -400, "neither REQUEST_URI nor PATH_INFO");
    }
    int status = check_target(r, uri);
    if (status == 0 && vel_target_parse(r->head->method, uri, target) < 0)
        status = refuse(r, -400, "bad REQUEST_URI");
    return status;
}

static int read_path(const struct reading *r, struct vel_target *target) {
    struct vel_slice path = r->said[VAR_PATH_INFO];
    r->head->path_is_decoded = path.at != NULL;
    if (path.at == NULL)
        return 0;
    if (path.len > r->limits->target)
        return refuse(r, -414, "path too long");
    bool asterisk = r->head->method == VEL_METHOD_OPTIONS && vel_slice_eq(path, VEL_SLICE("*"));
    if (path.len > 0 && path.at[0] != '/' && !asterisk)
        return refuse(r, -400, "bad PATH_INFO");
    target->path = path.len > 0 ? path : VEL_SLICE("/");
    return 0;
}

/* A gateway may have rewritten path and query: those count, and REQUEST_URI stays what the client has sent. */
static int read_target(const struct reading *r) {
    struct vel_target *target = &r->head->target;
    int status = read_uri(r, target);
    if (status == 0)
        status = read_path(r, target);
    if (status < 0 || r->said[VAR_QUERY_STRING].at == NULL)
        return status;
    target->query = r->said[VAR_QUERY_STRING];
    return check_target(r, target->query);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

/* A length says that the body comes as it is: nginx has put it together by then, and the coding that the client used is
 * not that of these bytes. */
static int read_content(struct reading *r) {
    struct vel_head *head = r->head;
    struct vel_slice type = r->said[VAR_CONTENT_TYPE], length = r->said[VAR_CONTENT_LENGTH];
    struct vel_slice coding = length.len == 0 ? r->said[VAR_HTTP_TRANSFER_ENCODING] : (struct vel_slice){0};
    if (head->nfields + head->nvars + 3 > VEL_FIELDS_MAX)
        return refuse(r, -431, "too many fields");
    if (!vel_check_value(r->scan, type) || type.len > r->limits->field)
        return refuse(r, -400, "bad CONTENT_TYPE");
    if (type.len > 0)
        add_field(head, vel_field_name(VEL_FIELD_CONTENT_TYPE), type, VEL_FIELD_CONTENT_TYPE);
    if (length.len > 0)
        add_field(head, vel_field_name(VEL_FIELD_CONTENT_LENGTH), length, VEL_FIELD_CONTENT_LENGTH);
    if (coding.len > 0)
        add_field(head, vel_field_name(VEL_FIELD_TRANSFER_ENCODING), coding, VEL_FIELD_TRANSFER_ENCODING);
    return 0;
}

static bool is_secure(const struct reading *r) {
    struct vel_slice scheme = r->said[VAR_UWSGI_SCHEME], https = r->said[VAR_HTTPS];
    if (scheme.len == 0 && https.len > 0)
        return vel_slice_eq_nocase(https, VEL_SLICE("on")) || vel_slice_eq(https, VEL_SLICE("1")) ||
               vel_slice_eq_nocase(https, VEL_SLICE("true"));
    if (scheme.len == 0)
        scheme = r->said[VAR_REQUEST_SCHEME];
    return vel_slice_eq_nocase(scheme, VEL_SLICE("https"));
}

/* nginx sends the whole path beside a SCRIPT_NAME that it was told, others what is below. */
static void take_script_name_off(struct vel_head *head, struct vel_slice name) {
    struct vel_slice *path = &head->target.path;
    size_t n = name.len;
    if (n == 0 || path->len < n || memcmp(path->at, name.at, n) != 0 || (path->len > n && path->at[n] != '/'))
        return;
    *path = vel_slice(path->at + n, path->len - n);
}

static void read_vars(struct reading *r, struct vel_uwsgi_vars *vars) {
    struct vel_slice script_name = r->said[VAR_SCRIPT_NAME];
    *vars = (struct vel_uwsgi_vars){
        .remote_addr = r->said[VAR_REMOTE_ADDR],
        .remote_port = r->said[VAR_REMOTE_PORT],
        .server_name = r->said[VAR_SERVER_NAME],
        .server_port = r->said[VAR_SERVER_PORT],
        .secure = is_secure(r),
    };
    if (script_name.len == 0 || script_name.at[0] != '/')
        return;
    if (script_name.at[script_name.len - 1] == '/')
        script_name.len--;
    vars->script_name = script_name;
    take_script_name_off(r->head, script_name);
}

static int read_packet(struct reading *r, struct vel_slice pairs, struct vel_uwsgi_vars *vars) {
    int status = take_pairs(r, pairs);
    if (status == 0)
        status = read_method(r);
    if (status == 0)
        status = read_protocol(r);
    if (status == 0)
        status = read_target(r);
    if (status == 0)
        status = read_content(r);
    if (status < 0)
        return status;
    read_vars(r, vars);
    return vel_head_check(r->head, r->limits, r->why);
}

static const char *frame_fault(const struct vel_uwsgi_packet *packet) {
    bool known = packet->modifier1 == MODIFIER_PYTHON || packet->modifier1 == MODIFIER_SCRIPT_NAME;
    if (!known || packet->modifier2 != 0)
        return packet->modifier1 >= 'A' && packet->modifier1 <= 'Z' ? "not uwsgi; it looks like HTTP"
                                                                    : "a modifier that is not served";
    return packet->size == 0 ? "an empty packet" : NULL;
}

long vel_uwsgi_parse(const struct vel_scan *scan, const struct vel_limits *limits, char *in, size_t len,
                     struct vel_head *head, struct vel_uwsgi_vars *vars, const char **why) {
    struct reading r = {.scan = scan, .limits = limits, .head = head, .why = why};
    if (len < VEL_UWSGI_HEAD)
        return 0;
    struct vel_uwsgi_packet packet = vel_uwsgi_packet_read(in);
    size_t whole = VEL_UWSGI_HEAD + (size_t)packet.size;
    const char *fault = frame_fault(&packet);
    if (fault != NULL)
        return refuse(&r, VEL_UWSGI_MALFORMED, fault);
    if (whole > limits->head) {
        head->method = VEL_METHOD_OTHER;
        return refuse(&r, -431, "packet too long");
    }
    if (len < whole)
        return 0;
    head->bytes = vel_slice(in, whole);
    head->host = head->method_text = (struct vel_slice){0};
    head->method = VEL_METHOD_OTHER;
    head->nfields = head->nvars = 0;
    int status = read_packet(&r, vel_slice(in + VEL_UWSGI_HEAD, packet.size), vars);
    head->keep_alive = head->expect_continue = false; /* a connection has one request; the gateway has said 100 */
    return status < 0 ? status : (long)whole;
}

/* Formats of the access log, parsed once and put together for each line. */
#include "server/access_format.h"

#include "server/access_text.h"

#include "base/mem.h"

#include <unistd.h>

/* More pieces than a format is known to have. */
#define ITEMS_MAX 64

/* What numbers, addresses and dates need at most. */
#define SHORT 64

/* A name in a Basic credential; a longer one is cut. */
#define USER_MAX 192

enum { LITERAL = 0, REQUEST_FIELD = 'i', REPLY_FIELD = 'o' };

/* A literal, a field by its name, or an atom by its letter. */
struct item {
    int kind;
    struct vel_slice text;
};

struct vel_access_format {
    size_t n;
    bool sends; /* it shows fields of replies */
    struct item items[ITEMS_MAX];
};

/* --- parsing ----------------------------------------------------------------------------------------------------- */

/* gunicorn's; Q is ours: microseconds in the queue. */
static const char atoms[] = "hlutrmUqHsBbfaTMDLpQ";

static bool add(struct vel_access_format *f, int kind, const char *at, const char *end) {
    if (kind == LITERAL && at == end)
        return true;
    if (f->n == ITEMS_MAX)
        return false;
    f->items[f->n++] = (struct item){kind, vel_slice(at, (size_t)(end - at))};
    f->sends = f->sends || kind == REPLY_FIELD;
    return true;
}

/* Behind "%(": one letter, or a name in braces and a letter, then ")s". Returns what follows, or NULL. */
static const char *take_atom(struct vel_access_format *f, const char *at, const char *end) {
    if (at < end && *at == '{') {
        const char *name = at + 1, *brace = memchr(name, '}', (size_t)(end - name));
        if (brace == NULL || brace == name || end - brace < 4 || memcmp(brace + 2, ")s", 2) != 0)
            return NULL;
        if ((brace[1] != REQUEST_FIELD && brace[1] != REPLY_FIELD) || !add(f, brace[1], name, brace))
            return NULL;
        return brace + 4;
    }
    if (end - at < 3 || memcmp(at + 1, ")s", 2) != 0 || strchr(atoms, *at) == NULL || *at == '\0')
        return NULL;
    return add(f, (unsigned char)*at, at, at) ? at + 3 : NULL;
}

static bool parse(struct vel_access_format *f, const char *at, const char *end) {
    const char *from = at;
    while (at < end) {
        if (*at != '%') {
            at++;
            continue;
        }
        if (!add(f, LITERAL, from, at) || at + 1 == end)
            return false;
        if (at[1] == '%') { /* the second one is text */
            from = at + 1;
            at += 2;
            continue;
        }
        at = at[1] == '(' ? take_atom(f, at + 2, end) : NULL;
        if (at == NULL)
            return false;
        from = at;
    }
    return add(f, LITERAL, from, end);
}

struct vel_access_format *vel_access_format_new(struct vel_slice text, const char **why) {
    struct vel_access_format *f = vel_alloc_zero(sizeof(*f));
    *why = "no memory";
    if (f == NULL)
        return NULL;
    if (memchr(text.at, '\n', text.len) == NULL && parse(f, text.at, text.at + text.len))
        return f;
    *why = "an atom is none of %(h)s l u t r m U q H s B b f a T M D L p Q, %({name}i)s and %({name}o)s";
    vel_free(f);
    return NULL;
}

static bool has(const struct vel_access_format *f, int kind) {
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].kind == kind)
            return true;
    return false;
}

bool vel_access_format_times(const struct vel_access_format *f) {
    return has(f, 'Q');
}

/* --- what an atom shows ------------------------------------------------------------------------------------------ */

static struct vel_slice field_by_name(const struct vel_head *head, struct vel_slice name) {
    for (size_t i = 0; head != NULL && i < head->nfields; i++)
        if (vel_slice_eq_nocase(head->fields[i].name, name))
            return head->fields[i].value;
    return VEL_SLICE("-");
}

static struct vel_slice sent_by_name(const struct vel_access_field *sent, struct vel_slice name) {
    for (; sent != NULL; sent = sent->next)
        if (vel_slice_eq_nocase(sent->name, name))
            return sent->value;
    return VEL_SLICE("-");
}

static int base64_value(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Of RFC 7617, up to the colon. Returns the length of the name, 0 when there is none that can be read. */
static size_t user_of(const struct vel_head *head, char *out) {
    struct vel_slice value = field_by_name(head, VEL_SLICE("authorization"));
    unsigned bits = 0, nbits = 0;
    size_t n = 0;
    if (value.len < 6 || !vel_slice_eq_nocase(vel_slice(value.at, 6), VEL_SLICE("basic ")))
        return 0;
    for (size_t i = 6; i < value.len && base64_value(value.at[i]) >= 0; i++) {
        bits = bits << 6 | (unsigned)base64_value(value.at[i]);
        nbits += 6;
        if (nbits < 8)
            continue;
        nbits -= 8;
        char c = (char)(bits >> nbits & 0xff);
        if (c == ':' || n == USER_MAX)
            return n;
        out[n++] = c;
    }
    return 0;
}

/* What is text; the others are short. */
static struct vel_slice text_of(const struct item *item, const struct vel_access_entry *e, char *user) {
    static const struct vel_slice none = {"-", 1}, empty = {"", 0};
    const struct vel_head *head = e->head;
    size_t n;
    switch (item->kind) {
    case LITERAL:
        return item->text;
    case REQUEST_FIELD:
        return field_by_name(head, item->text);
    case REPLY_FIELD:
        return sent_by_name(e->sent, item->text);
    case 'u':
        n = user_of(head, user);
        return n > 0 ? vel_slice(user, n) : none;
    case 'm':
        return head != NULL ? head->method_text : none;
    case 'U':
        return head != NULL ? head->target.path : none;
    case 'q':
        return head != NULL ? head->target.query : empty;
    case 'f':
        return field_by_name(head, VEL_SLICE("referer"));
    case 'a':
        return field_by_name(head, VEL_SLICE("user-agent"));
    default:
        return empty;
    }
}

static const char *protocol_of(const struct vel_head *head) {
    return head == NULL ? "-" : head->minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

static void put_request_line(struct vel_buf *to, const struct vel_head *head, size_t target_most, size_t text_most) {
    if (head == NULL) {
        vel_access__put_text(to, "-");
        return;
    }
    vel_access__put_escaped(to, head->method_text, text_most);
    vel_access__put_text(to, " ");
    vel_access__put_escaped(to, head->target.raw, target_most);
    vel_access__put_text(to, " ");
    vel_access__put_text(to, protocol_of(head));
}

static void put_decimal_seconds(struct vel_buf *to, uint64_t us) {
    vel_access__put_number(to, us / 1000000);
    vel_access__put_text(to, ".");
    for (uint64_t unit = 100000, rest = us % 1000000; unit > 0; unit /= 10)
        vel_access__put_number(to, rest / unit % 10);
}

static void put_item(struct vel_buf *to, const struct item *item, const struct vel_access_entry *e, size_t target_most,
                     size_t text_most) {
    char user[USER_MAX];
    switch (item->kind) {
    case LITERAL:
        memcpy(to->data + to->len, item->text.at, item->text.len);
        to->len += item->text.len;
        break;
    case 'h':
        vel_access__put_host(to, e->peer);
        break;
    case 'l':
        vel_access__put_text(to, "-");
        break;
    case 't':
        vel_access__put_common_time(to, e->wall);
        break;
    case 'r':
        put_request_line(to, e->head, target_most, text_most);
        break;
    case 'H':
        vel_access__put_text(to, protocol_of(e->head));
        break;
    case 's':
        vel_access__put_number(to, e->status);
        break;
    case 'B':
        vel_access__put_number(to, e->bytes);
        break;
    case 'b':
        if (e->bytes == 0)
            vel_access__put_text(to, "-");
        else
            vel_access__put_number(to, e->bytes);
        break;
    case 'T':
        vel_access__put_number(to, e->us / 1000000);
        break;
    case 'M':
        vel_access__put_number(to, e->us / 1000);
        break;
    case 'D':
        vel_access__put_number(to, e->us);
        break;
    case 'L':
        put_decimal_seconds(to, e->us);
        break;
    case 'Q':
        vel_access__put_number(to, e->queue_us);
        break;
    case 'p': /* in brackets, as gunicorn writes it */
        vel_access__put_text(to, "<");
        vel_access__put_number(to, (uint64_t)getpid());
        vel_access__put_text(to, ">");
        break;
    default:
        vel_access__put_escaped(to, text_of(item, e, user),
                                item->kind == 'U' || item->kind == 'q' ? target_most : text_most);
    }
}

void vel_access_format_put(const struct vel_access_format *f, struct vel_buf *to, const struct vel_access_entry *e,
                           size_t target_most, size_t text_most) {
    for (size_t i = 0; i < f->n; i++)
        put_item(to, &f->items[i], e, target_most, text_most);
    vel_access__put_text(to, "\n");
}

size_t vel_access_format_room(const struct vel_access_format *f, const struct vel_access_entry *e) {
    char user[USER_MAX];
    size_t n = 1;
    for (size_t i = 0; i < f->n; i++) {
        n += text_of(&f->items[i], e, user).len * 6 + SHORT;
        if (f->items[i].kind == 'r' && e->head != NULL)
            n += (e->head->method_text.len + e->head->target.raw.len) * 6;
    }
    return n;
}

/* --- fields of replies ------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct vel_access_format *f, struct vel_slice name) {
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].kind == REPLY_FIELD && vel_slice_eq_nocase(f->items[i].text, name))
            return true;
    return false;
}

struct vel_access_field *vel_access_format_keep(const struct vel_access_format *f, struct vel_arena *arena,
                                                const struct vel_reply_head *head) {
    struct vel_access_field *kept = NULL;
    for (size_t i = f->sends ? head->nfields : 0; i > 0; i--) {
        const struct vel_field *field = &head->fields[i - 1];
        if (!is_wanted(f, field->name))
            continue;
        struct vel_access_field *one = vel_arena_alloc(arena, sizeof(*one));
        struct vel_slice name = vel_arena_copy(arena, field->name), value = vel_arena_copy(arena, field->value);
        if (one == NULL || name.at == NULL || value.at == NULL)
            continue;
        *one = (struct vel_access_field){name, value, kept};
        kept = one;
    }
    return kept;
}

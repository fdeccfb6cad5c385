/* The rules that only the whole head can answer. */
#include "http/message.h"

#include "http/field_check.h"

#include <stdint.h>

/* What one pass over the fields has found. */
struct findings {
    const struct vel_field *host;
    struct vel_framing_fields framing;
    bool close, keep_alive, expect_continue;
    uint64_t seen[2]; /* a bit for each number */
};

/* The numbers with VEL_FIELD_SINGLE, as bits from first on. */
#define SINGLE_BIT(id, flags, first)                                                                                   \
    | ((flags)&VEL_FIELD_SINGLE && (id) / 64 == (first) / 64 ? (uint64_t)1 << (id) % 64 : 0)

static const uint64_t single[2] = {
#define VEL_FIELD(id, text, flags) SINGLE_BIT(VEL_FIELD_##id, flags, 0)
    0
#include "http/field.def"
    ,
#undef VEL_FIELD
#define VEL_FIELD(id, text, flags) SINGLE_BIT(VEL_FIELD_##id, flags, 64)
    0
#include "http/field.def"
#undef VEL_FIELD
};

_Static_assert(VEL_FIELD_COUNT <= 128, "the bit sets here have two words");

static bool is_repeat(struct findings *found, enum vel_field_id id) {
    uint64_t bit = (uint64_t)1 << id % 64, *seen = &found->seen[id / 64];
    bool repeat = (*seen & single[id / 64] & bit) != 0;
    *seen |= bit;
    return repeat;
}

/* Browsers send one of two values, to the letter. */
static void note_connection(struct vel_slice value, struct findings *found) {
    bool is_keep_alive = vel_slice_eq(value, VEL_SLICE("keep-alive"));
    found->close |= !is_keep_alive && vel_list_has(value, VEL_SLICE("close"));
    found->keep_alive |= is_keep_alive || vel_list_has(value, VEL_SLICE("keep-alive"));
}

static void note(struct findings *found, const struct vel_field *field) {
    switch (field->id) {
    case VEL_FIELD_HOST:
        found->host = field;
        break;
    case VEL_FIELD_CONTENT_LENGTH:
        found->framing.length_lines++;
        found->framing.length = field->value;
        break;
    case VEL_FIELD_TRANSFER_ENCODING:
        if (found->framing.coding_lines++ == 0)
            found->framing.coding = field->value;
        break;
    case VEL_FIELD_CONNECTION:
        note_connection(field->value, found);
        break;
    case VEL_FIELD_EXPECT:
        found->expect_continue |= vel_list_has(field->value, VEL_SLICE("100-continue"));
        break;
    default:
        break;
    }
}

static int refuse(int status, const char **why, const char *reason) {
    *why = reason;
    return status;
}

static int decide_host(struct vel_head *head, const struct vel_field *field, const char **why) {
    if (field == NULL && head->minor > 0)
        return refuse(-400, why, "no Host field");
    if (field != NULL && !vel_host_valid(field->value))
        return refuse(-400, why, "invalid Host field");
    bool in_target = head->target.authority.len > 0;
    head->has_host = field != NULL || in_target;
    head->host = in_target ? head->target.authority : field != NULL ? field->value : (struct vel_slice){0};
    return 0;
}

static int decide_framing(struct vel_head *head, const struct vel_framing_fields *in, const struct vel_limits *limits,
                          const char **why) {
    int status = vel_framing_decide(in, limits, &head->framing);
    if (status == -501)
        return refuse(status, why, "transfer coding not supported");
    if (status == -413)
        return refuse(status, why, "body over the limit");
    if (status < 0)
        return refuse(status, why, in->coding_lines > 0 ? "invalid Transfer-Encoding" : "invalid Content-Length");
    return 0;
}

int vel_head_check(struct vel_head *head, const struct vel_limits *limits, const char **why) {
    struct findings found = {.framing.minor = head->minor};
    for (size_t i = 0; i < head->nfields; i++) {
        if (is_repeat(&found, head->fields[i].id))
            return refuse(-400, why, "repeated field that must be single");
        note(&found, &head->fields[i]);
    }
    int status = decide_host(head, found.host, why);
    if (status < 0)
        return status;
    status = decide_framing(head, &found.framing, limits, why);
    if (status < 0)
        return status;
    head->keep_alive = !found.close && (head->minor > 0 || found.keep_alive);
    head->expect_continue = found.expect_continue && head->minor > 0 && vel_framing_has_body(&head->framing);
    return 0;
}

/* Slices of other memory, as the constant "/" of an empty path, stay. */
static void rebase(struct vel_slice *s, struct vel_slice from, const char *to) {
    uintptr_t at = (uintptr_t)s->at, start = (uintptr_t)from.at;
    if (s->at != NULL && at >= start && at - start + s->len <= from.len)
        s->at = to + (at - start);
}

void vel_head_rebase(struct vel_head *head, const char *to) {
    struct vel_slice from = head->bytes;
    rebase(&head->method_text, from, to);
    rebase(&head->target.raw, from, to);
    rebase(&head->target.path, from, to);
    rebase(&head->target.query, from, to);
    rebase(&head->target.authority, from, to);
    rebase(&head->host, from, to);
    for (size_t i = 0; i < head->nfields + head->nvars; i++) {
        rebase(&head->fields[i].name, from, to);
        rebase(&head->fields[i].value, from, to);
    }
    head->bytes.at = to;
}

const struct vel_field *vel_head_field(const struct vel_head *head, enum vel_field_id id) {
    for (size_t i = 0; i < head->nfields; i++)
        if (head->fields[i].id == id)
            return &head->fields[i];
    return NULL;
}

struct vel_slice vel_head_raw_path(const struct vel_head *head) {
    struct vel_slice raw = head->target.raw;
    if (!head->path_is_decoded || raw.len == 0 || raw.at[0] != '/')
        return head->target.path;
    const char *mark = memchr(raw.at, '?', raw.len);
    return mark != NULL ? vel_slice(raw.at, (size_t)(mark - raw.at)) : raw;
}

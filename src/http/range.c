/* Ranges and conditions. */
#include "http/range.h"

#include "base/num.h"
#include "http/date.h"
#include "http/field_check.h"

/* --- ranges ------------------------------------------------------------------------------------------------------ */

enum one { ONE_GOOD, ONE_BEYOND, ONE_BAD };

/* The last count bytes. */
static enum one parse_suffix(struct vel_slice digits, uint64_t size, struct vel_range *out) {
    int64_t count;
    if (!vel_num_parse(digits, &count))
        return ONE_BAD;
    if (count == 0 || size == 0)
        return ONE_BEYOND;
    uint64_t most = (uint64_t)count < size ? (uint64_t)count : size;
    *out = (struct vel_range){size - most, most};
    return ONE_GOOD;
}

static enum one parse_one(struct vel_slice spec, uint64_t size, struct vel_range *out) {
    const char *dash = memchr(spec.at, '-', spec.len);
    if (dash == NULL)
        return ONE_BAD;
    struct vel_slice first = vel_slice(spec.at, (size_t)(dash - spec.at));
    struct vel_slice last = vel_slice(dash + 1, spec.len - first.len - 1);
    int64_t from, to = INT64_MAX;
    if (first.len == 0)
        return parse_suffix(last, size, out);
    if (!vel_num_parse(first, &from) || (last.len > 0 && !vel_num_parse(last, &to)) || from > to)
        return ONE_BAD;
    if ((uint64_t)from >= size)
        return ONE_BEYOND;
    uint64_t end = (uint64_t)to < size ? (uint64_t)to + 1 : size;
    *out = (struct vel_range){(uint64_t)from, end - (uint64_t)from};
    return ONE_GOOD;
}

enum vel_range_verdict vel_range_parse(struct vel_slice value, uint64_t size, struct vel_range *ranges, size_t *n) {
    static const char unit[] = "bytes=";
    size_t len = sizeof(unit) - 1;
    uint64_t total = 0;
    bool any = false;
    *n = 0;
    if (value.len < len || !vel_slice_eq_nocase(vel_slice(value.at, len), vel_slice(unit, len)))
        return VEL_RANGE_WHOLE;
    struct vel_slice rest = vel_slice(value.at + len, value.len - len), spec;
    while (vel_list_next(&rest, &spec)) {
        struct vel_range one;
        enum one is = parse_one(spec, size, &one);
        if (is == ONE_BAD || (is == ONE_GOOD && *n == VEL_RANGES_MAX))
            return VEL_RANGE_WHOLE;
        any = true;
        if (is != ONE_GOOD)
            continue;
        ranges[(*n)++] = one;
        total += one.count;
    }
    if (*n > 1 && total > size) /* they overlap: more than the whole, and no reader wants that */
        return VEL_RANGE_WHOLE;
    return *n > 0 ? VEL_RANGE_PARTS : any ? VEL_RANGE_NONE : VEL_RANGE_WHOLE;
}

/* --- conditions -------------------------------------------------------------------------------------------------- */

static bool is_weak(struct vel_slice etag) {
    return etag.len > 2 && etag.at[0] == 'W' && etag.at[1] == '/';
}

/* Quotes may have commas inside. */
static struct vel_slice next_etag(struct vel_slice *rest) {
    while (rest->len > 0 && (rest->at[0] == ',' || rest->at[0] == ' ' || rest->at[0] == '\t'))
        *rest = vel_slice(rest->at + 1, rest->len - 1);
    size_t i = 0;
    bool quoted = false;
    while (i < rest->len && (quoted || rest->at[i] != ','))
        quoted ^= rest->at[i++] == '"';
    struct vel_slice etag = vel_slice_trim(vel_slice(rest->at, i));
    *rest = vel_slice(rest->at + i, rest->len - i);
    return etag;
}

static struct vel_slice opaque(struct vel_slice etag) {
    return is_weak(etag) ? vel_slice(etag.at + 2, etag.len - 2) : etag;
}

/* Strongly, or weakly (RFC 9110 8.8.3.2). "*" is any. */
static bool has_etag(struct vel_slice list, struct vel_slice etag, bool strongly) {
    if (vel_slice_eq(list, VEL_SLICE("*")))
        return true;
    while (list.len > 0) {
        struct vel_slice one = next_etag(&list);
        if (strongly && (is_weak(one) || is_weak(etag)))
            continue;
        if (etag.len > 0 && vel_slice_eq(opaque(one), opaque(etag)))
            return true;
    }
    return false;
}

static const struct vel_field *find(const struct vel_head *head, enum vel_field_id id) {
    return vel_head_field(head, id);
}

/* False also when the date is none: the field is then ignored. */
static bool is_after(const struct vel_field *field, int64_t modified, bool *known) {
    int64_t date;
    *known = vel_date_parse(field->value, &date);
    return *known && modified > date;
}

/* Of all lines of the field. */
static bool any_etag(const struct vel_head *head, enum vel_field_id id, struct vel_slice etag, bool strongly) {
    for (size_t i = 0; i < head->nfields; i++)
        if (head->fields[i].id == id && has_etag(head->fields[i].value, etag, strongly))
            return true;
    return false;
}

unsigned vel_condition(const struct vel_head *head, const struct vel_validators *v) {
    const struct vel_field *since;
    bool known, reads = head->method == VEL_METHOD_GET || head->method == VEL_METHOD_HEAD;
    if (find(head, VEL_FIELD_IF_MATCH) != NULL) {
        if (!any_etag(head, VEL_FIELD_IF_MATCH, v->etag, true))
            return 412;
    } else if ((since = find(head, VEL_FIELD_IF_UNMODIFIED_SINCE)) != NULL && is_after(since, v->modified, &known)) {
        return 412;
    }
    if (find(head, VEL_FIELD_IF_NONE_MATCH) != NULL) {
        if (any_etag(head, VEL_FIELD_IF_NONE_MATCH, v->etag, false))
            return reads ? 304 : 412;
    } else if (reads && (since = find(head, VEL_FIELD_IF_MODIFIED_SINCE)) != NULL) {
        if (!is_after(since, v->modified, &known) && known)
            return 304;
    }
    return 200;
}

bool vel_if_range(const struct vel_head *head, const struct vel_validators *v) {
    const struct vel_field *field = find(head, VEL_FIELD_IF_RANGE);
    int64_t date;
    if (field == NULL)
        return true;
    if (field->value.len > 0 && (field->value.at[0] == '"' || is_weak(field->value)))
        return v->etag.len > 0 && !is_weak(v->etag) && vel_slice_eq(field->value, v->etag);
    return vel_date_parse(field->value, &date) && date == v->modified;
}

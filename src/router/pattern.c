/* The parser of patterns: pure, each piece a slice of the pattern. */
#include "router/pattern.h"

void vel_pattern_init(struct vel_pattern *p, struct vel_slice text) {
    *p = (struct vel_pattern){.text = text};
    if (text.len == 0 || text.at[0] != '/')
        p->why = "a pattern begins with a slash";
    else if (text.len > VEL_PATTERN_MAX)
        p->why = "a pattern is at most 4096 bytes";
    else if (memchr(text.at, '\0', text.len) != NULL)
        p->why = "a pattern has no NUL";
}

static bool fail(struct vel_pattern *p, size_t at, const char *why) {
    p->at = at;
    p->why = why;
    return false;
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(struct vel_slice s) {
    if (s.len == 0 || !is_name_start(s.at[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_name_start(s.at[i]) && !(s.at[i] >= '0' && s.at[i] <= '9'))
            return false;
    return true;
}

static bool next_slash(struct vel_pattern *p, struct vel_piece *piece) {
    if (p->after_path)
        return fail(p, p->at, "path takes all that is left: nothing can stand behind its segment");
    if (++p->nsegments > VEL_PATTERN_SEGMENTS)
        return fail(p, p->at, "a pattern has at most 64 segments");
    p->after_param = p->in_segment = false;
    p->at++;
    *piece = (struct vel_piece){.kind = VEL_PIECE_SLASH};
    return true;
}

/* Up to a slash, a parameter, or one half of a doubled brace. */
static bool next_literal(struct vel_pattern *p, struct vel_piece *piece) {
    const char *start = p->text.at + p->at, *end = p->text.at + p->text.len, *at = start;
    while (at < end && *at != '/' && *at != '{' && *at != '}')
        at++;
    size_t len = (size_t)(at - start), used = len;
    if (at < end && *at != '/' && at + 1 < end && at[1] == at[0]) {
        len++;
        used += 2;
    } else if (at < end && *at == '}') {
        return fail(p, p->at + len, "\"}\" without \"{\"; a literal one is written \"}}\"");
    }
    *piece = (struct vel_piece){.kind = VEL_PIECE_LITERAL, .text = vel_slice(start, len)};
    p->at += used;
    p->after_param = false;
    return true;
}

/* The bytes between the braces, where at is the opening one; at of the result is NULL when nothing closes it. */
static struct vel_slice inside(const struct vel_pattern *p) {
    const char *start = p->text.at + p->at + 1, *end = p->text.at + p->text.len;
    bool in_args = false;
    for (const char *at = start; at < end; at++) {
        if (*at == '(')
            in_args = true;
        if (*at == '}' && (!in_args || at[-1] == ')'))
            return vel_slice(start, (size_t)(at - start));
    }
    return (struct vel_slice){0};
}

/* name, name:converter, name:converter(args) */
static const char *split_param(struct vel_slice in, struct vel_piece *piece) {
    const char *colon = memchr(in.at, ':', in.len);
    piece->text = colon != NULL ? vel_slice(in.at, (size_t)(colon - in.at)) : in;
    if (!is_name(piece->text))
        return "a parameter has a name of letters, digits and \"_\"";
    if (colon == NULL)
        return NULL;
    struct vel_slice converter = vel_slice(colon + 1, in.len - piece->text.len - 1);
    const char *open = memchr(converter.at, '(', converter.len);
    if (open != NULL) {
        size_t len = (size_t)(open - converter.at);
        piece->args = vel_slice(open + 1, converter.len - len - 2);
        converter.len = len;
    }
    piece->converter = converter;
    if (!is_name(converter))
        return "a converter has a name of letters, digits and \"_\"";
    piece->param = vel_param_kind(converter);
    return vel_param_check_args(piece->param, piece->args);
}

static const char *check_place(const struct vel_pattern *p, const struct vel_piece *piece) {
    if (p->after_param)
        return "two parameters without a literal between them";
    if (p->after_path || (piece->param == VEL_PARAM_PATH && p->in_segment))
        return "path is the only parameter of its segment";
    if (p->nparams == VEL_PATTERN_PARAMS)
        return "a pattern has at most 32 parameters";
    for (unsigned i = 0; i < p->nparams; i++)
        if (vel_slice_eq(p->names[i], piece->text))
            return "two parameters of one name";
    return NULL;
}

static bool next_param(struct vel_pattern *p, struct vel_piece *piece) {
    struct vel_slice in = inside(p);
    if (in.at == NULL)
        return fail(p, p->at, "\"{\" is never closed; a literal one is written \"{{\"");
    *piece = (struct vel_piece){.kind = VEL_PIECE_PARAM, .param = VEL_PARAM_STR};
    const char *why = split_param(in, piece);
    if (why == NULL)
        why = check_place(p, piece);
    if (why != NULL)
        return fail(p, p->at, why);
    p->names[p->nparams++] = piece->text;
    p->after_param = p->in_segment = true;
    p->after_path = piece->param == VEL_PARAM_PATH;
    p->at += in.len + 2;
    return true;
}

bool vel_pattern_next(struct vel_pattern *p, struct vel_piece *piece) {
    if (p->why != NULL || p->at == p->text.len)
        return false;
    const char *at = p->text.at + p->at;
    if (*at == '/')
        return next_slash(p, piece);
    bool doubled = p->at + 1 < p->text.len && at[1] == '{';
    return *at == '{' && !doubled ? next_param(p, piece) : next_literal(p, piece);
}

/* Patterns of paths, piece by piece: /users/{id:int}/photo-{name}.{kind:enum(png,jpg)}/{rest:path}. */
#pragma once

#include "router/param.h"

#define VEL_PATTERN_SEGMENTS 64
#define VEL_PATTERN_PARAMS 32
#define VEL_PATTERN_MAX 4096 /* bytes */

enum vel_piece_kind {
    VEL_PIECE_SLASH,
    VEL_PIECE_LITERAL, /* two may follow each other: "{{" stands for "{" */
    VEL_PIECE_PARAM,
};

struct vel_piece {
    enum vel_piece_kind kind;
    struct vel_slice text; /* the literal, decoded as it is; or the parameter's name */
    struct vel_slice converter, args;
    enum vel_param_kind param;
};

struct vel_pattern {
    struct vel_slice text; /* borrowed, as every piece is */
    size_t at;             /* where the next piece begins; after a problem, where it is */
    const char *why;       /* what is wrong, or NULL */
    bool in_segment;       /* private from here on */
    bool after_param, after_path;
    unsigned nsegments, nparams;
    struct vel_slice names[VEL_PATTERN_PARAMS];
};

void vel_pattern_init(struct vel_pattern *pattern, struct vel_slice text);

/* True with a piece; false at the end, or when why says what is wrong. The rules:
 * - it begins with a slash, and has no NUL;
 * - a name is one of Python's, in ASCII, and stands once; the arguments of a converter end at the first ")}";
 * - two parameters of a segment have a literal between them;
 * - path stands in the last segment, and is the only parameter there. */
bool vel_pattern_next(struct vel_pattern *pattern, struct vel_piece *piece);

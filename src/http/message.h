/* A request head as the server and the applications see it, whatever protocol brought it. */
#pragma once

#include "http/field.h"
#include "http/framing.h"
#include "http/limits.h"
#include "http/method.h"
#include "http/target.h"

/* Room for fields; limits.fields may be lower, never higher. */
#define VEL_FIELDS_MAX 256

struct vel_head {
    struct vel_slice bytes; /* the whole head: every slice below points into it, or into a string constant */
    struct vel_slice method_text;
    enum vel_method method;
    unsigned minor; /* HTTP/1.minor as sent, 0 to 9; above 1 it means 1 */
    struct vel_target target;
    struct vel_slice host; /* the target's authority if it has one, else the Host field (RFC 9112 3.2.2) */
    struct vel_framing framing;
    bool has_host;
    bool keep_alive;      /* the client wants, and the version allows, another request */
    bool expect_continue; /* 1.1 only, and a body is to come */
    bool path_is_decoded; /* a gateway protocol gave the path decoded: target.path is not to be decoded again */
    size_t nfields;
    size_t nvars; /* a gateway's variables that are no fields; they stand behind those, up to VEL_FIELDS_MAX together */
    struct vel_field fields[VEL_FIELDS_MAX];
};

/* The rules that need the whole head: Host, repeated lines, framing, Connection, Expect. Reads method, minor, target
 * and fields, fills the rest. Returns 0 or a negative status, with *why a constant that says what was wrong. */
int vel_head_check(struct vel_head *head, const struct vel_limits *limits, const char **why);

/* Moves every slice from head->bytes to the same bytes at to: the old memory may then go. */
void vel_head_rebase(struct vel_head *head, const char *to);

/* The path as the client has sent it. A gateway gives it decoded, and the target beside it. */
struct vel_slice vel_head_raw_path(const struct vel_head *head);

/* The first field with this number, or NULL. id must not be OTHER. */
const struct vel_field *vel_head_field(const struct vel_head *head, enum vel_field_id id);

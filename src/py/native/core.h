/* An App as C sees it: a router of plans, what renders results, what is said of failures. */
#pragma once

#include "py/native/plan.h"
#include "py/router/route.h"

#include "base/buf.h"
#include "base/scan.h"
#include "http/date.h"
#include "http/message.h"
#include "http/range.h"
#include "http/reply.h"

struct vel_answer;
struct vel_exchange;
struct vel_policies;

struct vel_core {
    PyObject_HEAD
    struct vel_state *state;      // borrowed: of the type's module
    struct vel_py_router *router; /* owned, as all below */
    PyObject *request_type, *response_type;
    PyObject *encode, *stream, *drive, *failed, *explain;
    PyObject *form;                /* makes the reader of a form with files; NULL: the ASGI face takes those */
    PyObject *problem;             /* NULL: refusals are rendered here */
    PyObject *log;                 /* takes level, message, exception, as a Worker's */
    int64_t body_limit;            /* of plans without one; -1: the server's */
    struct vel_policies *policies; /* NULL: none */
    uint64_t count;                /* of requests, for their ids */
    struct vel_buf text;           /* scratch: JSON that is being made */
    const struct vel_scan *scan;
};

/* Who asks, beside what the head says: an exchange of ours, or objects that the caller holds. */
struct vel_carrier {
    const struct vel_exchange *x; /* NULL: the rest says it */
    PyObject *client, *server;    /* (host, port), or None */
    PyObject *scheme, *root_path; /* str */
};

/* --- routing: core.c --------------------------------------------------------------------------------------------- */

enum vel_lead {
    VEL_LEAD_PLAN,     /* asking->match has the route, plan is its target */
    VEL_LEAD_MOUNT,    /* its target is something else */
    VEL_LEAD_STATIC,   /* its target is a folder */
    VEL_LEAD_REFUSED,  /* refusal says why */
    VEL_LEAD_REDIRECT, /* a slash more, or less */
    VEL_LEAD_FAILED,   /* an exception is raised: of a converter, or no memory */
};

/* What a request leads to. Begins the asking, unless it failed; end it with vel_asking_end. *status is that of a
 * refusal: 400, 404, 405, or 204 for OPTIONS. */
enum vel_lead vel_core_route(struct vel_core *core, const struct vel_head *head, struct vel_asking *a,
                             struct vel_plan **plan, unsigned *status);

/* --- errors of input: faults.c ----------------------------------------------------------------------------------- */

/* What is wrong with a request: a list of {"loc": [...], "msg": ...}, or NULL while nothing is. */
struct vel_faults {
    PyObject *list;  /* owned */
    unsigned status; /* 422, or 400 or 415 when that comes first; 0: none */
};

/* -1 with an exception when there is no memory. source is the first of loc, name the second or NULL. */
int vel_faults_add(struct vel_faults *faults, const char *source, PyObject *name, const char *message);
/* The raised ValueError, which is taken; -1 with an exception, also when it is another. */
int vel_faults_take(struct vel_faults *faults, const char *source, PyObject *name);
/* The same, of a body: the core is asked for its errors. */
int vel_faults_explain(struct vel_core *core, struct vel_faults *faults);

/* --- arguments: read.c ------------------------------------------------------------------------------------------- */

/* Where the values of one request are. */
struct vel_reading {
    struct vel_core *core;
    const struct vel_head *head;
    const struct vel_asking *asking;
    const struct vel_carrier *carrier;
    struct vel_plan *plan;
    struct vel_slice body;
    PyObject *request; /* made at most once; owned by whoever made the reading */
    uint64_t number;   /* of the request */
    struct vel_faults faults;
};

/* Fills args with new references, plan->nleaves of them: 0. 1: faults has something. -1 with an exception. args is
 * empty unless 0. */
int vel_read_leaves(struct vel_reading *r, PyObject **args);

/* Of this plan: bytes, or -1. */
static inline int64_t vel_body_limit(const struct vel_core *core, const struct vel_plan *plan) {
    return plan->body_limit >= 0 ? plan->body_limit : core->body_limit;
}

/* The Request object of a reading, a new reference. NULL with an exception: request.c. */
PyObject *vel_reading_request(struct vel_reading *r);

/* (name in lower case, value), both bytes. */
PyObject *vel_field_pair(const struct vel_field *field);

/* Whether a body may be of the type that its head says: convert.c. */
bool vel_plan_takes(const struct vel_plan *plan, const struct vel_head *head);

/* A text as the leaf wants it; NULL with an exception, ValueError when it is not one: convert.c. */
PyObject *vel_convert(const struct vel_leaf *leaf, PyObject *text);
PyObject *vel_convert_slice(const struct vel_leaf *leaf, struct vel_slice text, bool latin1);

/* Reads the leaves and calls: what the call returned, a coroutine perhaps. NULL: the answer is there already, of bad
 * input or of an exception, which is not raised any more; *broken is one that is to end more than the request, or NULL:
 * run.c. */
PyObject *vel_run(struct vel_reading *r, struct vel_answer *answer, PyObject **broken);

/* What the call has returned, or raised, into an answer: whatever goes wrong with it is one too. */
void vel_run_finish(struct vel_reading *r, PyObject *result, struct vel_answer *answer);
void vel_run_fail(struct vel_reading *r, struct vel_answer *answer, PyObject **broken);
void vel_run_refuse(struct vel_reading *r, enum vel_lead lead, unsigned status, struct vel_answer *answer);

/* The last thing before it is sent: what the policies of the App add. */
void vel_run_apply(struct vel_reading *r, struct vel_answer *answer);
/* The answer of a folder, which the route found leads to. */
void vel_run_static(struct vel_reading *r, struct vel_answer *answer);
/* Whether it is answered before any route is looked for. */
bool vel_run_preflight(struct vel_reading *r, struct vel_answer *answer);

/* Core.call(): call.c. */
PyObject *vel_core_call(PyObject *self, PyObject *args, PyObject *kwargs);

/* --- answers: answer.c ------------------------------------------------------------------------------------------- */

#define VEL_ANSWER_FIELDS 16

/* A reply before anybody has sent it: the body is `body`, or the core's scratch, or a stream. */
struct vel_answer {
    struct vel_reply_head head; /* fields points to room, more or a constant */
    struct vel_slice data;
    PyObject *body;          /* owned: bytes that data points into; NULL: a constant, or the scratch */
    PyObject *stream;        /* owned: an async iterator of bytes, in place of data */
    struct vel_parts *parts; /* owned: of a file, in place of data */
    PyObject *after;         /* owned: a list of what is to be called when it is over, whatever comes of it; or NULL */
    PyObject *keep;          /* owned: what the fields point into */
    struct vel_field *more;  /* owned: fields that have no place in room */
    struct vel_field room[VEL_ANSWER_FIELDS];
};

/* Before the first use. What is to be done after one that could not be made stays with the next that takes its place.
 */
static inline void vel_answer_init(struct vel_answer *answer) {
    answer->after = NULL;
}

/* An answer without a body so far. */
void vel_answer_begin(struct vel_answer *answer, unsigned status);

/* What a call has returned; head may be NULL when nobody hears the answer. -1 with an exception, and it is empty. The
 * core's scratch is good until the next.
 */
int vel_answer_result(struct vel_core *core, const struct vel_head *head, const struct vel_plan *plan, PyObject *result,
                      struct vel_answer *answer);

/* A Reply of Python's: (status, headers, body[, after]). */
int vel_answer_reply(struct vel_core *core, const struct vel_head *head, PyObject *reply, struct vel_answer *answer);

/* problem+json; takes over faults->list. allow: the methods, or NULL. */
int vel_answer_problem(struct vel_core *core, struct vel_reading *r, unsigned status, PyObject *allow,
                       struct vel_answer *answer);

/* The raised exception of a call, which is taken. */
int vel_answer_failure(struct vel_core *core, struct vel_reading *r, struct vel_answer *answer);

/* The problem as it is rendered here, without asking; errors and allow may be NULL. */
int vel_answer_render_problem(struct vel_core *core, unsigned status, PyObject *errors, PyObject *allow,
                              struct vel_answer *answer);

/* A relative redirect to the path with a slash more or less. */
int vel_answer_redirect(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer);

/* The last resort: 500, without any of Python. */
void vel_answer_500(struct vel_answer *answer);

void vel_answer_free(struct vel_answer *answer);

/* One more field, whose slices live long enough; an object that some of them point into. -1 with an exception. */
int vel_answer_add(struct vel_answer *answer, const struct vel_field *field);
int vel_answer_add_text(struct vel_answer *answer, struct vel_slice name, struct vel_slice value);
int vel_answer_keep(struct vel_answer *answer, PyObject *o);

/* The first field of that name, in any case of letters, or NULL. */
const struct vel_field *vel_answer_find(const struct vel_answer *answer, struct vel_slice name);

/* --- files: parts.c ---------------------------------------------------------------------------------------------- */

struct vel_file;

/* What of a file goes out, with what stands before each part and behind the last. */
struct vel_parts {
    struct vel_file *file; /* owned */
    uint64_t length;       /* of all that goes out */
    size_t n;
    struct vel_range ranges[VEL_RANGES_MAX];
    struct vel_slice before[VEL_RANGES_MAX], tail; /* empty but for several parts */
    char date[VEL_DATE_LEN], text[64];
    char *framing; /* owned: where before and tail are, or NULL */
};

void vel_parts_free(struct vel_parts *parts);

/* Makes an answer that has its fields, and no body yet, one of the file, which is taken over also on failure: adds its
 * validators, and what the request's conditions and ranges make of it. -1 with an exception. */
int vel_answer_file(struct vel_core *core, const struct vel_head *head, struct vel_file *file,
                    struct vel_answer *answer);

/* The file of a FileBody, held; NULL when o is none: file_body.c. */
struct vel_file *vel_file_body_get(struct vel_state *state, PyObject *o);
/* For who is not our server: FileParts, which takes over parts. NULL with an exception. */
PyObject *vel_file_parts_new(struct vel_state *state, struct vel_parts *parts);

/* --- folders: static.c ------------------------------------------------------------------------------------------- */

/* The answer of a Static to a request; rest is what is left of the path. What goes wrong is an answer too. */
void vel_static_answer(struct vel_reading *r, PyObject *folder, struct vel_slice rest, struct vel_answer *answer);

/* --- JSON: json.c ------------------------------------------------------------------------------------------------ */

/* Appends the JSON of dict, list, tuple, str, int, float, bool and None, as json.dumps(ensure_ascii=False, no spaces).
 * 1: it is of them. 0: something else is inside, buf is as before. -1 with an exception. */
int vel_json(struct vel_buf *buf, PyObject *o);

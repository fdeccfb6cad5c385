/* Policies: what an App says of all its answers at once, done in C: CORS, compression, request ids, limits. */
#pragma once

#include "py/native/core.h"

/* Of a dict of flat values, as velocem/policies.py makes it: what is not in it is not done. 0 or -1 with an exception.
 */
int vel_policies_take(struct vel_core *core, PyObject *dict);
void vel_policies_free(struct vel_policies *p);

/* Whether the request is a preflight of CORS, which is answered before any route is looked for (Fetch 3.2.2). 1: answer
 * is there. 0: it is none. -1 with an exception. */
int vel_policies_preflight(struct vel_core *core, const struct vel_head *head, struct vel_answer *answer);

/* What they add to an answer, and do to its body. -1 with an exception. */
int vel_policies_apply(struct vel_core *core, const struct vel_head *head, uint64_t number, struct vel_answer *answer);

/* The id of a request by its number, or the one it came with; out needs VEL_REQUEST_ID_MAX bytes. Empty: there are no
 * ids. */
#define VEL_REQUEST_ID_MAX 128
struct vel_slice vel_request_id(const struct vel_core *core, const struct vel_head *head, uint64_t number, char *out);

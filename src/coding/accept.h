/* Which content codings a client takes (RFC 9110 12.5.3). */
#pragma once

#include "base/slice.h"

/* Whether an Accept-Encoding has this coding, by name or by "*", with a weight above 0; a name counts before "*". The
 * empty slice takes nothing: who says nothing gets what there is. */
bool vel_coding_accepted(struct vel_slice accept, struct vel_slice coding);

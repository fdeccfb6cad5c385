/* Where a request comes from when proxies stand in between: what those say that are trusted. */
#pragma once

#include "server/app.h"

/* Hops that are followed: more than any chain of proxies has, and an end to what a list can cost. */
#define VEL_HOPS_MAX 32

/* For an exchange with a head, of a connection that is told of origins. What a gateway says in the variables of a
 * packet (the worker's, of this request) comes first: its client stands where the peer stood. Then, if that one is
 * trusted, follows the hops from the peer outwards, as long as the one that was reached is trusted and says in
 * well-formed words from whom it has the request; the address reached becomes x->peer. Of Forwarded, host and scheme
 * are those of the outermost element followed that has them; of X-Forwarded-*, those that the peer itself has written.
 * What is ill-formed is not believed, and what stands before it neither. VEL_OK, also when nothing is said; VEL_ENOMEM.
 */
int vel_origin_decide(struct vel_exchange *x);

/* SHA-1 of short texts: for the WebSocket handshake, where it proves nothing but that both sides mean WebSocket. */
#pragma once

#include "base/slice.h"

#define VEL_SHA1_LEN 20

/* Digest of a text of any length (FIPS 180-4). Not for anything that has to be secret or forgery-proof. */
void vel_sha1(struct vel_slice text, unsigned char digest[VEL_SHA1_LEN]);

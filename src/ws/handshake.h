/* The WebSocket handshake: is a request one, is it a good one, and what proves that it was understood (RFC 6455 4.2).
 */
#pragma once

#include "http/message.h"

#define VEL_WS_ACCEPT_LEN 28

/* 1: a good opening handshake. 0: not meant as one, an ordinary request. Negative: meant as one and wrong: a status
 * (-400; -426, to be answered with Sec-WebSocket-Version: 13) with *why a constant. The subprotocols offered are
 * tokens then. */
int vel_ws_handshake(const struct vel_head *head, const char **why);

/* Sec-WebSocket-Accept for this Sec-WebSocket-Key. */
void vel_ws_accept(struct vel_slice key, char accept[VEL_WS_ACCEPT_LEN]);

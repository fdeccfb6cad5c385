/* Replies the server gives on its own: refusals and failures. */
#pragma once

#include "server/app.h"

/* A short plain text of the status, reflecting nothing of the request. VEL_OK or what the protocol said. The exchange
 * is not ended. */
int vel_reply_status(struct vel_exchange *x, unsigned status);

/* 503 with Retry-After: the client may try again in a moment. As above. */
int vel_reply_busy(struct vel_exchange *x);

/* 426 with the version of WebSocket that is spoken here. As above. */
int vel_reply_websocket_version(struct vel_exchange *x);

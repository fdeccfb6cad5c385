/* The life of an exchange inside the server: made, kept past its dispatch, ended. */
#pragma once

#include "server/app.h"

struct vel_worker;

/* A new exchange on c, with head (or NULL for the server's own replies). NULL when memory is short. */
struct vel_exchange *vel_exchange_open(struct vel_conn *c, struct vel_head *head, const struct vel_proto *proto);

/* Calls the application's on_request; or, when it has as many as the worker is to have at a time, answers by 503. */
void vel_exchange_give(struct vel_exchange *x);

/* Moves head and body into the exchange's own memory. VEL_OK or VEL_ENOMEM. Twice does no harm. */
int vel_exchange_keep(struct vel_exchange *x);

/* Tells the application, if it has seen the exchange and not ended it, that it is over. */
void vel_exchange_drop(struct vel_exchange *x);

/* The application holds as much of the body as it may: the peer is not read before it consumes. */
static inline bool vel_exchange_is_full(const struct vel_exchange *x) {
    return x->unconsumed >= VEL_READ_WINDOW;
}

/* Logs it and frees it, unless it is held. */
void vel_exchange_close(struct vel_exchange *x);

/* Frees one that was held when the server was done with it. */
void vel_exchange_free(struct vel_exchange *x);

/* What the kernel did not take yet: bytes, borrowed memory and file ranges, in order. */
#pragma once

#include "net/stream.h"

#include <stdint.h>

/* Memory or a file that belongs to an owner until release(owner) is called: once, after the last byte or when the queue
 * is dropped. release may be NULL. */
struct vel_loan {
    void (*release)(void *owner);
    void *owner;
};

struct vel_sendq; /* opaque; a connection that owes nothing has none */

/* Each makes the queue at the first use of *q (NULL). VEL_OK or VEL_ENOMEM; on failure a loan is not taken over. */
int vel_sendq_copy(struct vel_sendq **q, const char *at, size_t len);
int vel_sendq_lend(struct vel_sendq **q, const char *at, size_t len, struct vel_loan loan);
int vel_sendq_file(struct vel_sendq **q, int file, int64_t offset, uint64_t len, struct vel_loan loan);

/* Bytes that wait, files included. */
uint64_t vel_sendq_size(const struct vel_sendq *q);

/* Sends what the stream takes, at most 2 MiB. VEL_OK when nothing is left: *q is then freed and NULL. VEL_EAGAIN when
 * the stream is full, or others should have their turn: wait until it is writable. VEL_ERESET. VEL_ESYS when a file
 * ended before its range, or could not be read: the message cannot be made whole. *sent is set to the bytes that went.
 * Releases come last and may run Python, which may even drop or fill the queue: the connection must be whole when this
 * is called. */
int vel_sendq_flush(struct vel_sendq **q, struct vel_stream *s, uint64_t *sent);

/* Releases everything. */
void vel_sendq_drop(struct vel_sendq **q);

/* A connection's output: staged in the worker's buffer, gathered, sent first and queued only when the kernel is full.
 */
#pragma once

#include "server/conn.h"

/* Replies are gathered up to here before they are sent: a long train of pipelined requests does not wait for its last.
 */
#define VEL_STAGE_MAX 65536

/* A body up to here is copied behind its head; a longer one is sent from where it is. */
#define VEL_COPY_MAX 16384

/* Room for n bytes in the stage, n at most VEL_STAGE_MAX; sends what is there when it is short, or another's; when that
 * fails the connection is doomed, and what is staged goes nowhere. NULL when n is more. The bytes are the connection's
 * after vel_output_staged. */
char *vel_output_stage(struct vel_conn *c, size_t n);
void vel_output_staged(struct vel_conn *c, size_t n);

/* Bytes of any length, by copy. VEL_OK, VEL_ENOMEM. */
int vel_output_copy(struct vel_conn *c, struct vel_slice bytes);

/* Bytes that stay where they are, until the loan's release. Sent at once with what is staged. VEL_OK, VEL_ENOMEM (the
 * loan is then not taken over). */
int vel_output_lend(struct vel_conn *c, struct vel_slice bytes, struct vel_loan loan);

/* A file range, sent at once behind what is staged. As above. */
int vel_output_file(struct vel_conn *c, int file, int64_t offset, uint64_t len, struct vel_loan loan);

/* Whether bytes of c are staged. */
bool vel_output_is_staged(const struct vel_conn *c);

/* Forgets what is staged for c. */
void vel_output_discard(struct vel_conn *c);

/* Sends what is staged and owed. VEL_OK: nothing is left; VEL_EAGAIN; VEL_ERESET and VEL_ENOMEM doom the connection. */
int vel_output_flush(struct vel_conn *c);

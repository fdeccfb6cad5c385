/* Pieces of a line of the access log; whoever puts one has reserved room for it. */
#pragma once

#include "base/buf.h"
#include "net/addr.h"

#include <stdint.h>

void vel_access__put_text(struct vel_buf *to, const char *text);

/* 20 bytes. */
void vel_access__put_number(struct vel_buf *to, uint64_t value);

/* Bytes outside printable ASCII, quotes and backslashes become up to six; what would be longer than most ends in dots.
 */
void vel_access__put_escaped(struct vel_buf *to, struct vel_slice s, size_t most);

/* VEL_ADDR_TEXT_MAX bytes. */
void vel_access__put_host(struct vel_buf *to, const union vel_addr *peer);

/* [14/Nov/2023:22:13:20 +0000], by the time zone of this place: 28 bytes. */
void vel_access__put_common_time(struct vel_buf *to, int64_t wall);

/* gzip (RFC 1952) of a whole body, by zlib. */
#pragma once

#include "base/buf.h"

/* Appends in, compressed at level 1 to 9, to out. VEL_OK or VEL_ENOMEM, out is then as before. */
int vel_gzip(struct vel_slice in, int level, struct vel_buf *out);

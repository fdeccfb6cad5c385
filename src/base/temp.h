/* Temporary files: without a name, gone with their last descriptor. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A descriptor to close, or -1 with errno. In $TMPDIR, or /tmp. */
int vel_temp_open(void);

/* Writes all of it at this offset. VEL_OK; or VEL_ESYS with errno, and perhaps a part of it is there. */
int vel_temp_write(int file, uint64_t offset, const char *at, size_t len);

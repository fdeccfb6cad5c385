/* A board as text that Prometheus reads (text format 0.0.4). */
#pragma once

#include "admin/board.h"
#include "base/buf.h"

/* Appends everything. VEL_OK or VEL_ENOMEM. */
int vel_exposition_render(const struct vel_board *board, const char *version, struct vel_buf *to);

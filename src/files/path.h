/* From the path of a request to that of a file below a root: decoded once, and never upwards. */
#pragma once

#include "base/slice.h"

/* Longer ones name no file (PATH_MAX). */
#define VEL_FILE_PATH_MAX 4096

/* Writes the relative path to out (VEL_FILE_PATH_MAX bytes, NUL behind it): without a slash at its beginning, "" for
 * the root itself; one at its end is kept. Returns its length, or -1 for what can name no file below a root: "." and
 * "..", empty segments, NUL, a slash or a backslash that was escaped, broken escapes, and, unless dotfiles, a segment
 * that begins with a dot. encoded: "%" is an escape. */
int vel_file_path(struct vel_slice path, bool encoded, bool dotfiles, char *out);

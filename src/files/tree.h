/* A folder whose files are served: opened below it and nowhere else, and kept open while they stay as they are. */
#pragma once

#include "files/file.h"

/* Files that are kept open: one slot by hash of the path. */
#define VEL_TREE_SLOTS 256
/* A file that has another's name now is found so late at most. */
#define VEL_TREE_LOOK_MS 1000

struct vel_tree;

/* links: symbolic links may lead out of it. NULL with errno. */
struct vel_tree *vel_tree_new(const char *root, bool links);
void vel_tree_free(struct vel_tree *tree);

/* The file of that relative path, as vel_file_path makes it: to be released. now: any clock of milliseconds. NULL with
 * errno: ENOENT, also for what leads out; EISDIR; EACCES; EMFILE and its kin. */
struct vel_file *vel_tree_get(struct vel_tree *tree, struct vel_slice path, uint64_t now);

/* Open files of a folder. */
#include "files/tree.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer paths are opened each time. */
#define PATH_KEPT 200

struct slot {
    struct vel_file *file; /* owned; NULL: free */
    uint64_t looked;
    size_t len;
    char path[PATH_KEPT];
};

struct vel_tree {
    int root;
    bool links;
    bool walks; /* the kernel has no openat2 */
    struct slot slots[VEL_TREE_SLOTS];
};

struct vel_tree *vel_tree_new(const char *root, bool links) {
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct vel_tree *tree = fd >= 0 ? vel_alloc_zero(sizeof(*tree)) : NULL;
    if (fd >= 0 && tree == NULL)
        close(fd);
    if (tree == NULL)
        return NULL;
    tree->root = fd;
    tree->links = links;
    return tree;
}

void vel_tree_free(struct vel_tree *tree) {
    if (tree == NULL)
        return;
    for (size_t i = 0; i < VEL_TREE_SLOTS; i++)
        vel_file_release(tree->slots[i].file);
    close(tree->root);
    vel_free(tree);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Without openat2 no link is followed at all: every component by itself. */
static int open_walking(int root, char *path) {
    int folder = root, fd = -1;
    for (char *end; (end = strchr(path, '/')) != NULL; path = end + 1) {
        *end = '\0';
        int next = openat(folder, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int err = errno;
        *end = '/';
        if (folder != root)
            close(folder);
        folder = next;
        errno = err;
        if (folder < 0)
            return -1;
    }
    fd = openat(folder, *path != '\0' ? path : ".", READ_FLAGS | O_NOFOLLOW);
    int err = errno;
    if (folder != root)
        close(folder);
    errno = err;
    return fd;
}

static int open_beneath(struct vel_tree *tree, char *path) {
    struct open_how how = {.flags = READ_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (!tree->walks) {
        int fd = (int)syscall(SYS_openat2, tree->root, *path != '\0' ? path : ".", &how, sizeof(how));
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
            return fd;
        tree->walks = errno == ENOSYS || errno == EPERM; /* some sandboxes say so */
    }
    return open_walking(tree->root, path);
}

/* What leads out is not there; a segment that is no folder, or too long, neither. */
static int open_path(struct vel_tree *tree, char *path) {
    int fd = tree->links ? openat(tree->root, *path != '\0' ? path : ".", READ_FLAGS) : open_beneath(tree, path);
    if (fd < 0 && (errno == EXDEV || errno == ELOOP || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ENXIO))
        errno = ENOENT;
    return fd;
}

static struct vel_file *open_file(struct vel_tree *tree, struct vel_slice path) {
    char text[4096];
    if (path.len >= sizeof(text)) {
        errno = ENOENT;
        return NULL;
    }
    if (path.len > 0)
        memcpy(text, path.at, path.len);
    text[path.len] = '\0';
    int fd = open_path(tree, text);
    return fd >= 0 ? vel_file_new(fd) : NULL;
}

/* --- keeping ----------------------------------------------------------------------------------------------------- */

static struct slot *slot_of(struct vel_tree *tree, struct vel_slice path) {
    uint32_t hash = 2166136261u; /* FNV-1a: who knows collisions makes files be opened, and no more */
    for (size_t i = 0; i < path.len; i++)
        hash = (hash ^ (unsigned char)path.at[i]) * 16777619u;
    return &tree->slots[hash % VEL_TREE_SLOTS];
}

static bool is_kept(const struct slot *slot, struct vel_slice path, uint64_t now) {
    return slot->file != NULL && vel_slice_eq(vel_slice(slot->path, slot->len), path) &&
           now - slot->looked < VEL_TREE_LOOK_MS && !vel_file_changed(slot->file);
}

static void keep(struct slot *slot, struct vel_slice path, struct vel_file *file, uint64_t now) {
    vel_file_release(slot->file);
    slot->file = vel_file_hold(file);
    slot->looked = now;
    slot->len = path.len;
    if (path.len > 0)
        memcpy(slot->path, path.at, path.len);
}

struct vel_file *vel_tree_get(struct vel_tree *tree, struct vel_slice path, uint64_t now) {
    struct slot *slot = slot_of(tree, path);
    if (is_kept(slot, path, now))
        return vel_file_hold(slot->file);
    struct vel_file *file = open_file(tree, path);
    if (file == NULL) {
        int err = errno;
        if (slot->file != NULL && vel_slice_eq(vel_slice(slot->path, slot->len), path)) {
            vel_file_release(slot->file);
            slot->file = NULL;
        }
        errno = err;
    } else if (path.len <= PATH_KEPT) {
        keep(slot, path, file, now);
    }
    return file;
}

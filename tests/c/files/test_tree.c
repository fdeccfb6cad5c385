/* Tests of src/files/tree.c. */
#include "files/tree.h"

#include "support/failmalloc.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[] = "/tmp/velocem-tree-XXXXXX";

static const char *in(const char *name) {
    static char text[256];
    snprintf(text, sizeof(text), "%s/%s", place, name);
    return text;
}

static void put(const char *name, const char *text) {
    int fd = open(in(name), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void lay_out(void) {
    CHECK(mkdtemp(place) != NULL);
    CHECK_INT(mkdir(in("root"), 0700), 0);
    CHECK_INT(mkdir(in("root/deep"), 0700), 0);
    put("root/a", "inside");
    put("root/deep/b", "deeper");
    put("secret", "outside");
    CHECK_INT(symlink("a", in("root/near")), 0);
    CHECK_INT(symlink("../a", in("root/deep/up")), 0);
    CHECK_INT(symlink("../secret", in("root/out")), 0);
    CHECK_INT(symlink("/etc/passwd", in("root/far")), 0);
    CHECK_INT(symlink("..", in("root/parent")), 0);
}

static struct vel_file *get(struct vel_tree *tree, const char *path, uint64_t now) {
    return vel_tree_get(tree, vel_slice(path, strlen(path)), now);
}

static void check_text(struct vel_tree *tree, const char *path, uint64_t now, const char *want) {
    char have[32];
    struct vel_file *file = get(tree, path, now);
    if (file == NULL)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    CHECK(file != NULL);
    CHECK_INT(file->size, strlen(want));
    CHECK_INT(pread(file->fd, have, sizeof(have), 0), strlen(want));
    CHECK(memcmp(have, want, strlen(want)) == 0);
    vel_file_release(file);
}

static void check_missing(struct vel_tree *tree, const char *path, int err) {
    CHECK(get(tree, path, 0) == NULL);
    CHECK_INT(errno, err);
}

static void files_are_found_below_the_root(void) {
    struct vel_tree *tree = vel_tree_new(in("root"), false);
    check_text(tree, "a", 0, "inside");
    check_text(tree, "a", 1, "inside");
    check_text(tree, "deep/b", 0, "deeper");
    check_text(tree, "near", 0, "inside");
    check_text(tree, "deep/up", 0, "inside");
    check_missing(tree, "none", ENOENT);
    check_missing(tree, "a/b", ENOENT);
    check_missing(tree, "a/", ENOENT);
    check_missing(tree, "deep", EISDIR);
    check_missing(tree, "deep/", EISDIR);
    check_missing(tree, "", EISDIR);
    vel_tree_free(tree);
}

static void nothing_is_found_outside_of_it(void) {
    static const char *const paths[] = {"out", "far", "parent/secret", "../secret", "deep/../../secret", "/etc/passwd"};
    struct vel_tree *tree = vel_tree_new(in("root"), false);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        check_missing(tree, paths[i], ENOENT);
    vel_tree_free(tree);
    tree = vel_tree_new(in("root"), true);
    check_text(tree, "out", 0, "outside");
    check_text(tree, "parent/secret", 0, "outside");
    vel_tree_free(tree);
}

static void a_change_is_noticed(void) {
    struct vel_tree *tree = vel_tree_new(in("root"), false);
    check_text(tree, "a", 0, "inside");
    put("root/a", "written again");
    check_text(tree, "a", 1, "written again");
    put("root/new", "another file");
    char to[256];
    strcpy(to, in("root/a"));
    CHECK_INT(rename(in("root/new"), to), 0);
    check_text(tree, "a", VEL_TREE_LOOK_MS + 1, "another file");
    CHECK_INT(unlink(in("root/a")), 0);
    check_missing(tree, "a", ENOENT);
    put("root/a", "inside");
    check_text(tree, "a", VEL_TREE_LOOK_MS + 2, "inside");
    vel_tree_free(tree);
}

static void more_files_than_are_kept_are_found_all_the_same(void) {
    struct vel_tree *tree = vel_tree_new(in("root"), false);
    char name[32], text[16];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2 * VEL_TREE_SLOTS; i++) {
            snprintf(name, sizeof(name), "root/many-%d", i);
            snprintf(text, sizeof(text), "%d", i);
            if (round == 0)
                put(name, text);
            check_text(tree, name + 5, 0, text);
        }
    vel_tree_free(tree);
}

static void without_memory_or_a_root_there_is_none(void) {
    fail_malloc_at(1);
    CHECK(vel_tree_new(in("root"), false) == NULL);
    fail_malloc_at(0);
    CHECK(vel_tree_new(in("none"), false) == NULL);
    CHECK_INT(errno, ENOENT);
    CHECK(vel_tree_new(in("secret"), false) == NULL);
    CHECK_INT(errno, ENOTDIR);
}

static void take_away(void) {
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", place);
    CHECK_INT(system(command), 0);
}

int main(void) {
    lay_out();
    RUN(files_are_found_below_the_root);
    RUN(nothing_is_found_outside_of_it);
    RUN(a_change_is_noticed);
    RUN(more_files_than_are_kept_are_found_all_the_same);
    RUN(without_memory_or_a_root_there_is_none);
    take_away();
    return 0;
}

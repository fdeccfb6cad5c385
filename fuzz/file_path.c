/* Fuzzes paths of files: what is made of any path has no segment that leads upwards, is empty or is hidden. */
#include "support.h"

#include "files/path.h"

static void check(struct vel_slice path, bool encoded, bool dotfiles) {
    static char out[VEL_FILE_PATH_MAX];
    int n = vel_file_path(path, encoded, dotfiles, out);
    if (n < 0)
        return;
    MUST((size_t)n == strlen(out) && n < VEL_FILE_PATH_MAX && out[0] != '/');
    for (char *at = out, *end; *at != '\0'; at = end + (*end == '/')) {
        end = strchrnul(at, '/');
        size_t len = (size_t)(end - at);
        MUST(len > 0 && memchr(at, '\\', len) == NULL);
        MUST(!(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.'));
        MUST(dotfiles || at[0] != '.');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    for (int i = 0; i < 4; i++)
        check(vel_slice(copy, size), i & 1, i & 2);
    free(copy);
    return 0;
}

/* Temporary files, nameless from the start where the file system can do it, so that no crash leaves one behind. */
#include "base/temp.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int vel_temp_open(void) {
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0)
        return file;
    char name[4096];
    if ((size_t)snprintf(name, sizeof(name), "%s/velocem-XXXXXX", folder) >= sizeof(name))
        return -1;
    file = mkostemp(name, O_CLOEXEC);
    if (file >= 0)
        unlink(name);
    return file;
}

int vel_temp_write(int file, uint64_t offset, const char *at, size_t len) {
    while (len > 0) {
        ssize_t n = pwrite(file, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return VEL_ESYS;
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return VEL_OK;
}

/* Guarded memory by mmap and mprotect. */
#include "support/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t pages_for(size_t len, size_t page) {
    return (len + page - 1) / page + 1;
}

char *guard_copy(const char *at, size_t len) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = pages_for(len, page);
    char *map = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + (n - 1) * page, page, PROT_NONE) != 0)
        abort();
    char *copy = map + (n - 1) * page - len;
    if (len > 0)
        memcpy(copy, at, len);
    return copy;
}

void guard_free(char *copy, size_t len) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = pages_for(len, page);
    munmap(copy + len - (n - 1) * page, n * page);
}

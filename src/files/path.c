/* Paths of requests into paths of files. */
#include "files/path.h"

#include "base/num.h"

/* One byte, or -1 for an escape that is broken or hides what separates. */
static int next(struct vel_slice path, bool encoded, size_t *i) {
    unsigned char c = (unsigned char)path.at[(*i)++];
    if (c != '%' || !encoded)
        return c;
    int high = path.len - *i >= 2 ? vel_num_hex(path.at[*i]) : -1;
    int low = high >= 0 ? vel_num_hex(path.at[*i + 1]) : -1;
    *i += 2;
    int byte = low >= 0 ? high << 4 | low : -1;
    return byte == '/' ? -1 : byte;
}

static bool is_dots(const char *segment, size_t len) {
    return segment[0] == '.' && (len == 1 || (len == 2 && segment[1] == '.'));
}

static bool may_be_segment(const char *segment, size_t len, bool dotfiles) {
    return len > 0 && !is_dots(segment, len) && (dotfiles || segment[0] != '.');
}

int vel_file_path(struct vel_slice path, bool encoded, bool dotfiles, char *out) {
    size_t n = 0, start = 0;
    if (path.len > 0 && path.at[0] == '/')
        path = vel_slice(path.at + 1, path.len - 1);
    for (size_t i = 0; i < path.len;) {
        int byte = next(path, encoded, &i);
        if (byte <= 0 || byte == '\\' || n == VEL_FILE_PATH_MAX - 1)
            return -1;
        out[n++] = (char)byte;
        if (byte != '/')
            continue;
        if (!may_be_segment(out + start, n - 1 - start, dotfiles))
            return -1;
        start = n;
    }
    out[n] = '\0';
    return n == start || may_be_segment(out + start, n - start, dotfiles) ? (int)n : -1;
}

/* Paths and hosts into segments. */
#include "router/path.h"

#include "base/mask.h"
#include "base/num.h"

/* --- as it is ---------------------------------------------------------------------------------------------------- */

struct splitting {
    struct vel_slice *next, *last; /* where the next segment goes, and where none does any more */
    const char *start;             /* of the segment that is open */
    uint32_t odd;                  /* not 0: a NUL or "%" was seen */
};

static inline void end_segment(struct splitting *s, const char *at) {
    if (s->next < s->last)
        *s->next++ = vel_slice(s->start, (size_t)(at - s->start));
    s->start = at + 1;
}

static inline void split_bytes(struct splitting *s, const char *at, const char *end) {
    for (; at < end; at++) {
        if (*at == '/')
            end_segment(s, at);
        s->odd |= *at == '%' || *at == '\0';
    }
}

/* Sixteen bytes from at, of which the first skip have been seen. */
static inline void split_16(struct splitting *s, const char *at, unsigned skip) {
    uint32_t slashes = vel_mask16(at, '/') >> skip << skip;
    s->odd |= vel_mask16(at, '%') | vel_mask16(at, '\0');
    for (; slashes != 0; slashes &= slashes - 1)
        end_segment(s, at + __builtin_ctz(slashes));
}

static inline void split_all(struct splitting *s, const char *at, const char *end) {
    if (end - at < 16) {
        split_bytes(s, at, end);
        return;
    }
    for (; end - at >= 16; at += 16)
        split_16(s, at, 0);
    if (at < end)
        split_16(s, end - 16, (unsigned)(16 - (end - at)));
}

/* --- decoded ----------------------------------------------------------------------------------------------------- */

/* The byte at *at, which goes on behind it; -1 where an escape is none, or stands for NUL. */
static int decode(const char **at, const char *end) {
    if (**at != '%')
        return **at != '\0' ? (unsigned char)*(*at)++ : -1;
    if (end - *at < 3)
        return -1;
    int high = vel_num_hex((*at)[1]), low = vel_num_hex((*at)[2]);
    *at += 3;
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

/* Again, each byte as what it stands for. */
static enum vel_path_result split_encoded(struct vel_path *path, struct splitting *s, struct vel_slice raw, char *to) {
    const char *at = raw.at + 1, *end = raw.at + raw.len;
    s->start = to;
    s->next = path->segments;
    path->decoded = true;
    path->raw[0] = 1;
    while (at < end) {
        bool slash = *at == '/';
        int byte = decode(&at, end);
        if (byte < 0)
            return VEL_PATH_BAD;
        if (slash) {
            end_segment(s, to);
            if (s->next < s->last)
                path->raw[s->next - path->segments] = (uint32_t)(at - raw.at);
        }
        *to++ = (char)byte;
    }
    end_segment(s, to);
    path->end = to;
    return VEL_PATH_OK;
}

/* --- both -------------------------------------------------------------------------------------------------------- */

/* An empty one at the end is a slash at the end. When there were too many the last one kept is not the last. */
static inline void take_slash(struct vel_path *path, const struct vel_slice *next) {
    struct vel_slice last = next[-1];
    path->slash = last.len == 0 && last.at == path->end;
    path->nsegments = (unsigned)(next - path->segments) - path->slash;
}

enum vel_path_result vel_path_split(struct vel_path *path, struct vel_slice raw, bool encoded, char *scratch,
                                    unsigned most) {
    path->decoded = false;
    if (raw.len == 0 || raw.at[0] != '/')
        return VEL_PATH_NONE;
    const char *at = raw.at + 1, *end = raw.at + raw.len;
    struct splitting s = {.next = path->segments, .last = path->segments + most, .start = at};
    split_all(&s, at, end);
    end_segment(&s, end);
    path->end = end;
    if (s.odd != 0) {
        if (memchr(raw.at, '\0', raw.len) != NULL)
            return VEL_PATH_BAD;
        if (encoded && split_encoded(path, &s, raw, scratch) == VEL_PATH_BAD)
            return VEL_PATH_BAD;
    }
    take_slash(path, s.next);
    return VEL_PATH_OK;
}

/* Without ":port" and one dot at the end. */
static struct vel_slice host_name(struct vel_slice host) {
    const char *colon = memchr(host.at, ':', host.len);
    if (colon != NULL)
        host.len = (size_t)(colon - host.at);
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    return host;
}

bool vel_path_of_host(struct vel_path *path, struct vel_slice host, char *scratch, unsigned most) {
    if (host.len == 0 || host.at[0] == '[')
        return false;
    host = host_name(host);
    if (host.len == 0 || host.len > VEL_HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++)
        scratch[i] = vel_ascii_lower(host.at[i]);
    path->nsegments = 0;
    path->slash = path->decoded = false;
    path->end = scratch; /* what is left of a host stands in front */
    for (size_t end = host.len, start = end;; end = --start) {
        while (start > 0 && scratch[start - 1] != '.')
            start--;
        if (start == end)
            return false;
        if (path->nsegments < most)
            path->segments[path->nsegments++] = vel_slice(scratch + start, end - start);
        if (start == 0)
            return true;
    }
}

/* Pieces of a line of the access log. */
#include "server/access_text.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void put(struct vel_buf *to, const char *at, size_t len) {
    memcpy(to->data + to->len, at, len);
    to->len += len;
}

void vel_access__put_text(struct vel_buf *to, const char *text) {
    put(to, text, strlen(text));
}

void vel_access__put_number(struct vel_buf *to, uint64_t value) {
    to->len += vel_num_format(to->data + to->len, value);
}

/* Both of our quotings know \\, \" and four hexadecimal digits after \u. What would be longer than most ends in dots.
 */
void vel_access__put_escaped(struct vel_buf *to, struct vel_slice s, size_t most) {
    size_t end = to->len + most;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (to->len + 6 > end) {
            vel_access__put_text(to, "...");
            return;
        }
        if (c == '"' || c == '\\')
            put(to, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20 || c > 0x7e)
            to->len += (size_t)sprintf(to->data + to->len, "\\u%04x", c);
        else
            put(to, s.at + i, 1);
    }
}

void vel_access__put_host(struct vel_buf *to, const union vel_addr *peer) {
    size_t len = vel_addr_host(peer, to->data + to->len);
    to->len += len;
    if (len == 0)
        vel_access__put_text(to, "-");
}

/* Local time with its offset, as every common log parser expects it. */
void vel_access__put_common_time(struct vel_buf *to, int64_t wall) {
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)wall;
    struct tm tm;
    localtime_r(&seconds, &tm);
    long offset = tm.tm_gmtoff / 60;
    to->len += (size_t)sprintf(to->data + to->len, "[%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld]", tm.tm_mday,
                               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
                               offset < 0 ? '-' : '+', labs(offset) / 60, labs(offset) % 60);
}

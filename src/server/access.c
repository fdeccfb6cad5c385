/* Lines of the access log. */
#include "server/access.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Waiting lines beyond this are lost, and counted. */
#define WAITING_MAX ((size_t)1 << 20)

/* A pipe that is ready takes PIPE_BUF bytes without blocking, and in one piece whoever else writes to it (POSIX); no
 * more is certain. */
#define PIECE 4096

/* In a line that would be longer than that: of the target, and of each other text. */
#define TARGET_CUT 2048
#define TEXT_CUT 384

/* How much of them a line may hold. */
struct room {
    size_t target, text;
};

static void put(struct vel_buf *to, const char *at, size_t len) {
    memcpy(to->data + to->len, at, len);
    to->len += len;
}

static void put_text(struct vel_buf *to, const char *text) {
    put(to, text, strlen(text));
}

static void put_number(struct vel_buf *to, uint64_t value) {
    to->len += vel_num_format(to->data + to->len, value);
}

/* Both of our quotings know \\, \" and four hexadecimal digits after \u. What would be longer than most ends in dots.
 */
static void put_escaped(struct vel_buf *to, struct vel_slice s, size_t most) {
    size_t end = to->len + most;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (to->len + 6 > end) {
            put_text(to, "...");
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

static struct vel_slice field_or(const struct vel_head *head, enum vel_field_id id, struct vel_slice otherwise) {
    const struct vel_field *field = head != NULL ? vel_head_field(head, id) : NULL;
    return field != NULL ? field->value : otherwise;
}

static void put_request_line(struct vel_buf *to, const struct vel_head *head, struct room room) {
    if (head == NULL) {
        put_text(to, "-");
        return;
    }
    put_escaped(to, head->method_text, room.text);
    put_text(to, " ");
    put_escaped(to, head->target.raw, room.target);
    put_text(to, head->minor == 0 ? " HTTP/1.0" : " HTTP/1.1");
}

static void put_host(struct vel_buf *to, const union vel_addr *peer) {
    size_t len = vel_addr_host(peer, to->data + to->len);
    to->len += len;
    if (len == 0)
        put_text(to, "-");
}

/* Local time with its offset, as every common log parser expects it. */
static void put_common_time(struct vel_buf *to, int64_t wall) {
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

static void put_quoted_field(struct vel_buf *to, const struct vel_head *head, enum vel_field_id id, size_t most) {
    put_text(to, " \"");
    put_escaped(to, field_or(head, id, VEL_SLICE("-")), most);
    put_text(to, "\"");
}

static void put_common(struct vel_buf *to, const struct vel_access_entry *e, bool combined, struct room room) {
    put_host(to, e->peer);
    put_text(to, " - - ");
    put_common_time(to, e->wall);
    put_text(to, " \"");
    put_request_line(to, e->head, room);
    put_text(to, "\" ");
    put_number(to, e->status);
    put_text(to, " ");
    put_number(to, e->bytes);
    if (combined) {
        put_quoted_field(to, e->head, VEL_FIELD_REFERER, room.text);
        put_quoted_field(to, e->head, VEL_FIELD_USER_AGENT, room.text);
    }
    put_text(to, " ");
    put_number(to, e->us);
    put_text(to, "us\n");
}

static void put_json_text(struct vel_buf *to, const char *name, struct vel_slice value, size_t most) {
    put_text(to, ",\"");
    put_text(to, name);
    put_text(to, "\":\"");
    put_escaped(to, value, most);
    put_text(to, "\"");
}

static void put_json_number(struct vel_buf *to, const char *name, uint64_t value) {
    put_text(to, ",\"");
    put_text(to, name);
    put_text(to, "\":");
    put_number(to, value);
}

static void put_json(struct vel_buf *to, const struct vel_access_entry *e, struct room room) {
    static const struct vel_slice none = {"", 0};
    put_text(to, "{\"time\":");
    put_number(to, (uint64_t)e->wall);
    put_text(to, ",\"client\":\"");
    put_host(to, e->peer);
    put_text(to, "\"");
    if (e->head != NULL) {
        put_json_text(to, "method", e->head->method_text, room.text);
        put_json_text(to, "target", e->head->target.raw, room.target);
        put_json_text(to, "protocol", e->head->minor == 0 ? VEL_SLICE("HTTP/1.0") : VEL_SLICE("HTTP/1.1"), room.text);
        put_json_text(to, "host", e->head->host, room.text);
        put_json_text(to, "referer", field_or(e->head, VEL_FIELD_REFERER, none), room.text);
        put_json_text(to, "user_agent", field_or(e->head, VEL_FIELD_USER_AGENT, none), room.text);
    }
    put_json_number(to, "status", e->status);
    put_json_number(to, "bytes", e->bytes);
    put_json_number(to, "duration_us", e->us);
    put_text(to, "}\n");
}

static void put_line(struct vel_access *log, const struct vel_access_entry *e, struct room room) {
    if (log->format == VEL_ACCESS_JSON)
        put_json(&log->lines, e, room);
    else
        put_common(&log->lines, e, log->format == VEL_ACCESS_COMBINED, room);
}

/* The longest line: every byte of every slice escaped to six, and 512 for all that is ours. */
static size_t room_for(const struct vel_access_entry *e) {
    static const struct vel_slice none = {"", 0};
    size_t n = 0;
    if (e->head != NULL)
        n = e->head->method_text.len + e->head->target.raw.len + e->head->host.len +
            field_or(e->head, VEL_FIELD_REFERER, none).len + field_or(e->head, VEL_FIELD_USER_AGENT, none).len;
    return n * 6 + 512;
}

void vel_access_add(struct vel_access *log, const struct vel_access_entry *e) {
    if (log->lines.len > WAITING_MAX || vel_buf_reserve(&log->lines, room_for(e)) == NULL) {
        log->dropped++;
        return;
    }
    size_t start = log->lines.len;
    put_line(log, e, (struct room){SIZE_MAX / 2, SIZE_MAX / 2});
    if (log->lines.len - start > PIECE) {
        log->lines.len = start;
        put_line(log, e, (struct room){TARGET_CUT, TEXT_CUT});
    }
}

static bool ready(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* Whole lines where they fit: several workers may write to one file or pipe, and theirs come in between. */
static size_t piece_of(const char *at, size_t len) {
    if (len <= PIECE)
        return len;
    size_t n = PIECE;
    while (n > 0 && at[n - 1] != '\n')
        n--;
    return n > 0 ? n : PIECE;
}

static uint64_t count_lines(const char *at, size_t len) {
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += at[i] == '\n';
    return n;
}

void vel_access_flush(struct vel_access *log) {
    size_t at = 0;
    while (at < log->lines.len && ready(log->fd)) {
        size_t piece = piece_of(log->lines.data + at, log->lines.len - at);
        ssize_t n = write(log->fd, log->lines.data + at, piece);
        if (n > 0) {
            at += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            if (errno != EAGAIN) {
                log->dropped += count_lines(log->lines.data + at, log->lines.len - at);
                at = log->lines.len;
            }
            break;
        }
    }
    vel_buf_consume(&log->lines, at);
}

void vel_access_free(struct vel_access *log) {
    vel_access_flush(log);
    vel_buf_free(&log->lines);
}

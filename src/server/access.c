/* Lines of the access log. */
#include "server/access.h"

#include "base/err.h"
#include "server/access_format.h"
#include "server/access_text.h"

#include <errno.h>
#include <poll.h>
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

static struct vel_slice field_or(const struct vel_head *head, enum vel_field_id id, struct vel_slice otherwise) {
    const struct vel_field *field = head != NULL ? vel_head_field(head, id) : NULL;
    return field != NULL ? field->value : otherwise;
}

static void put_request_line(struct vel_buf *to, const struct vel_head *head, struct room room) {
    if (head == NULL) {
        vel_access__put_text(to, "-");
        return;
    }
    vel_access__put_escaped(to, head->method_text, room.text);
    vel_access__put_text(to, " ");
    vel_access__put_escaped(to, head->target.raw, room.target);
    vel_access__put_text(to, head->minor == 0 ? " HTTP/1.0" : " HTTP/1.1");
}

static void put_quoted_field(struct vel_buf *to, const struct vel_head *head, enum vel_field_id id, size_t most) {
    vel_access__put_text(to, " \"");
    vel_access__put_escaped(to, field_or(head, id, VEL_SLICE("-")), most);
    vel_access__put_text(to, "\"");
}

static void put_common(struct vel_buf *to, const struct vel_access_entry *e, bool combined, struct room room) {
    vel_access__put_host(to, e->peer);
    vel_access__put_text(to, " - - ");
    vel_access__put_common_time(to, e->wall);
    vel_access__put_text(to, " \"");
    put_request_line(to, e->head, room);
    vel_access__put_text(to, "\" ");
    vel_access__put_number(to, e->status);
    vel_access__put_text(to, " ");
    vel_access__put_number(to, e->bytes);
    if (combined) {
        put_quoted_field(to, e->head, VEL_FIELD_REFERER, room.text);
        put_quoted_field(to, e->head, VEL_FIELD_USER_AGENT, room.text);
    }
    vel_access__put_text(to, " ");
    vel_access__put_number(to, e->us);
    vel_access__put_text(to, "us\n");
}

static void put_json_text(struct vel_buf *to, const char *name, struct vel_slice value, size_t most) {
    vel_access__put_text(to, ",\"");
    vel_access__put_text(to, name);
    vel_access__put_text(to, "\":\"");
    vel_access__put_escaped(to, value, most);
    vel_access__put_text(to, "\"");
}

static void put_json_number(struct vel_buf *to, const char *name, uint64_t value) {
    vel_access__put_text(to, ",\"");
    vel_access__put_text(to, name);
    vel_access__put_text(to, "\":");
    vel_access__put_number(to, value);
}

static void put_json(struct vel_buf *to, const struct vel_access_entry *e, struct room room) {
    static const struct vel_slice none = {"", 0};
    vel_access__put_text(to, "{\"time\":");
    vel_access__put_number(to, (uint64_t)e->wall);
    vel_access__put_text(to, ",\"client\":\"");
    vel_access__put_host(to, e->peer);
    vel_access__put_text(to, "\"");
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
    put_json_number(to, "queue_us", e->queue_us);
    vel_access__put_text(to, "}\n");
}

static void put_line(struct vel_access *log, const struct vel_access_entry *e, struct room room) {
    if (log->format == VEL_ACCESS_CUSTOM)
        vel_access_format_put(log->custom, &log->lines, e, room.target, room.text);
    else if (log->format == VEL_ACCESS_JSON)
        put_json(&log->lines, e, room);
    else
        put_common(&log->lines, e, log->format == VEL_ACCESS_COMBINED, room);
}

/* The longest line: every byte of every slice escaped to six, and 512 for all that is ours. */
static size_t room_for(const struct vel_access *log, const struct vel_access_entry *e) {
    static const struct vel_slice none = {"", 0};
    size_t n = 0;
    if (log->format == VEL_ACCESS_CUSTOM)
        return vel_access_format_room(log->custom, e);
    if (e->head != NULL)
        n = e->head->method_text.len + e->head->target.raw.len + e->head->host.len +
            field_or(e->head, VEL_FIELD_REFERER, none).len + field_or(e->head, VEL_FIELD_USER_AGENT, none).len;
    return n * 6 + 512;
}

/* Of those that failed every line, of the others as many as are wanted, evenly. */
static bool is_chosen(struct vel_access *log, const struct vel_access_entry *e) {
    if (log->sample == 0 || e->status >= 500)
        return true;
    log->due += log->sample;
    if (log->due < VEL_ACCESS_ALL)
        return false;
    log->due -= VEL_ACCESS_ALL;
    return true;
}

void vel_access_add(struct vel_access *log, const struct vel_access_entry *e) {
    if (!is_chosen(log, e))
        return;
    if (log->lines.len > WAITING_MAX || vel_buf_reserve(&log->lines, room_for(log, e)) == NULL) {
        log->dropped++;
        return;
    }
    size_t start = log->lines.len;
    put_line(log, e, (struct room){SIZE_MAX / 2, SIZE_MAX / 2});
    if (log->lines.len - start > PIECE) {
        log->lines.len = start;
        put_line(log, e, (struct room){TARGET_CUT, TEXT_CUT});
        if (log->lines.len - start > PIECE) { /* a format of many texts */
            log->lines.len = start + PIECE;
            log->lines.data[log->lines.len - 1] = '\n';
        }
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

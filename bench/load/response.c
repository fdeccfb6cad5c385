/* HTTP/1 responses: the head is read at one go, what comes in pieces is held until it is whole; bodies as they come. */
#include "response.h"

#include "websocket.h"

#include <stdlib.h>
#include <strings.h>

static bool is(const char *name, size_t size, const char *text) {
    return size == strlen(text) && strncasecmp(name, text, size) == 0;
}

static bool has_token(const char *value, size_t size, const char *token) {
    for (size_t at = 0, end; at < size; at = end + 1) {
        const char *comma = memchr(value + at, ',', size - at);
        end = comma ? (size_t)(comma - value) : size;
        size_t from = at, to = end;
        while (from < to && (value[from] == ' ' || value[from] == '\t'))
            from++;
        while (to > from && (value[to - 1] == ' ' || value[to - 1] == '\t'))
            to--;
        if (is(value + from, to - from, token))
            return true;
    }
    return false;
}

static bool read_length(const char *value, size_t size, uint64_t *length) {
    *length = 0;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9' || *length > UINT64_MAX / 10 - 1)
            return false;
        *length = *length * 10 + (uint64_t)(value[i] - '0');
    }
    return size > 0;
}

struct head {
    bool chunked;
    bool has_length;
    bool keeps; /* HTTP/1.0 with keep-alive */
    uint64_t length;
};

/* One field line, without its end. */
static bool read_field(struct response *r, struct head *head, const char *line, size_t size) {
    const char *colon = memchr(line, ':', size);
    if (colon == NULL)
        return false;
    size_t name = (size_t)(colon - line), from = name + 1;
    while (from < size && (line[from] == ' ' || line[from] == '\t'))
        from++;
    const char *value = line + from;
    size_t left = size - from;
    if (is(line, name, "content-length")) {
        head->has_length = true;
        return read_length(value, left, &head->length);
    }
    if (is(line, name, "transfer-encoding"))
        head->chunked = has_token(value, left, "chunked");
    if (is(line, name, "sec-websocket-accept"))
        r->accepted = left == strlen(WEBSOCKET_ACCEPT) && memcmp(value, WEBSOCKET_ACCEPT, left) == 0;
    if (is(line, name, "connection")) {
        r->closes = r->closes || has_token(value, left, "close");
        head->keeps = has_token(value, left, "keep-alive");
    }
    return true;
}

static bool read_status(struct response *r, const char *line, size_t size, bool *is_1_0) {
    if (size < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' || (size > 12 && line[12] != ' '))
        return false;
    r->status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        r->status = r->status * 10 + (unsigned)(line[i] - '0');
    }
    *is_1_0 = line[7] == '0';
    return true;
}

/* RFC 9112 6.3: what the body's length is. */
static void begin_body(struct response *r, const struct head *head) {
    bool none = r->status == 101 || r->status == 204 || r->status == 304;
    r->left = head->has_length && !none ? head->length : 0;
    if (none || (head->has_length && !head->chunked))
        r->state = RESPONSE_BODY;
    else
        r->state = head->chunked ? RESPONSE_CHUNK_SIZE : RESPONSE_UNTIL_CLOSE;
    r->closes = r->closes || r->state == RESPONSE_UNTIL_CLOSE;
}

/* A whole head, with its empty line. */
static bool read_head(struct response *r, const char *at, const char *end) {
    struct head head = {0};
    bool is_1_0 = false;
    r->closes = r->wrong_body = r->accepted = false;
    r->size = 0;
    for (bool first = true; at < end - 2; first = false) {
        const char *stop = memchr(at, '\r', (size_t)(end - at));
        size_t size = (size_t)(stop - at);
        if (!(first ? read_status(r, at, size, &is_1_0) : read_field(r, &head, at, size)))
            return false;
        if (stop[1] != '\n')
            return false;
        at = stop + 2;
    }
    r->closes = r->closes || (is_1_0 && !head.keeps);
    if (r->status >= 100 && r->status < 200 && r->status != 101)
        return true; /* interim: the next head follows */
    begin_body(r, &head);
    return true;
}

static bool hold(struct response *r, const char *at, size_t size) {
    if (size > RESPONSE_HEAD_MOST - r->held_size)
        return false;
    if (r->held == NULL && (r->held = malloc(RESPONSE_HEAD_MOST)) == NULL)
        return false;
    memcpy(r->held + r->held_size, at, size);
    r->held_size += size;
    return true;
}

/* The bytes up to the empty line, seen together with those that are held; 0 when it has not come. */
static size_t rest_of_head(const struct response *r, const char *at, size_t size) {
    if (r->held_size == 0) {
        const char *found = memmem(at, size, "\r\n\r\n", 4);
        return found ? (size_t)(found - at) + 4 : 0;
    }
    const char *held = memmem(r->held, r->held_size, "\r\n\r\n", 4);
    return held ? (size_t)(held - r->held) + 4 : 0;
}

static bool feed_head(struct response *r, const char **at, const char *end) {
    size_t size = (size_t)(end - *at);
    size_t whole = 0;
    if (r->held_size == 0 && (whole = rest_of_head(r, *at, size)) > 0) {
        *at += whole;
        return read_head(r, *at - whole, *at);
    }
    size_t before = r->held_size, room = RESPONSE_HEAD_MOST - before;
    if (!hold(r, *at, size < room ? size : room))
        return false;
    whole = rest_of_head(r, *at, size);
    if (whole == 0) {
        *at = end;
        return r->held_size < RESPONSE_HEAD_MOST;
    }
    *at += whole - before;
    r->held_size = 0;
    return read_head(r, r->held, r->held + whole);
}

static void take_body(struct response *r, const struct expect *expect, const char **at, const char *end) {
    uint64_t size = (uint64_t)(end - *at);
    if (r->state != RESPONSE_UNTIL_CLOSE) {
        size = size < r->left ? size : r->left;
        r->left -= size;
    }
    if (!expect_holds(expect, r->size, *at, (size_t)size))
        r->wrong_body = true;
    r->size += size;
    *at += size;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool chunk_size_byte(struct response *r, char c) {
    int digit = digit_of(c);
    if (digit >= 0 && r->digits < 15) {
        r->left = r->left * 16 + (uint64_t)digit;
        r->digits++;
        return true;
    }
    r->state = RESPONSE_CHUNK_EXTENSION;
    return r->digits > 0 && (c == '\r' || c == ';' || c == ' ');
}

/* One byte of what stands between the chunks. */
static bool chunk_byte(struct response *r, char c) {
    switch (r->state) {
    case RESPONSE_CHUNK_SIZE:
        return chunk_size_byte(r, c);
    case RESPONSE_CHUNK_EXTENSION:
        if (c == '\n') {
            r->state = r->left > 0 ? RESPONSE_CHUNK_DATA : RESPONSE_TRAILER;
            r->digits = r->line = 0;
        }
        return true;
    case RESPONSE_CHUNK_CR:
        r->state = RESPONSE_CHUNK_LF;
        return c == '\r';
    case RESPONSE_CHUNK_LF:
        r->state = RESPONSE_CHUNK_SIZE;
        return c == '\n';
    default:
        return false;
    }
}

/* True at the empty line that ends the response. */
static bool trailer_byte(struct response *r, char c) {
    if (c == '\n') {
        bool last = r->line == 0;
        r->line = 0;
        return last;
    }
    r->line += c != '\r';
    return false;
}

static enum response_result done(struct response *r, const struct expect *expect) {
    r->state = RESPONSE_HEAD;
    if (!expect_ends(expect, r->size))
        r->wrong_body = true;
    return RESPONSE_DONE;
}

enum response_result response_feed(struct response *r, const struct expect *expect, const char **at, const char *end) {
    while (*at < end) {
        switch (r->state) {
        case RESPONSE_HEAD:
            if (!feed_head(r, at, end))
                return RESPONSE_WRONG;
            if (r->state == RESPONSE_BODY && r->left == 0)
                return done(r, expect);
            break;
        case RESPONSE_BODY:
            take_body(r, expect, at, end);
            if (r->left == 0)
                return done(r, expect);
            break;
        case RESPONSE_UNTIL_CLOSE:
            take_body(r, expect, at, end);
            break;
        case RESPONSE_CHUNK_DATA:
            take_body(r, expect, at, end);
            if (r->left == 0)
                r->state = RESPONSE_CHUNK_CR;
            break;
        case RESPONSE_TRAILER:
            if (trailer_byte(r, *(*at)++))
                return done(r, expect);
            break;
        default:
            if (!chunk_byte(r, *(*at)++))
                return RESPONSE_WRONG;
        }
    }
    return RESPONSE_MORE;
}

bool response_ends_by_close(struct response *r, const struct expect *expect) {
    return r->state == RESPONSE_UNTIL_CLOSE && done(r, expect) == RESPONSE_DONE;
}

bool response_begun(const struct response *r) {
    return r->state != RESPONSE_HEAD || r->held_size > 0;
}

void response_free(struct response *r) {
    free(r->held);
    *r = (struct response){0};
}

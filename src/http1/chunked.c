/* Chunked decoding: a machine that takes framing byte by byte and passes data on in runs (RFC 9112 7.1). */
#include "http1/chunked.h"

#include "base/num.h"
#include "http/field_check.h"

/* Hexadecimal digits of a size, zeros in front included: 16 fill 64 bits, so nothing can wrap. */
#define SIZE_DIGITS 16

enum state {
    SIZE,
    EXT_NAME, /* behind a ';', at least one byte of a name is needed */
    EXT_NAME_ON,
    EXT_VALUE, /* behind a '=' */
    EXT_VALUE_ON,
    EXT_QUOTED,
    EXT_ESCAPED, /* behind a backslash in a quoted string */
    EXT_CLOSED,  /* behind the closing quote */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a line: a name or the final CRLF */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
};

/* Fields that would change how the message is read or where it went (RFC 9110 6.5.1). */
static const struct vel_slice forbidden[] = {
    {"content-length", 14},
    {"host", 4},
    {"transfer-encoding", 17},
};
enum { FORBIDDEN_COUNT = sizeof(forbidden) / sizeof(forbidden[0]) };

static __attribute__((cold, noinline)) int refuse(const char **why, int status, const char *text) {
    *why = text;
    return status;
}

static int to(struct vel_h1_chunked *c, enum state state) {
    c->state = (uint8_t)state;
    return 0;
}

/* --- the line of a chunk size ------------------------------------------------------------------------------------ */

static int end_size(struct vel_h1_chunked *c, enum state next, const char **why) {
    if (c->digits == 0)
        return refuse(why, -400, "chunk without a size");
    if (c->left > c->limits->body - c->total)
        return refuse(why, -413, "body too long");
    c->total += c->left;
    c->digits = 0;
    return to(c, next);
}

static int size_byte(struct vel_h1_chunked *c, char byte, const char **why) {
    int value = vel_num_hex(byte);
    if (value >= 0) {
        if (++c->digits > SIZE_DIGITS)
            return refuse(why, -400, "chunk size too long");
        c->left = c->left << 4 | (unsigned)value;
        return 0;
    }
    if (byte == '\r')
        return end_size(c, SIZE_LF, why);
    if (byte != ';')
        return refuse(why, -400, byte == '\n' ? "bare LF" : "bad byte in a chunk size");
    c->ext++; /* the ';' counts; the byte behind it, which must come, is held against the limit */
    return end_size(c, EXT_NAME, why);
}

static int quoted_byte(struct vel_h1_chunked *c, char byte, const char **why) {
    unsigned char u = (unsigned char)byte;
    if (u != '\t' && (u < ' ' || u == 0x7f))
        return refuse(why, -400, "control byte in a chunk extension");
    if (c->state == EXT_QUOTED && byte == '"')
        return to(c, EXT_CLOSED);
    return to(c, c->state == EXT_QUOTED && byte == '\\' ? EXT_ESCAPED : EXT_QUOTED);
}

/* What may stand behind a whole name or value. */
static int after_ext(struct vel_h1_chunked *c, char byte, const char **why) {
    if (byte == ';')
        return to(c, EXT_NAME);
    if (byte == '\r')
        return to(c, SIZE_LF);
    return refuse(why, -400, byte == '\n' ? "bare LF" : "bad byte in a chunk extension");
}

/* Bad whitespace around ';' and '=' (RFC 9112 7.1.1) is not taken: nobody sends it, and peers disagree on it. */
static int ext_byte(struct vel_h1_chunked *c, char byte, const char **why) {
    if (byte != '\r' && ++c->ext > c->limits->chunk_ext)
        return refuse(why, -400, "chunk extensions too long");
    if (c->state == EXT_QUOTED || c->state == EXT_ESCAPED)
        return quoted_byte(c, byte, why);
    bool token = vel_is_token_char(byte);
    switch ((enum state)c->state) {
    case EXT_NAME:
        return token ? to(c, EXT_NAME_ON) : refuse(why, -400, "chunk extension without a name");
    case EXT_NAME_ON:
        return token ? 0 : byte == '=' ? to(c, EXT_VALUE) : after_ext(c, byte, why);
    case EXT_VALUE:
        return token         ? to(c, EXT_VALUE_ON)
               : byte == '"' ? to(c, EXT_QUOTED)
                             : refuse(why, -400, "chunk extension without a value");
    case EXT_VALUE_ON:
        return token ? 0 : after_ext(c, byte, why);
    default:
        return after_ext(c, byte, why);
    }
}

/* --- trailers ---------------------------------------------------------------------------------------------------- */

static bool is_forbidden(const struct vel_h1_chunked *c) {
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        if ((c->suspects & 1u << i) && forbidden[i].len == c->field_len)
            return true;
    return false;
}

/* Drops the forbidden names that this byte tells apart from the trailer's. */
static void suspect(struct vel_h1_chunked *c, char byte) {
    for (size_t i = 0; i < FORBIDDEN_COUNT; i++)
        if (c->field_len >= forbidden[i].len || forbidden[i].at[c->field_len] != vel_ascii_lower(byte))
            c->suspects &= (uint8_t) ~(1u << i);
    if (c->field_len < UINT8_MAX)
        c->field_len++;
}

static int name_byte(struct vel_h1_chunked *c, char byte, const char **why) {
    if (vel_is_token_char(byte)) {
        suspect(c, byte);
        return to(c, TRAILER_NAME);
    }
    if (byte != ':' || c->state == TRAILER)
        return refuse(why, -400, byte == '\n' ? "bare LF" : "bad byte in a trailer name");
    return is_forbidden(c) ? refuse(why, -400, "framing field or Host in the trailers") : to(c, TRAILER_VALUE);
}

static int trailer_byte(struct vel_h1_chunked *c, char byte, const char **why) {
    if (c->state == TRAILER) {
        if (byte == '\r')
            return to(c, LAST_LF);
        c->field_len = 0;
        c->suspects = (1u << FORBIDDEN_COUNT) - 1;
    }
    if (++c->trailers > c->limits->trailers)
        return refuse(why, -431, "trailers too long");
    if (c->state != TRAILER_VALUE)
        return name_byte(c, byte, why);
    if (byte == '\r')
        return to(c, TRAILER_LF);
    return refuse(why, -400, byte == '\n' ? "bare LF" : "control byte in a trailer value");
}

/* The legal bytes of a value, as far as the limit goes; what ends it is the machine's. */
static size_t skip_value(struct vel_h1_chunked *c, const char *at, size_t len) {
    size_t room = c->limits->trailers - c->trailers;
    size_t n = c->scan->value(at, len < room ? len : room);
    c->trailers += (uint32_t)n;
    return n;
}

/* --- the machine ------------------------------------------------------------------------------------------------- */

static int exactly(struct vel_h1_chunked *c, char byte, char want, enum state next, const char **why) {
    if (byte == want)
        return to(c, next);
    return refuse(why, -400, byte == '\n' ? "bare LF" : want == '\n' ? "bare CR" : "chunk longer than its size");
}

static int step(struct vel_h1_chunked *c, char byte, const char **why) {
    switch ((enum state)c->state) {
    case SIZE:
        return size_byte(c, byte, why);
    case SIZE_LF:
        return exactly(c, byte, '\n', c->left > 0 ? DATA : TRAILER, why);
    case DATA_CR:
        return exactly(c, byte, '\r', DATA_LF, why);
    case DATA_LF:
        return exactly(c, byte, '\n', SIZE, why);
    case TRAILER_LF:
        return exactly(c, byte, '\n', TRAILER, why);
    case LAST_LF:
        return exactly(c, byte, '\n', DONE, why);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer_byte(c, byte, why);
    default:
        return ext_byte(c, byte, why);
    }
}

static struct vel_slice take_data(struct vel_h1_chunked *c, const char *at, size_t len) {
    size_t n = c->left < len ? (size_t)c->left : len;
    c->left -= n;
    if (c->left == 0)
        c->state = DATA_CR;
    return vel_slice(at, n);
}

void vel_h1_chunked_init(struct vel_h1_chunked *c, const struct vel_scan *scan, const struct vel_limits *limits) {
    *c = (struct vel_h1_chunked){.scan = scan, .limits = limits, .state = SIZE};
}

long vel_h1_chunked_feed(struct vel_h1_chunked *c, const char *in, size_t len, struct vel_slice *data,
                         const char **why) {
    *data = vel_slice(NULL, 0);
    size_t i = 0;
    while (i < len && c->state != DONE) {
        if (c->state == DATA) {
            *data = take_data(c, in + i, len - i);
            return (long)(i + data->len);
        }
        if (c->state == TRAILER_VALUE && (i += skip_value(c, in + i, len - i)) == len)
            break;
        int status = step(c, in[i++], why);
        if (status < 0)
            return status;
    }
    return (long)i;
}

bool vel_h1_chunked_done(const struct vel_h1_chunked *c) {
    return c->state == DONE;
}

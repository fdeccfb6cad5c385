/* HTTP/1 responses as a client meets them: fed in pieces, by Content-Length, chunked or until the connection closes. */
#pragma once

#include "expect.h"

enum {
    RESPONSE_HEAD_MOST = 16 << 10,
};

enum response_result {
    RESPONSE_MORE,  /* all bytes were taken, and the response has not ended */
    RESPONSE_DONE,  /* the response has ended; bytes of the next may follow */
    RESPONSE_WRONG, /* not HTTP */
};

enum response_state {
    RESPONSE_HEAD,
    RESPONSE_BODY,
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK_EXTENSION,
    RESPONSE_CHUNK_DATA,
    RESPONSE_CHUNK_CR,
    RESPONSE_CHUNK_LF,
    RESPONSE_TRAILER,
    RESPONSE_UNTIL_CLOSE,
};

/* All zero is a connection that has received nothing. */
struct response {
    enum response_state state;
    unsigned status;
    bool closes;     /* the connection ends with this response */
    bool wrong_body; /* known when it is done */
    bool accepted;   /* it has the Sec-WebSocket-Accept of our key */
    uint64_t size;   /* of the body, so far */
    uint64_t left;   /* of the body, or of the chunk */
    unsigned digits; /* of the chunk's size */
    unsigned line;   /* bytes of the trailer's line */
    char *held;      /* the start of a head that has not come whole, or NULL; response_free frees it */
    size_t held_size;
};

/* Takes bytes and moves *at behind them. The status and what follows it hold until the next call. */
enum response_result response_feed(struct response *r, const struct expect *expect, const char **at, const char *end);

/* The connection has ended: whether that ends the response too. */
bool response_ends_by_close(struct response *r, const struct expect *expect);

/* Whether a response has begun and not ended. */
bool response_begun(const struct response *r);

void response_free(struct response *r);

/* Parsing an HTTP/1 request head: bytes in, slices out; can stop and go on at any byte. */
#pragma once

#include "base/scan.h"
#include "http/message.h"
#include "http1/lines.h"

/* One head's progress. Lives in the connection, so it is small. */
struct vel_h1_parser {
    const struct vel_scan *scan;
    const struct vel_limits *limits;
    struct vel_h1_lines *lines; // borrowed: of the thread, for these limits; NULL: every line is read
    const char *base;           /* where in was at the last call: slices move when it has moved */
    uint32_t line;              /* offset of the first line that is not complete */
    uint32_t seen;  /* how long in was at the last call: what has been seen is not read again, so cost stays linear */
    uint8_t cut;    /* the part of that line in which the input ended */
    uint8_t blanks; /* empty lines skipped before the request line (RFC 9112 2.2) */
    bool in_fields; /* the request line is behind us */
};

void vel_h1_parser_init(struct vel_h1_parser *p, const struct vel_scan *scan, const struct vel_limits *limits);

/* Forgets the head before; scan, limits and lines stay. */
void vel_h1_parser_reset(struct vel_h1_parser *p);

/* Parses one head from in, which at every call for the same head starts at the same byte and has the earlier bytes
 * unchanged; it may have moved. The same head object must be given until the head is complete, untouched between.
 * Returns the bytes used, up to and with the empty line (> 0); 0 when more are needed; a negative status when the
 * head is refused: -400, -414, -431, -505, -501 (CONNECT, or by framing), -413 by framing. *why is then a constant for
 * the log. What is refused, and why, does not depend on where the input was cut, and is told at the byte that shows it.
 * Never reads past in + len; allocates nothing. A complete head has been through vel_head_check. */
long vel_h1_parse_head(struct vel_h1_parser *p, struct vel_head *head, const char *in, size_t len, const char **why);

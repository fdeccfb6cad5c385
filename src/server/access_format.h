/* A format of the access log as gunicorn has them: text with atoms such as %(h)s, %(D)s, %({referer}i)s. */
#pragma once

#include "server/access.h"

#include "base/arena.h"
#include "http/reply.h"

/* Parses text, which must outlive the format. NULL with *why, a text of this file's: what is wrong with it, or that
 * memory is short. For vel_free. */
struct vel_access_format *vel_access_format_new(struct vel_slice text, const char **why);

/* It shows how long a request waited. */
bool vel_access_format_times(const struct vel_access_format *format);

/* Appends a line with its end; target_most and text_most are the most bytes of the target and of every other text.
 * Room for it has been reserved. */
void vel_access_format_put(const struct vel_access_format *format, struct vel_buf *to, const struct vel_access_entry *e,
                           size_t target_most, size_t text_most);

/* The most bytes that line can have. */
size_t vel_access_format_room(const struct vel_access_format *format, const struct vel_access_entry *e);

/* Copies the fields of a reply that the format shows; leaves out what finds no memory. May return NULL. */
struct vel_access_field *vel_access_format_keep(const struct vel_access_format *format, struct vel_arena *arena,
                                                const struct vel_reply_head *head);

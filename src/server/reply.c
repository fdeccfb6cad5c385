/* The server's own replies. */
#include "server/reply.h"

#include "base/num.h"
#include "http/status.h"

static const struct vel_field fields[] = {
    {.name = {"Content-Type", 12}, .value = {"text/plain; charset=utf-8", 25}, .id = VEL_FIELD_CONTENT_TYPE},
    {.name = {"Retry-After", 11}, .value = {"1", 1}, .id = VEL_FIELD_OTHER},
};

/* With the first n fields. */
static int reply(struct vel_exchange *x, unsigned status, size_t n) {
    char text[64];
    struct vel_slice reason = vel_status_reason(status);
    size_t len = vel_num_format(text, status);
    text[len++] = ' ';
    memcpy(text + len, reason.at, reason.len); /* the longest registered phrase has 31 bytes */
    len += reason.len;
    text[len++] = '\n';
    struct vel_reply_head head = {
        .status = status, .reason = reason, .fields = fields, .nfields = n, .length = (int64_t)len};
    int err = vel_exchange_head(x, &head);
    return err != VEL_OK ? err : vel_exchange_data(x, vel_slice(text, len), NULL);
}

int vel_reply_status(struct vel_exchange *x, unsigned status) {
    return reply(x, status, 1);
}

int vel_reply_busy(struct vel_exchange *x) {
    return reply(x, 503, 2);
}

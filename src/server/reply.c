/* The server's own replies. */
#include "server/reply.h"

#include "base/num.h"
#include "http/status.h"

#define PLAIN_TEXT                                                                                                     \
    { {"Content-Type", 12}, {"text/plain; charset=utf-8", 25}, VEL_FIELD_CONTENT_TYPE }

static const struct vel_field busy[] = {PLAIN_TEXT, {{"Retry-After", 11}, {"1", 1}, VEL_FIELD_OTHER}};
/* RFC 6455 4.4, RFC 9110 15.5.22. */
static const struct vel_field version[] = {
    PLAIN_TEXT,
    {{"Sec-WebSocket-Version", 21}, {"13", 2}, VEL_FIELD_SEC_WEBSOCKET_VERSION},
    {{"Connection", 10}, {"Upgrade", 7}, VEL_FIELD_CONNECTION},
    {{"Upgrade", 7}, {"websocket", 9}, VEL_FIELD_UPGRADE},
};

static int reply(struct vel_exchange *x, unsigned status, const struct vel_field *fields, size_t n) {
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
    return reply(x, status, busy, 1);
}

int vel_reply_busy(struct vel_exchange *x) {
    return reply(x, 503, busy, 2);
}

int vel_reply_websocket_version(struct vel_exchange *x) {
    return reply(x, 426, version, sizeof(version) / sizeof(version[0]));
}

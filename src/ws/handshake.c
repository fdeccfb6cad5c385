/* The WebSocket handshake. */
#include "ws/handshake.h"

#include "base/sha1.h"
#include "http/field_check.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define KEY_LEN 24                                  /* 16 bytes in base64 */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool has_token(const struct vel_head *head, enum vel_field_id id, struct vel_slice token) {
    for (size_t i = 0; i < head->nfields; i++)
        if (head->fields[i].id == id && vel_list_has(head->fields[i].value, token))
            return true;
    return false;
}

/* An upgrade in HTTP/1.0 is to be ignored (RFC 9110 7.8), and any server may ignore one it does not want. */
static bool is_meant(const struct vel_head *head) {
    return head->method == VEL_METHOD_GET && head->minor > 0 &&
           has_token(head, VEL_FIELD_UPGRADE, VEL_SLICE("websocket")) &&
           has_token(head, VEL_FIELD_CONNECTION, VEL_SLICE("upgrade"));
}

/* The only field of its name, or NULL. */
static const struct vel_field *only(const struct vel_head *head, enum vel_field_id id) {
    const struct vel_field *found = NULL;
    for (size_t i = 0; i < head->nfields; i++) {
        if (head->fields[i].id != id)
            continue;
        if (found != NULL)
            return NULL;
        found = &head->fields[i];
    }
    return found;
}

/* Base64 of sixteen bytes: 22 digits, of which the last has four bits that are zero, and two signs of equality. */
static bool is_key(struct vel_slice key) {
    if (key.len != KEY_LEN || memcmp(key.at + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (key.at[i] == '\0' || strchr(base64, key.at[i]) == NULL)
            return false;
    return strchr("AQgw", key.at[21]) != NULL;
}

static bool protocols_are_tokens(const struct vel_head *head) {
    for (size_t i = 0; i < head->nfields; i++) {
        struct vel_slice rest = head->fields[i].value, member;
        if (head->fields[i].id != VEL_FIELD_SEC_WEBSOCKET_PROTOCOL)
            continue;
        while (vel_list_next(&rest, &member))
            if (!vel_check_token(member))
                return false;
    }
    return true;
}

static int refuse(const char **why, int status, const char *text) {
    *why = text;
    return status;
}

int vel_ws_handshake(const struct vel_head *head, const char **why) {
    if (!is_meant(head))
        return 0;
    const struct vel_field *version = only(head, VEL_FIELD_SEC_WEBSOCKET_VERSION);
    const struct vel_field *key = only(head, VEL_FIELD_SEC_WEBSOCKET_KEY);
    if (version == NULL || !vel_slice_eq(version->value, VEL_SLICE("13")))
        return refuse(why, -426, "Sec-WebSocket-Version is not 13");
    if (key == NULL || !is_key(key->value))
        return refuse(why, -400, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (head->framing.kind == VEL_BODY_CHUNKED || (head->framing.kind == VEL_BODY_LENGTH && head->framing.length > 0))
        return refuse(why, -400, "WebSocket handshake with a body");
    if (!protocols_are_tokens(head))
        return refuse(why, -400, "bad Sec-WebSocket-Protocol");
    return 1;
}

/* Twenty bytes as 27 digits and a sign of equality. */
static void encode(const unsigned char digest[VEL_SHA1_LEN], char *to) {
    for (int i = 0; i < VEL_SHA1_LEN; i += 3) {
        unsigned last = i + 2 < VEL_SHA1_LEN ? digest[i + 2] : 0;
        unsigned bits = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | last;
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = base64[bits >> shift & 63];
    }
    to[-1] = '=';
}

void vel_ws_accept(struct vel_slice key, char accept[VEL_WS_ACCEPT_LEN]) {
    char text[KEY_LEN + sizeof(GUID) - 1];
    unsigned char digest[VEL_SHA1_LEN];
    size_t n = key.len < KEY_LEN ? key.len : KEY_LEN;
    memcpy(text, key.at, n);
    memcpy(text + n, GUID, sizeof(GUID) - 1);
    vel_sha1(vel_slice(text, n + sizeof(GUID) - 1), digest);
    encode(digest, accept);
}

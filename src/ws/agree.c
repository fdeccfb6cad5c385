/* The offers of permessage-deflate read, and the first one that can be kept answered (RFC 7692 5.1, 7.1). */
#include "ws/deflate.h"

#include "base/num.h"

struct offer {
    bool server_resets, client_resets;
    bool has_client_bits; /* the client can be told a window */
    int server_bits;      /* 0: not named */
    int client_bits;      /* 15 when it was named without a value */
};

/* Up to the next separator that is not in a quoted string; takes it and the separator off *rest. */
static struct vel_slice cut(struct vel_slice *rest, char separator) {
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->at[i] != separator); i++)
        if (rest->at[i] == '"')
            quoted = !quoted;
    struct vel_slice part = vel_slice_trim(vel_slice(rest->at, i));
    size_t used = i < rest->len ? i + 1 : i;
    *rest = vel_slice(rest->at + used, rest->len - used);
    return part;
}

/* 8 to 15 without zeros in front; a quoted string means the same as a token (RFC 6455 9.1). 0: neither. */
static int read_bits(struct vel_slice value) {
    int64_t bits;
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        value = vel_slice(value.at + 1, value.len - 2);
    if (value.len == 0 || value.at[0] == '0' || !vel_num_parse(value, &bits))
        return 0;
    return bits >= 8 && bits <= 15 ? (int)bits : 0;
}

static bool take_flag(bool *flag, bool has_value) {
    if (*flag || has_value)
        return false;
    return *flag = true;
}

static bool take_client_bits(struct offer *offer, struct vel_slice value, bool has_value) {
    if (offer->has_client_bits)
        return false;
    offer->has_client_bits = true;
    offer->client_bits = has_value ? read_bits(value) : 15;
    return offer->client_bits != 0;
}

/* zlib cannot send with a window of 8 bits. */
static bool take_server_bits(struct offer *offer, struct vel_slice value, bool has_value) {
    if (offer->server_bits != 0 || !has_value)
        return false;
    offer->server_bits = read_bits(value);
    return offer->server_bits > 8;
}

/* False: unknown, named twice, or with a value it cannot have. */
static bool take_parameter(struct offer *offer, struct vel_slice parameter) {
    struct vel_slice rest = parameter, name = cut(&rest, '=');
    bool has_value = name.len < parameter.len;
    struct vel_slice value = vel_slice_trim(rest);
    if (vel_slice_eq_nocase(name, VEL_SLICE("server_no_context_takeover")))
        return take_flag(&offer->server_resets, has_value);
    if (vel_slice_eq_nocase(name, VEL_SLICE("client_no_context_takeover")))
        return take_flag(&offer->client_resets, has_value);
    if (vel_slice_eq_nocase(name, VEL_SLICE("client_max_window_bits")))
        return take_client_bits(offer, value, has_value);
    if (vel_slice_eq_nocase(name, VEL_SLICE("server_max_window_bits")))
        return take_server_bits(offer, value, has_value);
    return false;
}

static bool read_offer(struct vel_slice member, struct offer *offer) {
    *offer = (struct offer){0};
    if (!vel_slice_eq_nocase(cut(&member, ';'), VEL_SLICE("permessage-deflate")))
        return false;
    while (member.len > 0)
        if (!take_parameter(offer, cut(&member, ';')))
            return false;
    return true;
}

/* What the server may ask for on its own: its own resets and window, and the client's resets. A window for the client
 * only where it said that it can (RFC 7692 7.1.2.2). */
static void settle(const struct offer *offer, const struct vel_ws_deflate_terms *wanted,
                   struct vel_ws_deflate_terms *terms) {
    *terms = *wanted;
    terms->server_resets = wanted->server_resets || offer->server_resets;
    terms->client_resets = wanted->client_resets || offer->client_resets;
    if (offer->server_bits != 0 && offer->server_bits < wanted->server_bits)
        terms->server_bits = (uint8_t)offer->server_bits;
    if (!offer->has_client_bits)
        terms->client_bits = 15;
    else if (offer->client_bits < wanted->client_bits)
        terms->client_bits = (uint8_t)offer->client_bits;
}

static size_t put(char *at, size_t len, const char *text) {
    size_t n = strlen(text);
    memcpy(at + len, text, n);
    return len + n;
}

static size_t put_bits(char *at, size_t len, const char *text, unsigned bits) {
    len = put(at, len, text);
    return len + vel_num_format(at + len, bits);
}

static size_t write_answer(char *at, const struct offer *offer, const struct vel_ws_deflate_terms *terms) {
    size_t len = put(at, 0, "permessage-deflate");
    if (terms->server_resets)
        len = put(at, len, "; server_no_context_takeover");
    if (terms->client_resets)
        len = put(at, len, "; client_no_context_takeover");
    if (offer->server_bits != 0 || terms->server_bits < 15)
        len = put_bits(at, len, "; server_max_window_bits=", terms->server_bits);
    if (offer->has_client_bits && terms->client_bits < 15)
        len = put_bits(at, len, "; client_max_window_bits=", terms->client_bits);
    return len;
}

size_t vel_ws_deflate_agree(struct vel_slice offers, const struct vel_ws_deflate_terms *wanted,
                            struct vel_ws_deflate_terms *terms, char answer[VEL_WS_DEFLATE_ANSWER_MAX]) {
    struct offer offer;
    while (offers.len > 0) {
        if (!read_offer(cut(&offers, ','), &offer))
            continue;
        settle(&offer, wanted, terms);
        return write_answer(answer, &offer, terms);
    }
    return 0;
}

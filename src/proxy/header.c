/* Both versions of a PROXY header, told apart by the first byte. */
#include "proxy/header.h"

#include "base/num.h"
#include "proxy/crc32c.h"
#include "proxy/tlv.h"

/* The longest line of version 1, with its CRLF. */
#define LINE_MAX_ 107

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_LEN 12
#define HEAD_LEN 16

/* PP2_CLIENT_SSL */
#define CLIENT_SSL 1

static long refuse(const char **why, const char *reason) {
    *why = reason;
    return -1;
}

static bool begins(const char *in, size_t len, const char *with, size_t n) {
    return memcmp(in, with, len < n ? len : n) == 0;
}

/* --- version 1 --------------------------------------------------------------------------------------------------- */

/* Exactly one space between words. */
static struct vel_slice next_word(struct vel_slice *rest) {
    return vel_slice_take(rest, ' ');
}

static bool read_address(struct vel_slice text, bool ipv6, struct vel_slice *out) {
    *out = text;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!(ipv6 ? c == ':' || c == '.' || vel_num_hex(c) >= 0 : c == '.' || (c >= '0' && c <= '9')))
            return false;
    }
    return text.len > 0;
}

static bool read_port(struct vel_slice text, uint16_t *out) {
    int64_t number;
    if (text.len > 5 || (text.len > 1 && text.at[0] == '0') || !vel_num_parse(text, &number) || number > UINT16_MAX)
        return false;
    *out = (uint16_t)number;
    return true;
}

static bool read_ends(struct vel_slice rest, struct vel_proxy *out) {
    bool ipv6 = out->family == VEL_PROXY_INET6;
    return read_address(next_word(&rest), ipv6, &out->source.address) &&
           read_address(next_word(&rest), ipv6, &out->destination.address) &&
           read_port(next_word(&rest), &out->source.port) && read_port(next_word(&rest), &out->destination.port) &&
           rest.len == 0 && rest.at[-1] != ' ';
}

/* What follows UNKNOWN is not looked at (section 2.1). */
static long read_line(struct vel_slice line, struct vel_proxy *out, const char **why) {
    struct vel_slice rest = vel_slice(line.at + 6, line.len - 6), family = next_word(&rest);
    long used = (long)line.len + 2;
    if (vel_slice_eq(family, VEL_SLICE("UNKNOWN")))
        return used;
    if (vel_slice_eq(family, VEL_SLICE("TCP4")))
        out->family = VEL_PROXY_INET;
    else if (vel_slice_eq(family, VEL_SLICE("TCP6")))
        out->family = VEL_PROXY_INET6;
    else
        return refuse(why, "PROXY line of an unknown family");
    out->as_text = true;
    return read_ends(rest, out) ? used : refuse(why, "bad PROXY line");
}

static long parse_line(const char *in, size_t len, struct vel_proxy *out, const char **why) {
    if (!begins(in, len, "PROXY ", 6))
        return refuse(why, "no PROXY header");
    size_t most = len < LINE_MAX_ ? len : LINE_MAX_;
    const char *end = memchr(in, '\n', most);
    if (end == NULL)
        return most < LINE_MAX_ ? 0 : refuse(why, "PROXY line too long");
    if (end[-1] != '\r')
        return refuse(why, "PROXY line without CR");
    if (end - in < 7)
        return refuse(why, "bad PROXY line");
    return read_line(vel_slice(in, (size_t)(end - in) - 1), out, why);
}

/* --- version 2 --------------------------------------------------------------------------------------------------- */

static uint16_t number_at(const char *at) {
    return (uint16_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static uint32_t long_at(const char *at) {
    return (uint32_t)number_at(at) << 16 | number_at(at + 2);
}

/* The size of one address by the family's number. */
static size_t address_size(unsigned family) {
    static const unsigned char sizes[] = {0, 4, 16, 108};
    return sizes[family];
}

/* TCP and UDP have numbers of their own, but a stream can only have been one; 0 is for both halves or for none. */
static bool is_known(unsigned family, unsigned transport) {
    return family == 0 ? transport == 0 : family <= 3 && (transport == 1 || transport == 2);
}

static struct vel_slice without_padding(struct vel_slice path) {
    size_t from = path.at[0] == '\0' ? 1 : 0; /* an abstract name */
    const char *nul = memchr(path.at + from, '\0', path.len - from);
    return vel_slice(path.at, nul != NULL ? (size_t)(nul - path.at) : path.len);
}

static void read_addresses(const char *at, unsigned family, struct vel_proxy *out) {
    size_t n = address_size(family);
    out->family = (enum vel_proxy_family)family;
    out->source.address = vel_slice(at, n);
    out->destination.address = vel_slice(at + n, n);
    if (out->family == VEL_PROXY_UNIX) {
        out->source.address = without_padding(out->source.address);
        out->destination.address = without_padding(out->destination.address);
    } else if (out->family != VEL_PROXY_NONE) {
        out->source.port = number_at(at + 2 * n);
        out->destination.port = number_at(at + 2 * n + 2);
    }
}

/* Over the whole header, with zeros in the place of the sum. */
static bool has_right_sum(struct vel_slice header, struct vel_slice sum) {
    const char *behind = sum.at + 4;
    uint32_t crc = vel_crc32c(0, vel_slice(header.at, (size_t)(sum.at - header.at)));
    crc = vel_crc32c(crc, VEL_SLICE("\0\0\0\0"));
    crc = vel_crc32c(crc, vel_slice(behind, (size_t)(header.at + header.len - behind)));
    return crc == long_at(sum.at);
}

static const char *tlv_fault(struct vel_slice header, const struct vel_tlv *tlv) {
    if (tlv->type == VEL_TLV_CRC32C && (tlv->value.len != 4 || !has_right_sum(header, tlv->value)))
        return "PROXY header with a wrong checksum";
    if (tlv->type == VEL_TLV_SSL && tlv->value.len < 5)
        return "bad PROXY header";
    return NULL;
}

static long read_tlvs(struct vel_slice header, struct vel_proxy *out, const char **why) {
    struct vel_slice rest = out->tlvs;
    struct vel_tlv tlv;
    int more;
    while ((more = vel_tlv_next(&rest, &tlv)) > 0) {
        const char *fault = tlv_fault(header, &tlv);
        if (fault != NULL)
            return refuse(why, fault);
        if (tlv.type == VEL_TLV_SSL)
            out->secure = (tlv.value.at[0] & CLIENT_SSL) != 0;
    }
    return more < 0 ? refuse(why, "bad PROXY header") : (long)header.len;
}

/* A proxy that speaks for itself, as to see whether we are well, says nothing of others. */
static long read_header(struct vel_slice header, bool local, struct vel_proxy *out, const char **why) {
    unsigned family = (unsigned char)header.at[13] >> 4, transport = header.at[13] & 15;
    if (local && !is_known(family, transport))
        return (long)header.len;
    if (!is_known(family, transport))
        return refuse(why, "PROXY header of an unknown family");
    size_t addresses = 2 * address_size(family) + (family == 1 || family == 2 ? 4 : 0);
    if (addresses > header.len - HEAD_LEN)
        return local ? (long)header.len : refuse(why, "bad PROXY header");
    if (!local)
        read_addresses(header.at + HEAD_LEN, family, out);
    out->tlvs = vel_slice(header.at + HEAD_LEN + addresses, header.len - HEAD_LEN - addresses);
    long used = read_tlvs(header, out, why);
    out->secure = out->secure && !local;
    return used;
}

static long parse_binary(const char *in, size_t len, struct vel_proxy *out, const char **why) {
    if (!begins(in, len, SIGNATURE, SIGNATURE_LEN))
        return refuse(why, "no PROXY header");
    if (len < HEAD_LEN)
        return 0;
    unsigned version = (unsigned char)in[12] >> 4, command = in[12] & 15;
    if (version != 2 || command > 1)
        return refuse(why, "PROXY header of an unknown version");
    size_t rest = number_at(in + 14);
    if (rest > VEL_PROXY_REST_MAX)
        return refuse(why, "PROXY header too long");
    if (len < HEAD_LEN + rest)
        return 0;
    return read_header(vel_slice(in, HEAD_LEN + rest), command == 0, out, why);
}

long vel_proxy_parse(const char *in, size_t len, struct vel_proxy *out, const char **why) {
    *out = (struct vel_proxy){.family = VEL_PROXY_NONE};
    if (len == 0)
        return 0;
    return in[0] == 'P' ? parse_line(in, len, out, why) : parse_binary(in, len, out, why);
}

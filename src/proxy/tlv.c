/* Walking typed values. */
#include "proxy/tlv.h"

#define HEAD 3

int vel_tlv_next(struct vel_slice *rest, struct vel_tlv *tlv) {
    if (rest->len == 0)
        return 0;
    if (rest->len < HEAD)
        return -1;
    size_t len = (size_t)((unsigned char)rest->at[1] << 8 | (unsigned char)rest->at[2]);
    if (len > rest->len - HEAD)
        return -1;
    *tlv = (struct vel_tlv){.type = (uint8_t)rest->at[0], .value = vel_slice(rest->at + HEAD, len)};
    *rest = vel_slice(rest->at + HEAD + len, rest->len - HEAD - len);
    return 1;
}

/* Fuzzes PROXY headers: slices inside, bounded, and what was told of a part is told of the whole. */
#include "support.h"

#include "proxy/header.h"
#include "proxy/tlv.h"

static void must_be_inside(struct vel_slice part, const char *at, long len) {
    MUST(part.len == 0 || (part.at >= at && part.at + part.len <= at + len));
}

static void check_addresses(const struct vel_proxy *header) {
    static const size_t sizes[] = {0, 4, 16, 0};
    const struct vel_slice both[] = {header->source.address, header->destination.address};
    for (size_t i = 0; i < 2; i++) {
        if (header->family == VEL_PROXY_UNIX)
            MUST(both[i].len <= 108);
        else if (header->family == VEL_PROXY_NONE)
            MUST(both[i].len == 0);
        else
            MUST(header->as_text ? both[i].len > 0 : both[i].len == sizes[header->family]);
    }
}

static void check(const char *at, long used, const struct vel_proxy *header) {
    struct vel_slice rest = header->tlvs;
    struct vel_tlv tlv;
    int more;
    MUST(used >= 15 && used <= 16 + VEL_PROXY_REST_MAX);
    must_be_inside(header->source.address, at, used);
    must_be_inside(header->destination.address, at, used);
    must_be_inside(header->tlvs, at, used);
    check_addresses(header);
    while ((more = vel_tlv_next(&rest, &tlv)) > 0)
        must_be_inside(tlv.value, at, used);
    MUST(more == 0);
    MUST(!header->secure || header->family != VEL_PROXY_NONE || header->tlvs.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vel_proxy header, other;
    const char *why = NULL;
    char *copy = exact_copy(data, size);
    long used = vel_proxy_parse(copy, size, &header, &why);
    MUST((used < 0) == (why != NULL) && used <= (long)size);
    if (used > 0)
        check(copy, used, &header);
    size_t cut = cut_of(data, size);
    char *part = exact_copy(data, cut);
    long of_part = vel_proxy_parse(part, cut, &other, &why);
    MUST(of_part == used || (of_part == 0 && (used <= 0 || (size_t)used > cut)));
    free(part);
    free(copy);
    return 0;
}

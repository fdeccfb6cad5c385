/* Fuzzes ranges, conditions and dates: parts lie within the whole, dates that are read are written and read again. */
#include "support.h"

#include "http/date.h"
#include "http/range.h"

static void check_ranges(struct vel_slice value, uint64_t size) {
    struct vel_range ranges[VEL_RANGES_MAX];
    size_t n;
    enum vel_range_verdict verdict = vel_range_parse(value, size, ranges, &n);
    uint64_t total = 0;
    MUST(verdict != VEL_RANGE_PARTS || n > 0);
    for (size_t i = 0; verdict == VEL_RANGE_PARTS && i < n; i++) {
        MUST(ranges[i].count > 0 && ranges[i].first < size && ranges[i].count <= size - ranges[i].first);
        total += ranges[i].count;
    }
    MUST(verdict != VEL_RANGE_PARTS || n == 1 || total <= size);
}

static void check_date(struct vel_slice text) {
    int64_t seconds, again;
    char written[VEL_DATE_LEN];
    if (!vel_date_parse(text, &seconds))
        return;
    vel_date_format(written, seconds);
    MUST(vel_date_parse(vel_slice(written, VEL_DATE_LEN), &again) && again == seconds);
}

static void check_conditions(struct vel_slice value) {
    static const enum vel_field_id ids[] = {VEL_FIELD_IF_MATCH, VEL_FIELD_IF_NONE_MATCH, VEL_FIELD_IF_MODIFIED_SINCE,
                                            VEL_FIELD_IF_UNMODIFIED_SINCE, VEL_FIELD_IF_RANGE};
    struct vel_head *head = calloc(1, sizeof(*head));
    struct vel_validators v = {.etag = VEL_SLICE("\"a\""), .modified = 784111777};
    MUST(head != NULL);
    head->method = VEL_METHOD_GET;
    head->nfields = 1;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        head->fields[0] = (struct vel_field){.value = value, .id = ids[i]};
        unsigned status = vel_condition(head, &v);
        MUST(status == 200 || status == 304 || status == 412);
        vel_if_range(head, &v);
    }
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct vel_slice in = {copy, size};
    check_ranges(in, 0);
    check_ranges(in, 1);
    check_ranges(in, 1000);
    check_ranges(in, (uint64_t)1 << 60);
    check_date(in);
    check_conditions(in);
    free(copy);
    return 0;
}

/* Tests of src/http/range.c. */
#include "http/range.h"

#include "support/guard.h"
#include "support/test.h"

static struct vel_head head;

/* As "first+count" with commas between, "whole" or "none". */
static void check_ranges(const char *text, uint64_t size, const char *want) {
    struct vel_range ranges[VEL_RANGES_MAX];
    size_t n, len = strlen(text), used = 0;
    char have[256] = "", *copy = guard_copy(text, len);
    enum vel_range_verdict verdict = vel_range_parse(vel_slice(copy, len), size, ranges, &n);
    guard_free(copy, len);
    for (size_t i = 0; verdict == VEL_RANGE_PARTS && i < n; i++)
        used += (size_t)snprintf(have + used, sizeof(have) - used, "%s%llu+%llu", i > 0 ? "," : "",
                                 (unsigned long long)ranges[i].first, (unsigned long long)ranges[i].count);
    const char *said = verdict == VEL_RANGE_WHOLE ? "whole" : verdict == VEL_RANGE_NONE ? "none" : have;
    if (strcmp(said, want) != 0)
        fprintf(stderr, "%s of %llu: %s, not %s\n", text, (unsigned long long)size, said, want);
    CHECK(strcmp(said, want) == 0);
}

/* RFC 9110 14.1.2. */
static void ranges_are_cut_to_what_there_is(void) {
    check_ranges("bytes=0-499", 10000, "0+500");
    check_ranges("bytes=500-999", 10000, "500+500");
    check_ranges("bytes=-500", 10000, "9500+500");
    check_ranges("bytes=9500-", 10000, "9500+500");
    check_ranges("bytes=0-0,-1", 10000, "0+1,9999+1");
    check_ranges("bytes= 0-999, 4500-5499 , -1000", 10000, "0+1000,4500+1000,9000+1000");
    check_ranges("bytes=500-600,601-999", 10000, "500+101,601+399");
    check_ranges("BYTES=1-2", 10, "1+2");
    check_ranges("bytes=5-100", 10, "5+5");
    check_ranges("bytes=-100", 10, "0+10");
    check_ranges("bytes=0-9223372036854775807", 10, "0+10");
    check_ranges("bytes=99-,0-0", 10, "0+1");
}

static void what_is_not_there_cannot_be_satisfied(void) {
    check_ranges("bytes=10-", 10, "none");
    check_ranges("bytes=10-20,30-", 10, "none");
    check_ranges("bytes=-0", 10, "none");
    check_ranges("bytes=0-", 0, "none");
    check_ranges("bytes=-1", 0, "none");
}

static void what_is_no_range_is_answered_by_the_whole(void) {
    static const char *const texts[] = {"",
                                        "bytes",
                                        "bytes=",
                                        "bytes=,",
                                        "items=0-1",
                                        "bytes=1",
                                        "bytes=2-1",
                                        "bytes=a-b",
                                        "bytes=1-2,x",
                                        "bytes=--1",
                                        "bytes=1-2-3",
                                        "bytes=+1-2",
                                        "bytes=1 - 2",
                                        "bytes=99999999999999999999-",
                                        "bytes 1-2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        check_ranges(texts[i], 10, "whole");
}

static void many_or_overlapping_ranges_are_answered_by_the_whole(void) {
    check_ranges("bytes=0-,0-", 10, "whole");
    check_ranges("bytes=0-5,5-9", 10, "whole");
    check_ranges("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30", 100,
                 "0+1,2+1,4+1,6+1,8+1,10+1,12+1,14+1,16+1,18+1,20+1,22+1,24+1,26+1,28+1,30+1");
    check_ranges("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32",
                 100, "whole");
}

/* --- conditions -------------------------------------------------------------------------------------------------- */

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"

static const struct vel_validators strong = {{"\"a,b\"", 5}, 784111777}, weak = {{"W/\"a\"", 5}, 784111777};

static void set(enum vel_method method) {
    head.method = method;
    head.nfields = 0;
}

static void add(enum vel_field_id id, const char *value) {
    head.fields[head.nfields++] = (struct vel_field){.value = vel_slice(value, strlen(value)), .id = id};
}

static unsigned under(enum vel_method method, enum vel_field_id id, const char *value, const struct vel_validators *v) {
    set(method);
    add(id, value);
    return vel_condition(&head, v);
}

static void without_conditions_it_is_as_ever(void) {
    set(VEL_METHOD_GET);
    CHECK_INT(vel_condition(&head, &strong), 200);
    CHECK(vel_if_range(&head, &strong));
}

static void none_match_is_compared_weakly(void) {
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "\"a,b\"", &strong), 304);
    CHECK_INT(under(VEL_METHOD_HEAD, VEL_FIELD_IF_NONE_MATCH, "\"x\", W/\"a,b\"", &strong), 304);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "\"a\"", &weak), 304);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "*", &strong), 304);
    CHECK_INT(under(VEL_METHOD_POST, VEL_FIELD_IF_NONE_MATCH, "*", &strong), 412);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "\"x\"", &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "\"a", &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_NONE_MATCH, "", &strong), 200);
}

static void match_is_compared_strongly(void) {
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MATCH, "\"x\", \"a,b\"", &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MATCH, "*", &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MATCH, "W/\"a,b\"", &strong), 412);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MATCH, "W/\"a\"", &weak), 412);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MATCH, "\"x\"", &strong), 412);
}

static void dates_count_to_the_second_and_only_where_there_is_no_etag(void) {
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MODIFIED_SINCE, DATE, &strong), 304);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MODIFIED_SINCE, LATER, &strong), 304);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MODIFIED_SINCE, EARLIER, &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_MODIFIED_SINCE, "yesterday", &strong), 200);
    CHECK_INT(under(VEL_METHOD_POST, VEL_FIELD_IF_MODIFIED_SINCE, DATE, &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_UNMODIFIED_SINCE, DATE, &strong), 200);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_UNMODIFIED_SINCE, EARLIER, &strong), 412);
    CHECK_INT(under(VEL_METHOD_GET, VEL_FIELD_IF_UNMODIFIED_SINCE, "never", &strong), 200);
    set(VEL_METHOD_GET);
    add(VEL_FIELD_IF_NONE_MATCH, "\"x\"");
    add(VEL_FIELD_IF_MODIFIED_SINCE, DATE);
    CHECK_INT(vel_condition(&head, &strong), 200);
    set(VEL_METHOD_GET);
    add(VEL_FIELD_IF_MATCH, "\"a,b\"");
    add(VEL_FIELD_IF_UNMODIFIED_SINCE, EARLIER);
    CHECK_INT(vel_condition(&head, &strong), 200);
    set(VEL_METHOD_GET);
    add(VEL_FIELD_IF_NONE_MATCH, "\"x\"");
    add(VEL_FIELD_IF_NONE_MATCH, "\"a,b\"");
    CHECK_INT(vel_condition(&head, &strong), 304);
}

static bool if_range(const char *value, const struct vel_validators *v) {
    set(VEL_METHOD_GET);
    add(VEL_FIELD_IF_RANGE, value);
    return vel_if_range(&head, v);
}

static void if_range_is_exact(void) {
    CHECK(if_range("\"a,b\"", &strong));
    CHECK(if_range(DATE, &strong));
    CHECK(!if_range(LATER, &strong));
    CHECK(!if_range("\"a\"", &strong));
    CHECK(!if_range("W/\"a\"", &weak));
    CHECK(!if_range("", &strong));
}

int main(void) {
    RUN(ranges_are_cut_to_what_there_is);
    RUN(what_is_not_there_cannot_be_satisfied);
    RUN(what_is_no_range_is_answered_by_the_whole);
    RUN(many_or_overlapping_ranges_are_answered_by_the_whole);
    RUN(without_conditions_it_is_as_ever);
    RUN(none_match_is_compared_weakly);
    RUN(match_is_compared_strongly);
    RUN(dates_count_to_the_second_and_only_where_there_is_no_etag);
    RUN(if_range_is_exact);
    return 0;
}

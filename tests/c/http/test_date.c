/* Tests of src/http/date.c. */
#include "http/date.h"

#include "support/guard.h"
#include "support/test.h"

#include <time.h>

static void check_date(int64_t seconds, const char *want) {
    char have[VEL_DATE_LEN + 1];
    memset(have, '#', sizeof(have));
    vel_date_format(have, seconds);
    CHECK(have[VEL_DATE_LEN] == '#');
    have[VEL_DATE_LEN] = 0;
    if (strcmp(have, want) != 0) {
        fprintf(stderr, "%lld is %s, not %s\n", (long long)seconds, have, want);
        exit(1);
    }
}

/* RFC 9110 5.6.7. */
static void example_of_the_rfc_is_written_so(void) {
    check_date(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void known_dates(void) {
    check_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_date(86399, "Thu, 01 Jan 1970 23:59:59 GMT");
    check_date(86400, "Fri, 02 Jan 1970 00:00:00 GMT");
    check_date(1000000000, "Sun, 09 Sep 2001 01:46:40 GMT");
    check_date(2147483647, "Tue, 19 Jan 2038 03:14:07 GMT");
    check_date(2147483648, "Tue, 19 Jan 2038 03:14:08 GMT");
}

static void leap_years_by_all_three_rules(void) {
    check_date(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check_date(951868800, "Wed, 01 Mar 2000 00:00:00 GMT");
    check_date(1709164800, "Thu, 29 Feb 2024 00:00:00 GMT");
    check_date(1677542400, "Tue, 28 Feb 2023 00:00:00 GMT");
    check_date(1677628800, "Wed, 01 Mar 2023 00:00:00 GMT");
    check_date(4107456000, "Sun, 28 Feb 2100 00:00:00 GMT");
    check_date(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
    check_date(13574563200, "Tue, 29 Feb 2400 00:00:00 GMT");
}

static void outside_the_years_it_is_clamped(void) {
    check_date(-1, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_date(INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_date(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_date(253402300800, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_date(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static bool reads(const char *text, int64_t *seconds) {
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    bool is = vel_date_parse(vel_slice(copy, len), seconds);
    guard_free(copy, len);
    return is;
}

/* RFC 9110 5.6.7: a recipient has to take all three. */
static void all_three_forms_are_read(void) {
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    int64_t seconds;
    for (size_t i = 0; i < 3; i++) {
        CHECK(reads(texts[i], &seconds));
        CHECK_INT(seconds, 784111777);
    }
    CHECK(reads("Tue Jan 19 03:14:07 2038", &seconds) && seconds == 2147483647);
    CHECK(reads("Tuesday, 19-Jan-38 03:14:08 GMT", &seconds) && seconds == 2147483648);
    CHECK(reads("Thu, 01 Jan 1970 00:00:00 GMT", &seconds) && seconds == 0);
}

static void what_is_no_date_is_none(void) {
    static const char *const texts[] = {"",
                                        "Sun",
                                        "Sun,",
                                        "Sun, 06 Nov 1994 08:49:37",
                                        "Sun, 06 Nov 1994 08:49:37 GMTx",
                                        "Sun, 6 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 nov 1994 08:49:37 GMT",
                                        "Sun, 31 Feb 1994 08:49:37 GMT",
                                        "Sun, 29 Feb 2100 08:49:37 GMT",
                                        "Sun, 00 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 24:00:00 GMT",
                                        "Sun, 06 Nov 1994 08:60:37 GMT",
                                        "Sun, 06 Nov 1969 08:49:37 GMT",
                                        "Sun, 06-Nov-1994 08:49:37 GMT",
                                        "Sun Nov 06 08:49:37",
                                        "784111777"};
    int64_t seconds;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (reads(texts[i], &seconds))
            fprintf(stderr, "%s\n", texts[i]);
        CHECK(!reads(texts[i], &seconds));
    }
}

static void what_is_written_is_read_again(void) {
    for (int64_t seconds = 12345; seconds < 253402300800; seconds += 86400 * 3 + 1) {
        char text[VEL_DATE_LEN];
        int64_t again;
        vel_date_format(text, seconds);
        CHECK(vel_date_parse(vel_slice(text, VEL_DATE_LEN), &again));
        CHECK_INT(again, seconds);
    }
}

static void every_day_agrees_with_the_c_library(void) {
    for (time_t seconds = 12345; seconds < 253402300800; seconds += 86400 + 1) {
        char want[VEL_DATE_LEN + 1];
        struct tm tm;
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &tm));
        check_date(seconds, want);
    }
}

int main(void) {
    RUN(example_of_the_rfc_is_written_so);
    RUN(known_dates);
    RUN(leap_years_by_all_three_rules);
    RUN(outside_the_years_it_is_clamped);
    RUN(all_three_forms_are_read);
    RUN(what_is_no_date_is_none);
    RUN(what_is_written_is_read_again);
    RUN(every_day_agrees_with_the_c_library);
}

/* HTTP dates by arithmetic: strftime would ask the locale, gmtime takes a lock. */
#include "http/date.h"

#include <string.h>

#define DAY 86400
#define LAST 253402300799 /* 9999-12-31 23:59:59 */

#define DAYS_400_YEARS 146097
#define DAYS_100_YEARS 36524
#define DAYS_4_YEARS 1461
#define DAYS_TO_1970 719468 /* from 0000-03-01, the day counting starts here */

struct civil {
    unsigned year, month, day; /* month from 0 */
};

/* Years that begin in March: the leap day is the last of its year, and the months before it have a fixed pattern. */
static struct civil civil_from_days(unsigned days) {
    days += DAYS_TO_1970;
    unsigned year = days / DAYS_400_YEARS * 400;
    days %= DAYS_400_YEARS;
    /* The last day of a leap cycle belongs to it and not to a fifth century or year. */
    unsigned century = days / DAYS_100_YEARS < 4 ? days / DAYS_100_YEARS : 3;
    days -= century * DAYS_100_YEARS;
    unsigned cycle = days / DAYS_4_YEARS;
    days %= DAYS_4_YEARS;
    unsigned in_cycle = days / 365 < 4 ? days / 365 : 3;
    days -= in_cycle * 365;
    year += century * 100 + cycle * 4 + in_cycle;

    static const unsigned short before[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};
    unsigned month = 11;
    while (days < before[month])
        month--;
    days -= before[month];
    return month < 10 ? (struct civil){year, month + 2, days + 1} : (struct civil){year + 1, month - 10, days + 1};
}

static void two_digits(char *at, unsigned value) {
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

void vel_date_format(char out[VEL_DATE_LEN], int64_t unix_seconds) {
    int64_t seconds = unix_seconds < 0 ? 0 : unix_seconds > LAST ? LAST : unix_seconds;
    unsigned days = (unsigned)(seconds / DAY), rest = (unsigned)(seconds % DAY);
    struct civil date = civil_from_days(days);
    memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", VEL_DATE_LEN);
    memcpy(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
    two_digits(out + 5, date.day);
    memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[date.month * 3], 3);
    two_digits(out + 12, date.year / 100);
    two_digits(out + 14, date.year % 100);
    two_digits(out + 17, rest / 3600);
    two_digits(out + 20, rest / 60 % 60);
    two_digits(out + 23, rest % 60);
}

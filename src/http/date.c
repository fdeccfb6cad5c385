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

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* What is left of a date, and whether all of it so far was right. */
struct reading {
    struct vel_slice rest;
    bool good;
};

static void skip(struct reading *r, const char *text) {
    size_t len = strlen(text);
    r->good = r->good && r->rest.len >= len && memcmp(r->rest.at, text, len) == 0;
    if (r->good)
        r->rest = vel_slice(r->rest.at + len, r->rest.len - len);
}

/* Letters up to the next byte that is none. */
static struct vel_slice word(struct reading *r) {
    size_t n = 0;
    while (n < r->rest.len && vel_ascii_lower(r->rest.at[n]) >= 'a' && vel_ascii_lower(r->rest.at[n]) <= 'z')
        n++;
    struct vel_slice taken = vel_slice(r->rest.at, n);
    r->rest = vel_slice(r->rest.at + n, r->rest.len - n);
    return taken;
}

static unsigned number(struct reading *r, size_t digits) {
    unsigned value = 0;
    r->good = r->good && r->rest.len >= digits;
    for (size_t i = 0; r->good && i < digits; i++) {
        r->good = r->rest.at[i] >= '0' && r->rest.at[i] <= '9';
        value = value * 10 + (unsigned)(r->rest.at[i] - '0');
    }
    if (r->good)
        r->rest = vel_slice(r->rest.at + digits, r->rest.len - digits);
    return value;
}

static unsigned month(struct reading *r) {
    struct vel_slice name = word(r);
    for (unsigned i = 0; r->good && name.len == 3 && i < 12; i++)
        if (memcmp(name.at, &"JanFebMarAprMayJunJulAugSepOctNovDec"[i * 3], 3) == 0)
            return i;
    r->good = false;
    return 0;
}

static int64_t time_of_day(struct reading *r) {
    unsigned hour = number(r, 2);
    skip(r, ":");
    unsigned minute = number(r, 2);
    skip(r, ":");
    unsigned second = number(r, 2);
    r->good = r->good && hour < 24 && minute < 60 && second < 61; /* a leap second */
    return hour * 3600 + minute * 60 + second;
}

static bool is_leap(unsigned year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Since 1970; the count of civil_from_days, the other way. */
static int64_t days_from_civil(struct civil date) {
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t years = (int64_t)date.year - 1970, days;
    days = years * 365 + (date.year - 1) / 4 - (date.year - 1) / 100 + (date.year - 1) / 400 -
           477; /* leap days before 1970 */
    for (unsigned i = 0; i < date.month; i++)
        days += lengths[i] + (i == 1 && is_leap(date.year));
    return days + date.day - 1;
}

static bool exists(struct civil date) {
    static const unsigned char lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return date.year >= 1970 && date.day > 0 && date.day <= lengths[date.month] &&
           (date.month != 1 || date.day < 29 || is_leap(date.year));
}

/* "06 Nov 1994 08:49:37 GMT", or with a separator of "-" and a year of two digits. */
static int64_t read_fixed(struct reading *r, struct civil *date) {
    const char *separator = r->rest.len > 2 && r->rest.at[2] == '-' ? "-" : " ";
    date->day = number(r, 2);
    skip(r, separator);
    date->month = month(r);
    skip(r, separator);
    bool two = *separator == '-';
    date->year = number(r, two ? 2 : 4);
    if (two)
        date->year += date->year < 70 ? 2000 : 1900;
    skip(r, " ");
    int64_t seconds = time_of_day(r);
    skip(r, " GMT");
    return seconds;
}

/* "Nov  6 08:49:37 1994". */
static int64_t read_asctime(struct reading *r, struct civil *date) {
    date->month = month(r);
    skip(r, " ");
    bool one = r->rest.len > 0 && r->rest.at[0] == ' ';
    if (one)
        skip(r, " ");
    date->day = number(r, one ? 1 : 2);
    skip(r, " ");
    int64_t seconds = time_of_day(r);
    skip(r, " ");
    date->year = number(r, 4);
    return seconds;
}

bool vel_date_parse(struct vel_slice text, int64_t *unix_seconds) {
    struct reading r = {.rest = text, .good = true};
    struct civil date = {0};
    int64_t seconds;
    if (text.len == 0)
        return false;
    word(&r);
    bool comma = r.rest.len > 0 && r.rest.at[0] == ',';
    skip(&r, comma ? ", " : " ");
    seconds = comma ? read_fixed(&r, &date) : read_asctime(&r, &date);
    if (!r.good || r.rest.len > 0 || !exists(date))
        return false;
    *unix_seconds = days_from_civil(date) * DAY + seconds;
    return true;
}

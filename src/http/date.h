/* Dates as HTTP writes them. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#define VEL_DATE_LEN 29

/* IMF-fixdate (RFC 9110 5.6.7), as "Sun, 06 Nov 1994 08:49:37 GMT": exactly VEL_DATE_LEN bytes, no NUL.
 * Years 1970 to 9999; outside it is clamped. */
void vel_date_format(char out[VEL_DATE_LEN], int64_t unix_seconds);

/* Any of the three forms (RFC 9110 5.6.7); the day of the week is not looked at. False: none of them, or no day that
 * exists. Of years with two digits 70 to 99 are 19xx, the
 * rest 20xx. */
bool vel_date_parse(struct vel_slice text, int64_t *unix_seconds);

/* Micro benches of src/http: dates, targets, and what is asked of every field. */
#include "http/date.h"
#include "http/field_check.h"
#include "micro.h"

MICRO(date_format) {
    char text[VEL_DATE_LEN];
    vel_date_format(text, 1732406400);
    EXPECT(text[0] == 'S');
}

static void parse_target(struct vel_slice raw) {
    struct vel_target target;
    EXPECT(vel_target_parse(VEL_METHOD_GET, raw, &target) == 0);
}

MICRO(target_root) {
    parse_target(VEL_SLICE("/"));
}

MICRO(target_with_query) {
    parse_target(VEL_SLICE("/repos/octocat/hello-world/issues?state=open&labels=bug,ui&sort=created&page=2"));
}

MICRO(target_absolute) {
    parse_target(VEL_SLICE("http://www.example.com:8080/repos/octocat?page=2"));
}

MICRO(percent_decode) {
    char out[64];
    EXPECT(vel_percent_decode(VEL_SLICE("/caf%C3%A9/na%C3%AFve%20path/without/any/more"), out) == 35);
}

MICRO(field_lookup_14_names) {
    unsigned known = 0;
    for (size_t i = 0; i < micro_browser.nfields; i++)
        known += vel_field_find(micro_browser.fields[i].name) != VEL_FIELD_OTHER;
    EXPECT(known > 0);
}

MICRO(field_check_14_fields) {
    for (size_t i = 0; i < micro_browser.nfields; i++) {
        EXPECT(vel_check_token(micro_browser.fields[i].name));
        EXPECT(vel_check_value(micro_scan, micro_browser.fields[i].value));
    }
}

MICRO(list_search) {
    EXPECT(vel_list_has(VEL_SLICE("gzip, deflate, br, zstd"), VEL_SLICE("zstd")));
}

/* Host, repeats, framing, Connection: what follows a parsed head. */
MICRO(head_check_14_fields) {
    const char *why;
    EXPECT(vel_head_check(&micro_browser, &micro_limits, &why) == 0);
}

/* Fuzzes forms and cookies: pairs are inside the input and in order, and comparing is as decoding and then comparing.
 */
#include "support.h"

#include "http/form.h"

static void check_decode(struct vel_slice in) {
    char *apart = exact_copy(in.at, in.len), *inside = exact_copy(in.at, in.len);
    size_t n = vel_form_decode(in, apart);
    MUST(n <= in.len);
    MUST(vel_form_decode(vel_slice(inside, in.len), inside) == n);
    MUST(memcmp(apart, inside, n) == 0);
    MUST(vel_form_is(in, vel_slice(apart, n)));
    MUST(!vel_form_is(in, vel_slice(apart, n > 0 ? n - 1 : 1)));
    free(apart);
    free(inside);
}

static void check_all(struct vel_slice in, bool (*next)(struct vel_slice *rest, struct vel_pair *pair)) {
    struct vel_slice rest = in;
    struct vel_pair pair;
    const char *at = in.at;
    while (next(&rest, &pair)) {
        MUST(pair.name.at >= at && pair.value.at >= pair.name.at + pair.name.len);
        at = pair.value.at + pair.value.len;
        MUST(at <= in.at + in.len && rest.len < in.len);
        check_decode(pair.name);
        check_decode(pair.value);
    }
    MUST(rest.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = exact_copy(data, size);
    struct vel_slice in = {copy, size};
    check_all(in, vel_form_next);
    check_all(in, vel_cookie_next);
    free(copy);
    return 0;
}

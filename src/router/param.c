/* Which values a converter takes. */
#include "router/param.h"

#include "base/num.h"

#define INT_DIGITS 18
#define FLOAT_MAX 256

static const struct {
    struct vel_slice name;
    enum vel_param_kind kind;
} names[] = {
    {{"str", 3}, VEL_PARAM_STR},   {{"int", 3}, VEL_PARAM_INT},   {{"float", 5}, VEL_PARAM_FLOAT},
    {{"uuid", 4}, VEL_PARAM_UUID}, {{"date", 4}, VEL_PARAM_DATE}, {{"path", 4}, VEL_PARAM_PATH},
    {{"enum", 4}, VEL_PARAM_ENUM}, {{"re", 2}, VEL_PARAM_RE},
};

enum vel_param_kind vel_param_kind(struct vel_slice name) {
    if (name.len == 0)
        return VEL_PARAM_STR;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (vel_slice_eq(names[i].name, name))
            return names[i].kind;
    return VEL_PARAM_CUSTOM;
}

/* The next of a list between commas; false at its end. at of rest is NULL once the last was taken. */
static bool next_choice(struct vel_slice *rest, struct vel_slice *choice) {
    if (rest->at == NULL)
        return false;
    const char *comma = memchr(rest->at, ',', rest->len);
    size_t len = comma != NULL ? (size_t)(comma - rest->at) : rest->len;
    *choice = vel_slice_trim(vel_slice(rest->at, len));
    *rest = comma != NULL ? vel_slice(comma + 1, rest->len - len - 1) : (struct vel_slice){0};
    return true;
}

static const char *check_choices(struct vel_slice rest) {
    struct vel_slice choice;
    if (rest.len == 0)
        return "enum has no choices: {name:enum(one,two)}";
    while (next_choice(&rest, &choice)) {
        if (choice.len == 0)
            return "a choice of enum is empty";
        if (memchr(choice.at, '/', choice.len) != NULL)
            return "a choice of enum has a slash, which no segment has";
    }
    return NULL;
}

const char *vel_param_check_args(enum vel_param_kind kind, struct vel_slice args) {
    if (kind == VEL_PARAM_ENUM)
        return check_choices(args);
    if (kind == VEL_PARAM_RE)
        return args.len == 0 ? "re has no expression: {name:re(...)}" : NULL;
    return args.len > 0 && kind != VEL_PARAM_CUSTOM ? "this converter has no arguments" : NULL;
}

static size_t digits(const char *at, size_t len) {
    size_t n = 0;
    while (n < len && at[n] >= '0' && at[n] <= '9')
        n++;
    return n;
}

static struct vel_slice without_sign(struct vel_slice value) {
    return value.len > 0 && value.at[0] == '-' ? vel_slice(value.at + 1, value.len - 1) : value;
}

static bool takes_int(struct vel_slice value) {
    value = without_sign(value);
    return value.len > 0 && value.len <= INT_DIGITS && digits(value.at, value.len) == value.len;
}

static bool takes_float(struct vel_slice value) {
    if (value.len > FLOAT_MAX)
        return false;
    value = without_sign(value);
    size_t whole = digits(value.at, value.len);
    if (whole == 0 || whole == value.len)
        return whole > 0;
    size_t left = value.len - whole - 1;
    return value.at[whole] == '.' && left > 0 && digits(value.at + whole + 1, left) == left;
}

static bool takes_uuid(struct vel_slice value) {
    if (value.len != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? value.at[i] != '-' : vel_num_hex(value.at[i]) < 0)
            return false;
    }
    return true;
}

static unsigned number(const char *at, size_t len) {
    unsigned n = 0;
    for (size_t i = 0; i < len; i++)
        n = n * 10 + (unsigned)(at[i] - '0');
    return n;
}

static unsigned days_of(unsigned year, unsigned month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool takes_date(struct vel_slice value) {
    const char *at = value.at;
    if (value.len != 10 || at[4] != '-' || at[7] != '-')
        return false;
    if (digits(at, 4) != 4 || digits(at + 5, 2) != 2 || digits(at + 8, 2) != 2)
        return false;
    unsigned year = number(at, 4), month = number(at + 5, 2), day = number(at + 8, 2);
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days_of(year, month);
}

static bool takes_choice(struct vel_slice choices, struct vel_slice value) {
    struct vel_slice choice;
    while (next_choice(&choices, &choice))
        if (vel_slice_eq(choice, value))
            return true;
    return false;
}

bool vel_param_takes(enum vel_param_kind kind, struct vel_slice args, struct vel_slice value) {
    switch (kind) {
    case VEL_PARAM_INT:
        return takes_int(value);
    case VEL_PARAM_FLOAT:
        return takes_float(value);
    case VEL_PARAM_UUID:
        return takes_uuid(value);
    case VEL_PARAM_DATE:
        return takes_date(value);
    case VEL_PARAM_ENUM:
        return takes_choice(args, value);
    default:
        return value.len > 0;
    }
}

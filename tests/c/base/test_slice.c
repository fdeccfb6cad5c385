/* Tests of src/base/slice.h. */
#include "base/slice.h"

#include "support/test.h"

static const struct vel_slice nothing = {0};

static void literal_has_no_nul(void) {
    CHECK_INT(VEL_SLICE("abc").len, 3);
    CHECK_INT(VEL_SLICE("").len, 0);
    CHECK_INT(VEL_SLICE("a\0b").len, 3);
}

static void equality_is_of_length_and_bytes(void) {
    CHECK(vel_slice_eq(VEL_SLICE("abc"), VEL_SLICE("abc")));
    CHECK(!vel_slice_eq(VEL_SLICE("abc"), VEL_SLICE("abC")));
    CHECK(!vel_slice_eq(VEL_SLICE("abc"), VEL_SLICE("ab")));
    CHECK(!vel_slice_eq(VEL_SLICE("a\0b"), VEL_SLICE("a\0c")));
}

static void slices_without_memory_are_equal_when_empty(void) {
    CHECK(vel_slice_eq(nothing, VEL_SLICE("")));
    CHECK(vel_slice_eq_nocase(nothing, nothing));
    CHECK(!vel_slice_eq(nothing, VEL_SLICE("a")));
}

static void only_ascii_capitals_are_lowered(void) {
    for (int c = 0; c < 256; c++) {
        int want = c >= 'A' && c <= 'Z' ? c + 32 : c;
        CHECK_INT((unsigned char)vel_ascii_lower((char)c), want);
    }
}

static void case_folding_is_for_letters_alone(void) {
    CHECK(vel_slice_eq_nocase(VEL_SLICE("Chunked"), VEL_SLICE("cHUNKED")));
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("chunked"), VEL_SLICE("chunke")));
    /* Pairs that differ by bit 0x20 and are no letters. */
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("@"), VEL_SLICE("`")));
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("["), VEL_SLICE("{")));
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("_"), VEL_SLICE("\x7F")));
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("\r"), VEL_SLICE("-")));
    CHECK(!vel_slice_eq_nocase(VEL_SLICE("\xC4"), VEL_SLICE("\xE4")));
}

/* RFC 9110 5.6.3: OWS is SP and HTAB. */
static void trim_takes_space_and_tab_alone(void) {
    CHECK_SLICE(vel_slice_trim(VEL_SLICE(" \t a b \t ")), "a b");
    CHECK_SLICE(vel_slice_trim(VEL_SLICE("a")), "a");
    CHECK_SLICE(vel_slice_trim(VEL_SLICE(" \t ")), "");
    CHECK_SLICE(vel_slice_trim(nothing), "");
    CHECK_SLICE(vel_slice_trim(VEL_SLICE("\v a\f")), "\v a\f");
    /* NBSP and NEL in octal: a hexadecimal escape would eat the letter behind it. */
    CHECK_SLICE(vel_slice_trim(VEL_SLICE("\240a\240")), "\240a\240");
    CHECK_SLICE(vel_slice_trim(VEL_SLICE("\205a\r\n")), "\205a\r\n");
}

static void take_is_up_to_the_separator_which_goes_too(void) {
    struct vel_slice rest = VEL_SLICE("a,,b");
    CHECK_SLICE(vel_slice_take(&rest, ','), "a");
    CHECK_SLICE(vel_slice_take(&rest, ','), "");
    CHECK_SLICE(rest, "b");
    CHECK_SLICE(vel_slice_take(&rest, ','), "b");
    CHECK_SLICE(rest, "");
}

static void take_without_a_separator_is_everything(void) {
    struct vel_slice rest = VEL_SLICE(" a "), none = nothing;
    CHECK_SLICE(vel_slice_take(&rest, ','), " a ");
    CHECK_SLICE(rest, "");
    CHECK_SLICE(vel_slice_take(&none, ','), "");
    CHECK_SLICE(none, "");
}

int main(void) {
    RUN(literal_has_no_nul);
    RUN(equality_is_of_length_and_bytes);
    RUN(slices_without_memory_are_equal_when_empty);
    RUN(only_ascii_capitals_are_lowered);
    RUN(case_folding_is_for_letters_alone);
    RUN(trim_takes_space_and_tab_alone);
    RUN(take_is_up_to_the_separator_which_goes_too);
    RUN(take_without_a_separator_is_everything);
}

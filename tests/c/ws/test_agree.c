/* Tests of src/ws/agree.c: offers of permessage-deflate as rows, with the answer that is due. */
#include "ws/deflate.h"

#include "support/guard.h"
#include "support/test.h"

static const struct vel_ws_deflate_terms plain = {.server_bits = 15, .client_bits = 15};
static const struct vel_ws_deflate_terms small = {
    .server_bits = 12, .client_bits = 11, .server_resets = true, .client_resets = true};

static struct vel_ws_deflate_terms agree(const char *offers, const struct vel_ws_deflate_terms *wanted,
                                         const char *want) {
    struct vel_ws_deflate_terms terms = {0};
    char answer[VEL_WS_DEFLATE_ANSWER_MAX];
    size_t len = strlen(offers);
    char *copy = guard_copy(offers, len);
    size_t n = vel_ws_deflate_agree(vel_slice(copy, len), wanted, &terms, answer);
    guard_free(copy, len);
    CHECK(n <= sizeof(answer));
    CHECK_SLICE(vel_slice(answer, n), want);
    return terms;
}

static void an_offer_without_parameters_is_kept(void) {
    struct vel_ws_deflate_terms terms = agree("permessage-deflate", &plain, "permessage-deflate");
    CHECK(terms.server_bits == 15 && terms.client_bits == 15 && !terms.server_resets && !terms.client_resets);
    agree(" Permessage-DEFLATE ", &plain, "permessage-deflate");
}

/* RFC 7692 7.1.1.1: what a client asks of the server is to be kept or declined. */
static void what_the_client_asks_of_the_server_is_kept(void) {
    struct vel_ws_deflate_terms terms =
        agree("permessage-deflate; server_no_context_takeover; server_max_window_bits=10", &plain,
              "permessage-deflate; server_no_context_takeover; server_max_window_bits=10");
    CHECK(terms.server_resets && terms.server_bits == 10);
    terms = agree("permessage-deflate; server_max_window_bits=\"14\"", &small,
                  "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                  "server_max_window_bits=12");
    CHECK_INT(terms.server_bits, 12);
}

/* RFC 7692 7.1.2.2: a client that has not said that it can is not told a window. */
static void the_client_is_told_a_window_only_if_it_can_be(void) {
    CHECK_INT(agree("permessage-deflate", &small,
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                    "server_max_window_bits=12")
                  .client_bits,
              15);
    CHECK_INT(agree("permessage-deflate; client_max_window_bits", &small,
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                    "server_max_window_bits=12; client_max_window_bits=11")
                  .client_bits,
              11);
    CHECK_INT(
        agree("permessage-deflate;client_max_window_bits=9", &plain, "permessage-deflate; client_max_window_bits=9")
            .client_bits,
        9);
    agree("permessage-deflate; client_max_window_bits=8", &plain, "permessage-deflate; client_max_window_bits=8");
    agree("permessage-deflate; client_max_window_bits=15", &plain, "permessage-deflate");
}

static void the_first_offer_that_can_be_kept_is_taken(void) {
    agree("permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9", &plain,
          "permessage-deflate; server_max_window_bits=9");
    agree("x-webkit-deflate-frame, permessage-bzip2; a=\"b,c;d\", permessage-deflate", &plain, "permessage-deflate");
    agree(",, ,permessage-deflate,", &plain, "permessage-deflate");
}

static void what_cannot_be_kept_is_declined(void) {
    static const char *const rows[] = {
        "",
        ",",
        ";",
        "=",
        "deflate",
        "permessage-deflatex",
        "permessage-deflate; unknown",
        "permessage-deflate; ; x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=9 9",
        "permessage-deflate; server_max_window_bits=-9",
        "permessage-deflate; server_max_window_bits=18446744073709551625",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=\"9",
        "permessage-deflate; client_max_window_bits=\"",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        agree(rows[i], &plain, "");
}

int main(void) {
    RUN(an_offer_without_parameters_is_kept);
    RUN(what_the_client_asks_of_the_server_is_kept);
    RUN(the_client_is_told_a_window_only_if_it_can_be);
    RUN(the_first_offer_that_can_be_kept_is_taken);
    RUN(what_cannot_be_kept_is_declined);
    return 0;
}

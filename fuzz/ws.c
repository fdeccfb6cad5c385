/* Fuzzes what a WebSocket client sends: the events are the same whatever the cut, and nothing outside is read. */
#include "support.h"

#include "ws/receive.h"

#define LIMIT 70000

/* What was told, as a hash, so that two runs can be compared. */
struct told {
    uint64_t hash;
    unsigned events;
    unsigned code;
};

static void tell(struct told *told, uint64_t value) {
    told->hash = (told->hash ^ value) * UINT64_C(1099511628211);
}

static void note(struct told *told, enum vel_ws_event event, const struct vel_ws_receiver *r, struct vel_slice data) {
    told->events++;
    tell(told, event);
    if (event == VEL_WS_FAILED || event == VEL_WS_CLOSE_FRAME)
        told->code = r->code;
    if (event == VEL_WS_FAILED)
        return;
    MUST(data.len <= LIMIT);
    for (size_t i = 0; i < data.len; i++)
        tell(told, (unsigned char)data.at[i]);
}

/* One piece behind what was left of the last. Returns what is left now. */
static struct vel_slice feed(struct vel_ws_receiver *r, struct vel_slice kept, const uint8_t *data, size_t size,
                             struct told *told) {
    size_t len = kept.len + size, at = 0, used;
    char *in = malloc(len > 0 ? len : 1);
    struct vel_slice payload;
    enum vel_ws_event event;
    MUST(in != NULL);
    if (kept.len > 0)
        memcpy(in, kept.at, kept.len);
    if (size > 0)
        memcpy(in + kept.len, data, size);
    free((char *)kept.at);
    while ((event = vel_ws_receive(r, in + at, len - at, &used, &payload)) != VEL_WS_MORE) {
        note(told, event, r, payload);
        at += used;
    }
    at += used;
    MUST(at <= len && (r->over || len - at <= 131));
    struct vel_slice rest = vel_slice(exact_copy(in + at, len - at), len - at);
    free(in);
    return rest;
}

static struct told run(const uint8_t *data, size_t size, size_t cut, bool compress) {
    struct told told = {.hash = UINT64_C(14695981039346656037)};
    struct vel_ws_inflater inflater = {.bits = 15};
    struct vel_buf scratch = {0};
    struct vel_ws_receiver r;
    vel_ws_receiver_init(&r, LIMIT, compress ? &inflater : NULL, &scratch);
    struct vel_slice kept = feed(&r, vel_slice(NULL, 0), data, cut, &told);
    kept = feed(&r, kept, data + cut, size - cut, &told);
    free((char *)kept.at);
    vel_ws_receiver_free(&r);
    vel_ws_inflater_free(&inflater);
    vel_buf_free(&scratch);
    return told;
}

static void check_agreement(const uint8_t *data, size_t size) {
    static const struct vel_ws_deflate_terms wanted = {.server_bits = 12, .client_bits = 12};
    struct vel_ws_deflate_terms terms;
    char answer[VEL_WS_DEFLATE_ANSWER_MAX], *copy = exact_copy(data, size);
    size_t n = vel_ws_deflate_agree(vel_slice(copy, size), &wanted, &terms, answer);
    MUST(n <= sizeof(answer));
    MUST(n == 0 || (terms.server_bits >= 9 && terms.server_bits <= 12 && terms.client_bits >= 8));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int compress = 0; compress < 2; compress++) {
        struct told whole = run(data, size, size, compress), cut = run(data, size, cut_of(data, size), compress);
        MUST(whole.hash == cut.hash && whole.events == cut.events && whole.code == cut.code);
    }
    check_agreement(data, size);
    return 0;
}

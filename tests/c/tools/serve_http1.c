/* Tells, for each input on stdin, what one HTTP/1 connection makes of it: for comparing with other parsers.
 *
 * An input is its length (decimal), LF and its bytes. The answer is one line of JSON: the requests that are complete,
 * each with its body, the status of the refusal that ended the connection or 0, and whether a request was left
 * unfinished. */
#include "http1/conn.h"

#include <stdio.h>
#include <stdlib.h>

static const struct vel_limits limits = VEL_LIMITS_DEFAULT;

/* Bytes as latin-1. */
static void put_string(struct vel_slice s) {
    putchar('"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_request(const struct vel_head *head) {
    printf("{\"method\":");
    put_string(head->method_text);
    printf(",\"target\":");
    put_string(head->target.raw);
    printf(",\"minor\":%u,\"keep_alive\":%s,\"chunked\":%s,\"fields\":[", head->minor,
           head->keep_alive ? "true" : "false", head->framing.kind == VEL_BODY_CHUNKED ? "true" : "false");
    for (size_t i = 0; i < head->nfields; i++) {
        printf("%s[", i > 0 ? "," : "");
        put_string(head->fields[i].name);
        putchar(',');
        put_string(head->fields[i].value);
        putchar(']');
    }
    printf("]");
}

struct told {
    struct vel_h1_conn conn;
    struct vel_head head;
    char *body;
    size_t body_len;
    bool closed;
    size_t count;
};

/* Every request is answered at once. */
static void complete(struct told *told) {
    struct vel_reply_head reply = {.status = 204, .length = -1};
    struct vel_h1_rendering rendering;
    struct vel_slice tail;
    printf("%s", told->count++ > 0 ? "," : "");
    put_request(&told->head);
    printf(",\"body\":");
    put_string(vel_slice(told->body, told->body_len));
    putchar('}');
    told->body_len = 0;
    vel_h1_conn_reply(&told->conn, &reply, false, &rendering);
    vel_h1_conn_end(&told->conn, &tail);
    told->closed = !vel_h1_conn_finish(&told->conn);
}

static void tell(struct told *told, const char *in, size_t len) {
    size_t at = 0, used;
    struct vel_slice data;
    enum vel_h1_event event = VEL_H1_END;
    printf("{\"requests\":[");
    while (!told->closed && event != VEL_H1_MORE && event != VEL_H1_REFUSED) {
        event = vel_h1_conn_next(&told->conn, in + at, len - at, &used, &told->head, &data);
        at += used;
        if (event == VEL_H1_DATA) {
            memcpy(told->body + told->body_len, data.at, data.len);
            told->body_len += data.len;
        } else if (event == VEL_H1_END)
            complete(told);
    }
    bool refused = event == VEL_H1_REFUSED;
    printf("],\"status\":%u,\"why\":\"%s\",\"closed\":%s}\n", refused ? told->conn.status : 0,
           refused ? told->conn.why : "", told->closed ? "true" : "false");
}

static bool one(void) {
    static struct told told;
    size_t len;
    if (scanf("%zu", &len) != 1 || getchar() != '\n')
        return false;
    char *in = malloc(len + 1), *body = malloc(len + 1);
    bool read = in != NULL && body != NULL && fread(in, 1, len, stdin) == len;
    if (read) {
        told = (struct told){.body = body};
        vel_h1_conn_init(&told.conn, vel_scan_best(), &limits);
        tell(&told, in, len);
    }
    free(in);
    free(body);
    return read;
}

int main(void) {
    while (one())
        fflush(stdout);
    return 0;
}

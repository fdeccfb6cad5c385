/* The whole test framework of the C tests: CHECK and a count of what ran. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, #condition);                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Two integers, shown when they differ. */
#define CHECK_INT(have, want)                                                                                          \
    do {                                                                                                               \
        long long have_ = (long long)(have), want_ = (long long)(want);                                                \
        if (have_ != want_) {                                                                                          \
            fprintf(stderr, "%s:%d: %s: %s is %lld, not %lld\n", __FILE__, __LINE__, __func__, #have, have_, want_);   \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A slice against a C string. */
#define CHECK_SLICE(slice, text)                                                                                       \
    do {                                                                                                               \
        struct vel_slice have_ = (slice);                                                                              \
        const char *want_ = (text);                                                                                    \
        if (have_.len != strlen(want_) || (have_.len && memcmp(have_.at, want_, have_.len) != 0)) {                    \
            fprintf(stderr, "%s:%d: %s: %s is \"%.*s\", not \"%s\"\n", __FILE__, __LINE__, __func__, #slice,           \
                    (int)have_.len, have_.at ? have_.at : "", want_);                                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Runs one test function; its name is the behaviour it shows. */
#define RUN(test)                                                                                                      \
    do {                                                                                                               \
        test();                                                                                                        \
        printf("ok %s\n", #test);                                                                                      \
    } while (0)

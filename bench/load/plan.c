/* The command line of the load generator. */
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "websocket.h"

static const char usage[] =
    "usage: load --port N --request FILE [--expect FILE] [--status N] [--together N] [--closes]\n"
    "       load --port N --websocket --request FILE         each message of FILE is echoed\n"
    "       load --port N --echo --request FILE              the bytes of FILE come back\n"
    "       load ... --hears messages|events --heard FILE    the idle ones are a crowd that hears of each request by\n"
    "                                                        WebSocket, or by GET /events: FILE, each time\n"
    "all:   [--connections N] [--idle N] [--threads N] [--rate PER-SECOND] [--warm S] [--time S] [--patience S]\n"
    "       [--watch PID]...   processes whose CPU clocks are read when the counting begins and ends\n"
    "       [--weigh]          and their memory, when it begins\n"
    "FILE is sent --together times in one piece. Prints one JSON object.\n";

struct text {
    char *at; /* mapped; NULL when empty */
    size_t size;
};

static bool map_file(const char *path, struct text *text) {
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &about) == 0;
    if (good && about.st_size > 0) {
        text->size = (size_t)about.st_size;
        void *at = mmap(NULL, text->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        good = at != MAP_FAILED;
        text->at = good ? at : NULL;
    }
    close(fd);
    return good;
}

static void unmap(struct text text) {
    if (text.at != NULL)
        munmap(text.at, text.size);
}

/* One piece of it, or NULL. */
static char *make_train(const struct plan *plan, struct text request, size_t *size) {
    bool frames = plan->way == PLAN_WEBSOCKET;
    size_t one = request.size + (frames ? WEBSOCKET_HEAD_MOST : 0);
    char *train = malloc(one * plan->together + 1);
    *size = 0;
    for (unsigned i = 0; train != NULL && i < plan->together; i++) {
        if (frames) {
            *size += websocket_frame(train + *size, WEBSOCKET_BINARY, request.at, request.size);
        } else {
            memcpy(train + *size, request.at, request.size);
            *size += request.size;
        }
    }
    return train;
}

static bool read_files(struct plan *plan, const char *request_path, const char *expect_path) {
    struct text request = {0}, expect = {0};
    if (request_path == NULL || !map_file(request_path, &request) || request.size == 0) {
        fprintf(stderr, "load: a request is needed, in a file that is not empty\n");
        return false;
    }
    const char *body = plan->way == PLAN_HTTP ? expect_path : request_path;
    bool good = body == NULL || map_file(body, &expect);
    if (!good)
        fprintf(stderr, "load: %s: %s\n", body, strerror(errno));
    plan->train = good ? make_train(plan, request, &plan->train_size) : NULL;
    unmap(request);
    /* An empty body is one that is asked for too. */
    plan->expect = (struct expect){.at = body == NULL ? NULL : expect.at ? expect.at : "", .size = expect.size};
    return plan->train != NULL;
}

static bool read_heard(struct plan *plan, const char *path) {
    struct text text = {0};
    if (path == NULL)
        return true;
    if (!map_file(path, &text) || text.size == 0) {
        fprintf(stderr, "load: %s: there is nothing to be heard\n", path);
        return false;
    }
    plan->heard = (struct expect){.at = text.at, .size = text.size, .repeats = plan->crowd == PLAN_HEARS_EVENTS};
    return true;
}

static bool read_number(const char *text, double least, double most, double *number) {
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= least && *number <= most;
}

enum number {
    PORT = 1,
    CONNECTIONS,
    IDLE,
    THREADS,
    TOGETHER,
    RATE,
    WARM,
    TIME,
    PATIENCE,
    STATUS,
    WATCH,
    HEARS,
};

static const struct {
    double least, most;
} ranges[] = {
    [PORT] = {1, 65535},      [CONNECTIONS] = {1, 60000}, [IDLE] = {0, 60000},    [THREADS] = {1, 64},
    [TOGETHER] = {1, 1024},   [RATE] = {0, 1e7},          [WARM] = {0, 3600},     [TIME] = {0.001, 3600},
    [PATIENCE] = {0.1, 3600}, [STATUS] = {0, 999},        [WATCH] = {1, 1 << 30},
};

static void set_number(struct plan *plan, int option, double number) {
    const double second = 1e9;
    switch (option) {
    case PORT:
        plan->address.sin_port = htons((uint16_t)number);
        break;
    case CONNECTIONS:
        plan->connections = (unsigned)number;
        break;
    case IDLE:
        plan->idle = (unsigned)number;
        break;
    case THREADS:
        plan->threads = (unsigned)number;
        break;
    case TOGETHER:
        plan->together = (unsigned)number;
        break;
    case RATE:
        plan->rate = number;
        break;
    case WARM:
        plan->warm = (uint64_t)(number * second);
        break;
    case TIME:
        plan->time = (uint64_t)(number * second);
        break;
    case PATIENCE:
        plan->patience = (uint64_t)(number * second);
        break;
    case STATUS:
        plan->status = (unsigned)number;
        break;
    case WATCH:
        if (plan->watched_count < PLAN_WATCHED_MOST)
            plan->watched[plan->watched_count++] = (pid_t)number;
        break;
    default:
        break;
    }
}

struct paths {
    const char *request, *expect, *heard;
};

static bool read_crowd(struct plan *plan, const char *text) {
    if (strcmp(text, "messages") != 0 && strcmp(text, "events") != 0)
        return false;
    plan->crowd = text[0] == 'm' ? PLAN_HEARS_MESSAGES : PLAN_HEARS_EVENTS;
    return true;
}

static bool read_options(struct plan *plan, struct paths *paths, int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, PORT},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"idle", required_argument, NULL, IDLE},
        {"threads", required_argument, NULL, THREADS},
        {"together", required_argument, NULL, TOGETHER},
        {"rate", required_argument, NULL, RATE},
        {"warm", required_argument, NULL, WARM},
        {"time", required_argument, NULL, TIME},
        {"patience", required_argument, NULL, PATIENCE},
        {"status", required_argument, NULL, STATUS},
        {"watch", required_argument, NULL, WATCH},
        {"request", required_argument, NULL, 'r'},
        {"expect", required_argument, NULL, 'e'},
        {"heard", required_argument, NULL, 'h'},
        {"hears", required_argument, NULL, HEARS},
        {"websocket", no_argument, NULL, 'w'},
        {"echo", no_argument, NULL, 'o'},
        {"closes", no_argument, NULL, 'c'},
        {"weigh", no_argument, NULL, 'm'},
        {0},
    };
    double number;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'r')
            paths->request = optarg;
        else if (option == 'e')
            paths->expect = optarg;
        else if (option == 'h')
            paths->heard = optarg;
        else if (option == HEARS && !read_crowd(plan, optarg))
            return false;
        else if (option == HEARS)
            continue;
        else if (option == 'w')
            plan->way = PLAN_WEBSOCKET;
        else if (option == 'o')
            plan->way = PLAN_ECHO;
        else if (option == 'c')
            plan->closes = true;
        else if (option == 'm')
            plan->weigh = true;
        else if (option == '?' || !read_number(optarg, ranges[option].least, ranges[option].most, &number))
            return false;
        else
            set_number(plan, option, number);
    }
    return optind == argc && plan->address.sin_port != 0 && (plan->crowd == PLAN_RESTS || paths->heard != NULL);
}

bool plan_read(struct plan *plan, int argc, char **argv) {
    struct paths paths = {0};
    *plan = (struct plan){
        .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .threads = 1,
        .connections = 64,
        .together = 1,
        .warm = 100000000,
        .time = 1000000000,
        .patience = 30000000000,
        .status = 200,
    };
    if (!read_options(plan, &paths, argc, argv)) {
        fputs(usage, stderr);
        return false;
    }
    if (plan->threads > plan->connections || plan->crowd != PLAN_RESTS)
        plan->threads = plan->crowd != PLAN_RESTS ? 1 : plan->connections; /* those who hear are counted in one */
    return read_files(plan, paths.request, paths.expect) && read_heard(plan, paths.heard);
}

void plan_free(struct plan *plan) {
    free(plan->train);
    if (plan->expect.size > 0)
        munmap((void *)plan->expect.at, plan->expect.size);
    if (plan->heard.size > 0)
        munmap((void *)plan->heard.at, plan->heard.size);
}

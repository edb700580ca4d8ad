/* Executes blocks until its standard input ends, and tells of every hundredth: steady DIR ENGINE
 * At the end it tells the longest call in milliseconds, and what was dropped. */
#include "check.h"
#include <poll.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static double longest;

#define TIMED(call)                                                       \
    do {                                                                  \
        double begun_ = now();                                            \
        haltbox_status status_ = (call);                                  \
        double took_ = now() - begun_;                                    \
        CHECK(status_ == HALTBOX_OK || status_ == HALTBOX_DROPPED);       \
        if (took_ > longest)                                              \
            longest = took_;                                              \
    } while (0)

static void block(haltbox *recorder, uint64_t height) {
    uint8_t hash[32];
    char line[400];
    memset(hash, (int)(height & 255), sizeof hash);
    TIMED(haltbox_begin_block(recorder, height, 0, NULL));
    for (int entry = 0; entry < 50; entry++) {
        int length = snprintf(line, sizeof line, "{\"type\":\"tx-a\",\"height\":%llu,\"n\":%d,\"p\":\"%0300d\"}",
                              (unsigned long long)height, entry, entry);
        TIMED(haltbox_record(recorder, line, (size_t)length));
    }
    TIMED(haltbox_end_block(recorder, height, hash, sizeof hash));
    TIMED(haltbox_commit(recorder, height, NULL, 0));
    TIMED(haltbox_flush(recorder));
}

int main(int argc, char **argv) {
    struct pollfd ended = {0, POLLIN, 0};
    haltbox_options options;
    haltbox *recorder;
    haltbox_error error;
    haltbox_stats stats;
    uint64_t height = 0;
    CHECK(argc == 3);
    options = options_for(argv[1]);
    options.ring_size = 16 << 20;
    options.engine = (uint32_t)atoi(argv[2]);
    if (haltbox_open(&options, &recorder, &error) != HALTBOX_OK) {
        printf("refused %s\n", error.message);
        return 0;
    }
    while (poll(&ended, 1, 1) == 0) {
        block(recorder, ++height);
        if (height % 100 == 0) {
            printf("height %llu\n", (unsigned long long)height);
            fflush(stdout);
        }
    }
    stats.struct_size = sizeof stats;
    GIVES(HALTBOX_OK, haltbox_stats_read(recorder, &stats));
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    printf("longest %.3f dropped %llu\n", longest, (unsigned long long)stats.dropped);
    return 0;
}

/* A process whose files may not grow: what would be SIGXFSZ is an answer: size_limit DIR */
#include "check.h"
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static void limit(rlim_t bytes) {
    struct rlimit limits;
    CHECK(getrlimit(RLIMIT_FSIZE, &limits) == 0);
    limits.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_FSIZE, &limits) == 0);
}

static int is_pending(void) {
    sigset_t pending;
    CHECK(sigpending(&pending) == 0);
    return sigismember(&pending, SIGXFSZ);
}

static haltbox *opened(const char *dir, uint32_t engine) {
    haltbox_options options = options_for(dir);
    haltbox *recorder;
    options.engine = engine;
    GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
    return recorder;
}

/* Records at a limit of zero bytes, and gives what it answers. */
static void records(const char *dir, uint32_t engine, haltbox_status expected) {
    haltbox *recorder = opened(dir, engine);
    limit(0);
    GIVES(expected, haltbox_record(recorder, "{\"type\":\"tx-b\"}", 15));
    haltbox_freeze(recorder, 1, NULL, 0, NULL);
    limit(RLIM_INFINITY);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
}

/* What the file did not take is missing: the block must not get the name of a whole one. */
static void a_loss_shows(const char *dir) {
    char path[4096];
    haltbox *recorder = opened(dir, HALTBOX_ENGINE_WRITE);
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 2, 0, NULL));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
    limit(0);
    GIVES(HALTBOX_DROPPED, haltbox_record(recorder, "{\"type\":\"tx-b\"}", 15));
    limit(RLIM_INFINITY);
    /* It pauses for a moment after a write that failed. */
    while (haltbox_record(recorder, "{\"type\":\"tx-c\"}", 15) == HALTBOX_DROPPED)
        usleep(10000);
    GIVES(HALTBOX_OK, haltbox_end_block(recorder, 2, NULL, 0));
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 2, path, sizeof path, NULL));
    CHECK(strstr(path, "/2-incomplete") != NULL);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
}

int main(int argc, char **argv) {
    haltbox *recorder = NULL;
    haltbox_error error;
    haltbox_options options;
    sigset_t own, before, after;
    CHECK(argc == 2);
    options = options_for(argv[1]);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &before) == 0);

    limit(1 << 20);
    GIVES(HALTBOX_IO, haltbox_open(&options, &recorder, &error));
    CHECK(recorder == NULL && error.message[0] != 0);
    limit(RLIM_INFINITY);
    records(argv[1], HALTBOX_ENGINE_MAP, HALTBOX_OK);
    records(argv[1], HALTBOX_ENGINE_QUEUE, HALTBOX_OK);
    records(argv[1], HALTBOX_ENGINE_WRITE, HALTBOX_DROPPED);
    a_loss_shows(argv[1]);
    recorder = opened(argv[1], HALTBOX_ENGINE_MAP);
    limit(0);
    CHECK(haltbox_freeze(recorder, 1, NULL, 0, &error) < HALTBOX_OK && error.message[0] != 0);
    limit(RLIM_INFINITY);
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 1, NULL, 0, &error));
    CHECK(!is_pending() && sigprocmask(SIG_SETMASK, NULL, &after) == 0);
    CHECK(sigismember(&after, SIGXFSZ) == sigismember(&before, SIGXFSZ));

    /* One that the host has waiting stays the host's. */
    sigemptyset(&own);
    sigaddset(&own, SIGXFSZ);
    CHECK(sigprocmask(SIG_BLOCK, &own, NULL) == 0 && raise(SIGXFSZ) == 0);
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 1, NULL, 0, NULL));
    CHECK(is_pending());
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    return 0;
}

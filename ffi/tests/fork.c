/* A process that forks TIMES while it records, and TIMES after: fork DIR CHILDS_DIR TIMES */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child without the parent's other threads cannot look for leaks. */
#ifdef __cplusplus
extern "C"
#endif
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

/* AddressSanitizer's allocator keeps its locks across a fork: the child of a thread that forks
   while another allocates waits for ever at its own next allocation. */
#ifdef __SANITIZE_ADDRESS__
#define CHILD_MAY_ALLOCATE 0
#else
#define CHILD_MAY_ALLOCATE 1
#endif

static haltbox *recorder;
static volatile int ending;

/* Holds the recorder's lock most of the time, so that forks come while it is held. */
static void *busy(void *argument) {
    while (!ending)
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"local-busy\"}", 21));
    return argument;
}

static void every_call_is_refused(void) {
    static const uint8_t hash[32] = {1};
    haltbox_stats stats;
    haltbox_error error;
    haltbox *copy = recorder;
    stats.struct_size = sizeof stats;
    GIVES(HALTBOX_FORKED, haltbox_begin_block(recorder, 2, 0, NULL));
    GIVES(HALTBOX_FORKED, haltbox_record(recorder, "{\"type\":\"tx-child\"}", 19));
    GIVES(HALTBOX_FORKED, haltbox_log(recorder, "child", 5));
    GIVES(HALTBOX_FORKED, haltbox_crank(recorder, 1, hash, hash));
    GIVES(HALTBOX_FORKED, haltbox_end_block(recorder, 1, NULL, 0));
    GIVES(HALTBOX_FORKED, haltbox_commit(recorder, 1, hash, 32));
    GIVES(HALTBOX_FORKED, haltbox_confirm(recorder, 1, hash, 32));
    GIVES(HALTBOX_FORKED, haltbox_abort(recorder, 1));
    GIVES(HALTBOX_FORKED, haltbox_diverged(recorder, 1, hash, 32, hash, 31, NULL));
    GIVES(HALTBOX_FORKED, haltbox_freeze(recorder, 0, NULL, 0, &error));
    CHECK(strstr(error.message, "fork") != NULL);
    GIVES(HALTBOX_FORKED, haltbox_take_message(recorder, error.message, sizeof error.message));
    CHECK(error.message[0] == 0);
    GIVES(HALTBOX_FORKED, haltbox_stats_read(recorder, &stats));
    GIVES(HALTBOX_FORKED, haltbox_flush(recorder));
    GIVES(HALTBOX_FORKED, haltbox_close(&copy));
    CHECK(copy == recorder);
}

/* One of its own is its own. */
static void records_its_own(const char *dir) {
    haltbox *own = open_recorder(dir);
    GIVES(HALTBOX_OK, haltbox_record(own, "{\"type\":\"tx-child\"}", 19));
    GIVES(HALTBOX_OK, haltbox_close(&own));
    every_call_is_refused();
}

static void child(const char *dir) {
    alarm(60);
    every_call_is_refused();
    if (dir == NULL)
        _exit(0);
    records_its_own(dir);
    /* In order, as a host's child that ends by itself. */
    exit(0);
}

/* The child opens a recorder of its own in childs_dir, unless that is NULL. */
static void forks(int times, const char *childs_dir) {
    while (times-- > 0) {
        int status = 0;
        pid_t forked = fork();
        CHECK(forked >= 0);
        if (forked == 0)
            child(childs_dir);
        CHECK(waitpid(forked, &status, 0) == forked && status == 0);
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-parent\"}", 20));
    }
}

int main(int argc, char **argv) {
    pthread_t thread;
    CHECK(argc == 4);
    recorder = open_recorder(argv[1]);
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    CHECK(pthread_create(&thread, NULL, busy, NULL) == 0);
    forks(atoi(argv[3]), CHILD_MAY_ALLOCATE ? argv[2] : NULL);
    ending = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    forks(atoi(argv[3]), argv[2]);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    return 0;
}

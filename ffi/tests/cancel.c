/* Threads that are cancelled while they are in a call that works with files: cancel DIR TIMES */
#include "check.h"
#include <pthread.h>
#include <unistd.h>

static haltbox *recorder;
static const char *other;

/* Each box takes a name of its own: what is there already would not be written. */
static void *freezes(void *argument) {
    for (;;) {
        char path[4096];
        haltbox_error error;
        haltbox_status status = haltbox_freeze(recorder, 5, path, sizeof path, &error);
        CHECK(status == HALTBOX_OK);
        unlink(path);
        pthread_testcancel();
    }
    return argument;
}

static void *opens(void *argument) {
    for (;;) {
        haltbox_options options = options_for(other);
        haltbox *opened = NULL;
        options.background = 1;
        options.engine = HALTBOX_ENGINE_WRITE;
        haltbox_open(&options, &opened, NULL);
        haltbox_record(opened, "{\"type\":\"local-a\"}", 18);
        haltbox_flush(opened);
        haltbox_close(&opened);
        pthread_testcancel();
    }
    return argument;
}

static void cancel(void *(*work)(void *), int times) {
    while (times-- > 0) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
        usleep((useconds_t)(500 + rand() % 4000));
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
}

int main(int argc, char **argv) {
    static char folder[4096];
    CHECK(argc == 3);
    alarm(300);
    recorder = open_recorder(argv[1]);
    CHECK(snprintf(folder, sizeof folder, "%s-other", argv[1]) < (int)sizeof folder);
    other = folder;
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 5, 0, NULL));
    for (int entry = 0; entry < 2000; entry++)
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
    GIVES(HALTBOX_OK, haltbox_end_block(recorder, 5, NULL, 0));
    cancel(freezes, atoi(argv[2]));
    cancel(opens, atoi(argv[2]));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-last\"}", 18));
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    return 0;
}

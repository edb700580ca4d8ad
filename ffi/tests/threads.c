/* Many threads, one recorder, closed while some still record: threads DIR THREADS ENTRIES */
#include "check.h"
#include <pthread.h>

static haltbox *recorder;
static int each;

static void *record(void *argument) {
    int thread = (int)(size_t)argument;
    for (int entry = 0; entry < each; entry++) {
        char line[100];
        int length = snprintf(line, sizeof line,
                              "{\"type\":\"tx-thread\",\"thread\":%d,\"entry\":%d}", thread, entry);
        GIVES(HALTBOX_OK, haltbox_record(recorder, line, (size_t)length));
    }
    return NULL;
}

/* Records until somebody closes the recorder: entries that cannot push out those of a block. */
static void *record_on(void *argument) {
    haltbox_status status;
    (void)argument;
    while ((status = haltbox_record(recorder, "{\"type\":\"local-late\"}", 21)) == HALTBOX_OK) {
    }
    GIVES(HALTBOX_CLOSED, status);
    return NULL;
}

static void together(int count, void *(*work)(void *), int close) {
    pthread_t threads[64];
    haltbox *closing = recorder;
    CHECK(count <= 64);
    for (int thread = 0; thread < count; thread++)
        CHECK(pthread_create(&threads[thread], NULL, work, (void *)(size_t)thread) == 0);
    if (close)
        GIVES(HALTBOX_OK, haltbox_close(&closing));
    for (int thread = 0; thread < count; thread++)
        CHECK(pthread_join(threads[thread], NULL) == 0);
}

int main(int argc, char **argv) {
    haltbox_options options;
    CHECK(argc == 4);
    each = atoi(argv[3]);
    options = options_for(argv[1]);
    options.ring_size = 16 << 20;
    GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    together(atoi(argv[2]), record, 0);
    together(atoi(argv[2]), record_on, 1);
    return 0;
}

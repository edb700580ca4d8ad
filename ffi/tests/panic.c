/* A panic inside, with the library that has a function for it: panic DIR */
#include "check.h"

#ifdef __cplusplus
extern "C"
#endif
haltbox_status haltbox_test_panic(haltbox *recorder);

int main(int argc, char **argv) {
    haltbox *recorder, *next;
    haltbox_error error;
    haltbox_stats stats;
    CHECK(argc == 2);
    recorder = open_recorder(argv[1]);
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-before\"}", 20));
    GIVES(HALTBOX_BROKEN, haltbox_test_panic(recorder));
    GIVES(HALTBOX_BROKEN, haltbox_record(recorder, "{\"type\":\"tx-after\"}", 19));
    GIVES(HALTBOX_BROKEN, haltbox_log(recorder, "after", 5));
    GIVES(HALTBOX_BROKEN, haltbox_begin_block(recorder, 2, 0, NULL));
    GIVES(HALTBOX_BROKEN, haltbox_commit(recorder, 1, NULL, 0));
    GIVES(HALTBOX_BROKEN, haltbox_flush(recorder));
    GIVES(HALTBOX_BROKEN, haltbox_freeze(recorder, 0, NULL, 0, &error));
    CHECK(error.message[0] != 0);
    GIVES(HALTBOX_BROKEN, haltbox_take_message(recorder, error.message, sizeof error.message));
    stats.struct_size = sizeof stats;
    GIVES(HALTBOX_BROKEN, haltbox_stats_read(recorder, &stats));
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    CHECK(recorder == NULL);
    /* The ring is valid, and free for the next. */
    next = open_recorder(argv[1]);
    GIVES(HALTBOX_OK, haltbox_record(next, "{\"type\":\"tx-next\"}", 18));
    GIVES(HALTBOX_OK, haltbox_close(&next));
    return 0;
}

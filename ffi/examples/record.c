/*
 * A host that records three blocks, the last of which turns out to differ, and freezes it:
 *
 *     make -C ffi/examples PREFIX=/usr/local && ffi/examples/record FOLDER
 *     haltbox info FOLDER/boxes/3-...
 */
#include <haltbox.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What a host does when a call did not do its work: say it, and go on. */
static void note(const char *call, haltbox_status status) {
    if (status != HALTBOX_OK)
        fprintf(stderr, "haltbox %s: %s\n", call, haltbox_status_text(status));
}

/* Executes a block, and gives its AppHash. */
static void execute(haltbox *recorder, uint64_t height, uint8_t app_hash[32]) {
    int64_t block_time = 1700000000000000000 + (int64_t)height * 6000000000;
    note("begin_block", haltbox_begin_block(recorder, height, block_time, NULL));
    for (int n = 0; n < 5; n++) {
        char line[128];
        int length = snprintf(line, sizeof line, "{\"type\":\"tx-transfer\",\"n\":%d,\"amount\":%d}", n,
                              100 * n);
        note("record", haltbox_record(recorder, line, (size_t)length));
    }
    memset(app_hash, (int)height, 32);
    note("end_block", haltbox_end_block(recorder, height, app_hash, 32));
    note("commit", haltbox_commit(recorder, height, NULL, 0));
}

int main(int argc, char **argv) {
    haltbox_options options;
    haltbox_error error;
    haltbox *recorder;
    uint8_t app_hash[32], network[32];
    char box[4096 + 80];

    if (argc != 2) {
        fprintf(stderr, "usage: record FOLDER\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.dir = argv[1];
    options.ring_size = 16 << 20;
    if (haltbox_open(&options, &recorder, &error) != HALTBOX_OK)
        /* The host goes on without: the calls below take a NULL recorder. */
        fprintf(stderr, "haltbox is off: %s\n", error.message);

    for (uint64_t height = 1; height <= 2; height++) {
        execute(recorder, height, app_hash);
        /* The next header says the same: the block is let go of. */
        note("confirm", haltbox_confirm(recorder, height, app_hash, sizeof app_hash));
    }
    execute(recorder, 3, app_hash);
    memset(network, 0xee, sizeof network);
    if (haltbox_confirm(recorder, 3, network, sizeof network) == HALTBOX_DIFFERS) {
        note("diverged", haltbox_diverged(recorder, 3, app_hash, sizeof app_hash, network,
                                          sizeof network, "AppHash"));
        if (haltbox_freeze(recorder, 3, box, sizeof box, &error) == HALTBOX_OK)
            printf("%s\n", box);
        else
            fprintf(stderr, "no black box: %s\n", error.message);
    }
    note("close", haltbox_close(&recorder));
    return 0;
}

/* Records until it is killed, and tells of every entry once it is recorded: kill DIR ENGINE */
#include "check.h"
#include <unistd.h>

int main(int argc, char **argv) {
    haltbox *recorder;
    haltbox_options options;
    CHECK(argc == 3);
    options = options_for(argv[1]);
    options.engine = (uint32_t)atoi(argv[2]);
    GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    for (uint64_t entry = 0;; entry++) {
        char line[100];
        int length = snprintf(line, sizeof line, "{\"type\":\"tx-kill\",\"entry\":%llu}",
                              (unsigned long long)entry);
        GIVES(HALTBOX_OK, haltbox_record(recorder, line, (size_t)length));
        if (write(1, &entry, sizeof entry) != (ssize_t)sizeof entry)
            return 1;
    }
}

/* A child that the C library knows nothing of: clone DIR */
#include "check.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static const uint32_t engines[] = {HALTBOX_ENGINE_MAP, HALTBOX_ENGINE_WRITE,
                                       HALTBOX_ENGINE_QUEUE};
    CHECK(argc == 2);
    for (size_t place = 0; place < sizeof engines / sizeof *engines; place++) {
        haltbox_options options = options_for(argv[1]);
        haltbox *recorder;
        int status;
        long child;
        options.engine = engines[place];
        GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
        child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        CHECK(child >= 0);
        if (child == 0) {
            haltbox_status found = haltbox_record(recorder, "{\"type\":\"tx-child\"}", 19);
            _exit(found == HALTBOX_FORKED ? 0 : 1);
        }
        CHECK(waitpid((pid_t)child, &status, 0) == child && status == 0);
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-parent\"}", 20));
        GIVES(HALTBOX_OK, haltbox_close(&recorder));
    }
    return 0;
}

/* A process that may have so much memory and no more: it gets an error, and lives: memory DIR */
#include "check.h"
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes of addresses that this process has. */
static rlim_t taken(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* 0: it has recorded and frozen; 3: it was refused. */
static int child(const char *dir, rlim_t more) {
    haltbox_options options = options_for(dir);
    haltbox *recorder;
    haltbox_error error;
    haltbox_status status;
    struct rlimit limits;
    limits.rlim_cur = limits.rlim_max = taken() + more;
    CHECK(setrlimit(RLIMIT_AS, &limits) == 0);
    status = haltbox_open(&options, &recorder, &error);
    if (status != HALTBOX_OK) {
        CHECK(status == HALTBOX_IO && error.message[0] != 0);
        return 3;
    }
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, NULL));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
    GIVES(HALTBOX_OK, haltbox_end_block(recorder, 1, NULL, 0));
    status = haltbox_freeze(recorder, 1, NULL, 0, &error);
    CHECK(status == HALTBOX_OK || status == HALTBOX_NOT_FROZEN);
    haltbox_close(&recorder);
    return status == HALTBOX_OK ? 0 : 3;
}

int main(int argc, char **argv) {
    int refused = 0, frozen = 0;
    CHECK(argc == 2);
    for (rlim_t more = 1; more <= 256; more += 5) {
        int status = 0;
        pid_t forked = fork();
        CHECK(forked >= 0);
        if (forked == 0)
            _exit(child(argv[1], more << 20));
        CHECK(waitpid(forked, &status, 0) == forked);
        /* Else a signal ended it: an allocation failed. */
        CHECK(WIFEXITED(status));
        refused += WEXITSTATUS(status) == 3;
        frozen += WEXITSTATUS(status) == 0;
        CHECK(refused + frozen == (int)(more / 5) + 1);
    }
    CHECK(refused > 0 && frozen > 0);
    return 0;
}

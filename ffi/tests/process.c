/* What the library does to the process it is in: process DIR */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int environment_reads;

/* Stands before the C library's. */
#ifdef __cplusplus
extern "C"
#endif
char *getenv(const char *name) {
    size_t length = strlen(name);
    char **entry;
    environment_reads++;
    for (entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static int entries(const char *folder) {
    int count = 0;
    DIR *open_folder = opendir(folder);
    CHECK(open_folder != NULL);
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open_folder);
    return count;
}

static int threads(void) { return entries("/proc/self/task"); }

static void remember_handlers(struct sigaction *actions) {
    for (int signal = 1; signal < 32; signal++)
        sigaction(signal, NULL, &actions[signal]);
}

static void same_handlers(const struct sigaction *before) {
    struct sigaction now[32];
    remember_handlers(now);
    for (int signal = 1; signal < 32; signal++) {
        CHECK(before[signal].sa_handler == now[signal].sa_handler);
        CHECK(before[signal].sa_flags == now[signal].sa_flags);
    }
}

static int inherited(void) {
    int count = 0;
    for (int descriptor = 3; descriptor < 256; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}

static void use(haltbox *recorder) {
    static const uint8_t hash[32] = {1}, other[32] = {2};
    for (int entry = 0; entry < 1000; entry++)
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 0, hash));
    GIVES(HALTBOX_OK, haltbox_log(recorder, "a line", 6));
    GIVES(HALTBOX_OK, haltbox_commit(recorder, 1, hash, 32));
    GIVES(HALTBOX_OK, haltbox_diverged(recorder, 1, hash, 32, other, 32, NULL));
    GIVES(HALTBOX_OK, haltbox_flush(recorder));
}

int main(int argc, char **argv) {
    struct sigaction before[32];
    struct timespec moment = {0, 10 * 1000 * 1000};
    haltbox_options options;
    haltbox *recorder;
    int descriptors, inherited_before, threads_before, reads_before;
    CHECK(argc == 2);
    descriptors = entries("/proc/self/fd");
    inherited_before = inherited();
    threads_before = threads();
    remember_handlers(before);
    reads_before = environment_reads;

    recorder = open_recorder(argv[1]);
    use(recorder);
    CHECK(threads() == threads_before);
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 1, NULL, 0, NULL));
    CHECK(entries("/proc/self/fd") > descriptors);
    CHECK(inherited() == inherited_before);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    same_handlers(before);
    CHECK(environment_reads == reads_before);
    CHECK(entries("/proc/self/fd") == descriptors);

    options = options_for(argv[1]);
    options.background = 1;
    options.archive_bytes = UINT64_MAX;
    GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
    /* One that freezes, one that makes the ring's pages present. */
    CHECK(threads() == threads_before + 2);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    /* They end by themselves, and nobody waits for them. */
    for (int wait = 0; threads() > threads_before && wait < 6000; wait++)
        nanosleep(&moment, NULL);
    CHECK(threads() == threads_before);
    CHECK(entries("/proc/self/fd") == descriptors);
    return 0;
}

/* Every parameter that may be wrong, and every answer that needs no fault: arguments DIR */
#include "check.h"

static const uint8_t hash[64] = {1, 2, 3};
static const uint8_t other[64] = {9, 9, 9};

static void static_texts(void) {
    int status;
    CHECK(haltbox_abi_version() == HALTBOX_ABI_VERSION);
    CHECK(strlen(haltbox_version()) >= 5);
    for (status = -100; status < 100; status++)
        CHECK(haltbox_status_text(status)[0] != 0);
    CHECK(strcmp(haltbox_status_text(HALTBOX_OK), haltbox_status_text(-100)) != 0);
    CHECK(haltbox_status_text(INT32_MIN) != NULL && haltbox_status_text(INT32_MAX) != NULL);
}

/* Every call on no recorder at all. */
static void no_recorder(void) {
    haltbox *none = NULL;
    haltbox_stats stats;
    haltbox_error error;
    char path[300];
    GIVES(HALTBOX_CLOSED, haltbox_begin_block(NULL, 1, 0, NULL));
    GIVES(HALTBOX_CLOSED, haltbox_record(NULL, "{}", 2));
    GIVES(HALTBOX_CLOSED, haltbox_log(NULL, "x", 1));
    GIVES(HALTBOX_CLOSED, haltbox_crank(NULL, 1, hash, hash));
    GIVES(HALTBOX_CLOSED, haltbox_end_block(NULL, 1, hash, 32));
    GIVES(HALTBOX_CLOSED, haltbox_commit(NULL, 1, hash, 32));
    GIVES(HALTBOX_CLOSED, haltbox_confirm(NULL, 1, hash, 32));
    GIVES(HALTBOX_CLOSED, haltbox_abort(NULL, 1));
    GIVES(HALTBOX_CLOSED, haltbox_diverged(NULL, 1, hash, 32, hash, 32, NULL));
    GIVES(HALTBOX_CLOSED, haltbox_freeze(NULL, 1, path, sizeof path, &error));
    CHECK(path[0] == 0 && error.message[0] != 0);
    GIVES(HALTBOX_CLOSED, haltbox_freeze(NULL, 0, NULL, 0, NULL));
    GIVES(HALTBOX_CLOSED, haltbox_take_message(NULL, path, sizeof path));
    GIVES(HALTBOX_CLOSED, haltbox_take_message(NULL, NULL, 0));
    stats.struct_size = sizeof stats;
    GIVES(HALTBOX_CLOSED, haltbox_stats_read(NULL, &stats));
    GIVES(HALTBOX_CLOSED, haltbox_flush(NULL));
    GIVES(HALTBOX_OK, haltbox_close(NULL));
    GIVES(HALTBOX_OK, haltbox_close(&none));
}

static void refused(haltbox_status status, const haltbox_options *options, const char *word) {
    haltbox *recorder = (haltbox *)(size_t)8;
    haltbox_error error;
    memset(&error, 'x', sizeof error);
    GIVES(status, haltbox_open(options, &recorder, &error));
    CHECK(recorder == NULL);
    CHECK(memchr(error.message, 0, sizeof error.message) != NULL);
    if (strstr(error.message, word) == NULL) {
        fprintf(stderr, "no \"%s\" in: %s\n", word, error.message);
        _Exit(1);
    }
    GIVES(status, haltbox_open(options, &recorder, NULL));
}

static void bad_options(const char *dir) {
    haltbox_options options = options_for(dir);
    haltbox_error error;
    char long_path[2000];
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_open(&options, NULL, &error));
    CHECK(error.message[0] != 0);
    refused(HALTBOX_BAD_ARGUMENT, NULL, "NULL");
    options.dir = NULL;
    refused(HALTBOX_BAD_ARGUMENT, &options, "options.dir");
    options.dir = "";
    refused(HALTBOX_BAD_ARGUMENT, &options, "options.dir");
    options = options_for(dir);
    options.background = 2;
    refused(HALTBOX_BAD_ARGUMENT, &options, "options.background");
    options = options_for(dir);
    options.upload_hint = "\xff\xfe";
    refused(HALTBOX_BAD_ARGUMENT, &options, "options.upload_hint");
    options = options_for(dir);
    options.ring_size = 4096;
    refused(HALTBOX_BAD_ARGUMENT, &options, "4096");
    options = options_for(dir);
    options.profile = "/no/such/profile.json";
    refused(HALTBOX_PROFILE, &options, "/no/such/profile.json");
    options.profile = "agorik";
    refused(HALTBOX_PROFILE, &options, "builtin");
    options.profile = "/dev/null";
    refused(HALTBOX_PROFILE, &options, "docs/profile.md");
    options = options_for("/dev/null/folder");
    refused(HALTBOX_IO, &options, "/dev/null/folder");
    /* Of a message that is longer than its room the beginning is kept, in whole characters. */
    memset(long_path, 0, sizeof long_path);
    for (size_t at = 0; at + 4 < sizeof long_path; at += 2)
        memcpy(long_path + at, "\xc3\xa9", 2);
    options = options_for(dir);
    options.profile = long_path;
    refused(HALTBOX_PROFILE, &options, "cannot read");
}

/* The options of another version of the library, in memory that ends where they end. */
static haltbox_status open_sized(const haltbox_options *options, size_t size, int tail) {
    haltbox *recorder = NULL;
    haltbox_status status;
    char *sized = (char *)malloc(size < sizeof(size_t) ? sizeof(size_t) : size);
    CHECK(sized != NULL);
    memset(sized, 0, size);
    memcpy(sized, options, size < sizeof *options ? size : sizeof *options);
    memcpy(sized, &size, sizeof size);
    if (tail)
        sized[size - 1] = 1;
    status = haltbox_open((const haltbox_options *)(void *)sized, &recorder, NULL);
    CHECK((status == HALTBOX_OK) == (recorder != NULL));
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    free(sized);
    return status;
}

static void sized_options(const char *dir) {
    haltbox_options options = options_for(dir);
    size_t size;
    GIVES(HALTBOX_BAD_ARGUMENT, open_sized(&options, 0, 0));
    GIVES(HALTBOX_BAD_ARGUMENT, open_sized(&options, sizeof(size_t), 0));
    GIVES(HALTBOX_BAD_ARGUMENT, open_sized(&options, sizeof options - 3, 0));
    GIVES(HALTBOX_BAD_ARGUMENT, open_sized(&options, 1 << 20, 0));
    for (size = offsetof(haltbox_options, profile); size <= sizeof options + 64; size += 8)
        GIVES(HALTBOX_OK, open_sized(&options, size, 0));
    GIVES(HALTBOX_TOO_NEW, open_sized(&options, sizeof options + 8, 1));
    GIVES(HALTBOX_TOO_NEW, open_sized(&options, sizeof options + 64, 1));
    options.struct_size = sizeof options + 16;
}

static void sized_stats(haltbox *recorder) {
    struct {
        haltbox_stats known;
        uint64_t later[2];
        uint64_t beyond;
    } stats;
    memset(&stats, 0xee, sizeof stats);
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_stats_read(recorder, NULL));
    stats.known.struct_size = 0;
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_stats_read(recorder, &stats.known));
    stats.known.struct_size = offsetof(haltbox_stats, bytes);
    GIVES(HALTBOX_OK, haltbox_stats_read(recorder, &stats.known));
    CHECK(stats.known.records > 0 && stats.known.bytes == 0xeeeeeeeeeeeeeeee);
    stats.known.struct_size = sizeof stats.known + sizeof stats.later;
    GIVES(HALTBOX_OK, haltbox_stats_read(recorder, &stats.known));
    CHECK(stats.known.bytes < 1 << 20 && stats.known.diverged == 0);
    CHECK(stats.known.struct_size == sizeof stats.known + sizeof stats.later);
    CHECK(stats.later[0] == 0 && stats.later[1] == 0 && stats.beyond == 0xeeeeeeeeeeeeeeee);
}

static void bad_calls(haltbox *recorder, const char *dir) {
    char path[600];
    haltbox_error error;
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_record(recorder, NULL, 1));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_record(recorder, "{}", (size_t)-1));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_log(recorder, NULL, 1));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_crank(recorder, 1, NULL, hash));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_crank(recorder, 1, hash, NULL));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_end_block(recorder, 1, NULL, 32));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_end_block(recorder, 1, hash, 65));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_commit(recorder, 1, NULL, 32));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_commit(recorder, 1, hash, 65));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_confirm(recorder, 1, NULL, 0));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_confirm(recorder, 1, hash, 65));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_diverged(recorder, 1, NULL, 32, hash, 32, NULL));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_diverged(recorder, 1, hash, 32, NULL, 0, NULL));
    path[0] = 'x';
    GIVES(HALTBOX_OK, haltbox_take_message(recorder, path, sizeof path));
    CHECK(path[0] == 0);
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_take_message(recorder, NULL, 9));
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_take_message(recorder, path, 0));
    GIVES(HALTBOX_NOTHING, haltbox_freeze(recorder, 0, NULL, 0, NULL));
    GIVES(HALTBOX_NOTHING, haltbox_freeze(recorder, 7, path, sizeof path, &error));
    CHECK(path[0] == 0 && strstr(error.message, "7") != NULL);
    GIVES(HALTBOX_BAD_ARGUMENT, haltbox_freeze(recorder, 0, path, strlen(dir), &error));
    CHECK(strstr(error.message, "out_path_size") != NULL);
}

static void whole_life(haltbox *recorder, const char *dir) {
    char path[600], again[600];
    haltbox_error error;
    haltbox_stats stats;
    const char *reason = "LastResultsHash";
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 1, 1700000000000000001, hash));
    GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\",\"n\":1}", 20));
    GIVES(HALTBOX_OK, haltbox_record(recorder, NULL, 0));
    GIVES(HALTBOX_OK, haltbox_log(recorder, "a line of the log\n", 18));
    GIVES(HALTBOX_OK, haltbox_crank(recorder, 1, hash, other));
    GIVES(HALTBOX_OK, haltbox_end_block(recorder, 1, NULL, 0));
    GIVES(HALTBOX_UNKNOWN, haltbox_confirm(recorder, 1, hash, 32));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 2, -1, NULL));
    GIVES(HALTBOX_OK, haltbox_abort(recorder, 2));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 2, INT64_MAX, NULL));
    GIVES(HALTBOX_OK, haltbox_end_block(recorder, 2, hash, 64));
    GIVES(HALTBOX_OK, haltbox_commit(recorder, 2, NULL, 0));
    GIVES(HALTBOX_OK, haltbox_confirm(recorder, 2, hash, 64));
    GIVES(HALTBOX_OK, haltbox_begin_block(recorder, 3, 0, NULL));
    GIVES(HALTBOX_OK, haltbox_commit(recorder, 3, hash, 1));
    GIVES(HALTBOX_DIFFERS, haltbox_confirm(recorder, 3, other, 1));
    GIVES(HALTBOX_OK, haltbox_diverged(recorder, 3, hash, 1, other, 1, reason));
    stats.struct_size = sizeof stats;
    GIVES(HALTBOX_OK, haltbox_stats_read(recorder, &stats));
    CHECK(stats.head == 3 && stats.released == 2 && stats.diverged == 1 && stats.dropped == 0);
    GIVES(HALTBOX_OK, haltbox_flush(recorder));
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 0, path, strlen(dir) + 80, &error));
    CHECK(error.message[0] == 0 && strncmp(path, dir, strlen(dir)) == 0);
    CHECK(strstr(path, "/boxes/3-") != NULL);
    GIVES(HALTBOX_OK, haltbox_freeze(recorder, 3, again, sizeof again, NULL));
    CHECK(strcmp(path, again) == 0);
    GIVES(HALTBOX_OK, haltbox_stats_read(recorder, &stats));
    CHECK(stats.diverged == 0);
}

/* The profile of a host whose own entries mark its blocks. */
static void marked_by_entries(const char *dir) {
    haltbox_options options = options_for(dir);
    haltbox *recorder = NULL;
    options.profile = "agoric";
    GIVES(HALTBOX_OK, haltbox_open(&options, &recorder, NULL));
    GIVES(HALTBOX_MARKED_BY_ENTRIES, haltbox_begin_block(recorder, 1, 0, NULL));
    GIVES(HALTBOX_MARKED_BY_ENTRIES, haltbox_crank(recorder, 1, hash, hash));
    GIVES(HALTBOX_MARKED_BY_ENTRIES, haltbox_end_block(recorder, 1, NULL, 0));
    GIVES(HALTBOX_OK, haltbox_commit(recorder, 1, hash, 32));
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
}

int main(int argc, char **argv) {
    haltbox *recorder, *copy, *second = (haltbox *)(size_t)8;
    haltbox_options options;
    haltbox_error error;
    CHECK(argc == 2);
    static_texts();
    no_recorder();
    bad_options(argv[1]);
    sized_options(argv[1]);
    recorder = open_recorder(argv[1]);
    options = options_for(argv[1]);
    GIVES(HALTBOX_LOCKED, haltbox_open(&options, &second, &error));
    CHECK(second == NULL && strstr(error.message, argv[1]) != NULL);
    bad_calls(recorder, argv[1]);
    whole_life(recorder, argv[1]);
    copy = recorder;
    sized_stats(recorder);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    CHECK(recorder == NULL);
    GIVES(HALTBOX_OK, haltbox_close(&recorder));
    GIVES(HALTBOX_CLOSED, haltbox_record(copy, "{}", 2));
    GIVES(HALTBOX_OK, haltbox_close(&copy));
    marked_by_entries(argv[1]);
    return 0;
}

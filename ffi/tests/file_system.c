/* A folder on a file system that a host must not map: file_system DIR */
#include "check.h"

int main(int argc, char **argv) {
    haltbox *recorder = NULL;
    haltbox_options options;
    haltbox_error error;
    CHECK(argc == 2);
    options = options_for(argv[1]);
    GIVES(HALTBOX_FILE_SYSTEM, haltbox_open(&options, &recorder, &error));
    CHECK(recorder == NULL && strstr(error.message, argv[1]) != NULL);
    return 0;
}

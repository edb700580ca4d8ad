/* What the test programs share: they are silent, and end with 1 at the first thing that is wrong. */
#ifndef HALTBOX_CHECK_H
#define HALTBOX_CHECK_H

#include <haltbox.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                               \
    do {                                                                          \
        if (!(what)) {                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);    \
            _Exit(1);                                                             \
        }                                                                         \
    } while (0)

#define GIVES(status, call)                                                                    \
    do {                                                                                       \
        haltbox_status found_ = (call);                                                        \
        if (found_ != (status)) {                                                              \
            fprintf(stderr, "%s:%d: %s gives %d (%s), not %s\n", __FILE__, __LINE__, #call,    \
                    (int)found_, haltbox_status_text(found_), #status);                        \
            _Exit(1);                                                                          \
        }                                                                                      \
    } while (0)

static inline haltbox_options options_for(const char *dir) {
    haltbox_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.dir = dir;
    options.ring_size = 4 << 20;
    return options;
}

static inline haltbox *open_recorder(const char *dir) {
    haltbox_options options = options_for(dir);
    haltbox *recorder = NULL;
    haltbox_error error;
    haltbox_status status = haltbox_open(&options, &recorder, &error);
    if (status != HALTBOX_OK) {
        fprintf(stderr, "%s: %s\n", haltbox_status_text(status), error.message);
        _Exit(1);
    }
    CHECK(recorder != NULL);
    return recorder;
}

#endif

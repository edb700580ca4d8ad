/* Two Rust libraries in one program, a panic caught in each, in turns: neighbours DIR */
#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif
haltbox_status haltbox_test_panic(haltbox *recorder);
int32_t neighbour_catches(void);
#ifdef __cplusplus
}
#endif

int main(int argc, char **argv) {
    CHECK(argc == 2);
    for (int turn = 0; turn < 3; turn++) {
        haltbox *recorder = open_recorder(argv[1]);
        CHECK(neighbour_catches() == 1);
        GIVES(HALTBOX_OK, haltbox_record(recorder, "{\"type\":\"tx-a\"}", 15));
        GIVES(HALTBOX_BROKEN, haltbox_test_panic(recorder));
        CHECK(neighbour_catches() == 1);
        GIVES(HALTBOX_BROKEN, haltbox_record(recorder, "{\"type\":\"tx-b\"}", 15));
        GIVES(HALTBOX_OK, haltbox_close(&recorder));
    }
    return 0;
}

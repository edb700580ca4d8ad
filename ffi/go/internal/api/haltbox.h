#ifndef HALTBOX_H
#define HALTBOX_H
#include <stdint.h>
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct haltbox haltbox;                    /* opaque */
typedef int32_t haltbox_status;                    /* 0 ok, >0 done but look, <0 nothing was done; fixed, never reused */
#define HALTBOX_ABI_VERSION 1
#define HALTBOX_OK 0
#define HALTBOX_DROPPED 1
#define HALTBOX_DIFFERS 2
#define HALTBOX_UNKNOWN 3
#define HALTBOX_BAD_ARGUMENT (-1)
#define HALTBOX_TOO_NEW (-2)
#define HALTBOX_LOCKED (-3)
#define HALTBOX_FILE_SYSTEM (-4)
#define HALTBOX_NO_SPACE (-5)
#define HALTBOX_IO (-6)
#define HALTBOX_FORKED (-7)
#define HALTBOX_CLOSED (-8)
#define HALTBOX_BROKEN (-9)
#define HALTBOX_MARKED_BY_ENTRIES (-10)
#define HALTBOX_NOTHING (-11)
#define HALTBOX_NOT_FROZEN (-12)
#define HALTBOX_PROFILE (-13)

typedef struct haltbox_error { char message[256]; } haltbox_error;      /* caller-owned, NULL allowed, always NUL-terminated */
typedef struct haltbox_options {
  size_t struct_size;           /* sizeof(haltbox_options) */
  const char *dir;              /* required */
  uint64_t ring_size;           /* 0: 256 MiB */
  const char *profile;          /* NULL: "host"; name of a builtin one, or path of a profile file */
  const char *node_program;     /* NULL: none */
  const char *upload_hint;      /* NULL: none */
  uint64_t archive_bytes;       /* with background: 0 = 2 GiB, UINT64_MAX = none */
  uint32_t persist_seconds;     /* with background: 0 = 60 */
  uint32_t background;          /* 1: a thread freezes and archives; 0: none */
} haltbox_options;
typedef struct haltbox_stats { size_t struct_size; uint64_t records, bytes, dropped, head, released, oldest, pinned, diverged; } haltbox_stats;

haltbox_status haltbox_open(const haltbox_options *options, haltbox **out, haltbox_error *error);
haltbox_status haltbox_begin_block(haltbox *recorder, uint64_t height, int64_t block_time_ns, const uint8_t *input_digest /* 32 bytes or NULL */);
haltbox_status haltbox_record(haltbox *recorder, const void *bytes, size_t length);
haltbox_status haltbox_log(haltbox *recorder, const void *bytes, size_t length);       /* a line of the node's log */
haltbox_status haltbox_crank(haltbox *recorder, uint64_t number, const uint8_t *crankhash, const uint8_t *activityhash); /* 32 bytes each */
haltbox_status haltbox_end_block(haltbox *recorder, uint64_t height, const uint8_t *app_hash, size_t length);  /* NULL, 0: not known yet */
haltbox_status haltbox_commit(haltbox *recorder, uint64_t height, const uint8_t *app_hash, size_t length);
haltbox_status haltbox_confirm(haltbox *recorder, uint64_t height, const uint8_t *network_app_hash, size_t length);
haltbox_status haltbox_abort(haltbox *recorder, uint64_t height);
haltbox_status haltbox_diverged(haltbox *recorder, uint64_t height, const uint8_t *expected, size_t expected_length, const uint8_t *got, size_t got_length, const char *reason /* what differs: "AppHash" if NULL */);
haltbox_status haltbox_freeze(haltbox *recorder, uint64_t height /* 0: the one an operator would mean */, char *out_path, size_t out_path_size, haltbox_error *error);   /* the one blocking call */
haltbox_status haltbox_stats_read(haltbox *recorder, haltbox_stats *stats);
haltbox_status haltbox_flush(haltbox *recorder);
haltbox_status haltbox_close(haltbox **recorder);      /* nulls it; NULL is fine */
uint32_t haltbox_abi_version(void); const char *haltbox_version(void); const char *haltbox_status_text(haltbox_status status);
#ifdef __cplusplus
}
#endif
#endif

/*
 * The archive in which trees of files cross the wire, either way. src/box/files/archive.ts describes it, and
 * test/vectors/archive.txt is read by the tests of both. Pure.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

/* A record is this, then its payload: length u32 | kind u8. */
#define ARCHIVE_HEADER_BYTES 5
/* An entry is this, then its name, and for a symbolic link a NUL and its target:
 * mode u16 | link u32 | seconds i64 | nanoseconds u32. */
#define ARCHIVE_ENTRY_BYTES 18
#define ARCHIVE_NAME_MAX 255
#define ARCHIVE_TARGET_MAX 4095
#define ARCHIVE_ENTRY_BYTES_MAX (ARCHIVE_ENTRY_BYTES + ARCHIVE_NAME_MAX + 1 + ARCHIVE_TARGET_MAX)
#define ARCHIVE_BYTES_MAX (1024 * 1024)
/* Directories inside one another. */
#define ARCHIVE_DEPTH_MAX 1000

enum archive_kind {
    /* Entered: what follows is in it, until UP. */
    ARCHIVE_DIRECTORY = 1,
    /* Its content follows, as BYTES and HOLEs, and ends with the next record of another kind. */
    ARCHIVE_FILE = 2,
    ARCHIVE_SYMLINK = 3,
    /* Another name of the earlier file that had the same number in `link`. */
    ARCHIVE_LINK = 4,
    ARCHIVE_BYTES = 5,
    /* u64: as many zeros that need no room. */
    ARCHIVE_HOLE = 6,
    ARCHIVE_UP = 7,
    /* Nothing is missing. */
    ARCHIVE_END = 8,
};

struct archive_header {
    uint32_t length;
    uint8_t kind;
};

struct archive_entry {
    uint16_t mode;
    /* A number that later LINKs name; 0 for a file without further names. */
    uint32_t link;
    int64_t seconds;
    uint32_t nanoseconds;
    char name[ARCHIVE_NAME_MAX + 1];
    /* Of a symbolic link. */
    char target[ARCHIVE_TARGET_MAX + 1];
};

/* NULL, or what is wrong with it. */
const char *archive_decode_header(const uint8_t bytes[ARCHIVE_HEADER_BYTES], struct archive_header *header);
const char *archive_decode_entry(uint8_t kind, const uint8_t *payload, size_t length, struct archive_entry *entry);
uint64_t archive_decode_hole(const uint8_t payload[8]);

/* Each writes a whole record, and returns its length. `out` has room for the largest. */
size_t archive_encode_header(uint8_t *out, uint8_t kind, uint32_t length);
size_t archive_encode_entry(uint8_t *out, uint8_t kind, const struct archive_entry *entry);
size_t archive_encode_hole(uint8_t *out, uint64_t length);

#endif

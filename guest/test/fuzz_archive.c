/* Fuzzes the reader of archive records: what it lets through is written again as it was. */
#include <stdlib.h>
#include <string.h>

#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct archive_entry entry;
    static uint8_t again[ARCHIVE_HEADER_BYTES + ARCHIVE_ENTRY_BYTES_MAX];
    struct archive_header header;
    if (size < ARCHIVE_HEADER_BYTES || archive_decode_header(data, &header) != NULL)
        return 0;
    require(header.length <= ARCHIVE_BYTES_MAX);
    if (header.kind > ARCHIVE_LINK || header.length > size - ARCHIVE_HEADER_BYTES)
        return 0;
    uint8_t *payload = malloc(header.length);
    require(payload != NULL);
    memcpy(payload, data + ARCHIVE_HEADER_BYTES, header.length);
    if (archive_decode_entry(header.kind, payload, header.length, &entry) == NULL) {
        require(strchr(entry.name, '/') == NULL && strcmp(entry.name, "..") != 0 && strlen(entry.name) > 0);
        require(archive_encode_entry(again, header.kind, &entry) == ARCHIVE_HEADER_BYTES + header.length);
        require(memcmp(again, data, ARCHIVE_HEADER_BYTES + header.length) == 0);
    }
    free(payload);
    return 0;
}

#include "archive.h"

#include <string.h>

#include "frame.h"

#define MODE_MAX 07777
#define NANOSECONDS_MAX 999999999

static uint64_t read_u64(const uint8_t *bytes)
{
    return read_u32(bytes) | (uint64_t)read_u32(bytes + 4) << 32;
}

static void write_u64(uint8_t *bytes, uint64_t value)
{
    write_u32(bytes, (uint32_t)value);
    write_u32(bytes + 4, (uint32_t)(value >> 32));
}

const char *archive_decode_header(const uint8_t bytes[ARCHIVE_HEADER_BYTES], struct archive_header *header)
{
    header->length = read_u32(bytes);
    header->kind = bytes[4];
    uint32_t least = 0;
    uint32_t most = 0;
    switch (header->kind) {
    case ARCHIVE_DIRECTORY:
    case ARCHIVE_FILE:
    case ARCHIVE_LINK:
        least = ARCHIVE_ENTRY_BYTES + 1;
        most = ARCHIVE_ENTRY_BYTES + ARCHIVE_NAME_MAX;
        break;
    case ARCHIVE_SYMLINK:
        least = ARCHIVE_ENTRY_BYTES + 3;
        most = ARCHIVE_ENTRY_BYTES_MAX;
        break;
    case ARCHIVE_BYTES:
        least = 1;
        most = ARCHIVE_BYTES_MAX;
        break;
    case ARCHIVE_HOLE:
        least = most = 8;
        break;
    case ARCHIVE_UP:
    case ARCHIVE_END:
        break;
    default:
        return "unknown kind of record";
    }
    return header->length >= least && header->length <= most ? NULL : "a record of wrong length";
}

/* A name of one component that leads nowhere else. */
static int is_name(const char *name, size_t length)
{
    if (length == 0 || length > ARCHIVE_NAME_MAX || memchr(name, '/', length) != NULL || memchr(name, 0, length) != NULL)
        return 0;
    return !(name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')));
}

static const char *decode_target(const char *target, size_t length, struct archive_entry *entry)
{
    if (length == 0 || length > ARCHIVE_TARGET_MAX || memchr(target, 0, length) != NULL)
        return "a bad target of a symbolic link";
    memcpy(entry->target, target, length);
    entry->target[length] = 0;
    return NULL;
}

const char *archive_decode_entry(uint8_t kind, const uint8_t *payload, size_t length, struct archive_entry *entry)
{
    entry->mode = (uint16_t)(payload[0] | payload[1] << 8);
    entry->link = read_u32(payload + 2);
    entry->seconds = (int64_t)read_u64(payload + 6);
    entry->nanoseconds = read_u32(payload + 14);
    entry->target[0] = 0;
    if (entry->mode > MODE_MAX || entry->nanoseconds > NANOSECONDS_MAX)
        return "a mode or a time that is none";
    if ((kind == ARCHIVE_LINK && entry->link == 0) || (kind != ARCHIVE_LINK && kind != ARCHIVE_FILE && entry->link != 0))
        return "a link number where none belongs";
    const char *name = (const char *)payload + ARCHIVE_ENTRY_BYTES;
    size_t rest = length - ARCHIVE_ENTRY_BYTES;
    size_t name_length = rest;
    if (kind == ARCHIVE_SYMLINK) {
        const char *end = memchr(name, 0, rest);
        if (end == NULL)
            return "a symbolic link without a target";
        name_length = (size_t)(end - name);
        const char *wrong = decode_target(end + 1, rest - name_length - 1, entry);
        if (wrong != NULL)
            return wrong;
    }
    if (!is_name(name, name_length))
        return "a bad name";
    memcpy(entry->name, name, name_length);
    entry->name[name_length] = 0;
    return NULL;
}

uint64_t archive_decode_hole(const uint8_t payload[8])
{
    return read_u64(payload);
}

size_t archive_encode_header(uint8_t *out, uint8_t kind, uint32_t length)
{
    write_u32(out, length);
    out[4] = kind;
    return ARCHIVE_HEADER_BYTES;
}

size_t archive_encode_entry(uint8_t *out, uint8_t kind, const struct archive_entry *entry)
{
    uint8_t *payload = out + ARCHIVE_HEADER_BYTES;
    size_t name_length = strlen(entry->name);
    size_t length = ARCHIVE_ENTRY_BYTES + name_length;
    payload[0] = (uint8_t)entry->mode;
    payload[1] = (uint8_t)(entry->mode >> 8);
    write_u32(payload + 2, entry->link);
    write_u64(payload + 6, (uint64_t)entry->seconds);
    write_u32(payload + 14, entry->nanoseconds);
    memcpy(payload + ARCHIVE_ENTRY_BYTES, entry->name, name_length);
    if (kind == ARCHIVE_SYMLINK) {
        size_t target_length = strlen(entry->target);
        payload[length] = 0;
        memcpy(payload + length + 1, entry->target, target_length);
        length += 1 + target_length;
    }
    return archive_encode_header(out, kind, (uint32_t)length) + length;
}

size_t archive_encode_hole(uint8_t *out, uint64_t length)
{
    write_u64(out + ARCHIVE_HEADER_BYTES, length);
    return archive_encode_header(out, ARCHIVE_HOLE, 8) + 8;
}

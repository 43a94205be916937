#include "datagram.h"

#include <stdlib.h>
#include <string.h>

/* Any length the prefix can say. */
#define HELD_BYTES (DATAGRAM_PREFIX + UINT16_MAX)

static size_t length_of(const uint8_t prefix[DATAGRAM_PREFIX])
{
    return (size_t)(prefix[0] | prefix[1] << 8);
}

void datagram_prefix(uint8_t prefix[DATAGRAM_PREFIX], size_t length)
{
    prefix[0] = (uint8_t)length;
    prefix[1] = (uint8_t)(length >> 8);
}

/* Holds bytes until there are `wanted` of them. Returns the bytes used. */
static size_t hold(struct datagram_reader *reader, const uint8_t *piece, size_t length, size_t wanted)
{
    size_t used = reader->length < wanted ? wanted - reader->length : 0;
    if (used > length)
        used = length;
    memcpy(reader->held + reader->length, piece, used);
    reader->length += used;
    return used;
}

long datagram_take(struct datagram_reader *reader, const uint8_t *piece, size_t length, const uint8_t **datagram,
                   size_t *datagram_length)
{
    *datagram = NULL;
    /* Most arrive whole, and are not copied. */
    if (reader->length == 0 && length >= DATAGRAM_PREFIX && length - DATAGRAM_PREFIX >= length_of(piece)) {
        *datagram = piece + DATAGRAM_PREFIX;
        *datagram_length = length_of(piece);
        return (long)(DATAGRAM_PREFIX + *datagram_length);
    }
    if (reader->held == NULL && (reader->held = malloc(HELD_BYTES)) == NULL)
        return -1;
    size_t used = hold(reader, piece, length, DATAGRAM_PREFIX);
    if (reader->length < DATAGRAM_PREFIX)
        return (long)used;
    size_t whole = DATAGRAM_PREFIX + length_of(reader->held);
    used += hold(reader, piece + used, length - used, whole);
    if (reader->length < whole)
        return (long)used;
    *datagram = reader->held + DATAGRAM_PREFIX;
    *datagram_length = whole - DATAGRAM_PREFIX;
    reader->length = 0;
    return (long)used;
}

void datagram_clear(struct datagram_reader *reader)
{
    free(reader->held);
    *reader = (struct datagram_reader){0};
}

/* Datagrams in a stream of bytes: each is its length, 16 bits with the low byte first, and its bytes. Pure. */
#ifndef DATAGRAM_H
#define DATAGRAM_H

#include <stddef.h>
#include <stdint.h>

#define DATAGRAM_PREFIX 2
/* What UDP carries at most. */
#define DATAGRAM_BYTES_MAX 65507

/* The beginning of a datagram that has not arrived whole. Zeroed, it is empty. */
struct datagram_reader {
    uint8_t *held;
    size_t length;
};

/* Writes a datagram's length before its bytes. */
void datagram_prefix(uint8_t prefix[DATAGRAM_PREFIX], size_t length);

/*
 * Takes the first datagram of `piece`, or what there is of one. Returns the bytes used, and sets `*datagram`, which stays
 * valid until the next call, to NULL if it is not whole yet. -1 if there is no memory.
 */
long datagram_take(struct datagram_reader *reader, const uint8_t *piece, size_t length, const uint8_t **datagram,
                   size_t *datagram_length);

void datagram_clear(struct datagram_reader *reader);

#endif

/* Frames of the portal: header codec and decoder. Pure: bytes in, calls out, no system calls. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "portal_messages.h"

struct frame_header {
    uint32_t stream;
    uint32_t length;
    uint8_t type;
    uint8_t flags;
};

/* What a decoder does with what it finds. Each returns NULL, or what is wrong, which ends the decoding. */
struct frame_sink {
    void *context;
    /* A whole frame other than DATA, its MORE parts joined. The payload is the receiver's until it returns, may be
     * changed in place, and is followed by one NUL byte. */
    const char *(*frame)(void *context, const struct frame_header *header, uint8_t *payload, size_t length);
    /* A piece of a DATA frame, as it arrives. */
    const char *(*data)(void *context, uint32_t stream, const uint8_t *piece, size_t length);
    /* Brings the payload that lies at `offset` of the mailbox; it stays valid until the next call. */
    const char *(*mailbox)(void *context, uint32_t offset, uint32_t length, const uint8_t **payload);
};

enum decoder_state { DECODE_SYNC, DECODE_HEADER, DECODE_PAYLOAD, DECODE_DATA };

struct frame_decoder {
    enum decoder_state state;
    /* The header, and while synchronising the magic behind it; then a payload that is no part of a message. */
    uint8_t head[HEADER_BYTES + HELLO_MAGIC_BYTES];
    size_t head_length;
    size_t skipped;
    struct frame_header header;
    /* Payload bytes of the current frame that have arrived. */
    uint32_t arrived;
    /* The control message being collected: earlier MORE frames and this one. */
    uint8_t *message;
    size_t message_length;
    size_t message_capacity;
    /* Set while more frames of one message must follow. */
    int joining;
    uint32_t joining_stream;
    uint8_t joining_type;
};

uint32_t read_u32(const uint8_t *bytes);
void write_u32(uint8_t *bytes, uint32_t value);

/* NULL if the table allows this header, otherwise what is wrong with it. */
const char *frame_decode_header(const uint8_t bytes[HEADER_BYTES], struct frame_header *header);
void frame_encode_header(uint8_t bytes[HEADER_BYTES], const struct frame_header *header);

void frame_decoder_init(struct frame_decoder *decoder);
void frame_decoder_free(struct frame_decoder *decoder);
/* Feeds bytes, however they were cut. NULL, or what is wrong: the decoder is of no use afterwards. */
const char *frame_decoder_push(struct frame_decoder *decoder, const uint8_t *bytes, size_t length,
                               const struct frame_sink *sink);

#endif

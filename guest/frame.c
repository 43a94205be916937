#include "frame.h"

#include <stdlib.h>
#include <string.h>

static const struct frame_rule rules[FRAME_TYPE_MAX + 1] = FRAME_RULES;
static const uint8_t magic[HELLO_MAGIC_BYTES] = HELLO_MAGIC;

uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void write_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static const char *check_length(const struct frame_rule *rule, const struct frame_header *header)
{
    if (header->length > FRAME_BYTES_MAX)
        return "a frame is too long";
    if ((header->flags & FLAG_MORE) && header->length == 0)
        return "an empty part of a message";
    if (header->flags & FLAG_MAILBOX)
        return header->length == 8 ? NULL : "a mailbox frame has not 8 bytes";
    switch (rule->payload) {
    case AS_U32:
        return header->length == 4 ? NULL : "a number has not 4 bytes";
    case AS_U64:
        return header->length == 8 ? NULL : "a number has not 8 bytes";
    case AS_NONE:
        return header->length == 0 ? NULL : "a payload where none belongs";
    case AS_HELLO:
    case AS_JSON:
    case AS_RAW:
        break;
    }
    return NULL;
}

const char *frame_decode_header(const uint8_t bytes[HEADER_BYTES], struct frame_header *header)
{
    header->stream = read_u32(bytes);
    header->length = read_u32(bytes + 4);
    header->type = bytes[8];
    header->flags = bytes[9];
    if (header->type > FRAME_TYPE_MAX || rules[header->type].name == NULL)
        return "unknown frame type";
    const struct frame_rule *rule = &rules[header->type];
    if (bytes[10] != 0 || bytes[11] != 0)
        return "reserved bytes are not zero";
    if (header->flags & ~rule->flags)
        return "a flag that the frame type does not have";
    if (rule->on == ON_ZERO && header->stream != 0)
        return "a frame of the wire on a stream";
    if (rule->on == ON_STREAM && header->stream == 0)
        return "a frame of a stream on stream 0";
    return check_length(rule, header);
}

void frame_encode_header(uint8_t bytes[HEADER_BYTES], const struct frame_header *header)
{
    write_u32(bytes, header->stream);
    write_u32(bytes + 4, header->length);
    bytes[8] = header->type;
    bytes[9] = header->flags;
    bytes[10] = 0;
    bytes[11] = 0;
}

void frame_decoder_init(struct frame_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->state = DECODE_SYNC;
}

void frame_decoder_free(struct frame_decoder *decoder)
{
    free(decoder->message);
    decoder->message = NULL;
}

static const char *append(struct frame_decoder *decoder, const uint8_t *bytes, size_t length)
{
    size_t wanted = decoder->message_length + length + 1;
    if (wanted > (size_t)CONTROL_BYTES_MAX + 1)
        return "a control message is too long";
    if (wanted > decoder->message_capacity) {
        size_t capacity = wanted < 4096 ? 4096 : wanted * 2;
        uint8_t *grown = realloc(decoder->message, capacity);
        if (grown == NULL)
            return "no memory for a control message";
        decoder->message = grown;
        decoder->message_capacity = capacity;
    }
    if (length > 0)
        memcpy(decoder->message + decoder->message_length, bytes, length);
    decoder->message_length += length;
    decoder->message[decoder->message_length] = 0;
    return NULL;
}

/* A large message's memory is not kept for the small ones that follow. */
static void forget_message(struct frame_decoder *decoder)
{
    decoder->message_length = 0;
    if (decoder->message_capacity > 64 * 1024) {
        free(decoder->message);
        decoder->message = NULL;
        decoder->message_capacity = 0;
    }
}

static const char *finish_control(struct frame_decoder *decoder, const struct frame_sink *sink)
{
    decoder->state = DECODE_HEADER;
    if (decoder->header.flags & FLAG_MORE) {
        decoder->joining = 1;
        decoder->joining_stream = decoder->header.stream;
        decoder->joining_type = decoder->header.type;
        return NULL;
    }
    decoder->joining = 0;
    const char *wrong = append(decoder, NULL, 0);
    if (wrong == NULL)
        wrong = sink->frame(sink->context, &decoder->header, decoder->message, decoder->message_length);
    forget_message(decoder);
    return wrong;
}

/* A question of the wire or its answer: it belongs to no message, so it may come between the parts of one. */
static int comes_between(const struct frame_header *header)
{
    return header->type == FRAME_PING || header->type == FRAME_PONG;
}

/* Whether the payload is eight bytes which are not part of a message. */
static int is_apart(const struct frame_header *header)
{
    return comes_between(header) || (header->flags & FLAG_MAILBOX) != 0;
}

static const char *finish_between(struct frame_decoder *decoder, uint8_t payload[8 + 1], const struct frame_sink *sink)
{
    decoder->state = DECODE_HEADER;
    payload[8] = 0;
    return sink->frame(sink->context, &decoder->header, payload, 8);
}

/* The eight bytes of a mailbox frame are there: fetch what they stand for. */
static const char *open_mailbox(struct frame_decoder *decoder, const uint8_t place[8], const struct frame_sink *sink)
{
    uint32_t length = read_u32(place + 4);
    if (length > FRAME_BYTES_MAX)
        return "a mailbox piece is too long";
    const uint8_t *payload;
    const char *wrong = sink->mailbox(sink->context, read_u32(place), length, &payload);
    if (wrong != NULL)
        return wrong;
    if (decoder->header.type == FRAME_DATA) {
        decoder->state = DECODE_HEADER;
        return sink->data(sink->context, decoder->header.stream, payload, length);
    }
    wrong = append(decoder, payload, length);
    return wrong != NULL ? wrong : finish_control(decoder, sink);
}

static const char *start_frame(struct frame_decoder *decoder, const struct frame_sink *sink)
{
    const struct frame_header *header = &decoder->header;
    decoder->head_length = 0;
    decoder->arrived = 0;
    int continues = header->stream == decoder->joining_stream && header->type == decoder->joining_type;
    if (decoder->joining && !continues && !comes_between(header))
        return "another frame in the middle of a longer message";
    if (header->type == FRAME_DATA && !(header->flags & FLAG_MAILBOX)) {
        decoder->state = header->length > 0 ? DECODE_DATA : DECODE_HEADER;
        return NULL;
    }
    decoder->state = DECODE_PAYLOAD;
    return header->length > 0 ? NULL : finish_control(decoder, sink);
}

static const char *take_payload(struct frame_decoder *decoder, const uint8_t *bytes, size_t length,
                                const struct frame_sink *sink)
{
    decoder->arrived += (uint32_t)length;
    if (is_apart(&decoder->header)) {
        memcpy(decoder->head + decoder->head_length, bytes, length);
        decoder->head_length += length;
        if (decoder->arrived < decoder->header.length)
            return NULL;
        decoder->head_length = 0;
        return comes_between(&decoder->header) ? finish_between(decoder, decoder->head, sink)
                                               : open_mailbox(decoder, decoder->head, sink);
    }
    const char *wrong = append(decoder, bytes, length);
    if (wrong != NULL || decoder->arrived < decoder->header.length)
        return wrong;
    return finish_control(decoder, sink);
}

/* Slides a window of header and magic over the noise until it shows a HELLO. */
static const char *synchronise(struct frame_decoder *decoder, uint8_t byte, const struct frame_sink *sink)
{
    if (decoder->head_length == sizeof decoder->head) {
        memmove(decoder->head, decoder->head + 1, sizeof decoder->head - 1);
        decoder->head_length--;
        if (++decoder->skipped > SYNC_BYTES_MAX)
            return "no HELLO";
    }
    decoder->head[decoder->head_length++] = byte;
    if (decoder->head_length < sizeof decoder->head)
        return NULL;
    if (memcmp(decoder->head + HEADER_BYTES, magic, sizeof magic) != 0)
        return NULL;
    if (frame_decode_header(decoder->head, &decoder->header) != NULL || decoder->header.type != FRAME_HELLO ||
        decoder->header.length < sizeof magic)
        return NULL;
    const char *wrong = start_frame(decoder, sink);
    return wrong != NULL ? wrong : take_payload(decoder, decoder->head + HEADER_BYTES, sizeof magic, sink);
}

const char *frame_decoder_push(struct frame_decoder *decoder, const uint8_t *bytes, size_t length,
                               const struct frame_sink *sink)
{
    const char *wrong = NULL;
    while (length > 0 && wrong == NULL) {
        size_t taken = 1;
        switch (decoder->state) {
        case DECODE_SYNC:
            wrong = synchronise(decoder, bytes[0], sink);
            break;
        case DECODE_HEADER:
            taken = HEADER_BYTES - decoder->head_length;
            if (taken > length)
                taken = length;
            memcpy(decoder->head + decoder->head_length, bytes, taken);
            decoder->head_length += taken;
            if (decoder->head_length == HEADER_BYTES) {
                wrong = frame_decode_header(decoder->head, &decoder->header);
                if (wrong == NULL)
                    wrong = start_frame(decoder, sink);
            }
            break;
        case DECODE_PAYLOAD:
        case DECODE_DATA:
            taken = decoder->header.length - decoder->arrived;
            if (taken > length)
                taken = length;
            if (decoder->state == DECODE_PAYLOAD) {
                wrong = take_payload(decoder, bytes, taken, sink);
                break;
            }
            decoder->arrived += (uint32_t)taken;
            if (decoder->arrived == decoder->header.length)
                decoder->state = DECODE_HEADER;
            wrong = sink->data(sink->context, decoder->header.stream, bytes, taken);
            break;
        }
        bytes += taken;
        length -= taken;
    }
    return wrong;
}

/*
 * Fuzzes the frame decoder: the same bytes in one piece and in many must tell the same, and what it tells must be
 * within its bounds. The first byte of the input says how to cut, and whether a HELLO comes first.
 */
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "json.h"

/* A short input shall not stand for much work. */
#define MAILBOX_BYTES_MAX 4096

struct told {
    uint64_t digest;
    int64_t data_stream;
    /* Payload bytes that came out, and those of the mailbox that went in. */
    size_t out;
    size_t mailbox;
    uint8_t *piece;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* FNV-1a. */
static void digest(struct told *told, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        told->digest = (told->digest ^ at[i]) * 0x100000001b3;
}

static const char *frame_told(void *context, const struct frame_header *header, uint8_t *payload, size_t length)
{
    struct told *told = context;
    struct frame_header read;
    uint8_t bytes[HEADER_BYTES];
    frame_encode_header(bytes, header);
    require(frame_decode_header(bytes, &read) == NULL);
    require(header->type != FRAME_DATA && !(header->flags & FLAG_MORE));
    require(length <= CONTROL_BYTES_MAX && payload[length] == 0);
    digest(told, bytes, sizeof bytes);
    digest(told, payload, length);
    told->data_stream = -1;
    told->out += length;
    free(json_parse((char *)payload, length));
    return NULL;
}

static const char *data_told(void *context, uint32_t stream, const uint8_t *piece, size_t length)
{
    struct told *told = context;
    require(stream != 0 && length <= FRAME_BYTES_MAX);
    if (told->data_stream != stream)
        digest(told, &stream, sizeof stream);
    digest(told, piece, length);
    /* DATA of no bytes is told of by the mailbox alone. */
    if (length > 0)
        told->data_stream = stream;
    told->out += length;
    return NULL;
}

static const char *mailbox_asked(void *context, uint32_t offset, uint32_t length, const uint8_t **payload)
{
    struct told *told = context;
    require(length <= FRAME_BYTES_MAX);
    if (length > MAILBOX_BYTES_MAX)
        return "a mailbox piece is too long for this test";
    free(told->piece);
    told->piece = malloc(length > 0 ? length : 1);
    require(told->piece != NULL);
    memset(told->piece, (int)(offset & 0xff), length);
    told->mailbox += length;
    *payload = told->piece;
    return NULL;
}

static const char *push(struct frame_decoder *decoder, struct told *told, const uint8_t *bytes, size_t length)
{
    const struct frame_sink sink = {
        .context = told, .frame = frame_told, .data = data_told, .mailbox = mailbox_asked};
    uint8_t *copy = malloc(length > 0 ? length : 1);
    require(copy != NULL);
    memcpy(copy, bytes, length);
    const char *wrong = frame_decoder_push(decoder, copy, length, &sink);
    free(copy);
    return wrong;
}

static const char *greet(struct frame_decoder *decoder, struct told *told)
{
    static const uint8_t magic[] = HELLO_MAGIC;
    const struct frame_header header = {.type = FRAME_HELLO, .length = sizeof magic};
    uint8_t hello[HEADER_BYTES + sizeof magic];
    frame_encode_header(hello, &header);
    memcpy(hello + HEADER_BYTES, magic, sizeof magic);
    return push(decoder, told, hello, sizeof hello);
}

/* Feeds everything, in pieces of a size drawn from `seed`, or in one piece if it is 0. */
static const char *decode(const uint8_t *bytes, size_t length, int greeted, unsigned seed, struct told *told)
{
    struct frame_decoder decoder;
    const char *wrong = NULL;
    frame_decoder_init(&decoder);
    *told = (struct told){.digest = 0xcbf29ce484222325, .data_stream = -1};
    if (greeted)
        wrong = greet(&decoder, told);
    for (size_t at = 0; at < length && wrong == NULL;) {
        size_t piece = length - at;
        if (seed != 0) {
            seed = seed * 1103515245 + 12345;
            size_t cut = 1 + (seed >> 16) % 37;
            piece = cut < piece ? cut : piece;
        }
        wrong = push(&decoder, told, bytes + at, piece);
        at += piece;
        require(decoder.message_length <= CONTROL_BYTES_MAX);
    }
    frame_decoder_free(&decoder);
    free(told->piece);
    require(told->out <= length + told->mailbox + HELLO_MAGIC_BYTES);
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told whole;
    struct told cut;
    if (size == 0)
        return 0;
    int greeted = data[0] & 1;
    const char *one = decode(data + 1, size - 1, greeted, 0, &whole);
    const char *many = decode(data + 1, size - 1, greeted, data[0] + 1U, &cut);
    require(one == many && whole.digest == cut.digest && whole.out == cut.out);
    return 0;
}

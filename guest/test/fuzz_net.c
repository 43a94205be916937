/*
 * Fuzzes what the agent makes of the host's packets: records, however the stream was cut, become writes to the device, one
 * each, and nothing else. The first byte says how it is cut, the second one what the others are: the stream itself, or
 * the lengths of records that are made up.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t device_write(int fd, const void *bytes, size_t length);
#define write device_write
#include "net.c"
#include "power.h"
#undef write

struct agent agent;

static const uint8_t *expected;
static size_t expected_left;
static int resets;

/* The next record of what was sent, as a straightforward reader finds it. */
static ssize_t device_write(int fd, const void *bytes, size_t length)
{
    (void)fd;
    if (expected_left < LENGTH_BYTES || read_u32(expected) != length || expected_left - LENGTH_BYTES < length ||
        memcmp(expected + LENGTH_BYTES, bytes, length) != 0)
        abort();
    expected += LENGTH_BYTES + length;
    expected_left -= LENGTH_BYTES + length;
    return (ssize_t)length;
}

/* --- What net.c asks of the agent -------------------------------------------------------------------------------- */

void die(const char *format, ...)
{
    (void)format;
    abort();
}
void source_add(struct source *source) { (void)source; }
void source_remove(struct source *source) { (void)source; }
void reject(uint32_t stream, const char *code, const char *message) { (void)stream, (void)code, (void)message; }
uint8_t *wire_reserve(struct wire *wire, size_t *length) { (void)wire, (void)length; return NULL; }
void wire_commit(struct wire *wire, uint8_t type, uint32_t stream, size_t length)
{
    (void)wire, (void)type, (void)stream, (void)length;
}
void wire_give_credit(struct wire *wire, uint32_t stream, uint32_t credit) { (void)wire, (void)stream, (void)credit; }
void wire_send_json(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, const char *format, ...)
{
    (void)wire, (void)stream, (void)flags, (void)format;
    resets += type == FRAME_RESET;
}

/* --- The run ----------------------------------------------------------------------------------------------------- */

#define RECORDS_MAX 8
#define STREAM_BYTES_MAX (RECORDS_MAX * RECORD_BYTES_MAX + 4096)

static uint8_t sent[STREAM_BYTES_MAX];

/* Records of these lengths, in units that reach a little beyond the longest. */
static size_t make_records(const uint8_t *lengths, size_t count)
{
    size_t end = 0;
    for (size_t i = 0; i < count && i < RECORDS_MAX; i++) {
        size_t length = lengths[i] * (size_t)(PACKET_BYTES_MAX + 255) / 255;
        write_u32(sent + end, (uint32_t)length);
        end += LENGTH_BYTES;
        if (length > PACKET_BYTES_MAX)
            break;
        for (size_t byte = 0; byte < length; byte++)
            sent[end++] = (uint8_t)(byte * 7 + i);
    }
    return end;
}

static void send_all(size_t size, size_t cut)
{
    for (size_t at = 0; at < size && device.fd >= 0;) {
        size_t piece = size - at < cut ? size - at : cut;
        /* Memory of its own, so that nothing beyond it is read unseen. */
        uint8_t *copy = malloc(piece);
        memcpy(copy, sent + at, piece);
        net_stream.in_credit = GUEST_WINDOW_BYTES;
        bytes_came(&net_stream, copy, piece);
        free(copy);
        at += piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > STREAM_BYTES_MAX)
        return 0;
    int made = data[1] & 1;
    size_t length = made ? make_records(data + 2, size - 2) : size - 2;
    if (!made)
        memcpy(sent, data + 2, length);
    expected = sent;
    expected_left = length;
    resets = 0;
    record_length = 0;
    net_stream = (struct stream){.events = &stream_events};
    if (streams_add(&agent.streams, &net_stream, 1) != 0)
        abort();
    device = (struct source){.fd = dup(STDERR_FILENO), .wanted = POLLIN};
    send_all(length, (data[0] + 1u) * (made ? 509 : 1));
    /* It ended with a length that is too long, or all that is whole has been written. */
    int whole = expected_left >= LENGTH_BYTES;
    int too_long = whole && read_u32(expected) > PACKET_BYTES_MAX;
    if ((device.fd < 0) != too_long || resets != too_long)
        abort();
    if (!too_long && whole && read_u32(expected) <= expected_left - LENGTH_BYTES)
        abort();
    close_device();
    streams_remove(&agent.streams, &net_stream);
    return 0;
}

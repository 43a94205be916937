#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "power.h"

/* Two of the largest frames: one is written while the next is read. */
#define OUT_BYTES (2 * (FRAME_BYTES_MAX + HEADER_BYTES))
/* A host that lets this much pile up does not read. */
#define OUT_BYTES_MAX (8 * 1024 * 1024)
/* What one read of a virtio port gives at most. */
#define PORT_PAGE 4096
/* Less than this is not worth a read of its own. */
#define RESERVE_BYTES_MIN 4096
/* Direct reads of a disk are in whole blocks. */
#define MAILBOX_BLOCK 4096

/* Device nodes of virtio ports appear a moment after their bus; this long is waited for them. */
#define DEVICE_WAIT_MS 10000
#define DEVICE_RETRY_MS 2

static int open_device(const char *path, int flags)
{
    for (int waited = 0; waited < DEVICE_WAIT_MS; waited += DEVICE_RETRY_MS) {
        int fd = open(path, flags | O_CLOEXEC);
        if (fd >= 0 || (errno != ENOENT && errno != ENODEV && errno != ENXIO))
            return fd;
        usleep(DEVICE_RETRY_MS * 1000);
    }
    return -1;
}

/* Whether it is a terminal. */
static int set_raw(int fd)
{
    struct termios termios;
    if (tcgetattr(fd, &termios) != 0)
        return 0;
    cfmakeraw(&termios);
    tcsetattr(fd, TCSANOW, &termios);
    return 1;
}

void wire_open(struct wire *wire, const char *device, const char *mailbox)
{
    memset(wire, 0, sizeof *wire);
    wire->fd = device != NULL ? open_device(device, O_RDWR | O_NOCTTY | O_NONBLOCK) : -1;
    if (wire->fd < 0)
        die("cannot open the wire %s", device != NULL ? device : "(BOXLITE_WIRE is not set)");
    wire->is_serial = set_raw(wire->fd);
    wire->mailbox = mailbox != NULL ? open_device(mailbox, O_RDONLY | O_DIRECT) : -1;
    if (mailbox != NULL && wire->mailbox < 0)
        die("cannot open the mailbox %s", mailbox);
    if (wire->mailbox >= 0 && posix_memalign((void **)&wire->mailbox_buffer, MAILBOX_BLOCK, FRAME_BYTES_MAX) != 0)
        die("no memory for the mailbox");
    wire->out = malloc(OUT_BYTES);
    wire->out_capacity = OUT_BYTES;
    if (wire->out == NULL)
        die("no memory for the wire");
}

/* Makes room for `length` bytes at the end, by moving what waits to the front or by growing. */
static void make_room(struct wire *wire, size_t length)
{
    size_t waiting = wire->out_end - wire->out_start;
    if (wire->out_capacity - wire->out_end >= length)
        return;
    memmove(wire->out, wire->out + wire->out_start, waiting);
    wire->out_start = 0;
    wire->out_end = waiting;
    if (wire->out_capacity - waiting >= length)
        return;
    size_t capacity = waiting + length + OUT_BYTES;
    uint8_t *grown = capacity <= OUT_BYTES_MAX ? realloc(wire->out, capacity) : NULL;
    if (grown == NULL)
        die("the host does not read");
    wire->out = grown;
    wire->out_capacity = capacity;
}

static void put_header(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, size_t length)
{
    struct frame_header header = {.stream = stream, .length = (uint32_t)length, .type = type, .flags = flags};
    frame_encode_header(wire->out + wire->out_end, &header);
    wire->out_end += HEADER_BYTES;
}

void wire_send(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, const void *payload, size_t length)
{
    make_room(wire, HEADER_BYTES + length);
    put_header(wire, type, stream, flags, length);
    if (length > 0)
        memcpy(wire->out + wire->out_end, payload, length);
    wire->out_end += length;
}

void wire_send_json(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, const char *format, ...)
{
    char json[2048];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(json, sizeof json, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof json)
        die("a message is too long for its buffer");
    wire_send(wire, type, stream, flags, json, (size_t)length);
}

void wire_give_credit(struct wire *wire, uint32_t stream, uint32_t credit)
{
    uint8_t bytes[4];
    if (credit == 0)
        return;
    write_u32(bytes, credit);
    wire_send(wire, FRAME_WINDOW, stream, 0, bytes, sizeof bytes);
}

uint8_t *wire_reserve(struct wire *wire, size_t *length)
{
    if (wire->out_start == wire->out_end)
        wire->out_start = wire->out_end = 0;
    size_t used = wire->out_end + HEADER_BYTES;
    if (used + RESERVE_BYTES_MIN > OUT_BYTES)
        return NULL;
    if (*length > OUT_BYTES - used)
        *length = OUT_BYTES - used;
    if (*length > FRAME_BYTES_MAX)
        *length = FRAME_BYTES_MAX;
    return wire->out + used;
}

void wire_commit(struct wire *wire, uint8_t type, uint32_t stream, size_t length)
{
    put_header(wire, type, stream, 0, length);
    wire->out_end += length;
}

int wire_flush(struct wire *wire)
{
    wire->blocked = 0;
    while (wire->out_start < wire->out_end) {
        ssize_t written = write(wire->fd, wire->out + wire->out_start, wire->out_end - wire->out_start);
        if (written > 0) {
            wire->out_start += (size_t)written;
        } else if (written < 0 && errno == EINTR) {
            continue;
        } else if (written == 0 || errno == EAGAIN) {
            wire->blocked = 1;
            return 0;
        } else {
            return -1;
        }
    }
    wire->out_start = wire->out_end = 0;
    return 0;
}

void wire_drain(struct wire *wire)
{
    struct pollfd writable = {.fd = wire->fd, .events = POLLOUT};
    /* A virtio port whose host has gone takes nothing and hangs up for ever. */
    while (wire_flush(wire) == 0 && wire->blocked && !(writable.revents & (POLLHUP | POLLERR)))
        poll(&writable, 1, -1);
}

/* The end of the wire. Until QEMU has told a virtio port that its other end is open, it reads like one that was closed. */
static long wire_closed(struct wire *wire)
{
    if (wire->heard || wire->waited_ms >= DEVICE_WAIT_MS)
        return -1;
    wire->waited_ms += DEVICE_RETRY_MS;
    usleep(DEVICE_RETRY_MS * 1000);
    return 0;
}

int wire_await(struct wire *wire)
{
    struct pollfd readable = {.fd = wire->fd, .events = POLLIN};
    for (;;) {
        if (poll(&readable, 1, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (!(readable.revents & (POLLHUP | POLLERR)))
            return 0;
        if (wire_closed(wire) != 0)
            return -1;
    }
}

long wire_read(struct wire *wire, uint8_t *buffer, size_t size)
{
    size_t filled = 0;
    ssize_t got;
    /* A virtio port gives a page a call: as long as pages are full there may be more. */
    do {
        got = read(wire->fd, buffer + filled, size - filled);
        if (got > 0)
            filled += (size_t)got;
    } while (got == PORT_PAGE && filled < size);
    if (filled > 0) {
        wire->heard = 1;
        return (long)filled;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return got == 0 ? wire_closed(wire) : -1;
}

const char *wire_mailbox(struct wire *wire, uint32_t offset, uint32_t length, const uint8_t **payload)
{
    if (wire->mailbox < 0)
        return "a mailbox frame where there is no mailbox";
    if (offset % MAILBOX_BLOCK != 0)
        return "a mailbox piece is not aligned";
    size_t whole = ((size_t)length + MAILBOX_BLOCK - 1) / MAILBOX_BLOCK * MAILBOX_BLOCK;
    if (pread(wire->mailbox, wire->mailbox_buffer, whole, offset) != (ssize_t)whole)
        return "the mailbox cannot be read";
    wire_give_credit(wire, 0, 1);
    *payload = wire->mailbox_buffer;
    return NULL;
}

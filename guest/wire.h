/* The wire to the host: a serial line or a virtio port, and on UML the mailbox disk. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

struct wire {
    int fd;
    /* A serial line, as UML has, and no virtio port. */
    int is_serial;
    /* The mailbox disk, -1 where there is none. */
    int mailbox;
    uint8_t *mailbox_buffer;
    /* Bytes not yet written: out[out_start..out_end). */
    uint8_t *out;
    size_t out_start;
    size_t out_end;
    size_t out_capacity;
    /* The last write did not take everything: wait until the wire is writable. */
    int blocked;
    /* Something has been read. Until then, how long an end was taken for one that is not open yet. */
    int heard;
    int waited_ms;
};

/* Opens the devices the kernel's command line names; waits for them to appear. Dies if they do not. */
void wire_open(struct wire *wire, const char *device, const char *mailbox);

/* Appends a frame. Control frames always fit; the host is gone if they pile up. */
void wire_send(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, const void *payload, size_t length);
/* The same for a JSON payload made as by printf. */
void wire_send_json(struct wire *wire, uint8_t type, uint32_t stream, uint8_t flags, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Lets the host send as many more bytes on a stream, or mailbox pieces on stream 0. Nothing is told of no credit. */
void wire_give_credit(struct wire *wire, uint32_t stream, uint32_t credit);

/* Room for a payload of up to `*length` bytes, to be read into directly; NULL if there is none now. */
uint8_t *wire_reserve(struct wire *wire, size_t *length);
/* Makes the reserved bytes a frame. */
void wire_commit(struct wire *wire, uint8_t type, uint32_t stream, size_t length);

/* Writes as much as the wire takes. 0, or -1 when the wire has ended. */
int wire_flush(struct wire *wire);

/* Writes everything, waiting as long as it takes. */
void wire_drain(struct wire *wire);

/* Waits until there is something to read. 0, or -1 when the wire has ended. */
int wire_await(struct wire *wire);

/* Reads what has arrived. Bytes, 0 if nothing is there, or -1 when the wire has ended. */
long wire_read(struct wire *wire, uint8_t *buffer, size_t size);

/* A frame_sink's mailbox function; `context` is the wire. */
const char *wire_mailbox(struct wire *wire, uint32_t offset, uint32_t length, const uint8_t **payload);

#endif

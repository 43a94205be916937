/* The open streams and their credit. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "portal_messages.h"

struct stream;

/* What a service does with what arrives on its stream. Any may be NULL. */
struct stream_events {
    void (*data)(struct stream *stream, const uint8_t *piece, size_t length);
    void (*end)(struct stream *stream);
    void (*control)(struct stream *stream, const struct json *message);
    /* The host gave more credit. */
    void (*window)(struct stream *stream);
    /* The host gave the stream up; it has been removed. */
    void (*reset)(struct stream *stream);
};

/* Embedded in its owner. */
struct stream {
    uint32_t id;
    /* Bytes that may still be sent. */
    uint32_t credit;
    /* Bytes the host may still send, and bytes taken that it has not been told of. */
    uint32_t in_credit;
    uint32_t owed;
    const struct stream_events *events;
    void *owner;
};

struct streams {
    struct stream *open[STREAMS_MAX];
    size_t count;
    /* The credit HELLO gave new streams. */
    uint32_t window;
};

struct stream *streams_find(struct streams *streams, uint32_t id);
/* 0, or -1 if there are too many. */
int streams_add(struct streams *streams, struct stream *stream, uint32_t id);
void streams_remove(struct streams *streams, struct stream *stream);

/* Counts arrived bytes against the credit; -1 on a breach. */
int stream_arrived(struct stream *stream, size_t length);
/* Bytes were used. Returns the credit to send in a WINDOW now, 0 if it can wait. */
uint32_t stream_used(struct stream *stream, size_t length);

#endif

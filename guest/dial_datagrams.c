/*
 * UDP between one client on the host and a service in the box: one stream whose bytes are datagrams. Until the service
 * has answered once, it is not known where it listens: the last datagram is kept, and goes to the next place when one
 * is refused. What the service sends while the host has given no credit is lost, as with UDP it may be.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "datagram.h"
#include "dial.h"

/* Room that any datagram fits in. */
#define ROOM_BYTES (DATAGRAM_PREFIX + DATAGRAM_BYTES_MAX)

struct flow {
    struct stream stream;
    struct source source;
    struct datagram_reader reader;
    uint16_t port;
    int place;
    int answered;
    /* The last datagram to the service, as long as it has not answered. */
    uint8_t *last;
    size_t last_length;
};

static void end(struct flow *flow)
{
    if (flow->source.fd >= 0) {
        source_remove(&flow->source);
        close(flow->source.fd);
    }
    streams_remove(&agent.streams, &flow->stream);
    datagram_clear(&flow->reader);
    free(flow->last);
    free(flow);
}

/* A socket to the next place there is; to the first one behind the last. */
static void connect_next(struct flow *flow)
{
    if (flow->source.fd >= 0) {
        source_remove(&flow->source);
        close(flow->source.fd);
        flow->source.fd = -1;
    }
    for (int tried = 0; flow->source.fd < 0 && tried < DIAL_PLACES; tried++) {
        flow->place = (flow->place + 1) % DIAL_PLACES;
        flow->source.fd = dial_connect(SOCK_DGRAM, flow->place, flow->port);
    }
    if (flow->source.fd >= 0)
        source_add(&flow->source);
}

/* Nobody listened there. What was sent is sent to the other places, each of them once. */
static void refused(struct flow *flow)
{
    if (flow->answered)
        return;
    int before = flow->place;
    connect_next(flow);
    if (flow->place > before && flow->last != NULL && flow->source.fd >= 0)
        (void)!send(flow->source.fd, flow->last, flow->last_length, MSG_NOSIGNAL);
}

static void keep(struct flow *flow, const uint8_t *datagram, size_t length)
{
    uint8_t *last = realloc(flow->last, length > 0 ? length : 1);
    if (last == NULL)
        return;
    memcpy(last, datagram, length);
    flow->last = last;
    flow->last_length = length;
}

/* An error is that of a datagram before: this one has not been sent. */
static void send_datagram(struct flow *flow, const uint8_t *datagram, size_t length)
{
    if (!flow->answered)
        keep(flow, datagram, length);
    if (flow->source.fd < 0 || send(flow->source.fd, datagram, length, MSG_NOSIGNAL) >= 0 || errno != ECONNREFUSED)
        return;
    if (flow->answered)
        (void)!send(flow->source.fd, datagram, length, MSG_NOSIGNAL);
    else
        refused(flow);
}

static void input_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct flow *flow = stream->owner;
    for (size_t at = 0; at < length;) {
        const uint8_t *datagram;
        size_t datagram_length;
        long used = datagram_take(&flow->reader, bytes + at, length - at, &datagram, &datagram_length);
        if (used < 0) {
            wire_send_json(&agent.wire, FRAME_RESET, stream->id, 0, "{\"code\":\"no_memory\",\"message\":\"%s\"}",
                           "the box is out of memory");
            end(flow);
            return;
        }
        if (datagram != NULL)
            send_datagram(flow, datagram, datagram_length);
        at += (size_t)used;
    }
    wire_give_credit(&agent.wire, stream->id, stream_used(stream, length));
}

/* As many datagrams as there are and surely fit. Returns their bytes; `errno` is 0 unless receiving failed. */
static size_t receive(struct flow *flow, uint8_t *buffer, size_t room)
{
    size_t filled = 0;
    errno = 0;
    while (room - filled >= ROOM_BYTES) {
        ssize_t got = recv(flow->source.fd, buffer + filled + DATAGRAM_PREFIX, DATAGRAM_BYTES_MAX, 0);
        if (got < 0)
            break;
        datagram_prefix(buffer + filled, (size_t)got);
        filled += DATAGRAM_PREFIX + (size_t)got;
    }
    return filled;
}

static void ready(struct source *source, short events)
{
    struct flow *flow = source->owner;
    size_t room = flow->stream.credit;
    uint8_t *buffer = wire_reserve(&agent.wire, &room);
    (void)events;
    if (flow->stream.credit < ROOM_BYTES)
        source->wanted = 0;
    if (buffer == NULL || room < ROOM_BYTES)
        return;
    size_t filled = receive(flow, buffer, room);
    int failed = errno;
    if (filled > 0) {
        flow->answered = 1;
        free(flow->last);
        flow->last = NULL;
        wire_commit(&agent.wire, FRAME_DATA, flow->stream.id, filled);
        flow->stream.credit -= (uint32_t)filled;
    }
    if (failed == ECONNREFUSED)
        refused(flow);
}

static void window_grew(struct stream *stream)
{
    struct flow *flow = stream->owner;
    flow->source.wanted = POLLIN;
}

static void input_ended(struct stream *stream)
{
    wire_send(&agent.wire, FRAME_END, stream->id, FLAG_FINAL, NULL, 0);
    end(stream->owner);
}

static void given_up(struct stream *stream)
{
    end(stream->owner);
}

static const struct stream_events flow_events = {
    .data = input_arrived,
    .end = input_ended,
    .window = window_grew,
    .reset = given_up,
};

void dial_datagrams(uint32_t id, uint16_t port)
{
    struct flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL || streams_add(&agent.streams, &flow->stream, id) != 0) {
        reject(id, "failed", "the box is out of memory, or of streams");
        free(flow);
        return;
    }
    flow->stream.events = &flow_events;
    flow->stream.owner = flow;
    flow->source = (struct source){.fd = -1, .wanted = POLLIN, .feeds_wire = 1, .ready = ready, .owner = flow};
    flow->port = port;
    flow->place = -1;
    connect_next(flow);
    wire_send_json(&agent.wire, FRAME_ACCEPT, id, 0, "{}");
}

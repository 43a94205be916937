/*
 * Connections from the host to a service in the box: one stream each, whose END is the connection's FIN and whose RESET
 * its RST. A service may listen on loopback alone, and no packet leaves the kernel for it.
 */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "outlet.h"

/* What the services of the box may leave untaken together: beyond it the one that gets more is given up. */
#define WAITING_BYTES_MAX (32 * 1024 * 1024)

struct dial {
    struct stream stream;
    /* One descriptor under two names: towards the service, and from it. */
    struct source in;
    struct source out;
    struct outlet outlet;
    uint16_t port;
    /* Which place is being tried, and whether something there has refused. */
    int place;
    int refused;
    int connected;
    /* The host sends no more, and the service has been told. */
    int in_ending;
    int in_ended;
    int out_ended;
};

static size_t waiting_bytes;

/* --- Places ------------------------------------------------------------------------------------------------------ */

static const char *const places[DIAL_PLACES] = {"127.0.0.1", "192.168.127.2", "::1"};

static socklen_t address_of(int place, uint16_t port, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, places[place], &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, places[place], &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

int dial_connect(int type, int place, uint16_t port)
{
    struct sockaddr_storage address;
    struct sockaddr_storage own;
    socklen_t length = address_of(place, port, &address);
    int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* From the place to itself: an address that is not this box's must not be looked for elsewhere. */
    address_of(place, 0, &own);
    if ((place == 0 || bind(fd, (struct sockaddr *)&own, length) == 0) &&
        (connect(fd, (struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS))
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* --- The end ----------------------------------------------------------------------------------------------------- */

static void close_descriptor(struct dial *dial)
{
    if (dial->in.fd < 0)
        return;
    source_remove(&dial->in);
    source_remove(&dial->out);
    close(dial->in.fd);
    dial->in.fd = dial->out.fd = -1;
}

static void end(struct dial *dial)
{
    close_descriptor(dial);
    streams_remove(&agent.streams, &dial->stream);
    waiting_bytes -= outlet_waiting(&dial->outlet);
    outlet_clear(&dial->outlet);
    free(dial);
}

static void fail(struct dial *dial, int number)
{
    const char *code = number == ECONNREFUSED ? "refused" : number == ENOMEM ? "no_memory" : "reset";
    char message[128];
    if (number == ECONNREFUSED)
        snprintf(message, sizeof message, "nothing in the box listens on port %d", dial->port);
    else if (number == ENOMEM)
        snprintf(message, sizeof message, "the service on port %d does not take what it is sent", dial->port);
    else
        snprintf(message, sizeof message, "the connection to port %d: %s", dial->port, strerror(number));
    if (!dial->connected)
        reject(dial->stream.id, code, message);
    else
        wire_send_json(&agent.wire, FRAME_RESET, dial->stream.id, 0, "{\"code\":\"%s\",\"message\":\"%s\"}", code,
                       message);
    end(dial);
}

/* --- To the service ---------------------------------------------------------------------------------------------- */

static void used(struct dial *dial, size_t length)
{
    wire_give_credit(&agent.wire, dial->stream.id, stream_used(&dial->stream, length));
}

/* Once everything is out, the end follows it. Returns whether that was the connection's end, too. */
static int finish_input(struct dial *dial)
{
    dial->in.wanted = outlet_waiting(&dial->outlet) > 0 ? POLLOUT : 0;
    if (!dial->in_ending || dial->in_ended || dial->in.wanted != 0)
        return 0;
    dial->in_ended = 1;
    shutdown(dial->in.fd, SHUT_WR);
    if (!dial->out_ended)
        return 0;
    wire_send_json(&agent.wire, FRAME_CONTROL, dial->stream.id, FLAG_FINAL, "{}");
    end(dial);
    return 1;
}

static void flush_input(struct dial *dial)
{
    long left = outlet_flush(&dial->outlet, dial->in.fd);
    if (left < 0) {
        fail(dial, errno);
        return;
    }
    waiting_bytes -= (size_t)left;
    used(dial, (size_t)left);
    finish_input(dial);
}

static void input_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct dial *dial = stream->owner;
    long left;
    if (waiting_bytes + length > WAITING_BYTES_MAX && outlet_waiting(&dial->outlet) > 0) {
        fail(dial, ENOMEM);
        return;
    }
    /* A connection that is refused would say so to whoever writes first, and only once. */
    left = outlet_write(&dial->outlet, dial->connected ? dial->in.fd : -1, bytes, length);
    if (left < 0) {
        fail(dial, errno);
        return;
    }
    waiting_bytes += length - (size_t)left;
    used(dial, (size_t)left);
    if (dial->connected)
        finish_input(dial);
}

static void input_ended(struct stream *stream)
{
    struct dial *dial = stream->owner;
    dial->in_ending = 1;
    if (dial->connected)
        finish_input(dial);
}

/* --- From the service -------------------------------------------------------------------------------------------- */

static void output_ended(struct dial *dial)
{
    dial->out_ended = 1;
    dial->out.wanted = 0;
    wire_send(&agent.wire, FRAME_END, dial->stream.id, dial->in_ended ? FLAG_FINAL : 0, NULL, 0);
    if (dial->in_ended)
        end(dial);
}

static void out_ready(struct source *source, short events)
{
    struct dial *dial = source->owner;
    (void)events;
    for (;;) {
        size_t room = dial->stream.credit;
        uint8_t *buffer = room > 0 ? wire_reserve(&agent.wire, &room) : NULL;
        if (buffer == NULL)
            break;
        ssize_t got = read(source->fd, buffer, room);
        if (got > 0) {
            wire_commit(&agent.wire, FRAME_DATA, dial->stream.id, (size_t)got);
            dial->stream.credit -= (uint32_t)got;
            if ((size_t)got < room)
                break;
        } else if (got == 0) {
            output_ended(dial);
            return;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            fail(dial, errno);
            return;
        }
    }
    if (dial->stream.credit == 0)
        source->wanted = 0;
}

static void window_grew(struct stream *stream)
{
    struct dial *dial = stream->owner;
    if (dial->connected && !dial->out_ended)
        dial->out.wanted = POLLIN;
}

/* --- The beginning ----------------------------------------------------------------------------------------------- */

/* Goes on to the next place there is; what the last one says is what the host is told, unless one has refused. */
static void try_next(struct dial *dial, int reason)
{
    int fd = -1;
    while (fd < 0 && dial->place < DIAL_PLACES) {
        if (reason == ECONNREFUSED)
            dial->refused = 1;
        fd = dial_connect(SOCK_STREAM, dial->place, dial->port);
        reason = errno;
        dial->place++;
    }
    if (fd < 0) {
        fail(dial, dial->refused || reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT ? ECONNREFUSED : reason);
        return;
    }
    int on = 1;
    /* What waits for an answer to what went before it would wait for as long as TCP delays one. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    dial->in.fd = dial->out.fd = fd;
    dial->in.wanted = POLLOUT;
    dial->out.wanted = 0;
    source_add(&dial->in);
    source_add(&dial->out);
}

static void connection_made(struct dial *dial)
{
    int reason = 0;
    socklen_t length = sizeof reason;
    getsockopt(dial->in.fd, SOL_SOCKET, SO_ERROR, &reason, &length);
    if (reason != 0) {
        close_descriptor(dial);
        try_next(dial, reason);
        return;
    }
    dial->connected = 1;
    wire_send_json(&agent.wire, FRAME_ACCEPT, dial->stream.id, 0, "{}");
    dial->out.wanted = POLLIN;
    flush_input(dial);
}

static void in_ready(struct source *source, short events)
{
    struct dial *dial = source->owner;
    (void)events;
    if (dial->connected)
        flush_input(dial);
    else
        connection_made(dial);
}

/* The host gave it up: the service gets a RST. */
static void given_up(struct stream *stream)
{
    struct dial *dial = stream->owner;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(dial->in.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    end(dial);
}

static const struct stream_events dial_events = {
    .data = input_arrived,
    .end = input_ended,
    .window = window_grew,
    .reset = given_up,
};

static void dial_stream(uint32_t id, uint16_t port)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL || streams_add(&agent.streams, &dial->stream, id) != 0) {
        reject(id, "failed", "the box is out of memory, or of streams");
        free(dial);
        return;
    }
    dial->stream.events = &dial_events;
    dial->stream.owner = dial;
    dial->in = (struct source){.fd = -1, .ready = in_ready, .owner = dial};
    dial->out = (struct source){.fd = -1, .feeds_wire = 1, .ready = out_ready, .owner = dial};
    dial->port = port;
    try_next(dial, 0);
}

void dial_open(uint32_t id, const struct json *request)
{
    const char *protocol = json_text(request, "protocol", "");
    int64_t port = json_number(request, "port", 0);
    if (!agent.booted || port < 1 || port > UINT16_MAX)
        reject(id, "invalid", agent.booted ? "dial needs a port from 1 to 65535" : "the box has not booted");
    else if (strcmp(protocol, "tcp") == 0)
        dial_stream(id, (uint16_t)port);
    else if (strcmp(protocol, "udp") == 0)
        dial_datagrams(id, (uint16_t)port);
    else
        reject(id, "invalid", "dial needs the protocol tcp or udp");
}

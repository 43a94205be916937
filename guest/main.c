/*
 * The guest agent: PID 1 of a box. It opens the wire, says HELLO, and then serves the host's requests from one loop
 * until the host asks for the end or the wire ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "disks.h"
#include "power.h"
#include "process.h"

#ifndef AGENT_BUILD
#define AGENT_BUILD "boxlite-agent"
#endif

/* Three for each command, and then some. */
#define SOURCES_MAX (3 * STREAMS_MAX)
/* The wire and the signals come before the sources. */
#define FIXED_POLLS 2
#define READ_BYTES (64 * 1024)

struct agent agent;

static struct source *sources[SOURCES_MAX];
static size_t source_count;
static struct pollfd polls[FIXED_POLLS + SOURCES_MAX];
static struct frame_decoder decoder;

/* A slot to add at: behind the others or, if there is no room, a gap. */
static size_t free_slot(void)
{
    if (source_count < SOURCES_MAX)
        return source_count++;
    for (size_t i = 0; i < SOURCES_MAX; i++)
        if (sources[i] == NULL)
            return i;
    die("too many descriptors to watch");
}

void source_add(struct source *source)
{
    size_t slot = free_slot();
    sources[slot] = source;
    /* What poll() has found there was another's. */
    polls[FIXED_POLLS + slot].revents = 0;
}

/* The slot stays until the loop closes the gap, so that it may happen inside of it. */
void source_remove(struct source *source)
{
    for (size_t i = 0; i < source_count; i++)
        if (sources[i] == source)
            sources[i] = NULL;
}

void reject(uint32_t stream, const char *code, const char *message)
{
    char quoted[1024];
    json_quote(quoted, sizeof quoted, message);
    wire_send_json(&agent.wire, FRAME_REJECT, stream, 0, "{\"code\":\"%s\",\"message\":%s}", code, quoted);
}

static void say_hello(void)
{
    static const uint8_t magic[] = HELLO_MAGIC;
    uint8_t payload[256];
    memcpy(payload, magic, sizeof magic);
    int length = snprintf((char *)payload + sizeof magic, sizeof payload - sizeof magic,
                          "{\"min\":%d,\"max\":%d,\"window\":%d,\"build\":\"%s\"}", PORTAL_VERSION, PORTAL_VERSION,
                          GUEST_WINDOW_BYTES, AGENT_BUILD);
    wire_send(&agent.wire, FRAME_HELLO, 0, 0, payload, sizeof magic + (size_t)length);
}

static const char *hello_arrived(const struct json *message)
{
    int64_t window = json_number(message, "window", 0);
    if (agent.streams.window != 0)
        return "HELLO twice";
    if (json_number(message, "min", 0) > PORTAL_VERSION || json_number(message, "max", 0) < PORTAL_VERSION)
        return "the host speaks another version of the portal";
    if (window <= 0 || window > WINDOW_BYTES_MAX)
        return "the host gives no credit";
    agent.streams.window = (uint32_t)window;
    return NULL;
}

static const char *open_arrived(uint32_t id, const struct json *request)
{
    const char *service = json_text(request, "service", "");
    if (id % 2 == 0 || streams_find(&agent.streams, id) != NULL)
        return "a stream is opened that is not the host's to open";
    if (strcmp(service, "exec") == 0)
        exec_open(id, request);
    else if (strcmp(service, "files") == 0)
        files_open(id, request);
    else if (strcmp(service, "volume") == 0)
        volume_open(id, request);
    else if (strcmp(service, "net") == 0)
        net_open(id, request);
    else if (strcmp(service, "dial") == 0)
        dial_open(id, request);
    else if (strcmp(service, "clock") == 0)
        clock_open(id, request);
    else if (strcmp(service, "boot") == 0)
        boot_open(id, request);
    else if (strcmp(service, "shutdown") == 0)
        shutdown_open(id);
    else
        reject(id, "unsupported", "the agent has no such service");
    return NULL;
}

static const char *window_arrived(struct stream *stream, uint32_t credit)
{
    if (credit > WINDOW_BYTES_MAX - stream->credit)
        return "too much credit";
    stream->credit += credit;
    if (stream->events->window != NULL)
        stream->events->window(stream);
    return NULL;
}

static void reset_arrived(struct stream *stream)
{
    streams_remove(&agent.streams, stream);
    if (stream->events->reset != NULL)
        stream->events->reset(stream);
}

/* A frame of a stream; a stream that has just been closed here may still get some. */
static const char *stream_frame(const struct frame_header *header, const uint8_t *payload, const struct json *message)
{
    struct stream *stream = streams_find(&agent.streams, header->stream);
    if (stream == NULL)
        return NULL;
    if (header->type == FRAME_WINDOW)
        return window_arrived(stream, read_u32(payload));
    if (header->type == FRAME_END && stream->events->end != NULL)
        stream->events->end(stream);
    if (header->type == FRAME_CONTROL && stream->events->control != NULL)
        stream->events->control(stream, message);
    if (header->type == FRAME_RESET)
        reset_arrived(stream);
    return NULL;
}

static const char *dispatch(const struct frame_header *header, const uint8_t *payload, const struct json *message)
{
    switch (header->type) {
    case FRAME_HELLO:
        return hello_arrived(message);
    case FRAME_OPEN:
        return open_arrived(header->stream, message);
    case FRAME_PING:
        wire_send(&agent.wire, FRAME_PONG, 0, 0, payload, header->length);
        return NULL;
    case FRAME_PONG:
        return NULL;
    case FRAME_GOAWAY:
        boot_undo();
        power_off();
    default:
        return stream_frame(header, payload, message);
    }
}

static const char *frame_arrived(void *context, const struct frame_header *header, uint8_t *payload, size_t length)
{
    (void)context;
    size_t skip = header->type == FRAME_HELLO ? HELLO_MAGIC_BYTES : 0;
    int is_json = header->type == FRAME_HELLO || header->type == FRAME_OPEN || header->type == FRAME_CONTROL ||
                  header->type == FRAME_RESET || header->type == FRAME_GOAWAY;
    if (length < skip)
        return "HELLO without its magic";
    struct json *message = is_json ? json_parse((char *)payload + skip, length - skip) : NULL;
    if (is_json && message == NULL && header->type == FRAME_OPEN) {
        /* Too many arguments, or a NUL in one: the caller's mistake, not a breach. */
        reject(header->stream, "invalid", "the request is too large or holds a NUL byte");
        return NULL;
    }
    if (is_json && message == NULL)
        return "a control message is not JSON";
    const char *wrong = dispatch(header, payload, message);
    free(message);
    return wrong;
}

static const char *data_arrived(void *context, uint32_t id, const uint8_t *piece, size_t length)
{
    (void)context;
    struct stream *stream = streams_find(&agent.streams, id);
    if (stream == NULL || stream->events->data == NULL)
        return NULL;
    if (stream_arrived(stream, length) != 0)
        return "more DATA than credit";
    stream->events->data(stream, piece, length);
    return NULL;
}

static const char *mailbox_arrived(void *context, uint32_t offset, uint32_t length, const uint8_t **payload)
{
    (void)context;
    return wire_mailbox(&agent.wire, offset, length, payload);
}

static void wire_ended(void)
{
    boot_undo();
    power_off();
}

static void wire_ready(void)
{
    static uint8_t buffer[READ_BYTES];
    static const struct frame_sink sink = {.frame = frame_arrived, .data = data_arrived, .mailbox = mailbox_arrived};
    long got = wire_read(&agent.wire, buffer, sizeof buffer);
    if (got < 0)
        wire_ended();
    const char *wrong = got > 0 ? frame_decoder_push(&decoder, buffer, (size_t)got, &sink) : NULL;
    if (wrong != NULL)
        die("the host broke the portal protocol: %s", wrong);
}

static int open_child_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(int signals)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    if (read(signals, &info, sizeof info) < 0 && errno != EAGAIN)
        die("cannot read signals");
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (agent.booted && agent.ending == 0 && pid == container_init_pid())
            die("the init of the container has ended, and all commands with it");
        exec_reaped(pid, status);
        volumes_reaped(pid, status);
    }
}

static void close_gaps(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < source_count; i++)
        if (sources[i] != NULL)
            sources[kept++] = sources[i];
    source_count = kept;
}

static void fill_polls(int signals)
{
    polls[0] = (struct pollfd){.fd = agent.wire.fd, .events = POLLIN};
    if (agent.wire.blocked)
        polls[0].events |= POLLOUT;
    polls[1] = (struct pollfd){.fd = signals, .events = POLLIN};
    for (size_t i = 0; i < source_count; i++) {
        const struct source *source = sources[i];
        int idle = source->wanted == 0 || (source->feeds_wire && agent.wire.blocked);
        /* A descriptor below zero is passed over: poll() tells of hang-ups even to those who ask for nothing. */
        polls[FIXED_POLLS + i] = (struct pollfd){.fd = idle ? -1 : source->fd, .events = source->wanted};
    }
}

static void serve(int signals)
{
    size_t first = 0;
    for (;;) {
        if (wire_flush(&agent.wire) != 0)
            wire_ended();
        close_gaps();
        fill_polls(signals);
        size_t watched = source_count;
        if (poll(polls, FIXED_POLLS + watched, -1) < 0 && errno != EINTR)
            die("cannot poll");
        /* One loud source fills the wire's buffer: each round another one comes first. */
        first++;
        for (size_t turn = 0; turn < watched; turn++) {
            size_t i = (first + turn) % watched;
            if (sources[i] != NULL && polls[FIXED_POLLS + i].revents != 0)
                sources[i]->ready(sources[i], polls[FIXED_POLLS + i].revents);
        }
        if (polls[1].revents != 0)
            reap(signals);
        if (polls[0].revents & (POLLIN | POLLHUP | POLLERR))
            wire_ready();
        if (agent.ending != 0)
            shutdown_if_ended();
    }
}

/* Without a console the kernel opens no descriptor for us, and the wire would take the place of one. */
static void take_standard_streams(void)
{
    int fd = open("/box-nodes/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    close(fd);
}

static void greet(void)
{
    say_hello();
    if (wire_flush(&agent.wire) != 0)
        wire_ended();
}

static void begin_disks(void)
{
    disks_begin(getenv("BOXLITE_IMAGE"), getenv("BOXLITE_DISK"));
}

static void open_wire(void)
{
    frame_decoder_init(&decoder);
    wire_open(&agent.wire, getenv("BOXLITE_WIRE"), getenv("BOXLITE_MAILBOX"));
}

/* For a host that waits for this guest. */
static void start(void)
{
    disks_place();
    begin_disks();
    open_wire();
    greet();
    boot_prepare();
}

/*
 * For a host that saves this guest once it has said HELLO, and starts boxes from what it has saved: each begins here with
 * the first word of its own host, who has to speak first. Until then nothing may be read that is a box's own.
 */
static void start_from_snapshot(void)
{
    disks_place();
    open_wire();
    boot_prepare();
    boot_settle();
    greet();
    if (wire_await(&agent.wire) != 0)
        wire_ended();
    begin_disks();
    greet();
}

int main(void)
{
    take_standard_streams();
    process_raise_limits();
    umask(022);
    mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL);
    boot_modules();
    int signals = open_child_signals();
    if (getenv("BOXLITE_SNAPSHOT") == NULL)
        start();
    else
        start_from_snapshot();
    serve(signals);
}

/*
 * The file service's half in the agent: it keeps the workers, and passes what they say and hear between their sockets
 * and the wire. It knows nothing of files.
 *
 * Each stream has a worker of its own until it ends. A worker that is done waits for the next request; a few are kept,
 * so that a small request costs no fork(). One whose request the host gives up is ended by a signal, upon which it
 * removes what it left half-made.
 */
#include "files.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "file_request.h"
#include "power.h"

/* Every watch, open file and running copy has one. */
#define WORKERS_MAX 256
/* Kept when there is nothing to do. */
#define IDLE_WORKERS_MAX 4
/* Lets the wire be read ahead while a worker writes. */
#define SOCKET_BYTES (512 * 1024)

struct worker {
    pid_t pid;
    /* The same socket twice, for its two directions. */
    struct source out;
    struct source in;
    /* id 0 while there is no request. */
    struct stream stream;
    /* Packets it has not taken, each behind its length: queue[queue_start..queue_end). */
    uint8_t *queue;
    size_t queue_start;
    size_t queue_end;
    size_t queue_capacity;
    struct worker *next;
};

static struct worker *workers;
static size_t worker_count;

static void forget_queue(struct worker *worker)
{
    free(worker->queue);
    worker->queue = NULL;
    worker->queue_start = worker->queue_end = worker->queue_capacity = 0;
    worker->in.wanted = 0;
}

/* The worker reads the end of its socket and leaves. */
static void dismiss(struct worker *worker)
{
    struct worker **at = &workers;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    worker_count--;
    source_remove(&worker->out);
    source_remove(&worker->in);
    close(worker->out.fd);
    forget_queue(worker);
    free(worker);
}

static size_t idle_workers(void)
{
    size_t idle = 0;
    for (const struct worker *worker = workers; worker != NULL; worker = worker->next)
        idle += worker->stream.id == 0;
    return idle;
}

/* The stream has ended; what is still on its way to the worker is of no use. */
static void request_over(struct worker *worker, int leaves)
{
    if (worker->stream.id != 0)
        streams_remove(&agent.streams, &worker->stream);
    worker->stream.id = 0;
    forget_queue(worker);
    if (leaves || idle_workers() > IDLE_WORKERS_MAX)
        dismiss(worker);
}

/* --- Towards the worker ------------------------------------------------------------------------------------------ */

static void used_content(struct worker *worker, const struct file_message *message, size_t length)
{
    if (message->kind == FILE_CONTENT)
        wire_give_credit(&agent.wire, worker->stream.id, stream_used(&worker->stream, length));
}

/* Whether the worker took it. One that has gone takes everything: what it said last is still to be read. */
static int send_packet(struct worker *worker, const struct file_message *message, const void *payload, size_t length)
{
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof *message},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = length},
    };
    const struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(worker->in.fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EAGAIN || errno == ENOBUFS))
        return 0;
    used_content(worker, message, length);
    return 1;
}

static void queue_packet(struct worker *worker, const struct file_message *message, const void *payload, size_t length)
{
    uint32_t size = (uint32_t)(sizeof *message + length);
    size_t waiting = worker->queue_end - worker->queue_start;
    if (worker->queue_end + sizeof size + size > worker->queue_capacity) {
        size_t capacity = 2 * (waiting + sizeof size + size);
        uint8_t *grown = malloc(capacity);
        if (grown == NULL)
            die("no memory for files");
        if (waiting > 0)
            memcpy(grown, worker->queue + worker->queue_start, waiting);
        free(worker->queue);
        worker->queue = grown;
        worker->queue_start = 0;
        worker->queue_end = waiting;
        worker->queue_capacity = capacity;
    }
    uint8_t *at = worker->queue + worker->queue_end;
    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, message, sizeof *message);
    if (length > 0)
        memcpy(at + sizeof size + sizeof *message, payload, length);
    worker->queue_end += sizeof size + size;
    worker->in.wanted = POLLOUT;
}

static void tell(struct worker *worker, enum file_message_kind kind, const void *payload, size_t length)
{
    const struct file_message message = {.kind = (uint8_t)kind};
    if (worker->queue_end > worker->queue_start || !send_packet(worker, &message, payload, length))
        queue_packet(worker, &message, payload, length);
}

static void worker_listens(struct source *source, short events)
{
    struct worker *worker = source->owner;
    (void)events;
    while (worker->queue_start < worker->queue_end) {
        uint32_t size;
        struct file_message message;
        const uint8_t *at = worker->queue + worker->queue_start;
        memcpy(&size, at, sizeof size);
        memcpy(&message, at + sizeof size, sizeof message);
        if (!send_packet(worker, &message, at + sizeof size + sizeof message, size - sizeof message))
            return;
        worker->queue_start += sizeof size + size;
    }
    forget_queue(worker);
}

static void content_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t piece = length < FILE_PAYLOAD_MAX ? length : FILE_PAYLOAD_MAX;
        tell(stream->owner, FILE_CONTENT, bytes, piece);
        bytes += piece;
        length -= piece;
    }
}

static void content_ended(struct stream *stream)
{
    tell(stream->owner, FILE_END, NULL, 0);
}

static void message_arrived(struct stream *stream, const struct json *message)
{
    static char text[FILE_PAYLOAD_MAX];
    /* One that cannot be read is for the worker to refuse. */
    tell(stream->owner, FILE_CONTROL, text, file_request_encode(message, text, sizeof text));
}

static void given_up(struct stream *stream)
{
    struct worker *worker = stream->owner;
    kill(worker->pid, SIGTERM);
    worker->stream.id = 0;
    dismiss(worker);
}

/* --- From the worker --------------------------------------------------------------------------------------------- */

static void window_grew(struct stream *stream)
{
    struct worker *worker = stream->owner;
    worker->out.wanted = POLLIN;
}

static void worker_ended(struct worker *worker)
{
    static const char why[] = "{\"code\":\"EIO\",\"message\":\"its process in the box was killed\"}";
    if (worker->stream.id != 0)
        wire_send(&agent.wire, FRAME_RESET, worker->stream.id, 0, why, sizeof why - 1);
    request_over(worker, 1);
}

/* Passes one message on. The payload has been read to where the wire wants it. */
static void pass_on(struct worker *worker, const struct file_message *message, size_t length)
{
    struct stream *stream = &worker->stream;
    if (stream->id == 0)
        return;
    if (message->kind != FRAME_END)
        wire_commit(&agent.wire, message->kind, stream->id, length);
    if (message->kind == FRAME_DATA)
        stream->credit -= (uint32_t)length;
    int refused = message->kind == FRAME_REJECT || message->kind == FRAME_RESET;
    if ((message->flags & FILE_LAST) && !refused)
        wire_send(&agent.wire, FRAME_END, stream->id, FLAG_FINAL, NULL, 0);
    if (refused || (message->flags & FILE_LAST))
        request_over(worker, message->flags & FILE_LEAVES);
}

static void worker_speaks(struct source *source, short events)
{
    struct worker *worker = source->owner;
    (void)events;
    size_t room = FILE_PAYLOAD_MAX;
    uint8_t *buffer = wire_reserve(&agent.wire, &room);
    if (buffer == NULL || room < FILE_PAYLOAD_MAX)
        return;
    if (worker->stream.id != 0 && worker->stream.credit < FILE_PAYLOAD_MAX) {
        worker->out.wanted = 0;
        return;
    }
    struct file_message message;
    struct iovec parts[] = {
        {.iov_base = &message, .iov_len = sizeof message},
        {.iov_base = buffer, .iov_len = FILE_PAYLOAD_MAX},
    };
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t got = recvmsg(source->fd, &packet, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < (ssize_t)sizeof message)
        worker_ended(worker);
    else
        pass_on(worker, &message, (size_t)got - sizeof message);
}

/* --- Requests ---------------------------------------------------------------------------------------------------- */

static const struct stream_events stream_events = {
    .data = content_arrived,
    .end = content_ended,
    .control = message_arrived,
    .window = window_grew,
    .reset = given_up,
};

static struct worker *hire(void)
{
    int ends[2];
    int bytes = SOCKET_BYTES;
    struct worker *worker = worker_count < WORKERS_MAX ? calloc(1, sizeof *worker) : NULL;
    if (worker == NULL)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        free(worker);
        return NULL;
    }
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    worker->pid = container_fork_outside();
    if (worker->pid == 0)
        file_worker(ends[1]);
    close(ends[1]);
    if (worker->pid < 0) {
        close(ends[0]);
        free(worker);
        return NULL;
    }
    worker->out =
        (struct source){.fd = ends[0], .wanted = POLLIN, .feeds_wire = 1, .ready = worker_speaks, .owner = worker};
    worker->in = (struct source){.fd = ends[0], .ready = worker_listens, .owner = worker};
    source_add(&worker->out);
    source_add(&worker->in);
    worker->next = workers;
    workers = worker;
    worker_count++;
    return worker;
}

static struct worker *find_idle(void)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->stream.id == 0)
            return worker;
    return NULL;
}

void files_open(uint32_t id, const struct json *request)
{
    static char text[FILE_PAYLOAD_MAX];
    size_t length = file_request_encode(request, text, sizeof text);
    if (!agent.booted || length == 0) {
        reject(id, "invalid", agent.booted ? "the request cannot be read" : "the box has not booted");
        return;
    }
    struct worker *worker = agent.streams.count < STREAMS_MAX ? find_idle() : NULL;
    if (worker == NULL && agent.streams.count < STREAMS_MAX)
        worker = hire();
    if (worker == NULL) {
        reject(id, "EAGAIN", "too many files are in use at once, or the box is out of memory");
        return;
    }
    worker->stream = (struct stream){.events = &stream_events, .owner = worker};
    streams_add(&agent.streams, &worker->stream, id);
    worker->out.wanted = POLLIN;
    tell(worker, FILE_REQUEST, text, length);
}

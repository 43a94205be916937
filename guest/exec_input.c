/* What the host sends to a command. What the process does not take waits here, and the host's credit with it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "exec.h"
#include "power.h"

/* A reader that does not keep up gets a larger pipe. */
#define PIPE_BYTES_LARGE (1024 * 1024)
/* What Ctrl-D types. */
#define END_OF_FILE 4

static void in_ready(struct source *source, short events);

void input_open(struct exec *exec, int fd)
{
    exec->in = (struct source){.fd = fd, .ready = in_ready, .owner = exec};
    source_add(&exec->in);
}

void input_close(struct exec *exec)
{
    if (exec->in.fd < 0)
        return;
    source_remove(&exec->in);
    /* A terminal has one descriptor for both directions: the output closes it. */
    if (!exec->tty)
        close(exec->in.fd);
    exec->in.fd = -1;
    outlet_clear(&exec->waiting);
}

static void used(struct exec *exec, size_t length)
{
    wire_give_credit(&agent.wire, exec->main.id, stream_used(&exec->main, length));
}

/* Gives the process what it takes now. Returns the bytes that are done with; all there are if it takes no more ever. */
static size_t feed(struct exec *exec, const uint8_t *bytes, size_t length)
{
    if (exec->in.fd < 0)
        return length;
    size_t all = outlet_waiting(&exec->waiting) + length;
    long left = length > 0 ? outlet_write(&exec->waiting, exec->in.fd, bytes, length)
                           : outlet_flush(&exec->waiting, exec->in.fd);
    if (left < 0 && errno == ENOMEM)
        die("no memory for input");
    if (left < 0)
        input_close(exec);
    int waits = outlet_waiting(&exec->waiting) > 0;
    exec->in.wanted = waits ? POLLOUT : 0;
    /* A larger pipe makes fewer, larger writes. */
    if (waits && !exec->tty && !exec->large_pipe) {
        exec->large_pipe = 1;
        fcntl(exec->in.fd, F_SETPIPE_SZ, PIPE_BYTES_LARGE);
    }
    return left < 0 ? all : (size_t)left;
}

static void in_ready(struct source *source, short events)
{
    struct exec *exec = source->owner;
    size_t waiting = outlet_waiting(&exec->waiting);
    if (events & POLLERR)
        input_close(exec);
    size_t fed = exec->in.fd < 0 ? waiting : feed(exec, NULL, 0);
    /* What was typed for the host at the end, it has not sent. */
    if (!exec->in_ending)
        used(exec, fed);
    else if (outlet_waiting(&exec->waiting) == 0)
        input_close(exec);
}

static int ends_line(uint8_t byte)
{
    return byte == '\n' || byte == '\r' || byte == END_OF_FILE;
}

void input_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct exec *exec = stream->owner;
    if (length == 0)
        return;
    exec->in_line = !ends_line(bytes[length - 1]);
    used(exec, feed(exec, bytes, length));
}

/* A terminal is not closed but told: Ctrl-D ends what is read, and behind a line without an end only that line. */
static void type_end(struct exec *exec)
{
    static const uint8_t ends[] = {END_OF_FILE, END_OF_FILE};
    feed(exec, ends, exec->in_line ? 2 : 1);
}

void input_ended(struct stream *stream)
{
    struct exec *exec = stream->owner;
    if (exec->tty)
        type_end(exec);
    exec->in_ending = 1;
    if (outlet_waiting(&exec->waiting) == 0)
        input_close(exec);
}

/* What a command says. It is read only while the host gives credit for it, straight into a frame of the wire. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "exec.h"

/* A pipe's default size; one that is full at once is made larger. */
#define PIPE_BYTES (64 * 1024)
#define PIPE_BYTES_LARGE (1024 * 1024)

static void out_ready(struct source *source, short events);

static void open_one(struct exec *exec, struct source *source, int fd)
{
    *source = (struct source){.fd = fd, .wanted = POLLIN, .feeds_wire = 1, .ready = out_ready, .owner = exec};
    if (fd >= 0)
        source_add(source);
}

void output_open(struct exec *exec, int out, int err)
{
    open_one(exec, &exec->out, out);
    open_one(exec, &exec->err, err);
}

void output_close(struct source *source)
{
    source_remove(source);
    close(source->fd);
    source->fd = -1;
}

static void output_ended(struct exec *exec, struct source *source)
{
    if (source == &exec->err) {
        output_close(source);
        wire_send(&agent.wire, FRAME_END, exec->error.id, FLAG_FINAL, NULL, 0);
        streams_remove(&agent.streams, &exec->error);
        exec->error.id = 0;
        return;
    }
    if (exec->tty)
        input_close(exec);
    output_close(source);
    wire_send(&agent.wire, FRAME_END, exec->main.id, exec_is_over(exec) ? FLAG_FINAL : 0, NULL, 0);
}

/* Passes on what there is, as far as credit and wire go. Whether that was the end. */
static int pass_on(struct source *source, struct stream *stream)
{
    for (;;) {
        size_t room = stream->credit;
        uint8_t *buffer = room > 0 ? wire_reserve(&agent.wire, &room) : NULL;
        if (buffer == NULL)
            return 0;
        ssize_t got = read(source->fd, buffer, room);
        if (got < 0 && errno == EINTR)
            continue;
        /* A terminal whose last program has gone answers EIO. */
        if (got <= 0)
            return got == 0 || errno != EAGAIN;
        wire_commit(&agent.wire, FRAME_DATA, stream->id, (size_t)got);
        stream->credit -= (uint32_t)got;
        if (got == PIPE_BYTES)
            fcntl(source->fd, F_SETPIPE_SZ, PIPE_BYTES_LARGE);
        if ((size_t)got < room)
            return 0;
    }
}

static void out_ready(struct source *source, short events)
{
    struct exec *exec = source->owner;
    struct stream *stream = source == &exec->err ? &exec->error : &exec->main;
    if (!(events & POLLIN) || pass_on(source, stream)) {
        output_ended(exec, source);
        exec_free_if_over(exec);
        return;
    }
    if (stream->credit == 0)
        source->wanted = 0;
}

void output_window_grew(struct stream *stream)
{
    struct exec *exec = stream->owner;
    struct source *source = stream == &exec->error ? &exec->err : &exec->out;
    if (source->fd >= 0)
        source->wanted = POLLIN;
}

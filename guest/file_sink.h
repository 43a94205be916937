/* Writes a file in few, large calls, and past the page cache where that is faster. */
#ifndef FILE_SINK_H
#define FILE_SINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_sink {
    int fd;
    /* Where the buffer begins in the file. Counted only for regular files that are not appended to. */
    off_t offset;
    size_t fill;
    /* What the next flush writes at most: up to a whole multiple of the buffer's size. */
    size_t capacity;
    int collects;
    /* Nothing was written behind the last hole: only the size tells of it. */
    int ends_in_hole;
    /* O_DIRECT is worth a try; O_DIRECT is set. */
    int may_direct;
    int direct;
};

/* Takes a file that is open for writing, wherever it stands. -1 with errno. One sink is used at a time. */
int file_sink_open(struct file_sink *sink, int fd);
int file_sink_put(struct file_sink *sink, const void *bytes, size_t length);
/* Leaves a hole, or what the file has there. */
int file_sink_skip(struct file_sink *sink, uint64_t length);
/* Writes what has been collected. */
int file_sink_flush(struct file_sink *sink);
/* The same for the last time: a hole at the end becomes part of the file. */
int file_sink_finish(struct file_sink *sink);

#endif

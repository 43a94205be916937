/* Contents of files, whole or in part. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_sink.h"
#include "file_worker.h"

/* What a writer that pauses longer than this has sent so far is written out, for others to see. */
#define PAUSE_MS 50

static _Alignas(4096) char piece[FILE_PAYLOAD_MAX];

/* Reads once; again if a signal came between. */
static ssize_t read_some(int fd, size_t size)
{
    ssize_t got;
    do
        got = read(fd, piece, size);
    while (got < 0 && errno == EINTR);
    return got;
}

/*
 * Sends up to `length` bytes, -1 for all. The end of a regular file is known from its size, which saves a call for each
 * small file; what claims to be empty, as in /proc, is read until nothing comes.
 */
static int send_contents(int fd, int64_t length)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return -1;
    if (S_ISDIR(found.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    int sized = S_ISREG(found.st_mode) && found.st_size > 0;
    while (length != 0) {
        size_t wanted = length > 0 && length < FILE_PAYLOAD_MAX ? (size_t)length : FILE_PAYLOAD_MAX;
        ssize_t got = read_some(fd, wanted);
        if (got < 0)
            return -1;
        if (length > 0)
            length -= got;
        int over = got == 0 || length == 0 || (sized && (size_t)got < wanted);
        answer_data(over ? FILE_LAST : 0, piece, (size_t)got);
        if (over)
            return 0;
    }
    answer_data(FILE_LAST, piece, 0);
    return 0;
}

void file_read(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    int64_t start = file_request_number(request, "start", 0);
    int64_t length = file_request_number(request, "length", -1);
    int fd = file_request_path(request, "path", path) >= 0 ? open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;
    int result = fd >= 0 && start > 0 && lseek(fd, start, SEEK_SET) < 0 ? -1 : fd;
    if (result >= 0)
        result = send_contents(fd, length);
    if (result < 0)
        answer_error(0, "");
    if (fd >= 0)
        close(fd);
}

/* Takes what the host sends until its end. */
static int take_contents(struct file_sink *sink)
{
    const void *bytes;
    for (;;) {
        ssize_t got = content_next(&bytes, FILE_PAYLOAD_MAX, sink->fill > 0 ? PAUSE_MS : -1);
        if (got == 0)
            return 0;
        if ((got < 0 ? file_sink_flush(sink) : file_sink_put(sink, bytes, (size_t)got)) != 0)
            return -1;
    }
}

void file_write(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    struct file_sink sink;
    int flags = (int)file_request_number(request, "flags", 0) | O_NOCTTY | O_CLOEXEC;
    mode_t mode = (mode_t)file_request_number(request, "mode", 0666) & FILE_PERMISSIONS;
    int64_t start = file_request_number(request, "start", 0);
    int fd = file_request_path(request, "path", path) >= 0 ? open(path, flags, mode) : -1;
    if (fd < 0 || (start > 0 && lseek(fd, start, SEEK_SET) < 0)) {
        answer_error(0, "");
        if (fd >= 0)
            close(fd);
        return;
    }
    answer_accept(0, "{}");
    int result = file_sink_open(&sink, fd);
    if (result == 0)
        result = take_contents(&sink);
    if (result == 0)
        result = file_sink_flush(&sink);
    if (close(fd) == 0 && result == 0)
        answer_done(0);
    else
        answer_error(0, "");
}

/* --- Copies inside the box --------------------------------------------------------------------------------------- */

static int copy_contents(int from, int to)
{
    for (;;) {
        /* Without a way through user space, where the file systems have one. */
        ssize_t copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (copied == 0)
            break;
        if (copied < 0 && errno != EINTR)
            break;
    }
    /* What is left goes through here: other file systems, and files that have no size. */
    ssize_t got;
    while ((got = read_some(from, sizeof piece)) > 0) {
        for (ssize_t done = 0; done < got;) {
            ssize_t written = write(to, piece + done, (size_t)(got - done));
            if (written < 0 && errno != EINTR)
                return -1;
            done += written > 0 ? written : 0;
        }
    }
    return got < 0 ? -1 : 0;
}

void file_copy(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    static char to[FILE_PATH_BYTES];
    struct stat found;
    struct stat other;
    int exclusive = file_request_number(request, "exclusive", 0) != 0;
    int result = -1;
    int out = -1;
    int in = -1;
    if (file_request_path(request, "path", path) >= 0 && file_request_path(request, "to", to) >= 0)
        in = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (in >= 0 && fstat(in, &found) == 0) {
        out = open(to, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC | (exclusive ? O_EXCL : 0), found.st_mode & FILE_PERMISSIONS);
        if (out >= 0 && fstat(out, &other) == 0) {
            int same = found.st_dev == other.st_dev && found.st_ino == other.st_ino;
            result = same ? 0 : ftruncate(out, 0) != 0 && S_ISREG(other.st_mode) ? -1 : copy_contents(in, out);
        }
    }
    if (result != 0)
        answer_error(0, "");
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    if (result == 0)
        answer_accept(FILE_LAST, "{}");
}

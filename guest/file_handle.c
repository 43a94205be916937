/* An open file: the worker keeps it, and serves what the host asks of it, one thing after another. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_worker.h"

static _Alignas(4096) char piece[FILE_PAYLOAD_MAX];

static int tell_count(int64_t count)
{
    answer_message("{\"count\":%lld}", (long long)count);
    return 0;
}

/* Reads until `length`, or less at the end or from what has no more now. The bytes go ahead of their count. */
static int read_part(int fd, int64_t length, int64_t position)
{
    int64_t done = 0;
    while (done < length) {
        size_t wanted = length - done < FILE_PAYLOAD_MAX ? (size_t)(length - done) : FILE_PAYLOAD_MAX;
        ssize_t got = position < 0 ? read(fd, piece, wanted) : pread(fd, piece, wanted, position + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && done == 0)
            return -1;
        if (got <= 0)
            break;
        answer_data(0, piece, (size_t)got);
        done += got;
        if ((size_t)got < wanted)
            break;
    }
    return tell_count(done);
}

/* Writes what follows as content. After an error the rest of it is read all the same, to stay in step. */
static int write_part(int fd, int64_t length, int64_t position)
{
    const void *bytes;
    int64_t done = 0;
    int wrong = 0;
    for (int64_t taken = 0; taken < length;) {
        ssize_t got = content_next(&bytes, length - taken < FILE_PAYLOAD_MAX ? (size_t)(length - taken) : FILE_PAYLOAD_MAX, -1);
        if (got <= 0)
            break;
        taken += got;
        for (ssize_t written = 0; wrong == 0 && written < got;) {
            const char *at = (const char *)bytes + written;
            size_t rest = (size_t)(got - written);
            ssize_t some = position < 0 ? write(fd, at, rest) : pwrite(fd, at, rest, position + done);
            if (some < 0 && errno != EINTR)
                wrong = errno;
            if (some > 0) {
                written += some;
                done += some;
            }
        }
    }
    errno = wrong;
    return wrong != 0 && done == 0 ? -1 : tell_count(done);
}

static int tell_stat(int fd)
{
    char text[FILE_STAT_TEXT];
    if (file_stat_text(fd, "", AT_EMPTY_PATH, text) != 0)
        return -1;
    answer_message("{\"stat\":%s}", text);
    return 0;
}

static int set_times(int fd, const struct file_request *message)
{
    const struct timespec times[] = {
        {.tv_sec = file_request_number(message, "atime", 0), .tv_nsec = file_request_number(message, "atimeNs", 0)},
        {.tv_sec = file_request_number(message, "mtime", 0), .tv_nsec = file_request_number(message, "mtimeNs", 0)},
    };
    return futimens(fd, times);
}

static int set_owner(int fd, const struct file_request *message)
{
    uid_t uid = (uid_t)file_request_number(message, "uid", -1);
    return fchown(fd, uid, (gid_t)file_request_number(message, "gid", -1));
}

/* -1 with errno; what has no answer of its own gets a count of 0. */
static int serve(int fd, const struct file_request *message)
{
    const char *op = file_request_text(message, "op", "");
    int64_t length = file_request_number(message, "length", 0);
    int64_t position = file_request_number(message, "position", -1);
    int result = -1;
    if (strcmp(op, "read") == 0)
        return read_part(fd, length, position);
    if (strcmp(op, "write") == 0)
        return write_part(fd, length, position);
    if (strcmp(op, "stat") == 0)
        return tell_stat(fd);
    if (strcmp(op, "truncate") == 0)
        result = ftruncate(fd, length);
    else if (strcmp(op, "chmod") == 0)
        result = fchmod(fd, (mode_t)file_request_number(message, "mode", 0) & FILE_PERMISSIONS);
    else if (strcmp(op, "chown") == 0)
        result = set_owner(fd, message);
    else if (strcmp(op, "utimes") == 0)
        result = set_times(fd, message);
    else if (strcmp(op, "sync") == 0)
        result = fsync(fd);
    else
        errno = ENOSYS;
    return result == 0 ? tell_count(0) : -1;
}

void file_handle(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    struct file_request message;
    int flags = (int)file_request_number(request, "flags", 0) | O_NOCTTY | O_CLOEXEC;
    mode_t mode = (mode_t)file_request_number(request, "mode", 0666) & FILE_PERMISSIONS;
    int fd = file_request_path(request, "path", path) >= 0 ? open(path, flags, mode) : -1;
    if (fd < 0) {
        answer_error(0, "");
        return;
    }
    answer_accept(0, "{}");
    while (control_read(&message))
        if (serve(fd, &message) != 0)
            answer_message("{\"error\":\"%s\"}", error_name(errno));
    if (close(fd) == 0)
        answer_done(0);
    else
        answer_error(0, "");
}

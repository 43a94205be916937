/* The operations that are one system call, or a few, on a path. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "directories.h"
#include "file_worker.h"

/* From linux/stat.h, which a C library of its own does not bring. */
#define STATX_BASIC_AND_BIRTH 0xfffU
struct statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};
struct statx_result {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, reserved;
    uint64_t inode, size, blocks, attributes_mask;
    struct statx_time accessed, born, changed, modified;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};

/* As the kernel tells stat(). */
static unsigned long long device_number(uint32_t major, uint32_t minor)
{
    return (minor & 0xff) | (unsigned long long)major << 8 | (unsigned long long)(minor & ~0xffU) << 12;
}

int file_stat_text(int directory, const char *path, int flags, char text[FILE_STAT_TEXT])
{
    struct statx_result found;
    if (syscall(SYS_statx, directory, path, flags, STATX_BASIC_AND_BIRTH, &found) != 0)
        return -1;
    const struct statx_time *times[] = {&found.accessed, &found.modified, &found.changed, &found.born};
    int used = snprintf(text, FILE_STAT_TEXT, "[%llu,%llu,%u,%u,%u,%u,%llu,%llu,%u,%llu",
                        device_number(found.dev_major, found.dev_minor), (unsigned long long)found.inode, found.mode,
                        found.links, found.uid, found.gid, device_number(found.rdev_major, found.rdev_minor),
                        (unsigned long long)found.size, found.block_size, (unsigned long long)found.blocks);
    for (int i = 0; i < 4; i++)
        used += snprintf(text + used, (size_t)(FILE_STAT_TEXT - used), ",%lld,%u", (long long)times[i]->seconds,
                         times[i]->nanoseconds);
    snprintf(text + used, (size_t)(FILE_STAT_TEXT - used), "]");
    return 0;
}

static int tell_stat(const char *path, int flags)
{
    char text[FILE_STAT_TEXT];
    if (file_stat_text(AT_FDCWD, path, flags, text) != 0)
        return -1;
    answer_accept(FILE_LAST, "{\"stat\":%s}", text);
    return 1;
}

static int tell_text(const char *text, long length)
{
    if (length < 0)
        return -1;
    answer_data(FILE_LAST, text, (size_t)length);
    return 1;
}

static int tell_link(const char *path)
{
    static char target[FILE_PATH_BYTES];
    return tell_text(target, readlink(path, target, sizeof target));
}

static int tell_realpath(const char *path)
{
    static char resolved[PATH_MAX];
    return tell_text(resolved, realpath(path, resolved) != NULL ? (long)strlen(resolved) : -1);
}

static int tell_made(char *path, mode_t mode)
{
    long made = directories_make(path, mode);
    if (made < 0)
        return -1;
    answer_accept(FILE_LAST, "{\"made\":%ld}", made);
    return 1;
}

static struct timespec time_of(const struct file_request *request, const char *seconds, const char *nanoseconds)
{
    return (struct timespec){.tv_sec = file_request_number(request, seconds, 0),
                             .tv_nsec = file_request_number(request, nanoseconds, 0)};
}

static int set_times(const struct file_request *request, const char *path, int flags)
{
    const struct timespec times[] = {time_of(request, "atime", "atimeNs"), time_of(request, "mtime", "mtimeNs")};
    return utimensat(AT_FDCWD, path, times, flags);
}

static int set_owner(const struct file_request *request, const char *path, int flags)
{
    uid_t uid = (uid_t)file_request_number(request, "uid", -1);
    gid_t gid = (gid_t)file_request_number(request, "gid", -1);
    return fchownat(AT_FDCWD, path, uid, gid, flags);
}

/* 1 if it has answered, 0 if there is nothing to tell, -1 with errno. */
static int run(const char *op, const struct file_request *request, char *path, const char *to)
{
    mode_t mode = (mode_t)file_request_number(request, "mode", 0) & FILE_PERMISSIONS;
    if (strcmp(op, "stat") == 0)
        return tell_stat(path, 0);
    if (strcmp(op, "lstat") == 0)
        return tell_stat(path, AT_SYMLINK_NOFOLLOW);
    if (strcmp(op, "access") == 0)
        return faccessat(AT_FDCWD, path, (int)file_request_number(request, "mode", 0) & 7, 0);
    if (strcmp(op, "mkdir") == 0)
        return file_request_number(request, "recursive", 0) ? tell_made(path, mode) : mkdir(path, mode);
    if (strcmp(op, "rmdir") == 0)
        return rmdir(path);
    if (strcmp(op, "unlink") == 0)
        return unlink(path);
    if (strcmp(op, "readlink") == 0)
        return tell_link(path);
    if (strcmp(op, "realpath") == 0)
        return tell_realpath(path);
    if (strcmp(op, "chmod") == 0)
        return chmod(path, mode);
    if (strcmp(op, "chown") == 0)
        return set_owner(request, path, 0);
    if (strcmp(op, "lchown") == 0)
        return set_owner(request, path, AT_SYMLINK_NOFOLLOW);
    if (strcmp(op, "utimes") == 0)
        return set_times(request, path, 0);
    if (strcmp(op, "lutimes") == 0)
        return set_times(request, path, AT_SYMLINK_NOFOLLOW);
    if (strcmp(op, "truncate") == 0)
        return truncate(path, file_request_number(request, "length", 0));
    if (strcmp(op, "rename") == 0)
        return rename(path, to);
    if (strcmp(op, "link") == 0)
        return link(path, to);
    return symlink(to, path);
}

int file_metadata(const char *op, const struct file_request *request)
{
    static const char *const one_path[] = {"stat",     "lstat",    "access", "mkdir", "rmdir",  "unlink", "readlink",
                                           "realpath", "chmod",    "chown",  "lchown", "utimes", "lutimes", "truncate"};
    static const char *const two_paths[] = {"rename", "link", "symlink"};
    static char path[FILE_PATH_BYTES];
    static char to[FILE_PATH_BYTES];
    int paths = 0;
    for (size_t i = 0; i < sizeof one_path / sizeof *one_path; i++)
        if (strcmp(op, one_path[i]) == 0)
            paths = 1;
    for (size_t i = 0; i < sizeof two_paths / sizeof *two_paths; i++)
        if (strcmp(op, two_paths[i]) == 0)
            paths = 2;
    if (paths == 0)
        return 0;
    int result = -1;
    if (file_request_path(request, "path", path) >= 0 && (paths == 1 || file_request_path(request, "to", to) >= 0))
        result = run(op, request, path, to);
    if (result == 0)
        answer_accept(FILE_LAST, "{}");
    else if (result < 0)
        answer_error(0, "");
    return 1;
}

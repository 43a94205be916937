/*
 * Copies in: makes files from an archive as it arrives. A small file costs four system calls. What exists is replaced
 * only by something whole, and only by its like: a directory never gives way to a file, nor a file to a directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "directories.h"
#include "file_sink.h"
#include "file_worker.h"
#include "user.h"

#define SPECIAL_BITS 07000
#define STICKY_AND_PERMISSIONS 01777
#define TEMPORARY_BYTES 48

/* A directory that is being filled. */
struct level {
    int fd;
    /* Made here, and so given its mode and time when it is left. */
    int made;
    /* Files in it get its group, unless told otherwise. */
    int gives_group;
    uint16_t mode;
    struct timespec modified;
    /* Where its name ends in `where`. */
    size_t where;
};

/* The file that is being written. */
struct output {
    int fd;
    struct archive_entry entry;
    struct file_sink sink;
    /* What it is renamed from when it is whole; empty if it has its own name already. */
    char temporary[TEMPORARY_BYTES];
};

static struct {
    int overwrite;
    uid_t uid;
    gid_t gid;
    struct level levels[ARCHIVE_DEPTH_MAX + 1];
    size_t depth;
    struct output file;
    int file_open;
    /* Paths from the start, for links: of where it stands, and of the files that have further names. */
    char where[(ARCHIVE_NAME_MAX + 1) * (ARCHIVE_DEPTH_MAX + 1)];
    char **linked;
    size_t linked_count;
    size_t temporaries;
    char about[ARCHIVE_NAME_MAX + 1];
} unpack;

static struct level *here(void)
{
    return &unpack.levels[unpack.depth - 1];
}

static int fail(int number)
{
    errno = number;
    return -1;
}

static void name_temporary(char name[TEMPORARY_BYTES])
{
    snprintf(name, TEMPORARY_BYTES, ".boxlite-%d-%zu", (int)getpid(), ++unpack.temporaries);
}

/* Whether what is in the way may go. */
static int may_replace(const char *name)
{
    struct stat found;
    if (!unpack.overwrite)
        return fail(EEXIST);
    if (fstatat(here()->fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode))
        return fail(EISDIR);
    return 0;
}

/* Puts what was made under a temporary name in its place. */
static int put_in_place(const char *temporary, const char *name)
{
    if (renameat(here()->fd, temporary, here()->fd, name) != 0)
        return -1;
    /* Two names of one file stay as they are. */
    if (unlinkat(here()->fd, temporary, 0) != 0 && errno != ENOENT)
        return -1;
    return 0;
}

static int wants_owner(void)
{
    return unpack.uid != 0 || unpack.gid != 0 || here()->gives_group;
}

/* --- Files ------------------------------------------------------------------------------------------------------- */

static int remember_link(const struct archive_entry *entry)
{
    if (entry->link == 0)
        return 0;
    if (entry->link != unpack.linked_count + 1)
        return fail(EPROTO);
    /* Room is made in powers of two. */
    if ((unpack.linked_count & (unpack.linked_count + 1)) == 0) {
        char **grown = realloc(unpack.linked, 2 * (unpack.linked_count + 1) * sizeof *grown);
        if (grown == NULL)
            return -1;
        unpack.linked = grown;
    }
    size_t size = here()->where + strlen(entry->name) + 1;
    char *path = malloc(size);
    if (path == NULL)
        return -1;
    memcpy(path, unpack.where, here()->where);
    strcpy(path + here()->where, entry->name);
    unpack.linked[unpack.linked_count++] = path;
    return 0;
}

static int start_file(const struct archive_entry *entry)
{
    struct output *file = &unpack.file;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    file->entry = *entry;
    file->temporary[0] = 0;
    file->fd = openat(here()->fd, entry->name, flags, entry->mode);
    if (file->fd < 0 && errno == EEXIST) {
        if (may_replace(entry->name) != 0)
            return -1;
        name_temporary(file->temporary);
        file->fd = openat(here()->fd, file->temporary, flags, entry->mode);
    }
    if (file->fd < 0)
        return -1;
    partial_made(here()->fd, file->temporary[0] != 0 ? file->temporary : entry->name);
    unpack.file_open = 1;
    return file_sink_open(&file->sink, file->fd) != 0 || remember_link(entry) != 0 ? -1 : 0;
}

static int complete_file(struct output *file)
{
    const struct archive_entry *entry = &file->entry;
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT},
                                     {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
    if (file_sink_finish(&file->sink) != 0)
        return -1;
    if (wants_owner() && fchown(file->fd, unpack.uid, unpack.gid) != 0)
        return -1;
    if ((entry->mode & SPECIAL_BITS) && fchmod(file->fd, entry->mode) != 0)
        return -1;
    return futimens(file->fd, times);
}

static int finish_file(void)
{
    struct output *file = &unpack.file;
    if (!unpack.file_open)
        return 0;
    int result = complete_file(file);
    if (close(file->fd) != 0)
        result = -1;
    if (result == 0 && file->temporary[0] != 0)
        result = put_in_place(file->temporary, file->entry.name);
    if (result != 0)
        return -1;
    unpack.file_open = 0;
    partial_kept();
    return 0;
}

/* --- What is not a file ------------------------------------------------------------------------------------------ */

static int set_link_attributes(const char *name, const struct archive_entry *entry)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT},
                                     {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
    if (wants_owner() && fchownat(here()->fd, name, unpack.uid, unpack.gid, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return utimensat(here()->fd, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Makes a symbolic or a hard link. */
static int make(uint8_t kind, const char *name, const struct archive_entry *entry)
{
    if (kind == ARCHIVE_SYMLINK)
        return symlinkat(entry->target, here()->fd, name) != 0 ? -1 : set_link_attributes(name, entry);
    if (entry->link > unpack.linked_count)
        return fail(EPROTO);
    return linkat(unpack.levels[0].fd, unpack.linked[entry->link - 1], here()->fd, name, 0);
}

static int make_link(uint8_t kind, const struct archive_entry *entry)
{
    char temporary[TEMPORARY_BYTES];
    if (make(kind, entry->name, entry) == 0)
        return 0;
    if (errno != EEXIST || may_replace(entry->name) != 0)
        return -1;
    name_temporary(temporary);
    partial_made(here()->fd, temporary);
    if (make(kind, temporary, entry) != 0 || put_in_place(temporary, entry->name) != 0)
        return -1;
    partial_kept();
    return 0;
}

static int push(int fd, int made, const struct archive_entry *entry)
{
    struct level level = {.fd = fd, .made = made, .gives_group = unpack.depth > 0 && here()->gives_group};
    struct stat found;
    if (entry != NULL) {
        size_t length = strlen(entry->name);
        level.mode = entry->mode;
        level.modified = (struct timespec){.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds};
        level.where = here()->where + length + 1;
        memcpy(unpack.where + here()->where, entry->name, length);
        unpack.where[level.where - 1] = '/';
    }
    if (!made) {
        if (fstat(fd, &found) != 0)
            return -1;
        level.gives_group = (found.st_mode & S_ISGID) != 0;
    }
    unpack.levels[unpack.depth++] = level;
    return 0;
}

static int enter_directory(const struct archive_entry *entry)
{
    if (unpack.depth > ARCHIVE_DEPTH_MAX)
        return fail(ENAMETOOLONG);
    int made = mkdirat(here()->fd, entry->name, entry->mode & STICKY_AND_PERMISSIONS) == 0;
    if (!made && errno != EEXIST)
        return -1;
    int fd = openat(here()->fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? fail(ENOTDIR) : -1;
    return push(fd, made, entry);
}

static int leave_directory(void)
{
    if (unpack.depth < 2)
        return fail(EPROTO);
    const struct level *level = here();
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, level->modified};
    int result = 0;
    unpack.depth--;
    if (level->made && wants_owner())
        result = fchown(level->fd, unpack.uid, unpack.gid);
    if (result == 0 && level->made && ((level->mode & SPECIAL_BITS) || level->gives_group))
        result = fchmod(level->fd, level->mode);
    if (result == 0 && level->made)
        result = futimens(level->fd, times);
    if (close(level->fd) != 0)
        result = -1;
    return result;
}

/* --- The archive ------------------------------------------------------------------------------------------------- */

static int take_bytes(size_t length)
{
    const void *bytes;
    if (!unpack.file_open)
        return fail(EPROTO);
    while (length > 0) {
        ssize_t got = content_next(&bytes, length, -1);
        if (got <= 0)
            return fail(EPROTO);
        if (file_sink_put(&unpack.file.sink, bytes, (size_t)got) != 0)
            return -1;
        length -= (size_t)got;
    }
    return 0;
}

static int take_hole(void)
{
    uint8_t length[8];
    if (!unpack.file_open || !content_exact(length, sizeof length))
        return fail(EPROTO);
    return file_sink_skip(&unpack.file.sink, archive_decode_hole(length));
}

static int take_entry(const struct archive_header *header)
{
    static uint8_t payload[ARCHIVE_ENTRY_BYTES_MAX];
    static struct archive_entry entry;
    if (finish_file() != 0)
        return -1;
    if (!content_exact(payload, header->length) ||
        archive_decode_entry(header->kind, payload, header->length, &entry) != NULL)
        return fail(EPROTO);
    strcpy(unpack.about, entry.name);
    switch (header->kind) {
    case ARCHIVE_FILE:
        return start_file(&entry);
    case ARCHIVE_DIRECTORY:
        return enter_directory(&entry);
    default:
        return make_link(header->kind, &entry);
    }
}

/* 1 at the end of the archive, 0 if more follows. */
static int take_record(void)
{
    uint8_t bytes[ARCHIVE_HEADER_BYTES];
    struct archive_header header;
    if (!content_exact(bytes, sizeof bytes) || archive_decode_header(bytes, &header) != NULL)
        return fail(EPROTO);
    switch (header.kind) {
    case ARCHIVE_BYTES:
        return take_bytes(header.length);
    case ARCHIVE_HOLE:
        return take_hole();
    case ARCHIVE_UP:
        return finish_file() != 0 ? -1 : leave_directory();
    case ARCHIVE_END:
        if (finish_file() != 0)
            return -1;
        return unpack.depth == 1 ? 1 : fail(EPROTO);
    default:
        return take_entry(&header);
    }
}

/* Opens the directory all goes to, and makes it if it is missing. */
static int open_target(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    static struct user owner;
    const char *name = file_request_text(request, "owner", "");
    if (*name != 0) {
        if (user_lookup(name, &owner) != NULL)
            return fail(EINVAL);
        unpack.uid = owner.uid;
        unpack.gid = owner.gid;
    }
    if (file_request_path(request, "path", path) < 0)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && directories_make(path, 0755) >= 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : push(fd, 0, NULL);
}

void file_unpack(const struct file_request *request)
{
    unpack.overwrite = file_request_number(request, "overwrite", 1) != 0;
    int result = open_target(request);
    if (result == 0)
        answer_accept(0, "{}");
    while (result == 0)
        result = take_record();
    if (result > 0) {
        answer_done(FILE_LEAVES);
        return;
    }
    partial_removed();
    answer_error(FILE_LEAVES, unpack.about);
}

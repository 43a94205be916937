/*
 * Copies out: walks a tree and sends it as an archive. Sockets, FIFOs and devices are left out, what vanishes meanwhile
 * is too. A small file costs four system calls, and the archive goes out in pieces of FILE_PAYLOAD_MAX.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "file_tree.h"
#include "file_worker.h"

/* What stat() counts blocks in. */
#define BLOCK 512
/* Holes of files smaller than this are not worth looking for. */
#define SPARSE_BYTES_MIN (64 * 1024)
/* Less room than this is not worth a read of its own. */
#define ROOM_MIN 4096

/* A file with several names, by its place in the file system. */
struct linked {
    dev_t device;
    ino_t inode;
    uint32_t number;
};

static uint8_t out[FILE_PAYLOAD_MAX];
static size_t out_length;
static int follow;
static struct file_tree tree;
/* The directories the walk is in: a link that leads back to one has no end. */
static struct linked ancestors[ARCHIVE_DEPTH_MAX];
/* A hash table; number 0 is an empty place. */
static struct linked *table;
static size_t table_size;
static uint32_t table_count;

/* --- Output ------------------------------------------------------------------------------------------------------ */

static void make_room(size_t length)
{
    if (sizeof out - out_length >= length)
        return;
    answer_data(0, out, out_length);
    out_length = 0;
}

static void put_plain(enum archive_kind kind)
{
    make_room(ARCHIVE_HEADER_BYTES);
    out_length += archive_encode_header(out + out_length, kind, 0);
}

static void put_entry(enum archive_kind kind, const char *name, const struct stat *found, uint32_t link,
                      const char *target)
{
    static struct archive_entry entry;
    entry.mode = found->st_mode & FILE_PERMISSIONS;
    entry.link = link;
    entry.seconds = found->st_mtim.tv_sec;
    entry.nanoseconds = (uint32_t)found->st_mtim.tv_nsec;
    snprintf(entry.name, sizeof entry.name, "%s", name);
    snprintf(entry.target, sizeof entry.target, "%s", target);
    make_room(ARCHIVE_HEADER_BYTES + ARCHIVE_ENTRY_BYTES_MAX);
    out_length += archive_encode_entry(out + out_length, kind, &entry);
}

static void put_hole(uint64_t length)
{
    make_room(ARCHIVE_HEADER_BYTES + 8);
    out_length += archive_encode_hole(out + out_length, length);
}

/* Sends up to `length` bytes from where the file stands, as they are read. Bytes sent, or -1. */
static int64_t put_bytes(int fd, int64_t length)
{
    int64_t done = 0;
    while (done < length) {
        make_room(ARCHIVE_HEADER_BYTES + (length - done < ROOM_MIN ? (size_t)(length - done) : ROOM_MIN));
        size_t room = sizeof out - out_length - ARCHIVE_HEADER_BYTES;
        if ((int64_t)room > length - done)
            room = (size_t)(length - done);
        ssize_t got = read(fd, out + out_length + ARCHIVE_HEADER_BYTES, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        out_length += archive_encode_header(out + out_length, ARCHIVE_BYTES, (uint32_t)got) + (size_t)got;
        done += got;
    }
    return done;
}

static int put_sparse(int fd, int64_t size)
{
    int64_t at = 0;
    while (at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            return -1;
        if (data < 0 || data > size)
            data = size;
        if (data > at)
            put_hole((uint64_t)(data - at));
        off_t hole = data < size ? lseek(fd, data, SEEK_HOLE) : size;
        if (hole < 0 || hole > size)
            hole = size;
        if (lseek(fd, data, SEEK_SET) < 0)
            return -1;
        int64_t sent = put_bytes(fd, hole - data);
        if (sent < hole - data)
            return sent < 0 ? -1 : 0;
        at = hole;
    }
    return 0;
}

/* --- Files with several names ------------------------------------------------------------------------------------ */

static struct linked *place_of(const struct linked *in, size_t size, dev_t device, ino_t inode)
{
    size_t at = (size_t)((uint64_t)inode * 0x9e3779b97f4a7c15u >> 20) % size;
    while (in[at].number != 0 && (in[at].device != device || in[at].inode != inode))
        at = (at + 1) % size;
    return (struct linked *)(uintptr_t)&in[at];
}

static int grow_table(void)
{
    size_t size = table_size == 0 ? 1024 : table_size * 2;
    struct linked *grown = calloc(size, sizeof *grown);
    if (grown == NULL)
        return -1;
    for (size_t i = 0; i < table_size; i++)
        if (table[i].number != 0)
            *place_of(grown, size, table[i].device, table[i].inode) = table[i];
    free(table);
    table = grown;
    table_size = size;
    return 0;
}

/* The file's number; `*known` if it has been sent before. 0 without memory: it is then sent again. */
static uint32_t number_of(const struct stat *found, int *known)
{
    if ((size_t)table_count * 2 >= table_size && grow_table() != 0)
        return 0;
    struct linked *place = place_of(table, table_size, found->st_dev, found->st_ino);
    *known = place->number != 0;
    if (!*known)
        *place = (struct linked){.device = found->st_dev, .inode = found->st_ino, .number = ++table_count};
    return place->number;
}

/* --- Entries. 0, 1 if it is not there any more, or -1 with errno. ------------------------------------------------- */

static int gone_or_error(void)
{
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO ? 1 : -1;
}

static int put_opened(int fd, const char *as)
{
    struct stat found;
    int known = 0;
    if (fstat(fd, &found) != 0)
        return -1;
    if (!S_ISREG(found.st_mode))
        return 1;
    uint32_t number = found.st_nlink > 1 ? number_of(&found, &known) : 0;
    put_entry(known ? ARCHIVE_LINK : ARCHIVE_FILE, as, &found, number, "");
    if (known)
        return 0;
    if (found.st_size >= SPARSE_BYTES_MIN && found.st_blocks * BLOCK < found.st_size)
        return put_sparse(fd, found.st_size);
    /* What claims to be empty, as in /proc, may have something to say. */
    return put_bytes(fd, found.st_size > 0 ? found.st_size : INT64_MAX) < 0 ? -1 : 0;
}

static int put_file(int directory, const char *name, const char *as)
{
    int flags = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    int fd = openat(directory, name, flags);
    if (fd < 0)
        return gone_or_error();
    int result = put_opened(fd, as);
    int number = errno;
    close(fd);
    errno = number;
    return result;
}

static int put_symlink(int directory, const char *name, const char *as)
{
    struct stat found;
    char target[ARCHIVE_TARGET_MAX + 1];
    ssize_t length = readlinkat(directory, name, target, sizeof target);
    if (length < 0 || fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == EINVAL ? 1 : gone_or_error();
    if (length == 0 || (size_t)length == sizeof target) {
        errno = ENAMETOOLONG;
        return -1;
    }
    target[length] = 0;
    put_entry(ARCHIVE_SYMLINK, as, &found, 0, target);
    return 0;
}

/* Tells of the directory unless `as` is NULL, and goes into it. */
static int enter(int directory, const char *name, const char *as)
{
    struct stat found;
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow || as == NULL ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return gone_or_error();
    int wrong = fstat(fd, &found) != 0 ? errno : tree.depth == ARCHIVE_DEPTH_MAX ? ENAMETOOLONG : 0;
    for (size_t i = 0; follow && wrong == 0 && i < tree.depth; i++)
        if (ancestors[i].device == found.st_dev && ancestors[i].inode == found.st_ino)
            wrong = ELOOP;
    if (wrong != 0) {
        close(fd);
        errno = wrong;
        return -1;
    }
    ancestors[tree.depth] = (struct linked){.device = found.st_dev, .inode = found.st_ino};
    if (tree_enter(&tree, fd) != 0)
        return -1;
    if (as != NULL)
        put_entry(ARCHIVE_DIRECTORY, as, &found, 0, "");
    return 0;
}

static unsigned char type_at(int directory, const char *name, int flags)
{
    struct stat found;
    return fstatat(directory, name, &found, flags) == 0 ? (unsigned char)((found.st_mode & S_IFMT) >> 12) : DT_UNKNOWN;
}

static int put(int directory, const char *name, unsigned char type, const char *as)
{
    if (type == DT_UNKNOWN)
        type = type_at(directory, name, AT_SYMLINK_NOFOLLOW);
    if (type == DT_LNK && follow) {
        type = type_at(directory, name, 0);
        /* A link that leads nowhere is an error of its own. */
        if (type == DT_UNKNOWN)
            return -1;
    }
    switch (type) {
    case DT_REG:
        return put_file(directory, name, as);
    case DT_DIR:
        return enter(directory, name, as);
    case DT_LNK:
        return put_symlink(directory, name, as);
    default:
        return 1;
    }
}

/* All below the directory that has been entered. The name of what failed is left in `about`. */
static int put_tree(size_t floor, const char **about)
{
    while (tree.depth > 0) {
        const struct dirent *entry = tree_next(&tree);
        if (entry != NULL) {
            *about = entry->d_name;
            if (put(tree_directory(&tree), entry->d_name, entry->d_type, entry->d_name) < 0)
                return -1;
            continue;
        }
        if (errno != 0)
            return -1;
        if (tree.depth > floor)
            put_plain(ARCHIVE_UP);
        tree_leave(&tree);
    }
    return 0;
}

void file_pack(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    const char *about = "";
    int contents = file_request_number(request, "contents", 0) != 0;
    follow = file_request_number(request, "follow", 0) != 0;
    int result = -1;
    if (file_request_path(request, "path", path) >= 0)
        result = contents ? enter(AT_FDCWD, path, NULL) : put(AT_FDCWD, path, DT_UNKNOWN, "root");
    if (result > 0) {
        errno = access(path, F_OK) == 0 ? EINVAL : errno;
        result = -1;
    }
    if (result == 0)
        result = put_tree(contents ? 1 : 0, &about);
    if (result != 0) {
        answer_error(FILE_LEAVES, about);
        return;
    }
    put_plain(ARCHIVE_END);
    answer_data(FILE_LAST | FILE_LEAVES, out, out_length);
}

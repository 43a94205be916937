/*
 * Directory listings. An entry is a letter for its type, its name and a NUL; entries come in no order. In a recursive
 * one "/", the path from the start and a NUL stand before the entries of each further directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_tree.h"
#include "file_worker.h"

/* A directory still to be listed: its path from the start. */
struct pending {
    struct pending *next;
    char path[];
};

/* Oldest first. */
struct queue {
    struct pending *first;
    struct pending *last;
};

static unsigned char type_of(int directory, const struct dirent *entry)
{
    struct stat found;
    if (entry->d_type != DT_UNKNOWN || fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return entry->d_type;
    return (unsigned char)((found.st_mode & S_IFMT) >> 12);
}

static char letter_of(unsigned char type)
{
    switch (type) {
    case DT_REG:
        return 'f';
    case DT_DIR:
        return 'd';
    case DT_LNK:
        return 'l';
    case DT_CHR:
        return 'c';
    case DT_BLK:
        return 'b';
    case DT_FIFO:
        return 'p';
    case DT_SOCK:
        return 's';
    default:
        return '?';
    }
}

/* Remembers the directory `name` in `path`. */
static int remember(struct queue *queue, const char *path, const char *name)
{
    size_t size = strlen(path) + 1 + strlen(name) + 1;
    struct pending *pending = malloc(sizeof *pending + size);
    if (pending == NULL)
        return -1;
    pending->next = NULL;
    snprintf(pending->path, size, "%s%s%s", path, *path != 0 ? "/" : "", name);
    if (queue->first == NULL)
        queue->first = pending;
    else
        queue->last->next = pending;
    queue->last = pending;
    return 0;
}

/* Lists one directory, and remembers its own if there is a queue for them. */
static int list(int directory, const char *path, struct queue *queue)
{
    static _Alignas(struct dirent) char entries[FILE_PAYLOAD_MAX];
    int length;
    while ((length = read_entries(directory, entries, sizeof entries)) > 0) {
        for (int at = 0; at < length;) {
            const struct dirent *entry = (const struct dirent *)(entries + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            unsigned char type = type_of(directory, entry);
            answer_item(letter_of(type), entry->d_name);
            if (queue != NULL && type == DT_DIR && remember(queue, path, entry->d_name) != 0)
                return -1;
        }
    }
    return length;
}

/* Lists what has been remembered, and what comes to it. One that has gone by now is left out. */
static int list_remembered(int start, struct queue *queue)
{
    while (queue->first != NULL) {
        struct pending *next = queue->first;
        int directory = openat(start, next->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (directory < 0 && errno != ENOENT && errno != ENOTDIR)
            return -1;
        if (directory >= 0) {
            answer_item('/', next->path);
            int result = list(directory, next->path, queue);
            close(directory);
            if (result != 0)
                return -1;
        }
        queue->first = next->next;
        free(next);
    }
    return 0;
}

void file_list(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    struct queue queue = {0};
    int recursive = file_request_number(request, "recursive", 0) != 0;
    /* What a long list leaves in memory goes with the worker. */
    uint8_t leaves = recursive ? FILE_LEAVES : 0;
    int directory = file_request_path(request, "path", path) >= 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int result = directory >= 0 ? list(directory, "", recursive ? &queue : NULL) : -1;
    if (result == 0)
        result = list_remembered(directory, &queue);
    if (result == 0)
        answer_items(FILE_LAST | leaves);
    else
        answer_error(leaves, "");
    if (directory >= 0)
        close(directory);
}

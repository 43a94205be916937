/*
 * Watches a file, a directory or a tree. An event is "r" (something appeared, went or got another name) or "c"
 * (something changed), its path from the start and a NUL; "o" stands where events were lost.
 *
 * inotify watches one directory at a time, so each directory of a tree has a watch of its own, and one that appears is
 * searched once it is watched: what was made in it before is told then. Something may be told twice, never not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "file_worker.h"

#define CHANGES (IN_ATTRIB | IN_MODIFY)
#define EVENTS (CHANGES | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM | IN_MOVED_TO)
#define EVENT_BYTES (32 * 1024)

struct watch {
    int descriptor;
    /* From the start, "" for the start itself. */
    char *path;
};

static int notify;
static int recursive;
static char root[FILE_PATH_BYTES];
/* By descriptor: the kernel counts them up. */
static struct watch *watches;
static size_t watch_count;
static size_t watch_capacity;

/* The first watch whose descriptor is not below. */
static size_t find(int descriptor)
{
    size_t low = 0;
    size_t high = watch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (watches[middle].descriptor < descriptor)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget(size_t at)
{
    free(watches[at].path);
    memmove(&watches[at], &watches[at + 1], (--watch_count - at) * sizeof *watches);
}

static int remember(int descriptor, const char *path)
{
    size_t at = find(descriptor);
    char *copy = strdup(path);
    if (copy == NULL)
        return -1;
    /* The same directory under another name by now. */
    if (at < watch_count && watches[at].descriptor == descriptor) {
        free(watches[at].path);
        watches[at].path = copy;
        return 0;
    }
    if (watch_count == watch_capacity) {
        size_t capacity = watch_capacity == 0 ? 64 : watch_capacity * 2;
        struct watch *grown = realloc(watches, capacity * sizeof *grown);
        if (grown == NULL)
            return -1;
        watches = grown;
        watch_capacity = capacity;
    }
    memmove(&watches[at + 1], &watches[at], (watch_count++ - at) * sizeof *watches);
    watches[at] = (struct watch){.descriptor = descriptor, .path = copy};
    return 0;
}

/* "a", "b" -> "a/b". -1 if that is too long for a path. */
static int join(char out_path[FILE_PATH_BYTES], const char *path, const char *name)
{
    int length = snprintf(out_path, FILE_PATH_BYTES, "%s%s%s", path, *path != 0 && *name != 0 ? "/" : "", name);
    return length < FILE_PATH_BYTES ? 0 : -1;
}

/* Watches a directory of the tree. What has gone, or is too deep for a path, is left out. */
static int add(const char *path)
{
    char full[FILE_PATH_BYTES];
    uint32_t events = EVENTS | (*path != 0 ? IN_DONT_FOLLOW | IN_ONLYDIR : 0);
    if (join(full, root, path) != 0)
        return 0;
    int descriptor = inotify_add_watch(notify, full, events);
    if (descriptor >= 0)
        return remember(descriptor, path);
    return *path != 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) ? 0 : -1;
}

/* Where add_below() is, from the start: one for all its levels, which may be many. */
static char below[FILE_PATH_BYTES];

static DIR *open_below(void)
{
    char full[FILE_PATH_BYTES];
    return join(full, root, below) == 0 ? opendir(full) : NULL;
}

/* Watches the tree in below[0..length), which is watched itself already, and tells of all in it if `aloud`. */
static int add_below(size_t length, int aloud)
{
    below[length] = 0;
    DIR *directory = open_below();
    struct dirent *entry;
    int result = 0;
    while (directory != NULL && result == 0 && (entry = readdir(directory)) != NULL) {
        size_t size = strlen(entry->d_name);
        size_t start = length + (length > 0);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || start + size >= sizeof below)
            continue;
        below[length] = '/';
        memcpy(below + start, entry->d_name, size + 1);
        if (aloud)
            answer_item('r', below);
        if (entry->d_type == DT_DIR)
            result = add(below) != 0 ? -1 : add_below(start + size, aloud);
    }
    if (directory != NULL)
        closedir(directory);
    return result;
}

static int add_tree(const char *path, int aloud)
{
    size_t length = strlen(path);
    if (add(path) != 0)
        return -1;
    memcpy(below, path, length + 1);
    return add_below(length, aloud);
}

/* A directory went elsewhere with all below it: their names are wrong now. */
static void drop_below(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = watch_count; i-- > 0;) {
        const char *known = watches[i].path;
        if (strncmp(known, path, length) != 0 || (known[length] != '/' && known[length] != 0))
            continue;
        inotify_rm_watch(notify, watches[i].descriptor);
        forget(i);
    }
}

static const char *name_of_root(void)
{
    const char *last = strrchr(root, '/');
    return last != NULL && last[1] != 0 ? last + 1 : root;
}

static int happened(const struct inotify_event *event)
{
    char path[FILE_PATH_BYTES];
    if (event->mask & IN_Q_OVERFLOW) {
        answer_item('o', "");
        return 0;
    }
    size_t at = find(event->wd);
    if (at == watch_count || watches[at].descriptor != event->wd)
        return 0;
    int is_root = watches[at].path[0] == 0;
    if (event->mask & IN_IGNORED) {
        forget(at);
        return 0;
    }
    /* What happens to a directory of the tree itself is told by the one above. */
    if (event->len == 0 && !is_root)
        return 0;
    if (join(path, watches[at].path, event->len > 0 ? event->name : "") != 0)
        return 0;
    answer_item(event->mask & CHANGES ? 'c' : 'r', event->len > 0 ? path : name_of_root());
    if (!recursive || !(event->mask & IN_ISDIR) || event->len == 0)
        return 0;
    if (event->mask & IN_MOVED_FROM)
        drop_below(path);
    if (event->mask & (IN_CREATE | IN_MOVED_TO))
        return add_tree(path, 1);
    return 0;
}

/* Tells of what happens until the worker is ended. */
static int tell_events(void)
{
    static _Alignas(struct inotify_event) char events[EVENT_BYTES];
    for (;;) {
        ssize_t got = read(notify, events, sizeof events);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            at += (ssize_t)(sizeof *event + event->len);
            if (happened(event) != 0)
                return -1;
        }
        answer_items(0);
    }
}

void file_watch(const struct file_request *request)
{
    recursive = file_request_number(request, "recursive", 0) != 0;
    notify = inotify_init1(IN_CLOEXEC);
    int result = -1;
    if (notify >= 0 && file_request_path(request, "path", root) >= 0)
        result = recursive ? add_tree("", 0) : add("");
    if (result == 0) {
        answer_accept(0, "{}");
        tell_events();
    }
    answer_error(FILE_LEAVES, "");
}

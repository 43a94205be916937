/* Removes files, and trees of them however deep. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_tree.h"
#include "file_worker.h"

static struct file_tree tree;
/* Names of the directories the walk is in, each ended by a NUL: what they are removed by when it leaves them. */
static char *names;
static size_t names_length;
static size_t names_capacity;

static int push_name(const char *name)
{
    size_t size = strlen(name) + 1;
    if (names_length + size > names_capacity) {
        size_t capacity = 2 * (names_length + size);
        char *grown = realloc(names, capacity);
        if (grown == NULL)
            return -1;
        names = grown;
        names_capacity = capacity;
    }
    memcpy(names + names_length, name, size);
    names_length += size;
    return 0;
}

static const char *pop_name(void)
{
    size_t at = names_length - 1;
    while (at > 0 && names[at - 1] != 0)
        at--;
    names_length = at;
    return names + at;
}

static int enter(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    return push_name(name) != 0 || tree_enter(&tree, fd) != 0 ? -1 : 0;
}

/* Removes all in the lowest directory that has nothing in it. 1 if it has entered one that has, 0 at the end. */
static int clear(int *removed)
{
    const struct dirent *entry;
    while ((entry = tree_next(&tree)) != NULL) {
        int directory = tree_directory(&tree);
        int gone = unlinkat(directory, entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0) == 0;
        if (!gone && entry->d_type == DT_UNKNOWN && (errno == EISDIR || errno == EPERM))
            gone = unlinkat(directory, entry->d_name, AT_REMOVEDIR) == 0;
        if (gone || errno == ENOENT) {
            *removed = 1;
            continue;
        }
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -1;
        return enter(directory, entry->d_name) == 0 ? 1 : -1;
    }
    return errno == 0 ? 0 : -1;
}

/* `start` is the directory above. */
static int remove_tree(int start, const char *name)
{
    int removed = 0;
    if (unlinkat(start, name, AT_REMOVEDIR) == 0)
        return 0;
    if ((errno != ENOTEMPTY && errno != EEXIST) || enter(start, name) != 0)
        return -1;
    while (tree.depth > 0) {
        int result = clear(&removed);
        if (result < 0)
            return -1;
        if (result > 0)
            continue;
        int upper = tree.depth > 1 ? tree.levels[tree.depth - 2].fd : start;
        const char *left = pop_name();
        if (unlinkat(upper, left, AT_REMOVEDIR) == 0) {
            tree_leave(&tree);
            removed = 1;
            continue;
        }
        /* Some file systems count entries while they go: look again as long as there was something to remove. */
        if ((errno != ENOTEMPTY && errno != EEXIST) || !removed)
            return -1;
        names_length += strlen(left) + 1;
        removed = 0;
        tree_rewind(&tree);
    }
    return 0;
}

void file_remove(const struct file_request *request)
{
    static char path[FILE_PATH_BYTES];
    struct stat found;
    int recursive = file_request_number(request, "recursive", 0) != 0;
    int force = file_request_number(request, "force", 0) != 0;
    int result = file_request_path(request, "path", path) < 0 ? -1 : lstat(path, &found);
    if (result == 0 && !S_ISDIR(found.st_mode)) {
        result = unlink(path);
    } else if (result == 0 && recursive) {
        result = remove_tree(AT_FDCWD, path);
    } else if (result == 0) {
        errno = EISDIR;
        result = -1;
    }
    if (result == 0 || (force && errno == ENOENT))
        answer_accept(FILE_LAST | (recursive ? FILE_LEAVES : 0), "{}");
    else
        answer_error(recursive ? FILE_LEAVES : 0, "");
}

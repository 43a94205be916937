#include "directories.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Whether `path` exists as a directory, or else why not. */
static int is_directory(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return 0;
    errno = EEXIST;
    return S_ISDIR(found.st_mode);
}

/* The end of the directory above what path[0..end) names, 0 if there is none. */
static size_t end_of_parent(const char *path, size_t end)
{
    while (end > 0 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    return end;
}

/* Cuts the path at `end` for one call. */
static int make_prefix(char *path, size_t end, mode_t mode)
{
    char cut = path[end];
    path[end] = 0;
    int result = mkdir(path, mode);
    path[end] = cut;
    return result;
}

/*
 * Makes the first of what is missing of path[0..*end), and moves `*end` to where it ends. 0; 1 if all is there, or somebody
 * else has made that first one meanwhile; or -1.
 */
static int make_first(char *path, size_t *end, mode_t mode)
{
    while (make_prefix(path, *end, mode) != 0) {
        size_t parent = end_of_parent(path, *end);
        if (errno == EEXIST)
            return 1;
        if (errno != ENOENT || parent == 0)
            return -1;
        *end = parent;
    }
    return 0;
}

long directories_make(char *path, mode_t mode)
{
    size_t length = strlen(path);
    size_t end = length;
    int there = make_first(path, &end, mode);
    if (there < 0)
        return -1;
    size_t first = there ? 0 : end;
    while (end < length) {
        end += strspn(path + end, "/");
        end += strcspn(path + end, "/");
        there = make_prefix(path, end, mode) != 0;
        if (there && errno != EEXIST)
            return -1;
        if (!there && first == 0)
            first = end;
    }
    return there && !is_directory(path) ? -1 : (long)first;
}

/* Walks a tree of directories by descriptors, one a level: no path is ever looked up again, and none gets too long. */
#ifndef FILE_TREE_H
#define FILE_TREE_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

/* Fills a buffer with struct dirents. Bytes filled, 0 at the end, or -1: C libraries call it by different names. */
int read_entries(int directory, void *buffer, size_t size);

struct tree_level {
    int fd;
    /* Where the entries go on after a directory below has been left. */
    off_t next;
};

struct file_tree {
    struct tree_level *levels;
    size_t depth;
    size_t capacity;
    /* Entries of the lowest level that have been read: entries[at..length). */
    _Alignas(struct dirent) char entries[8192];
    int at;
    int length;
};

/* Starts below `fd`, which is the tree's from now on, as that of each directory entered. -1 with errno. */
int tree_enter(struct file_tree *tree, int fd);
/* The next entry of the lowest directory, "." and ".." left out. NULL at its end (errno 0) or with errno. */
const struct dirent *tree_next(struct file_tree *tree);
/* Its entries once more from the start. */
void tree_rewind(struct file_tree *tree);
/* Closes the lowest directory. */
void tree_leave(struct file_tree *tree);
/* The lowest directory's descriptor. */
int tree_directory(const struct file_tree *tree);
/* Closes all that is open. */
void tree_free(struct file_tree *tree);

#endif

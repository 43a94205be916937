#include "file_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int read_entries(int directory, void *buffer, size_t size)
{
    return (int)syscall(SYS_getdents64, directory, buffer, size);
}

int tree_directory(const struct file_tree *tree)
{
    return tree->levels[tree->depth - 1].fd;
}

int tree_enter(struct file_tree *tree, int fd)
{
    if (tree->depth == tree->capacity) {
        size_t capacity = tree->capacity == 0 ? 64 : tree->capacity * 2;
        struct tree_level *grown = realloc(tree->levels, capacity * sizeof *grown);
        if (grown == NULL) {
            close(fd);
            errno = ENOMEM;
            return -1;
        }
        tree->levels = grown;
        tree->capacity = capacity;
    }
    tree->levels[tree->depth++] = (struct tree_level){.fd = fd};
    tree->at = tree->length = 0;
    return 0;
}

const struct dirent *tree_next(struct file_tree *tree)
{
    for (;;) {
        if (tree->at == tree->length) {
            tree->at = 0;
            tree->length = read_entries(tree_directory(tree), tree->entries, sizeof tree->entries);
            if (tree->length <= 0) {
                if (tree->length == 0)
                    errno = 0;
                tree->length = 0;
                return NULL;
            }
        }
        const struct dirent *entry = (const struct dirent *)(tree->entries + tree->at);
        tree->at += entry->d_reclen;
        tree->levels[tree->depth - 1].next = entry->d_off;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry;
    }
}

void tree_rewind(struct file_tree *tree)
{
    lseek(tree_directory(tree), 0, SEEK_SET);
    tree->at = tree->length = 0;
}

void tree_leave(struct file_tree *tree)
{
    struct tree_level *level = &tree->levels[--tree->depth];
    close(level->fd);
    tree->at = tree->length = 0;
    /* What was read of the upper one is gone: it goes on where it stood. */
    if (tree->depth > 0)
        lseek(level[-1].fd, level[-1].next, SEEK_SET);
}

void tree_free(struct file_tree *tree)
{
    int number = errno;
    while (tree->depth > 0)
        close(tree->levels[--tree->depth].fd);
    free(tree->levels);
    tree->levels = NULL;
    tree->capacity = 0;
    errno = number;
}

/* Directories, made with those above them. */
#ifndef DIRECTORIES_H
#define DIRECTORIES_H

#include <sys/types.h>

/*
 * Makes what is missing of the path, which is changed meanwhile; others may be making the same. Returns where the name of
 * the first one made ends, 0 if all were there, or -1 with errno.
 */
long directories_make(char *path, mode_t mode);

#endif

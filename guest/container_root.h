/* What the container sees: its file systems, and its init. */
#ifndef CONTAINER_ROOT_H
#define CONTAINER_ROOT_H

#include <stddef.h>

#include "json.h"

/* What the init says when the container can be used. */
#define ROOT_READY "ready"

/* Makes the container's /dev, apart. 0, or -1 with `message`. */
int root_prepare(char *message, size_t size);

/* Keeps what root_init() lays over the image's files. 0, or -1 with `message`. */
int root_write_files(const struct json *files, char *message, size_t size);

/* The life of the container's init, in namespaces of its own. Says ROOT_READY, or what went wrong. */
_Noreturn void root_init(int pipe);

#endif

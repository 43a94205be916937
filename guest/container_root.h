/* What the container sees: its file systems, and its init. */
#ifndef CONTAINER_ROOT_H
#define CONTAINER_ROOT_H

#include <stddef.h>

#include "json.h"

/* What the init says when it waits for its root, and when the container can be used. */
#define ROOT_PREPARED "prepared"
#define ROOT_READY "ready"

/* Makes the container's /dev, apart. 0, or -1 with `message`. */
int root_prepare(char *message, size_t size);

/*
 * Tells the init that its root is mounted, what the box is called, and what is laid over the image's files: an object of
 * path and content. 0, or -1 with `message`.
 */
int root_tell(int pipe, const char *hostname, const struct json *files, char *message, size_t size);

/*
 * The life of the container's init, in namespaces of its own. It takes orders from one pipe, and says in the other one
 * ROOT_PREPARED and ROOT_READY, or what went wrong.
 */
_Noreturn void root_init(int orders, int answers);

#endif

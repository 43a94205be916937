/* The container: where commands run, apart from the agent. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "json.h"

/* A pseudo-terminal's two ends, seen from the agent. Commands open it by number in their own /dev/pts. */
#define CONTAINER_PTMX "/box-dev/pts/ptmx"

/* What can be done before the host asks for anything: the container's init begins. 0, or -1 with `message`. */
int container_prepare(char *message, size_t size);

/* What can be done before the disks are mounted, once the init has its place. 0, or -1 with `message`. */
int container_settle(char *message, size_t size);

/*
 * Lets the container's init go on, over the file system at /root. `files` is an object of path and content: what is to be
 * seen at these places, whatever the image has there. 0, or -1 with `message`.
 */
int container_start(const char *hostname, const struct json *files, char *message, size_t size);

/* How long the three above have taken, in microseconds, since it was forgotten. */
uint64_t container_taken_us(void);
void container_forget_time(void);

/* The process in which the container ends. 0 before it has begun. */
pid_t container_init_pid(void);

/* In a child: from now on in the container, in its root directory. 0, or -1. */
int container_enter(void);
/* The same for a process that only works on its files. */
int container_enter_files(void);

/* As fork(), but the child is the agent's kind: the container's processes neither see nor signal it. */
pid_t container_fork_outside(void);

#endif

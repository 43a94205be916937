/* A process of the container's: how it is made, and what it does until it has become its program. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

#include "cgroup.h"

/* What launch_spawn() may add to the environment: HOME. */
#define LAUNCH_VARIABLES 1

struct launch {
    char **argv;
    /* NULL-terminated, with room for LAUNCH_VARIABLES more. */
    char **environment;
    size_t environment_count;
    const char *directory;
    /* Make the directory if it is missing. */
    int make_directory;
    /* As user_lookup() takes it. */
    const char *user;
    /* The number of its terminal, -1 if it has none. */
    int terminal;
    /* What becomes its standard streams where it has no terminal. */
    int fds[3];
};

/* Why there is no such process. */
struct launch_failure {
    char code[16];
    char message[256];
};

/*
 * The process, or -1 with `failure`. Where there are volumes it is too early to tell: then `*answer` is a pipe, and a
 * launch_failure that comes from it before its end says that there has been none; else it is -1.
 */
pid_t launch_spawn(struct launch *launch, const struct cgroup *cgroup, int *answer, struct launch_failure *failure);

#endif

/* Control groups: one around the container, and in it one around each command, which holds all that it starts. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stddef.h>

/* The group of a command. */
struct cgroup {
    /* What clone3() takes. */
    int directory;
    int events;
    /* -1 without that controller. */
    int memory;
    /* Processes the kernel had killed in it when it was taken. */
    long memory_kills;
    unsigned number;
    /* It is not for another command. */
    int killed;
    struct cgroup *next;
};

/* Makes the container's group. Its descriptor, or -1 with `message` saying why. */
int cgroup_prepare(char *message, size_t size);

/* Where the container's init goes: a group with groups inside has no processes of its own. */
#define CGROUP_INIT "/cgroup/box/init"
/* The init has gone there, and the group of the first command can be made. */
void cgroup_begin(void);

/* An empty group for a command. NULL if there is no memory for one. */
struct cgroup *cgroup_take(void);
/* The command is over. What still runs in the group keeps it from being taken. */
void cgroup_give_back(struct cgroup *cgroup);

/* Whether the kernel has killed a process of the group, since it was taken, because memory had run out. */
int cgroup_lost_for_memory(const struct cgroup *cgroup);

/* Signals every process of the group, wherever it has gone in the tree of processes. None escapes a SIGKILL. */
void cgroup_signal(struct cgroup *cgroup, int signal);

#endif

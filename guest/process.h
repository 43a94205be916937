/* Processes other than the agent: what belongs to a command, and how it is ended. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Lets the agent have a descriptor for every stream of every command. */
void process_raise_limits(void);
/* Gives a command the limits container engines give. */
void process_restore_limits(void);

/* Processes, told from later ones of the same number by when they started. Zeroed, it is empty. */
struct process_list {
    struct known_process {
        pid_t pid;
        unsigned long long start;
    } *known;
    size_t count;
};

void process_list_clear(struct process_list *list);

/* Signals every process that descends from `root` or one of `tree`, or shares root's session. They are looked for until
 * none is new, so that a tree that forks while it is being killed does not get away. `tree` then holds all that were
 * found: when their parents have ended, nothing else tells whose they were. */
void signal_tree(pid_t root, int root_is_gone, int signal, struct process_list *tree);

/* Ends every process but the agent. */
void kill_everything(void);

#endif

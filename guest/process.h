/* Processes other than the agent: what belongs to a command, and how it is ended. */
#ifndef PROCESS_H
#define PROCESS_H

#include <sys/types.h>

/* Signals every process that descends from `root` or shares its session. They are looked for until none is new, so that
 * a tree that forks while it is being killed does not get away. */
void signal_tree(pid_t root, int root_is_gone, int signal);

/* Ends every process but the agent. */
void kill_everything(void);

#endif

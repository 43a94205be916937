/* What holds for all processes. */
#ifndef PROCESS_H
#define PROCESS_H

/* Lets the agent have a descriptor for every stream of every command. */
void process_raise_limits(void);
/* Gives a command the limits container engines give. */
void process_restore_limits(void);

/* Ends every process but the agent. */
void kill_everything(void);

#endif

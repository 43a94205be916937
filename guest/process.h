/* What holds for all processes. */
#ifndef PROCESS_H
#define PROCESS_H

/* Lets the agent have a descriptor for every stream of every command. */
void process_raise_limits(void);
/* Gives a command the limits container engines give. */
void process_restore_limits(void);

/*
 * Keeps the agent on the first processor, the only one of a UML guest that hears the wire. Otherwise another one is woken for
 * each thing the host says.
 */
void process_stay_at_interrupts(void);
/* Gives a child of the agent all processors. */
void process_run_anywhere(void);

/* Ends every process but the agent. */
void kill_everything(void);

#endif

/* Who is stopped before he is a command goes on. */
#ifndef ROUSE_H
#define ROUSE_H

#include <sys/types.h>

/* Begins, and ends with the last child: there has to be one. To be called while children are still born beside the agent,
 * as threads are. 0, or -1. */
int rouse_prepare(void);

/* The child that the agent waits for and cannot do anything else meanwhile; 0 if there is none. */
extern volatile pid_t rouse_awaited;

#endif

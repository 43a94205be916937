/* What the kernel kills when memory runs out. */
#ifndef OOM_H
#define OOM_H

#include <sys/types.h>

/*
 * Whether the kernel has killed `command`, or what was started after it, for want of memory. Each victim counts once. For
 * commands that ended by a SIGKILL which nobody here sent.
 */
int oom_killed(pid_t command);

#endif

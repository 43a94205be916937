/*
 * While vfork()'s child is on its way to its program, the agent stands still, and the box's root may stop the child: no
 * process can refuse SIGSTOP. So a thread of the agent's, which waits for nothing but stopped children, lets it go on.
 */
#include "rouse.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clone.h"

#define STACK_BYTES (8 * 1024)
/* Whoever is stopped more often than this on his way does not get there. */
#define STOPS_MAX 100

volatile pid_t rouse_awaited;

static _Alignas(16) unsigned char stack[STACK_BYTES];

/* 0 if there are no children any more, which is the box's end. */
static pid_t next_stopped(void)
{
    siginfo_t info;
    const long waiting[5] = {P_ALL, 0, (long)&info, WSTOPPED, 0};
    long result;
    do
        result = clone_call(SYS_waitid, waiting);
    while (result == -EINTR);
    return result == 0 ? info.si_pid : 0;
}

static void run(void *nothing)
{
    (void)nothing;
    const long all[5] = {0, ~0U, 0};
    const long status[5] = {0};
    pid_t last = 0;
    pid_t pid;
    int stops = 0;
    /* The agent's files end with the agent's descriptors. */
    clone_call(SYS_close_range, all);
    while ((pid = next_stopped()) != 0) {
        if (pid != rouse_awaited)
            continue;
        stops = pid == last ? stops + 1 : 0;
        last = pid;
        const long going_on[5] = {pid, stops < STOPS_MAX ? SIGCONT : SIGKILL};
        clone_call(SYS_kill, going_on);
    }
    clone_call(SYS_exit, status);
}

int rouse_prepare(void)
{
    return clone_thread(stack, sizeof stack, run);
}

/*
 * The kernel kills the process with the most memory. It is never the agent, as it spares PID 1, nor the container's init.
 * Whom it has killed, it only says in its log. The victim may be a child of the command's, which has gone without a trace:
 * it was started after the command, so its number is higher.
 */
#include "oom.h"

#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

/* As much as a kernel keeps. */
#define LOG_BYTES (256 * 1024)
/* SYSLOG_ACTION_READ_ALL of linux/syslog.h: the newest that fits. */
#define READ_ALL 3
#define VICTIM "Killed process "
/* Victims that are known by number. The log forgets the oldest, too. */
#define TOLD_MAX 64

static pid_t told[TOLD_MAX];
static size_t told_count;

static int was_told(pid_t victim)
{
    for (size_t i = 0; i < told_count && i < TOLD_MAX; i++)
        if (told[i] == victim)
            return 1;
    return 0;
}

int oom_killed(pid_t command)
{
    static char log[LOG_BYTES];
    int length = klogctl(READ_ALL, log, sizeof log - 1);
    log[length > 0 ? length : 0] = 0;
    for (const char *at = log; (at = strstr(at, VICTIM)) != NULL;) {
        at += strlen(VICTIM);
        pid_t victim = (pid_t)atoi(at);
        if (victim < command || was_told(victim))
            continue;
        told[told_count++ % TOLD_MAX] = victim;
        return 1;
    }
    return 0;
}

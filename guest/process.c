#include "process.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* Linux's own ceiling, fs.nr_open, and what programs that use select() can stand. */
#define DESCRIPTORS_MAX (1024 * 1024)
#define DESCRIPTORS_USUAL 1024

void process_raise_limits(void)
{
    const struct rlimit all = {.rlim_cur = DESCRIPTORS_MAX, .rlim_max = DESCRIPTORS_MAX};
    setrlimit(RLIMIT_NOFILE, &all);
}

void process_restore_limits(void)
{
    const struct rlimit usual = {.rlim_cur = DESCRIPTORS_USUAL, .rlim_max = DESCRIPTORS_MAX};
    setrlimit(RLIMIT_NOFILE, &usual);
}

/* Whether the agent keeps to one processor. */
static int bound;

void process_stay_at_interrupts(void)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    bound = sched_setaffinity(0, sizeof first, &first) == 0;
}

void process_run_anywhere(void)
{
    cpu_set_t all;
    if (!bound)
        return;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
}

void kill_everything(void)
{
    kill(-1, SIGKILL);
}

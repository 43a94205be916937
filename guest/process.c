#include "process.h"

#include <signal.h>
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

void kill_everything(void)
{
    kill(-1, SIGKILL);
}

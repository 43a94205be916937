/*
 * A system call of a UML guest costs 50 to 100 us, so the child is made by vfork(), and errors come back through memory.
 * Only where there are volumes the agent cannot stand still until the child has become its program, which may lie in one:
 * there it is made by fork(), and a pipe tells why not.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "clone.h"
#include "container.h"
#include "directories.h"
#include "process.h"
#include "rouse.h"
#include "user.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HOME_PREFIX "HOME="

/* Where the child says why it cannot become its program: the agent's memory or, after fork(), a copy of it. */
static struct launch_failure *told;
/* In a child made by fork(): where it tells it, too. */
static int failure_pipe = -1;

static _Noreturn void fail(const char *code, const char *what, int number)
{
    snprintf(told->code, sizeof told->code, "%s", code);
    if (number != 0)
        /* The reason has room behind any path. */
        snprintf(told->message, sizeof told->message, "%.200s: %s", what, strerror(number));
    else
        snprintf(told->message, sizeof told->message, "%s", what);
    if (failure_pipe >= 0 && write(failure_pipe, told, sizeof *told) < 0)
        _exit(126);
    _exit(127);
}

/* So that it can open them by the names they have in /dev and /proc. */
static void give_streams(const struct user *user)
{
    for (int i = 0; i < 3 && user->uid != 0; i++)
        fchown(i, user->uid, (gid_t)-1);
}

static void become_user(struct launch *launch)
{
    static struct user user;
    static char home[sizeof HOME_PREFIX + sizeof user.home];
    if (launch->user[0] == 0) {
        strcpy(user.home, "/root");
    } else {
        const char *wrong = user_lookup(launch->user, &user);
        if (wrong != NULL)
            fail("bad_user", wrong, 0);
        give_streams(&user);
        if (setgroups((size_t)user.group_count, user.groups) != 0 || setgid(user.gid) != 0 || setuid(user.uid) != 0)
            fail("bad_user", "cannot become the user", errno);
    }
    for (size_t i = 0; i < launch->environment_count; i++)
        if (strncmp(launch->environment[i], HOME_PREFIX, strlen(HOME_PREFIX)) == 0)
            return;
    snprintf(home, sizeof home, HOME_PREFIX "%s", user.home);
    launch->environment[launch->environment_count++] = home;
}

/* By its name in the container, by which programs look for it. It becomes the session's. */
static int open_own_terminal(int number)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("failed", "cannot take the terminal", errno);
    return fd;
}

static void take_descriptors(const struct launch *launch)
{
    int fds[3] = {launch->fds[0], launch->fds[1], launch->fds[2]};
    if (launch->terminal >= 0)
        fds[0] = fds[1] = fds[2] = open_own_terminal(launch->terminal);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            fail("failed", "cannot set up descriptors", errno);
}

static void restore_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Tries one path; returns if it is not there, with the reason if that should be remembered. */
static int try_path(const char *path, const struct launch *launch)
{
    execve(path, launch->argv, launch->environment);
    if (errno == ENOENT || errno == ENOTDIR)
        return ENOENT;
    if (errno == EACCES || errno == ENOEXEC || errno == EISDIR || errno == EPERM)
        return errno;
    fail("failed", "cannot execute it", errno);
}

static const char *search_path(const struct launch *launch)
{
    for (size_t i = 0; i < launch->environment_count; i++)
        if (strncmp(launch->environment[i], "PATH=", 5) == 0)
            return launch->environment[i] + 5;
    return DEFAULT_PATH;
}

static _Noreturn void execute(const struct launch *launch)
{
    static char path[4096];
    const char *name = launch->argv[0];
    int reason = ENOENT;
    if (strchr(name, '/') != NULL) {
        reason = try_path(name, launch);
    } else if (*name != 0) {
        for (const char *at = search_path(launch); *at != 0;) {
            size_t length = strcspn(at, ":");
            int whole = snprintf(path, sizeof path, "%.*s/%s", (int)length, length > 0 ? at : ".", name);
            /* A path that was cut is another program's. */
            int seen = whole < (int)sizeof path ? try_path(path, launch) : ENOENT;
            if (seen != ENOENT)
                reason = seen;
            at += length;
            if (*at == ':')
                at++;
        }
    }
    fail(reason == ENOENT ? "not_found" : "not_executable", "cannot execute it", reason);
}

/* As container engines do: what the image names is made, and belongs to root. */
static void make_directory(const struct launch *launch)
{
    static char path[4096];
    if (chdir(launch->directory) == 0 || errno != ENOENT)
        return;
    int whole = snprintf(path, sizeof path, "%s", launch->directory);
    if (whole >= (int)sizeof path || directories_make(path, 0755) < 0)
        fail("bad_directory", launch->directory, errno);
}

static void run_child(void *argument)
{
    struct launch *launch = argument;
    setsid();
    if (container_enter() != 0)
        fail("failed", "cannot enter the container", errno);
    take_descriptors(launch);
    if (launch->make_directory)
        make_directory(launch);
    become_user(launch);
    if (chdir(launch->directory) != 0)
        fail("bad_directory", launch->directory, errno);
    restore_signals();
    process_restore_limits();
    process_run_anywhere();
    execute(launch);
}

/* The same by fork(), and the pipe where the child tells how it went. */
static pid_t spawn_apart(struct launch *launch, const struct cgroup *cgroup, int *answer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    const struct clone_args how = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup->directory};
    pid_t pid = clone_fork(&how);
    if (pid == 0) {
        failure_pipe = ends[1];
        run_child(launch);
    }
    close(ends[1]);
    *answer = ends[0];
    if (pid < 0)
        close(ends[0]);
    return pid;
}

static pid_t spawn_within(struct launch *launch, const struct cgroup *cgroup)
{
    pid_t pid = clone_vfork(CLONE_INTO_CGROUP, cgroup->directory, &rouse_awaited, run_child, launch);
    rouse_awaited = 0;
    return pid;
}

pid_t launch_spawn(struct launch *launch, const struct cgroup *cgroup, int *answer, struct launch_failure *failure)
{
    *answer = -1;
    failure->code[0] = 0;
    told = failure;
    pid_t pid = volumes_any() ? spawn_apart(launch, cgroup, answer) : spawn_within(launch, cgroup);
    if (pid < 0) {
        snprintf(failure->code, sizeof failure->code, "failed");
        snprintf(failure->message, sizeof failure->message, "cannot make a process: %s", strerror(errno));
    } else if (failure->code[0] != 0) {
        waitpid(pid, NULL, 0);
        pid = -1;
    }
    return pid;
}

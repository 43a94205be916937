/*
 * The agent's side of the container. Its own children are born into the container's pid namespace, all others of its
 * namespaces they join themselves, with one system call.
 *
 * Until it has become the program, such a child is the agent: it shares its memory. So the agent is not dumpable, which
 * keeps all who lack CAP_SYS_PTRACE, as the container does, from tracing it or reading it through /proc.
 */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "clone.h"
#include "container_root.h"
#include "process.h"
#include "rouse.h"

/* From linux/capability.h: what Docker's containers have. */
#define CAPABILITY(number) (1ULL << (number))
#define CONTAINER_CAPABILITIES                                                                                       \
    (CAPABILITY(0)    /* chown */                                                                                    \
     | CAPABILITY(1)  /* dac_override */                                                                             \
     | CAPABILITY(3)  /* fowner */                                                                                   \
     | CAPABILITY(4)  /* fsetid */                                                                                   \
     | CAPABILITY(5)  /* kill */                                                                                     \
     | CAPABILITY(6)  /* setgid */                                                                                   \
     | CAPABILITY(7)  /* setuid */                                                                                   \
     | CAPABILITY(8)  /* setpcap */                                                                                  \
     | CAPABILITY(10) /* net_bind_service */                                                                         \
     | CAPABILITY(13) /* net_raw */                                                                                  \
     | CAPABILITY(18) /* sys_chroot */                                                                               \
     | CAPABILITY(27) /* mknod */                                                                                    \
     | CAPABILITY(29) /* audit_write */                                                                              \
     | CAPABILITY(31) /* setfcap */)

static struct {
    int cgroup;
    /* pidfds of the container's init and of the agent, which stand for their namespaces. */
    int init;
    int agent;
    pid_t init_pid;
    /* Pipes to and from the init, until it is the container's. */
    int orders;
    int answers;
    /* How long making it has taken. */
    uint64_t taken_us;
} container = {.cgroup = -1, .init = -1, .agent = -1, .orders = -1, .answers = -1};

/*
 * The bounding set is all that a program of root's gets: the agent, which becomes no other program, keeps what it has,
 * and what it starts is limited without a system call.
 */
static void limit_capabilities(void)
{
    for (int number = 0; number < 64; number++)
        if (!(CONTAINER_CAPABILITIES & CAPABILITY(number)) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            return;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static pid_t clone_init(int *pidfd)
{
    const struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD | CLONE_INTO_CGROUP,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)container.cgroup,
    };
    return clone_fork(&args);
}

static int start_init(char *message, size_t size)
{
    int orders[2];
    int answers[2];
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) {
        snprintf(message, size, "cannot make a container: %s", strerror(errno));
        return -1;
    }
    container.init_pid = clone_init(&container.init);
    if (container.init_pid == 0)
        root_init(orders[0], answers[1]);
    close(orders[0]);
    close(answers[1]);
    container.orders = orders[1];
    container.answers = answers[0];
    if (container.init_pid > 0)
        return 0;
    snprintf(message, size, "cannot make namespaces: %s", strerror(errno));
    return -1;
}

static int prepare(char *message, size_t size)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit_capabilities();
    container.agent = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (container.agent < 0) {
        snprintf(message, size, "cannot make a container: %s", strerror(errno));
        return -1;
    }
    container.cgroup = cgroup_prepare(message, size);
    if (container.cgroup < 0 || root_prepare(message, size) != 0)
        return -1;
    return start_init(message, size);
}

/* What the init says that is not expected is what went wrong. */
static int wait_for_init(const char *expected, char *message, size_t size)
{
    ssize_t length = read(container.answers, message, size - 1);
    message[length > 0 ? length : 0] = 0;
    return length > 0 && strcmp(message, expected) == 0 ? 0 : -1;
}

static int settle(char *message, size_t size)
{
    if (wait_for_init(ROOT_PREPARED, message, size) != 0)
        return -1;
    cgroup_begin();
    if (rouse_prepare() == 0)
        return 0;
    snprintf(message, size, "cannot use the container's processes: %s", strerror(errno));
    return -1;
}

static int start(const char *hostname, const struct json *files, char *message, size_t size)
{
    /* From here on the agent can make no thread. */
    if (setns(container.init, CLONE_NEWPID) != 0) {
        snprintf(message, size, "cannot make the container's processes: %s", strerror(errno));
        return -1;
    }
    if (root_tell(container.orders, hostname, files, message, size) != 0)
        return -1;
    int result = wait_for_init(ROOT_READY, message, size);
    close(container.orders);
    close(container.answers);
    return result;
}

int container_prepare(char *message, size_t size)
{
    uint64_t begun = now_us();
    int result = prepare(message, size);
    container.taken_us += now_us() - begun;
    return result;
}

int container_settle(char *message, size_t size)
{
    uint64_t begun = now_us();
    int result = settle(message, size);
    container.taken_us += now_us() - begun;
    return result;
}

int container_start(const char *hostname, const struct json *files, char *message, size_t size)
{
    uint64_t begun = now_us();
    int result = start(hostname, files, message, size);
    container.taken_us += now_us() - begun;
    return result;
}

uint64_t container_taken_us(void)
{
    return container.taken_us;
}

void container_forget_time(void)
{
    container.taken_us = 0;
}

pid_t container_init_pid(void)
{
    return container.init_pid;
}

int container_enter(void)
{
    return setns(container.init, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
}

int container_enter_files(void)
{
    return setns(container.init, CLONE_NEWNS);
}

pid_t container_fork_outside(void)
{
    if (setns(container.agent, CLONE_NEWPID) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        process_run_anywhere();
    if (pid != 0 && setns(container.init, CLONE_NEWPID) != 0)
        /* Commands would be born beside the agent. */
        container.init_pid = -1;
    return pid;
}

/*
 * The agent is in the root group; the container's init and each command have one of their own inside of the container's:
 * so the agent gets its share of the processor whatever the container does, and each command its own whatever another one
 * does. A fork bomb takes neither the last process number, nor the time to end it.
 *
 * Making a group costs several system calls, of 50 to 100 us each in a UML guest, so groups are kept: the next command
 * takes the oldest one in which nothing runs any more.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define ROOT "/cgroup"
#define CONTAINER ROOT "/box"
/* Groups looked at for one in which nothing runs. */
#define TRIES 2
/* What a thread takes of the memory that the kernel gives to threads at most: an eighth of all, 16 KiB each. */
#define THREAD_BYTES (8 * 16 * 1024)

static int container = -1;
static unsigned made;
/* How many processes and threads a command may have. */
static unsigned long long command_limit = ~0ULL;
/* Those that no command has, the oldest first. */
static struct cgroup *idle;
static struct cgroup **idle_end = &idle;

static int write_file(int directory, const char *name, const char *text)
{
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    close(fd);
    return written < 0 ? -1 : 0;
}

/* A kernel without one of these controllers does without it. */
static void control_inside(int directory)
{
    if (write_file(directory, "cgroup.subtree_control", "+cpu +memory +pids") == 0)
        return;
    write_file(directory, "cgroup.subtree_control", "+cpu");
    write_file(directory, "cgroup.subtree_control", "+memory");
    write_file(directory, "cgroup.subtree_control", "+pids");
}

/* Of what the kernel can have, and the host lets it, the agent keeps what is left, and a command leaves some to the others. */
static void limit_container(void)
{
    struct sysinfo memory;
    char text[32];
    if (sysinfo(&memory) != 0)
        return;
    unsigned long long threads = (unsigned long long)memory.totalram * memory.mem_unit / THREAD_BYTES;
    unsigned long long all = threads * 5 / 8;
    const char *host = getenv("BOXLITE_PROCESSES");
    if (host != NULL && strtoull(host, NULL, 10) < all)
        all = strtoull(host, NULL, 10);
    snprintf(text, sizeof text, "%llu", all);
    command_limit = all * 4 / 5;
    write_file(container, "pids.max", text);
}

int cgroup_prepare(char *message, size_t size)
{
    if (mount("cgroup", ROOT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 || mkdir(CONTAINER, 0755) != 0 ||
        mkdir(CGROUP_INIT, 0755) != 0 || (container = open(CONTAINER, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        snprintf(message, size, "cannot make a control group: %s", strerror(errno));
        return -1;
    }
    int root = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    control_inside(root);
    close(root);
    limit_container();
    return container;
}

/* A number in a file of lines of "name number"; `missing` if there is none. */
static long read_number(int fd, const char *name, long missing)
{
    char text[256] = "\n";
    char wanted[32];
    ssize_t length = pread(fd, text + 1, sizeof text - 2, 0);
    text[length > 0 ? length + 1 : 0] = 0;
    snprintf(wanted, sizeof wanted, "\n%s ", name);
    const char *at = strstr(text, wanted);
    return at != NULL ? strtol(at + strlen(wanted), NULL, 10) : missing;
}

static long memory_kills(const struct cgroup *cgroup)
{
    return read_number(cgroup->memory, "oom_kill", 0);
}

static int open_file(const struct cgroup *cgroup, const char *name)
{
    return openat(cgroup->directory, name, O_RDONLY | O_CLOEXEC);
}

static struct cgroup *make(void)
{
    char name[16];
    char limit[32];
    struct cgroup *cgroup = calloc(1, sizeof *cgroup);
    if (cgroup == NULL)
        return NULL;
    cgroup->number = made;
    snprintf(name, sizeof name, "%u", cgroup->number);
    cgroup->directory =
        mkdirat(container, name, 0755) == 0 ? openat(container, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    cgroup->events = cgroup->directory >= 0 ? open_file(cgroup, "cgroup.events") : -1;
    if (cgroup->events >= 0) {
        made++;
        cgroup->memory = open_file(cgroup, "memory.events");
        snprintf(limit, sizeof limit, "%llu", command_limit);
        write_file(cgroup->directory, "pids.max", limit);
        return cgroup;
    }
    if (cgroup->directory >= 0)
        close(cgroup->directory);
    unlinkat(container, name, AT_REMOVEDIR);
    free(cgroup);
    return NULL;
}

static void discard(struct cgroup *cgroup)
{
    char name[16];
    snprintf(name, sizeof name, "%u", cgroup->number);
    unlinkat(container, name, AT_REMOVEDIR);
    close(cgroup->directory);
    close(cgroup->events);
    if (cgroup->memory >= 0)
        close(cgroup->memory);
    free(cgroup);
}

void cgroup_begin(void)
{
    control_inside(container);
    struct cgroup *first = make();
    if (first != NULL)
        cgroup_give_back(first);
}

struct cgroup *cgroup_take(void)
{
    for (int i = 0; i < TRIES && idle != NULL; i++) {
        struct cgroup *cgroup = idle;
        idle = cgroup->next;
        if (idle == NULL)
            idle_end = &idle;
        if (read_number(cgroup->events, "populated", 1) != 0) {
            cgroup_give_back(cgroup);
        } else if (cgroup->killed) {
            discard(cgroup);
        } else {
            cgroup->memory_kills = memory_kills(cgroup);
            return cgroup;
        }
    }
    return make();
}

void cgroup_give_back(struct cgroup *cgroup)
{
    cgroup->next = NULL;
    *idle_end = cgroup;
    idle_end = &cgroup->next;
}

int cgroup_lost_for_memory(const struct cgroup *cgroup)
{
    return memory_kills(cgroup) > cgroup->memory_kills;
}

/*
 * One after the other, as the kernel lists them; for a signal that asks it is no matter who appears meanwhile. Those are
 * listed too, behind the others, and a fork bomb makes them faster than they are read: so no more than can be there.
 */
static void signal_each(const struct cgroup *cgroup, int signal)
{
    int fd = openat(cgroup->directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *list = fd >= 0 ? fdopen(fd, "r") : NULL;
    int pid;
    for (unsigned long long i = 0; list != NULL && i < command_limit && fscanf(list, "%d", &pid) == 1; i++)
        if (pid > 1)
            kill(pid, signal);
    if (list != NULL)
        fclose(list);
    else if (fd >= 0)
        close(fd);
}

void cgroup_signal(struct cgroup *cgroup, int signal)
{
    /* Linux 6.1.176 kills whoever is cloned into a group in which all were killed once. */
    cgroup->killed |= signal == SIGKILL;
    if (signal != SIGKILL || write_file(cgroup->directory, "cgroup.kill", "1") != 0)
        signal_each(cgroup, signal);
}

#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* More rounds than any tree that does not fork against us needs. */
#define ROUNDS_MAX 64
#define PROCESSES_MAX 32768

/* The most that Linux hands out: PID_MAX_LIMIT in linux/threads.h. */
#define PIDS_MAX (4 * 1024 * 1024)

struct entry {
    pid_t pid;
    pid_t parent;
    pid_t session;
};

/* The processes a signal is for. Pages of it that are not used cost nothing. */
static struct {
    unsigned char has[PIDS_MAX / 8];
    pid_t pids[PROCESSES_MAX];
    size_t count;
} tree;

/* Reads "pid (name) state ppid pgrp session": the name may hold anything, so it is skipped from its last bracket. */
static int read_entry(const char *pid, struct entry *entry)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof path, "/proc/%.10s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    const char *after = strrchr(text, ')');
    char state;
    entry->pid = (pid_t)atoi(pid);
    return after != NULL && sscanf(after + 1, " %c %d %*d %d", &state, &entry->parent, &entry->session) == 3 &&
           state != 'Z';
}

static size_t list_processes(struct entry *entries, size_t capacity)
{
    DIR *directory = opendir("/proc");
    size_t count = 0;
    struct dirent *found;
    while (directory != NULL && count < capacity && (found = readdir(directory)) != NULL)
        if (found->d_name[0] >= '1' && found->d_name[0] <= '9' && read_entry(found->d_name, &entries[count]))
            count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

static int in_tree(pid_t pid)
{
    return pid > 0 && pid < PIDS_MAX && (tree.has[pid / 8] >> pid % 8 & 1);
}

static void add_to_tree(pid_t pid)
{
    if (pid <= 1 || pid >= PIDS_MAX || tree.count == PROCESSES_MAX || in_tree(pid))
        return;
    tree.has[pid / 8] |= (unsigned char)(1 << pid % 8);
    tree.pids[tree.count++] = pid;
}

static void forget_tree(void)
{
    while (tree.count > 0)
        tree.has[tree.pids[--tree.count] / 8] = 0;
}

/* Adds everything that descends from the tree's processes or is in the session, as /proc shows it now. */
static void add_relatives(pid_t session)
{
    static struct entry entries[PROCESSES_MAX];
    size_t count = list_processes(entries, PROCESSES_MAX);
    size_t before;
    /* A child may be listed before its parent. */
    do {
        before = tree.count;
        for (size_t i = 0; i < count; i++)
            if (entries[i].session == session || in_tree(entries[i].parent))
                add_to_tree(entries[i].pid);
    } while (tree.count > before);
}

void signal_tree(pid_t root, int root_is_gone, int signal)
{
    static int mounted;
    size_t stopped = 0;
    if (!mounted)
        mounted = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
    if (!root_is_gone)
        add_to_tree(root);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t before = tree.count;
        /* What is to be killed is stopped first: the dead no longer say whose parents they were. */
        for (; signal == SIGKILL && stopped < tree.count; stopped++)
            kill(tree.pids[stopped], SIGSTOP);
        add_relatives(root);
        if (tree.count == before)
            break;
    }
    for (size_t i = 0; i < tree.count; i++)
        kill(tree.pids[i], signal);
    forget_tree();
}

void kill_everything(void)
{
    kill(-1, SIGKILL);
}
